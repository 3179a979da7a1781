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

/* "8 or 16 work": what fits below and above, 0 where nothing does. */
static mx_status offer(const char *refused, int below, int above, mx_error *e) {
    if (below && above) return mx_fail(e, MX_ERR_ARGUMENT, "%s: %d or %d work", refused, below, above);
    if (!below && !above) return mx_fail(e, MX_ERR_ARGUMENT, "%s", refused);
    return mx_fail(e, MX_ERR_ARGUMENT, "%s: %d works", refused, below ? below : above);
}

/* Does a window of at most w tokens tile a grid of that side? A window past the grid is cut to it. */
static bool tiles(int w, int grid) { return w > 0 && grid > 0 && grid % (w < grid ? w : grid) == 0; }

/* Do the windows of all stages tile an image of this side, a multiple of the stride? And for pretraining,
 * which masks some and not all, are there two mask units at least? (An other side that does not fit either
 * would become the same.) */
static bool side_fits(const mx_model_config *c, int side, int other) {
    int stride = mx_model_stride(c), units = side / stride * ((other % stride ? side : other) / stride);
    if (c->decoder_dim && units < 2) return false;
    for (int k = 0; k < c->stages; k++)
        if (!tiles(c->windows[k], side / (c->patch << k))) return false;
    return true;
}

static mx_status check_image(const mx_model_config *c, mx_error *e) {
    int stride = mx_model_stride(c);
    const int side[2] = {c->image_h, c->image_w};
    for (int i = 0; i < 2; i++) {
        char refused[160];
        if (in_range(i ? "image width" : "image height", side[i], 1, MX_MAX_SIDE, e)) return e->status;
        int below = side[i] / stride * stride, above = below + stride;
        if (!(side[i] % stride)) continue;
        while (below > 0 && !side_fits(c, below, side[!i])) below -= stride;
        while (above <= MX_MAX_SIDE && !side_fits(c, above, side[!i])) above += stride;
        snprintf(refused, sizeof refused,
                 "image %s %d is not a multiple of the stride %d (patch size %d, %d stages)",
                 i ? "width" : "height", side[i], stride, c->patch, c->stages);
        return offer(refused, below, above <= MX_MAX_SIDE ? above : 0, e);
    }
    return MX_OK;
}

static bool window_fits(const mx_model_config *c, int k, int w) {
    return tiles(w, mx_grid_h(c, k)) && tiles(w, mx_grid_w(c, k));
}

/* The list with each value that does not fit its stage replaced by the next one, in steps of `step`, that
 * does. */
static void fitting_list(char out[160], const mx_model_config *c, const int *values, int step,
                         bool (*fits)(const mx_model_config *, int, int)) {
    size_t used = 0;
    for (int k = 0; k < c->stages && used < 140; k++) {
        int v = values[k];
        while (v > 0 && v < MX_MAX_WIDTH && !fits(c, k, v)) v += step;
        used += (size_t)snprintf(out + used, 160 - used, "%s%d", k ? "," : "", v);
    }
}

/* "--NAME LIST or LIST works": below, then above; each is right for all stages at once. */
static mx_status offer_lists(const char *refused, const char *option, const mx_model_config *c,
                             const int *values, bool (*fits)(const mx_model_config *, int, int),
                             mx_error *e) {
    char below[160], above[160];
    fitting_list(below, c, values, -1, fits); /* 1 fits everywhere, and so does the whole */
    fitting_list(above, c, values, 1, fits);
    return mx_fail(e, MX_ERR_ARGUMENT, "%s: %s %s or %s works", refused, option, below, above);
}

static mx_status check_window(const mx_model_config *c, int k, mx_error *e) {
    char refused[160];
    if (in_range("window size", c->windows[k], 1, MX_MAX_SIDE, e)) return mx_fail_where(e, "stage %d", k);
    if (window_fits(c, k, c->windows[k])) return MX_OK;
    snprintf(refused, sizeof refused, "stage %d: window size %d does not divide its grid of %dx%d tokens", k,
             c->windows[k], mx_grid_h(c, k), mx_grid_w(c, k));
    return offer_lists(refused, "--window-size", c, c->windows, window_fits, e);
}

