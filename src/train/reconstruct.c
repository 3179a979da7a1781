/* Reconstruction pictures, see reconstruct.h. */
#include "train/reconstruct.h"

#include <stdlib.h>
#include <string.h>

#include "train/pictures.h"

#define COLUMNS 4
static const char *const headings[COLUMNS] = {"image", "mixed, as seen", "image rebuilt", "partner rebuilt"};

typedef struct {
    const mx_model_config *config;
    const mx_mixing *mix;
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

/* One decoder row: pastes its prediction where the row was masked, the true pixels where they were visible.
 */
static void draw_row(const canvas *k, const float *reconstruction, int row) {
    const mx_mixing *x = k->mix;
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

static mx_status draw(const canvas *k, const float *reconstruction, const mx_pixels *pixels, mx_image *out,
                      mx_error *e) {
    const mx_mixing *x = k->mix;
    const mx_model_config *m = k->config;
    const float **cells = calloc((size_t)(COLUMNS * x->batch), sizeof *cells);
    if (!cells) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a picture");
    for (int i = 0; i < x->batch; i++) {
        for (int u = 0; u < x->units; u++)
            copy_unit(k, drawing(k, i, 1), original(k, x->mask[u] ? x->batch - 1 - i : i), u);
        cells[COLUMNS * i] = original(k, i);
        for (int c = 1; c < COLUMNS; c++) cells[COLUMNS * i + c] = drawing(k, i, c);
    }
    for (int row = 0; row < 2 * x->batch * x->units; row++) draw_row(k, reconstruction, row);
    mx_picture_grid(out, cells, x->batch, COLUMNS, headings, m->channels, m->image_h, m->image_w,
                    pixels->mean, pixels->std, e);
    free(cells);
    return e->status;
}

mx_status mx_reconstruct_grid(mx_ctx *c, mx_model *m, const mx_mixing *mix, const float *images,
                              const mx_pixels *pixels, mx_image *out, mx_error *e) {
    const mx_model_config *config = &m->config;
    canvas k = {.config = config,
                .mix = mix,
                .images = images,
                .each = (size_t)config->channels * (size_t)config->image_h * (size_t)config->image_w};
    size_t mark = c->arena->used, patch = (size_t)mx_model_stride(config);
    mx_pretrain_views views = {0};
    mx_tensor x =
        mx_view((void *)images, MX_F32, mix->batch, config->channels, config->image_h, config->image_w, 0);
    k.drawn = malloc(sizeof(float) * 3 * (size_t)mix->batch * k.each);
    k.prediction = malloc(sizeof(float) * patch * patch * (size_t)config->channels);
    float *rebuilt = NULL;
    mx_pretrain_view(c, m, &views, x, mix);
    if (mx_ok(c) && (rebuilt = malloc(mx_bytes(views.reconstruction))))
        mx_download(c, rebuilt, views.reconstruction.data, mx_bytes(views.reconstruction));
    if (!mx_ok(c))
        mx_fail(e, c->error.status, "%s", c->error.text);
    else if (!k.drawn || !k.prediction || !rebuilt)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for a picture");
    else
        draw(&k, rebuilt, pixels, out, e);
    mx_arena_release(c->arena, mark);
    free(rebuilt);
    free(k.prediction);
    free(k.drawn);
    return e->status;
}

mx_status mx_show_dataset(mx_trainer *t, const mx_dataset *data, const mx_pixels *pixels, mx_image *out,
                          mx_error *e) {
    const mx_model_config *m = &t->model.config;
    size_t each = (size_t)m->channels * (size_t)m->image_h * (size_t)m->image_w;
    float *images = malloc(sizeof *images * each * (size_t)t->shown);
    mx_transform transform = t->settings.transform;
    int64_t count = mx_dataset_count(data), at = 0;
    transform.augment = false;
    if (!images) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a picture");
    for (int i = 0; i < t->shown && !e->status; i++, at++) {
        mx_image im = {0};
        mx_error broken = {0};
        if (at < count * (2 * i + 1) / (2 * t->shown)) at = count * (2 * i + 1) / (2 * t->shown);
        while (mx_dataset_read(data, at % count, m->channels, &im, &broken) && at < 2 * count)
            at++, broken = (mx_error){0};
        if (!im.pixels)
            mx_fail(e, MX_ERR_DATA, "no image of %s can be read", mx_dataset_root(data));
        else
            mx_transform_image(&transform, &im, images + (size_t)i * each, e);
        mx_image_free(&im);
    }
    mx_rng r = mx_rng_make(t->settings.seed, MX_RNG_HOLDOUT, UINT64_MAX, 0);
    mx_mask_draw(t->mask, t->show.units, t->settings.mask_ratio, 0, &r);
    mx_mixing_set(&t->show, t->mask);
    if (!e->status) mx_reconstruct_grid(&t->session.ctx, &t->model, &t->show, images, pixels, out, e);
    free(images);
    return e->status;
}
