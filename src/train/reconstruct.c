/* Reconstruction pictures, and the command `mixmae reconstruct`. See reconstruct.h. */
#include "train/reconstruct.h"

#include <stdlib.h>
#include <string.h>

#include "train/commands.h"
#include "train/convert.h"
#include "train/inference.h"
#include "train/pictures.h"

#define COLUMNS 4
static const char *const headings[COLUMNS] = {"image", "mixed, as seen", "image rebuilt", "partner rebuilt"};

typedef struct {
    const mx_model_config *config;
    const mx_token_order *mix;
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
    const mx_token_order *x = k->mix;
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
    const mx_token_order *x = k->mix;
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

mx_status mx_reconstruct_grid(mx_ctx *c, mx_model *m, const mx_token_order *mix, const float *images,
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
    mx_token_order_set(&t->show, t->mask);
    if (!e->status) mx_reconstruct_grid(&t->session.ctx, &t->model, &t->show, images, pixels, out, e);
    free(images);
    return e->status;
}

/* ---- the command
 * -------------------------------------------------------------------------------------------- */

typedef struct {
    mx_model model;
    mx_token_order mix;
    mx_session session;
    mx_pixels pixels;
    float *images;
} showing;

static void view(mx_ctx *c, void *user) {
    showing *s = user;
    const mx_model_config *m = &s->model.config;
    mx_pretrain_views views;
    mx_pretrain_view(c, &s->model, &views,
                     mx_view(s->images, MX_F32, s->mix.batch, m->channels, m->image_h, m->image_w, 0),
                     &s->mix);
    mx_arena_release(c->arena, 0);
}

static mx_status read_images(showing *s, const mx_options *o, mx_error *e) {
    int count = (int)o->image_count;
    const mx_model_config *m = &s->model.config;
    size_t each = (size_t)m->channels * (size_t)m->image_h * (size_t)m->image_w;
    mx_transform transform = {.height = m->image_h,
                              .width = m->image_w,
                              .channels = m->channels,
                              .value_range = s->pixels.value_range};
    memcpy(transform.mean, s->pixels.mean, sizeof transform.mean);
    memcpy(transform.std, s->pixels.std, sizeof transform.std);
    if (!(s->images = malloc(sizeof(float) * each * (size_t)count)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %d images", count);
    for (int i = 0; i < count && !e->status; i++) {
        mx_image im = {0};
        if (!mx_image_read(&im, o->images[i], m->channels, o->exif_orientation, e))
            mx_transform_image(&transform, &im, s->images + (size_t)i * each, e);
        mx_image_free(&im);
    }
    return e->status;
}

static mx_status show(showing *s, const mx_options *o, const mixmae_sink *sink, mx_image *grid, mx_error *e) {
    const mx_foreign_hints hints = mx_weights_hints(o, sink);
    uint8_t *mask = NULL;
    mx_compute how;
    if (mx_compute_make(&how, o->backend, o->dtype, o->threads, e)) return e->status;
    if (mx_model_read_with(&s->model, &s->pixels, o->checkpoint, &hints, mx_compute_reading(&how), e))
        return e->status;
    if (!s->model.config.decoder_dim)
        return mx_fail(e, MX_ERR_DATA, "%s has no decoder: nothing to rebuild with", o->checkpoint);
    if (read_images(s, o, e) || mx_token_order_make(&s->mix, &s->model.config, o->image_count, true, e))
        return e->status;
    if (!(mask = malloc((size_t)s->mix.units))) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a mask");
    mx_rng r = mx_rng_make((uint64_t)o->seed, MX_RNG_HOLDOUT, UINT64_MAX, 0);
    mx_mask_draw(mask, s->mix.units, o->mask_ratio, 0, &r);
    mx_token_order_set(&s->mix, mask);
    free(mask);
    if (mx_session_make(&s->session, &how, view, s, NULL, e)) return e->status;
    mx_machine_notice(&how, sink);
    mx_params_attach(&s->session.ctx, &s->model.params);
    mx_params_upload(&s->session.ctx, &s->model.params);
    mx_token_order_attach(&s->session.ctx, &s->mix);
    return mx_reconstruct_grid(&s->session.ctx, &s->model, &s->mix, s->images, &s->pixels, grid, e);
}

mx_status mx_run_reconstruct(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    showing s = {0};
    mx_image grid = {0};
    if (!o->checkpoint)
        return mx_fail(e, MX_ERR_ARGUMENT, "--checkpoint FILE is needed: a run's model.safetensors");
    if (!o->image_count)
        return mx_fail(e, MX_ERR_ARGUMENT, "--images FILE... is needed: the images to rebuild");
    if (!o->output) return mx_fail(e, MX_ERR_ARGUMENT, "--output GRID.png is needed: the picture to write");
    if (mx_image_write_check(o->output, e)) return mx_fail_where(e, "--output");
    if (o->image_count == 1)
        mx_notice(sink, "warning: a single image is mixed with itself; give two or more");
    if (!show(&s, o, sink, &grid, e) && !mx_image_write(&grid, o->output, e))
        mx_notice(sink, "%s: %d images, %dx%d pixels", o->output, o->image_count, grid.width, grid.height);
    mx_image_free(&grid);
    mx_session_free(&s.session);
    mx_token_order_free(&s.mix);
    mx_model_free(&s.model);
    free(s.images);
    return e->status;
}