static bool heads_fit(const mx_model_config *c, int k, int heads) {
    return heads > 0 && mx_stage_width(c, k) % heads == 0;
}

static mx_status check_heads(const mx_model_config *c, int k, mx_error *e) {
    char refused[160];
    if (in_range("number of heads", c->heads[k], 1, mx_stage_width(c, k), e))
        return mx_fail_where(e, "stage %d", k);
    if (heads_fit(c, k, c->heads[k])) return MX_OK;
    snprintf(refused, sizeof refused, "stage %d: %d heads do not divide the width %d", k, c->heads[k],
             mx_stage_width(c, k));
    return offer_lists(refused, "--num-heads", c, c->heads, heads_fit, e);
}

static mx_status check_decoder_heads(const mx_model_config *c, mx_error *e) {
    int heads = c->decoder_heads, below = heads, above = heads, width = c->decoder_dim;
    char refused[160];
    if (in_range("number of heads", heads, 1, width, e)) return mx_fail_where(e, "decoder");
    if (!(width % heads)) return MX_OK;
    while (width % below) below--;
    while (width % above) above++;
    snprintf(refused, sizeof refused, "decoder: %d heads do not divide the width %d", heads, width);
    return offer(refused, below, above, e);
}

/* Do the heads of every stage (of the decoder) divide the width that follows from this one? */
static bool width_fits(const mx_model_config *c, bool decoder, int width) {
    if (decoder) return c->decoder_heads < 1 || width % c->decoder_heads == 0;
    for (int k = 0; k < c->stages; k++)
        if (c->heads[k] > 0 && (width << k) % c->heads[k]) return false;
    return true;
}

/* The sine-cosine tables need a quarter of the width to be whole. */
static mx_status check_quarter(const mx_model_config *c, bool decoder, mx_error *e) {
    const char *what = decoder ? "decoder dim" : "embed dim";
    int width = decoder ? c->decoder_dim : c->embed_dim,
        most = decoder ? MX_MAX_WIDTH : MX_MAX_WIDTH >> (c->stages - 1);
    char refused[160];
    if (in_range(what, width, 4, MX_MAX_WIDTH, e)) return e->status;
    if (!(width % 4)) return MX_OK;
    int below = width / 4 * 4, above = below + 4;
    while (below > 0 && !width_fits(c, decoder, below)) below -= 4;
    while (above <= most && !width_fits(c, decoder, above)) above += 4;
    snprintf(refused, sizeof refused, "%s %d is not a multiple of 4 (sine and cosine of two axes)", what,
             width);
    return offer(refused, below, above <= most ? above : 0, e);
}

static mx_status check_stage(const mx_model_config *c, int k, mx_error *e) {
    char where[24];
    snprintf(where, sizeof where, "stage %d", k);
    if (in_range("depth", c->depths[k], 1, MX_MAX_DEPTH, e)) return mx_fail_where(e, "%s", where);
    if (in_range("width", mx_stage_width(c, k), 1, MX_MAX_WIDTH, e)) return mx_fail_where(e, "%s", where);
    if (check_window(c, k, e)) return e->status;
    return check_heads(c, k, e);
}

mx_status mx_model_check(const mx_model_config *c, mx_error *e) {
    if (in_range("number of stages", c->stages, 1, MX_MAX_STAGES, e) ||
        in_range("patch size", c->patch, 1, 256, e) ||
        in_range("channels", c->channels, 1, MX_CHANNEL_LIMIT, e) || check_quarter(c, false, e) ||
        check_image(c, e))
        return e->status;
    for (int k = 0; k < c->stages; k++)
        if (check_stage(c, k, e)) return e->status;
    if (in_range("number of classes", c->classes, 0, 1 << 20, e)) return e->status;
    if (!c->decoder_dim) return MX_OK;
    if (check_quarter(c, true, e) || in_range("decoder depth", c->decoder_depth, 1, MX_MAX_DEPTH, e))
        return e->status;
    return check_decoder_heads(c, e);
}
