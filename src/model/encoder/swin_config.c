/* Swin's shapes, counts and limits as functions of a configuration, see swin_config.h. Source: docs/MODEL.md "From
 * pixels to the loss". */
#include "model/encoder/swin_config.h"

#include <stdio.h>
#include <string.h>

#include "model/fits.h"

static int stage_width(const mx_model_config *c, int k) { return c->embed_dim << k; }
static int grid_h(const mx_model_config *c, int k) { return c->image_h / (c->patch << k); }
static int grid_w(const mx_model_config *c, int k) { return c->image_w / (c->patch << k); }

/* A window's side is at most the grid's. */
static int window(int side, int grid) { return side < grid ? side : grid; }

mx_stage_shape mx_swin_stage(const mx_model_config *c, int k) {
    int h = grid_h(c, k), w = grid_w(c, k);
    return (mx_stage_shape){h, w, window(c->windows[k], h), window(c->windows[k], w), stage_width(c, k)};
}

int mx_swin_stride(const mx_model_config *c) { return c->patch << (c->stages - 1); }

double mx_swin_macs(const mx_model_config *c) {
    double macs = 0;
    for (int k = 0; k < c->stages; k++) {
        const mx_stage_shape s = mx_swin_stage(c, k);
        double tokens = (double)s.grid_h * s.grid_w, width = s.width,
               attended = (double)s.window_h * s.window_w;
        if (k == 0) macs += tokens * width * c->channels * c->patch * c->patch;
        macs += c->depths[k] * mx_block_macs(tokens, width, attended);
        if (k + 1 < c->stages) macs += tokens / 4 * 8 * width * width;
    }
    return macs;
}

bool mx_swin_table(const mx_model_config *c, const char *name, int *height, int *width) {
    int k = 0;
    if (!strcmp(name, "absolute_pos_embed")) {
        *height = grid_h(c, 0), *width = grid_w(c, 0);
        return true;
    }
    if (!strstr(name, ".relative_position_bias_table") || sscanf(name, "layers.%d.", &k) != 1 || k < 0 ||
        k >= c->stages)
        return false;
    const mx_stage_shape s = mx_swin_stage(c, k);
    *height = 2 * s.window_h - 1, *width = 2 * s.window_w - 1;
    return true;
}

/* True if windows of side w tile a grid of this side. A window larger than the grid becomes the grid. */
static bool tiles(int w, int grid) { return w > 0 && grid > 0 && grid % (w < grid ? w : grid) == 0; }

/* True if the windows of all stages tile an image of this side, a multiple of the stride. Pretraining masks some units
 * and not all, so it also needs two mask units. other: the other side; if it is no multiple of the stride either, it
 * counts as equal to `side`. */
static bool side_fits(const mx_model_config *c, int side, int other) {
    int stride = mx_swin_stride(c), units = side / stride * ((other % stride ? side : other) / stride);
    if (c->decoder_dim && units < 2) return false;
    for (int k = 0; k < c->stages; k++)
        if (!tiles(c->windows[k], side / (c->patch << k))) return false;
    return true;
}

static mx_status check_image(const mx_model_config *c, mx_error *e) {
    int stride = mx_swin_stride(c);
    const int side[2] = {c->image_h, c->image_w};
    for (int i = 0; i < 2; i++) {
        char refused[160];
        if (mx_in_range(i ? "image width" : "image height", side[i], 1, MX_MAX_SIDE, e)) return e->status;
        int below = side[i] / stride * stride, above = below + stride;
        if (!(side[i] % stride)) continue;
        while (below > 0 && !side_fits(c, below, side[!i])) below -= stride;
        while (above <= MX_MAX_SIDE && !side_fits(c, above, side[!i])) above += stride;
        snprintf(refused, sizeof refused,
                 "image %s %d is not a multiple of the stride %d (patch size %d, %d stages)",
                 i ? "width" : "height", side[i], stride, c->patch, c->stages);
        return mx_offer_size(refused, below, above <= MX_MAX_SIDE ? above : 0, e);
    }
    return MX_OK;
}

