/* The named models and the check of what divides, see config.h. Source: objective.md "Models" and
 * "Encoder" 3. */
#include "model/config.h"

#include <stdio.h>
#include <string.h>

#define MX_MAX_SIDE      16384
#define MX_MAX_WIDTH     65536
#define MX_MAX_DEPTH     64
#define MX_CHANNEL_LIMIT 64

typedef struct {
    const char *name;
    int image, patch, stages, embed_dim, depths[MX_MAX_STAGES], heads[MX_MAX_STAGES], windows[MX_MAX_STAGES];
    int decoder_dim, decoder_depth, decoder_heads;
    mx_model_recipe recipe;
} named_model;

/* The authors' values (schedule.md 3): 600 epochs, 40 of warm-up, 1.5e-4 for 256 images, 128 images a
 * process; fine-tuning: 5e-4, 5 of warm-up, 100 epochs, layer decay 0.7, drop path 0.1. */
/* clang-format off */
#define TUNE    {5e-4, 5, 100, 128, 0.7, 0.1}
#define AUTHORS {{1.5e-4f, 40, 600, 128}, TUNE}
#define SMALLER {{1.5e-4f, 40, 400, 64}, TUNE}
#define NANO    {{2.4e-2f, 1, 20, 32}, {1e-2, 2, 30, 32, 0.85, 0}}
#define MICRO   {{4e-3f, 1, 100, 128}, {4e-3, 1, 30, 64, 0.85, 0.05}}
/* clang-format on */
/* nano and micro are ours, sized so that two cores train them in minutes; runs with these rates are in
 * docs/RESULTS.md. */
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

bool mx_model_named(const char *name, mx_model_config *config, mx_model_recipe *recipe) {
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
        if (recipe) *recipe = m->recipe;
        return true;
    }
    return false;
}

int mx_window_h(const mx_model_config *c, int k) {
    int grid = mx_grid_h(c, k);
    return c->windows[k] < grid ? c->windows[k] : grid;
}

int mx_window_w(const mx_model_config *c, int k) {
    int grid = mx_grid_w(c, k);
    return c->windows[k] < grid ? c->windows[k] : grid;
}

static mx_status in_range(const char *what, int value, int low, int high, mx_error *e) {
    if (value >= low && value <= high) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "%s is %d, but must be between %d and %d", what, value, low, high);
}

static mx_status check_image(const mx_model_config *c, mx_error *e) {
    int stride = mx_model_stride(c);
    const int side[2] = {c->image_h, c->image_w};
    for (int i = 0; i < 2; i++) {
        if (in_range(i ? "image width" : "image height", side[i], 1, MX_MAX_SIDE, e)) return e->status;
        int below = side[i] / stride * stride, above = below + stride;
        if (!(side[i] % stride)) continue;
        if (!below)
            return mx_fail(
                e, MX_ERR_ARGUMENT,
                "image %s %d is not a multiple of the stride %d (patch size %d, %d stages): %d works",
                i ? "width" : "height", side[i], stride, c->patch, c->stages, above);
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "image %s %d is not a multiple of the stride %d (patch size %d, %d stages): %d or %d work",
            i ? "width" : "height", side[i], stride, c->patch, c->stages, below, above);
    }
    return MX_OK;
}

/* Does a window of at most w tokens a side tile the stage's grid on both axes? A window past the grid is cut
 * to it. */
static bool window_fits(const mx_model_config *c, int k, int w) {
    int h = mx_grid_h(c, k), v = mx_grid_w(c, k);
    return h % (w < h ? w : h) == 0 && v % (w < v ? w : v) == 0;
}

static mx_status check_window(const mx_model_config *c, int k, mx_error *e) {
    int window = c->windows[k], below = window, above = window;
    if (in_range("window size", window, 1, MX_MAX_SIDE, e)) return mx_fail_where(e, "stage %d", k);
    if (window_fits(c, k, window)) return MX_OK;
    while (!window_fits(c, k, below)) below--; /* 1 tiles every grid, and so does the whole grid */
    while (!window_fits(c, k, above)) above++;
    return mx_fail(e, MX_ERR_ARGUMENT,
                   "stage %d: window size %d does not divide its grid of %dx%d tokens: %d or %d work", k,
                   window, mx_grid_h(c, k), mx_grid_w(c, k), below, above);
}

static mx_status check_heads(const char *where, int width, int heads, mx_error *e) {
    if (in_range("number of heads", heads, 1, MX_MAX_WIDTH, e)) return mx_fail_where(e, "%s", where);
    if (!(width % heads)) return MX_OK;
    int below = heads, above = heads;
    while (width % below) below--;
    while (above < width && width % above) above++;
    return mx_fail(e, MX_ERR_ARGUMENT, "%s: %d heads do not divide the width %d: %d or %d work", where, heads,
                   width, below, above);
}

/* The sine-cosine tables need a quarter of the width to be whole. */
static mx_status check_quarter(const char *what, int width, mx_error *e) {
    if (in_range(what, width, 4, MX_MAX_WIDTH, e)) return e->status;
    if (!(width % 4)) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT,
                   "%s %d is not a multiple of 4 (sine and cosine of two axes): %d or %d work", what, width,
                   width / 4 * 4, width / 4 * 4 + 4);
}

static mx_status check_stage(const mx_model_config *c, int k, mx_error *e) {
    char where[24];
    snprintf(where, sizeof where, "stage %d", k);
    if (in_range("depth", c->depths[k], 1, MX_MAX_DEPTH, e)) return mx_fail_where(e, "%s", where);
    if (in_range("width", mx_stage_width(c, k), 1, MX_MAX_WIDTH, e)) return mx_fail_where(e, "%s", where);
    if (check_window(c, k, e)) return e->status;
    return check_heads(where, mx_stage_width(c, k), c->heads[k], e);
}

mx_status mx_model_check(const mx_model_config *c, mx_error *e) {
    if (in_range("number of stages", c->stages, 1, MX_MAX_STAGES, e) ||
        in_range("patch size", c->patch, 1, 256, e) ||
        in_range("channels", c->channels, 1, MX_CHANNEL_LIMIT, e) ||
        check_quarter("embed dim", c->embed_dim, e) || check_image(c, e))
        return e->status;
    for (int k = 0; k < c->stages; k++)
        if (check_stage(c, k, e)) return e->status;
    if (in_range("number of classes", c->classes, 0, 1 << 20, e)) return e->status;
    if (!c->decoder_dim) return MX_OK;
    if (check_quarter("decoder dim", c->decoder_dim, e) ||
        in_range("decoder depth", c->decoder_depth, 1, MX_MAX_DEPTH, e))
        return e->status;
    return check_heads("decoder", c->decoder_dim, c->decoder_heads, e);
}
