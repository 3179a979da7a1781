/* The named models, and the check of a configuration, see config.h. Source: docs/MODEL.md "Models". */
#include "model/config.h"

#include <stdio.h>
#include <string.h>

#include "model/encoder/encoders.h"
#include "model/fits.h"
#include "model/head/heads.h"

typedef struct {
    const char *name;
    int image, patch, stages, embed_dim, depths[MX_MAX_STAGES], heads[MX_MAX_STAGES], windows[MX_MAX_STAGES];
    int decoder_dim, decoder_depth, decoder_heads;
    mx_model_recipes recipes;
} named_model;

/* The authors' values (docs/TRAINING.md "The authors' recipes"). Pretraining: 600 epochs, 40 of warm-up, rate 1.5e-4
 * per 256 images, 128 images per process. Fine-tuning: rate 5e-4, 5 epochs of warm-up, 100 epochs, layer decay 0.7,
 * drop path 0.1. Pretraining rates are rounded to float (1.5e-4f): rounding them anew would change every model. */
/* clang-format off */
#define TUNE    {5e-4, 5, 100, 128, 0.7, 0.1}
#define AUTHORS {{1.5e-4f, 40, 600, 128, 0, 0}, TUNE}
#define SMALLER {{1.5e-4f, 40, 400, 64, 0, 0}, TUNE}
#define NANO    {{2.4e-2f, 1, 20, 32, 0, 0}, {1e-2, 2, 30, 32, 0.85, 0}}
#define MICRO   {{4e-3f, 1, 100, 128, 0, 0}, {4e-3, 1, 30, 64, 0.85, 0.05}}
/* clang-format on */
/* nano and micro are this project's own: two cores train them in minutes. docs/RESULTS.md has runs with these rates. */
/* clang-format off: a table */
static const named_model models[] = {
    {"nano", 64, 4, 3, 32, {1, 1, 2}, {2, 4, 8}, {8, 8, 4}, 96, 2, 6, NANO},
    {"micro", 32, 2, 3, 48, {1, 1, 2}, {3, 6, 12}, {8, 8, 4}, 128, 2, 4, MICRO},
    {"tiny", 224, 4, 4, 96, {2, 2, 6, 2}, {3, 6, 12, 24}, {14, 14, 14, 7}, 512, 8, 16, SMALLER},
    {"small", 224, 4, 4, 96, {2, 2, 18, 2}, {3, 6, 12, 24}, {14, 14, 14, 7}, 512, 8, 16, SMALLER},
    {"base", 224, 4, 4, 128, {2, 2, 18, 2}, {4, 8, 16, 32}, {14, 14, 14, 7}, 512, 8, 16, AUTHORS},
    {"large", 224, 4, 4, 192, {2, 2, 18, 2}, {6, 12, 24, 48}, {14, 14, 14, 7}, 512, 8, 16, AUTHORS},
    {"huge", 224, 4, 4, 352, {2, 2, 18, 2}, {11, 22, 44, 88}, {14, 14, 14, 7}, 512, 8, 16, AUTHORS},
    {"base_384", 384, 4, 4, 128, {2, 2, 18, 2}, {4, 8, 16, 32}, {16, 16, 24, 12}, 512, 8, 16, AUTHORS},
    {"large_384", 384, 4, 4, 192, {2, 2, 18, 2}, {6, 12, 24, 48}, {16, 16, 24, 12}, 512, 8, 16, AUTHORS}};
/* clang-format on */

const char *mx_model_names(void) {
    return "nano, micro, tiny, small, base, large, huge, base_384, large_384";
}

bool mx_model_named(const char *name, mx_model_config *config, mx_model_recipes *recipes) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const named_model *m = &models[i];
        if (strcmp(m->name, name)) continue;
        *config = (mx_model_config){.image_h = m->image,
                                    .image_w = m->image,
                                    .patch = m->patch,
                                    .channels = 3,
                                    .stages = m->stages,
                                    .embed_dim = m->embed_dim,
                                    .decoder_dim = m->decoder_dim,
                                    .decoder_depth = m->decoder_depth,
                                    .decoder_heads = m->decoder_heads,
                                    .norm_pix = true};
        snprintf(config->name, sizeof config->name, "%s", name);
        memcpy(config->depths, m->depths, sizeof m->depths);
        memcpy(config->heads, m->heads, sizeof m->heads);
        memcpy(config->windows, m->windows, sizeof m->windows);
        if (recipes) *recipes = m->recipes;
        return true;
    }
    return false;
}

static bool decoder_width_fits(const mx_model_config *c, int width) {
    return c->decoder_heads < 1 || width % c->decoder_heads == 0;
}

static mx_status check_decoder_heads(const mx_model_config *c, mx_error *e) {
    int heads = c->decoder_heads, below = heads, above = heads, width = c->decoder_dim;
    char refused[160];
    if (mx_in_range("number of heads", heads, 1, width, e)) return mx_fail_where(e, "decoder");
    if (!(width % heads)) return MX_OK;
    while (width % below) below--;
    while (width % above) above++;
    snprintf(refused, sizeof refused, "decoder: %d heads do not divide the width %d", heads, width);
    return mx_offer_size(refused, below, above, e);
}

static mx_status check_decoder(const mx_model_config *c, mx_error *e) {
    if (!c->decoder_dim) return MX_OK;
    if (mx_check_quarter(c, "decoder dim", c->decoder_dim, MX_MAX_WIDTH, decoder_width_fits, e) ||
        mx_in_range("decoder depth", c->decoder_depth, 1, MX_MAX_DEPTH, e))
        return e->status;
    return check_decoder_heads(c, e);
}

mx_status mx_model_check(const mx_model_config *c, mx_error *e) {
    if (mx_encoder_of(c)->check(c, e) || mx_head_of(c)->check(c, e)) return e->status;
    return check_decoder(c, e);
}