static bool window_fits(const mx_model_config *c, int k, int w) {
    return tiles(w, grid_h(c, k)) && tiles(w, grid_w(c, k));
}

/* Writes the list, with each value that does not fit its stage replaced by the next in steps of `step` that does. */
static void fitting_list(char out[160], const mx_model_config *c, const int *values, int step,
                         bool (*fits)(const mx_model_config *, int, int)) {
    size_t used = 0;
    for (int k = 0; k < c->stages && used < 140; k++) {
        int v = values[k];
        while (v > 0 && v < MX_MAX_WIDTH && !fits(c, k, v)) v += step;
        used += (size_t)snprintf(out + used, 160 - used, "%s%d", k ? "," : "", v);
    }
}

/* Fails with "REFUSED: OPTION LIST or LIST works": values below, then above; each list fits all stages. */
static mx_status offer_lists(const char *refused, const char *option, const mx_model_config *c,
                             const int *values, bool (*fits)(const mx_model_config *, int, int),
                             mx_error *e) {
    char below[160], above[160];
    fitting_list(below, c, values, -1, fits); /* always ends: 1 fits */
    fitting_list(above, c, values, 1, fits);
    return mx_fail(e, MX_ERR_ARGUMENT, "%s: %s %s or %s works", refused, option, below, above);
}

static mx_status check_window(const mx_model_config *c, int k, mx_error *e) {
    char refused[160];
    if (mx_in_range("window size", c->windows[k], 1, MX_MAX_SIDE, e)) return mx_fail_where(e, "stage %d", k);
    if (window_fits(c, k, c->windows[k])) return MX_OK;
    snprintf(refused, sizeof refused, "stage %d: window size %d does not divide its grid of %dx%d tokens", k,
             c->windows[k], grid_h(c, k), grid_w(c, k));
    return offer_lists(refused, "--window-size", c, c->windows, window_fits, e);
}

static bool heads_fit(const mx_model_config *c, int k, int heads) {
    return heads > 0 && stage_width(c, k) % heads == 0;
}

static mx_status check_heads(const mx_model_config *c, int k, mx_error *e) {
    char refused[160];
    if (mx_in_range("number of heads", c->heads[k], 1, stage_width(c, k), e))
        return mx_fail_where(e, "stage %d", k);
    if (heads_fit(c, k, c->heads[k])) return MX_OK;
    snprintf(refused, sizeof refused, "stage %d: %d heads do not divide the width %d", k, c->heads[k],
             stage_width(c, k));
    return offer_lists(refused, "--num-heads", c, c->heads, heads_fit, e);
}

/* True if, with this width of the first stage, every stage's heads divide its width. */
static bool width_fits(const mx_model_config *c, int width) {
    for (int k = 0; k < c->stages; k++)
        if (c->heads[k] > 0 && (width << k) % c->heads[k]) return false;
    return true;
}

static mx_status check_stage(const mx_model_config *c, int k, mx_error *e) {
    char where[24];
    snprintf(where, sizeof where, "stage %d", k);
    if (mx_in_range("depth", c->depths[k], 1, MX_MAX_DEPTH, e)) return mx_fail_where(e, "%s", where);
    if (mx_in_range("width", stage_width(c, k), 1, MX_MAX_WIDTH, e)) return mx_fail_where(e, "%s", where);
    if (check_window(c, k, e)) return e->status;
    return check_heads(c, k, e);
}

mx_status mx_swin_check(const mx_model_config *c, mx_error *e) {
    if (mx_in_range("number of stages", c->stages, 1, MX_MAX_STAGES, e) ||
        mx_in_range("patch size", c->patch, 1, 256, e) ||
        mx_in_range("channels", c->channels, 1, MX_CHANNEL_LIMIT, e) ||
        mx_check_quarter(c, "embed dim", c->embed_dim, MX_MAX_WIDTH >> (c->stages - 1), width_fits, e) ||
        check_image(c, e))
        return e->status;
    for (int k = 0; k < c->stages; k++)
        if (check_stage(c, k, e)) return e->status;
    return MX_OK;
}
