/* Pictures of mixed and reconstructed images, see mixmae_view.h. */
#include "objective/mixmae_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const headings[MX_VIEW_COLUMNS] = {"image", "mixed, as seen", "image rebuilt",
                                                      "partner rebuilt"};

/* Offset of pixel e of a patch, flattened (row, column, channel), in [channels,height,width]. */
static size_t place(int e, int channels, int height, int width, int side, int index) {
    int across = width / side, y = index / across * side + e / channels / side;
    int x = index % across * side + e / channels % side;
    return ((size_t)(e % channels) * (size_t)height + (size_t)y) * (size_t)width + (size_t)x;
}

void mx_unnormalise_patch(float *patch, const float *image, int channels, int height, int width, int side,
                          int index) {
    int n = side * side * channels;
    double mean = 0, var = 0;
    for (int e = 0; e < n; e++) mean += (double)image[place(e, channels, height, width, side, index)];
    mean /= n;
    for (int e = 0; e < n; e++) {
        double d = (double)image[place(e, channels, height, width, side, index)] - mean;
        var += d * d;
    }
    double spread = sqrt(var / (n > 1 ? n - 1 : 1) + (double)MX_TARGET_EPS);
    for (int e = 0; e < n; e++) patch[e] = (float)((double)patch[e] * spread + mean);
}

void mx_paste_patch(float *image, const float *patch, int channels, int height, int width, int side,
                    int index) {
    for (int e = 0; e < side * side * channels; e++)
        image[place(e, channels, height, width, side, index)] = patch[e];
}

typedef struct {
    const mx_model_config *config;
    const mx_token_tables *tables;
    const float *images;
    float *drawn;      /* [3*B] images: mixed, rebuilt, partner rebuilt of each row */
    float *prediction; /* one patch */
    size_t each;       /* floats of an image */
} canvas;

static float *drawing(const canvas *k, int image, int column) {
    return k->drawn + (size_t)(3 * image + column - 1) * k->each;
}
static const float *original(const canvas *k, int image) { return k->images + (size_t)image * k->each; }

/* Copies unit `index` of one image into another. */
static void copy_unit(const canvas *k, float *to, const float *from, int index) {
    const mx_model_config *m = k->config;
    int side = mx_model_stride(m), across = m->image_w / side, top = index / across * side,
        left = index % across * side;
    for (int c = 0; c < m->channels; c++)
        for (int y = top; y < top + side; y++) {
            size_t at = ((size_t)c * (size_t)m->image_h + (size_t)y) * (size_t)m->image_w + (size_t)left;
            memcpy(to + at, from + at, sizeof *to * (size_t)side);
        }
}

/* One decoder row: pastes its prediction if the row was masked, else the true pixels. */
static void draw_row(const canvas *k, const float *reconstruction, int row) {
    const mx_token_tables *x = k->tables;
    const mx_model_config *m = k->config;
    int sequence = row / x->units, token = row % x->units, z2 = sequence >= x->batch, i = sequence % x->batch;
    int image = x->all_image[row], patch = x->all_patch[row], side = mx_model_stride(m),
        n = side * side * m->channels;
    float *to = drawing(k, i, z2 ? 3 : 2);
    if ((x->decoder.group[token] != 0) == z2) {
        copy_unit(k, to, original(k, image), patch);
        return;
    }
    memcpy(k->prediction, reconstruction + (size_t)row * (size_t)n, sizeof(float) * (size_t)n);
    if (m->norm_pix)
        mx_unnormalise_patch(k->prediction, original(k, image), m->channels, m->image_h, m->image_w, side,
                             patch);
    mx_paste_patch(to, k->prediction, m->channels, m->image_h, m->image_w, side, patch);
}

static void draw(const canvas *k, const float *reconstruction, mx_panels *out) {
    const mx_token_tables *x = k->tables;
    for (int i = 0; i < x->batch; i++) {
        for (int u = 0; u < x->units; u++)
            copy_unit(k, drawing(k, i, 1), original(k, x->mask[u] ? x->batch - 1 - i : i), u);
        out->cell[MX_VIEW_COLUMNS * i] = original(k, i);
        for (int c = 1; c < MX_VIEW_COLUMNS; c++) out->cell[MX_VIEW_COLUMNS * i + c] = drawing(k, i, c);
    }
    for (int row = 0; row < 2 * x->batch * x->units; row++) draw_row(k, reconstruction, row);
}

mx_status mx_mixmae_view(mx_ctx *c, mx_model *m, const mx_token_tables *tables, const float *images,
                         mx_panels *out, mx_error *e) {
    const mx_model_config *config = &m->config;
    canvas k = {
        .config = config, .tables = tables, .images = images, .each = (size_t)mx_image_floats(config)};
    size_t mark = c->arena->used, patch = (size_t)mx_model_stride(config);
    mx_pretrain_outputs outputs = {0};
    float *rebuilt = NULL;
    *out = (mx_panels){.rows = tables->batch, .columns = MX_VIEW_COLUMNS, .headings = headings};
    out->memory = k.drawn = malloc(sizeof(float) * 3 * (size_t)tables->batch * k.each);
    out->cell = calloc((size_t)(MX_VIEW_COLUMNS * tables->batch), sizeof *out->cell);
    k.prediction = malloc(sizeof(float) * patch * patch * (size_t)config->channels);
    mx_pretrain_forward(c, m, &outputs, mx_images_view(config, images, tables->batch), tables);
    if (mx_ok(c) && (rebuilt = malloc(mx_bytes(outputs.reconstruction))))
        mx_download(c, rebuilt, outputs.reconstruction.data, mx_bytes(outputs.reconstruction));
    if (!mx_ok(c))
        mx_fail(e, c->error.status, "%s", c->error.text);
    else if (!k.drawn || !k.prediction || !rebuilt || !out->cell)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for a picture");
    else
        draw(&k, rebuilt, out);
    mx_arena_release(c->arena, mark);
    free(rebuilt);
    free(k.prediction);
    if (e->status) mx_panels_free(out);
    return e->status;
}
