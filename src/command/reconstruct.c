/* `mixmae reconstruct`: draws a checkpoint's reconstructions of given images, see objective/mixmae_view.h. */
#include <stdlib.h>

#include "base/say.h"
#include "checkpoint/read_any.h"
#include "command/command.h"
#include "infer/inference.h"
#include "objective/mixmae_view.h"
#include "report/reconstruction.h"

typedef struct {
    mx_inference f; /* its token tables has a mask */
    float *images;
} showing;

static void forward(mx_ctx *c, void *user) {
    showing *s = user;
    mx_pretrain_outputs outputs;
    mx_pretrain_forward(c, &s->f.model, &outputs,
                        mx_images_view(&s->f.model.config, s->images, s->f.tables.batch), &s->f.tables);
    mx_arena_release(c->arena, 0);
}

static mx_status read_images(showing *s, const mx_options *o, mx_error *e) {
    int count = (int)o->image_count;
    const mx_model_config *m = &s->f.model.config;
    int64_t each = mx_image_floats(m);
    if (!(s->images = malloc(sizeof(float) * (size_t)(each * count))))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %d images", count);
    for (int i = 0; i < count && !e->status; i++) {
        mx_image im = {0};
        if (!mx_image_read(&im, o->images[i], m->channels, o->exif_orientation, e))
            mx_transform_image(&s->f.transform, &im, s->images + i * each, e);
        mx_image_free(&im);
    }
    return e->status;
}

static mx_status draw_mask(mx_token_tables *tables, const mx_options *o, mx_error *e) {
    uint8_t *mask = malloc((size_t)tables->units);
    if (!mask) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a mask");
    mx_rng r = mx_rng_make((uint64_t)o->seed, MX_RNG_HOLDOUT, UINT64_MAX, 0);
    mx_mask_draw(mask, tables->units, o->mask_ratio, 0, &r);
    mx_token_tables_set(tables, mask);
    free(mask);
    return MX_OK;
}

static mx_status show(showing *s, const mx_options *o, const mixmae_sink *sink, mx_image *grid, mx_error *e) {
    const mx_foreign_hints hints = mx_weights_hints(o, sink);
    mx_inference *f = &s->f;
    mx_compute how;
    if (mx_compute_make(&how, o->device, o->dtype, o->threads, e) ||
        mx_inference_read(f, o->checkpoint, &hints, &how, e))
        return e->status;
    if (!f->model.config.decoder_dim)
        return mx_fail(e, MX_ERR_DATA, "%s has no decoder: nothing to rebuild with", o->checkpoint);
    if (read_images(s, o, e) || mx_token_tables_make(&f->tables, &f->model.config, o->image_count, true, e) ||
        draw_mask(&f->tables, o, e) || mx_inference_plan_pass(f, forward, s, e))
        return e->status;
    mx_inference_notice(f, sink);
    mx_panels panels;
    if (!mx_mixmae_view(&f->session.ctx, &f->model, &f->tables, s->images, &panels, e))
        mx_panels_picture(grid, &panels, &f->model.config, &f->pixels, e);
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
    mx_inference_free(&s.f);
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
