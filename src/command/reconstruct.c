/* `mixmae reconstruct`: draws a checkpoint's reconstructions of given images, see objective/mixmae_view.h. */
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "checkpoint/read_any.h"
#include "command/command.h"
#include "infer/inference.h"
#include "objective/mixmae_view.h"
#include "report/reconstruction.h"

typedef struct {
    mx_model model;
    mx_token_tables tables;
    mx_session session;
    mx_pixels pixels;
    float *images;
} showing;

static void forward(mx_ctx *c, void *user) {
    showing *s = user;
    const mx_model_config *m = &s->model.config;
    mx_pretrain_outputs outputs;
    mx_pretrain_forward(c, &s->model, &outputs,
                        mx_view(s->images, MX_F32, s->tables.batch, m->channels, m->image_h, m->image_w, 0),
                        &s->tables);
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
    if (mx_compute_make(&how, o->device, o->dtype, o->threads, e)) return e->status;
    if (mx_model_read_with(&s->model, &s->pixels, o->checkpoint, &hints, mx_compute_params_use(&how), e))
        return e->status;
    if (!s->model.config.decoder_dim)
        return mx_fail(e, MX_ERR_DATA, "%s has no decoder: nothing to rebuild with", o->checkpoint);
    if (read_images(s, o, e) || mx_token_tables_make(&s->tables, &s->model.config, o->image_count, true, e))
        return e->status;
    if (!(mask = malloc((size_t)s->tables.units)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for a mask");
    mx_rng r = mx_rng_make((uint64_t)o->seed, MX_RNG_HOLDOUT, UINT64_MAX, 0);
    mx_mask_draw(mask, s->tables.units, o->mask_ratio, 0, &r);
    mx_token_tables_set(&s->tables, mask);
    free(mask);
    if (mx_session_make(&s->session, &how, forward, s, NULL, e)) return e->status;
    mx_machine_notice(&how, sink);
    mx_params_attach(&s->session.ctx, &s->model.params);
    mx_params_upload(&s->session.ctx, &s->model.params);
    mx_token_tables_attach(&s->session.ctx, &s->tables);
    mx_panels panels;
    if (!mx_mixmae_view(&s->session.ctx, &s->model, &s->tables, s->images, &panels, e))
        mx_panels_picture(grid, &panels, &s->model.config, &s->pixels, e);
    mx_panels_free(&panels);
    return e->status;
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
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
    mx_token_tables_free(&s.tables);
    mx_model_free(&s.model);
    free(s.images);
    return e->status;
}

const mx_command_about mx_about_reconstruct = {
    .brief = "pictures of what a checkpoint sees and rebuilds",
    .usage = "mixmae reconstruct --checkpoint FILE --images FILE... --output GRID.png",
    .text =
        "Draws one row per image: the original, the mixed image that the encoder saw, the reconstructed "
        "image and its reconstructed partner, with visible patches pasted in. Image i is mixed with image "
        "n-1-i of the list.",
    .examples = {"mixmae reconstruct --checkpoint run1/model.safetensors --images a.jpg b.jpg c.png d.webp "
                 "--output grid.png"},
    .run = run,
};
