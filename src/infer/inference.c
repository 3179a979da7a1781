/* Forward passes of a finished model, see inference.h. */
#include "infer/inference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "base/say.h"
#include "checkpoint/read_any.h"
#include "train/settings.h"

#define MX_BATCH_PIXELS (64 * 96 * 96) /* of a default batch: its activations stay near the caches */

static void work(mx_ctx *c, void *user) {
    mx_inference *f = user;
    const mx_model_config *m = &f->model.config;
    mx_encoded views;
    size_t mark = c->arena->used;
    mx_tensor images = mx_view(f->images, MX_F32, f->now, m->channels, m->image_h, m->image_w, 0);
    mx_tensor out = mx_view(f->out, MX_F32, f->now, f->each_out, 0, 0, 0);
    if (f->output == MX_OUT_LOGITS)
        mx_classify_logits(c, &f->model, out, images, &f->tables);
    else {
        mx_encode(c, &f->model, &views, images, &f->tables);
        if (f->output == MX_OUT_POOLED && mx_ok(c))
            mx_copy(c, out, views.pooled);
        else if (mx_ok(c))
            mx_map_to_raster(c, out, f->output == MX_OUT_TOKENS ? views.tokens : views.stage[f->stage],
                             &f->tables.layout[f->stage]);
    }
    mx_arena_release(c->arena, mark);
}

static void shape_output(mx_inference *f, int stage) {
    const mx_model_config *m = &f->model.config;
    f->stage = f->output == MX_OUT_STAGE ? stage : m->stages - 1;
    bool map = f->output == MX_OUT_TOKENS || f->output == MX_OUT_STAGE;
    int64_t width = mx_stage_width(m, f->stage);
    f->shape_count = 0;
    if (map)
        f->shape[f->shape_count++] = mx_grid_h(m, f->stage),
        f->shape[f->shape_count++] = mx_grid_w(m, f->stage);
    f->shape[f->shape_count++] = f->output == MX_OUT_LOGITS ? m->classes : width;
    f->each_in = (int64_t)m->channels * m->image_h * m->image_w, f->each_out = 1;
    for (int i = 0; i < f->shape_count; i++) f->each_out *= f->shape[i];
}

static int default_batch(const mx_model_config *m) {
    int n = MX_BATCH_PIXELS / (m->image_h * m->image_w);
    return n < 1 ? 1 : n > 256 ? 256 : n;
}

static mx_status open_model(mx_inference *f, const mx_options *o, int stage, const mixmae_sink *sink,
                            mx_error *e) {
    const mx_foreign_hints hints = mx_weights_hints(o, sink);
    if (!o->checkpoint)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--checkpoint FILE is needed: a model.safetensors or best.safetensors");
    if (mx_model_read_with(&f->model, &f->pixels, o->checkpoint, &hints, mx_compute_params_use(&f->how), e))
        return e->status;
    const mx_model_config *m = &f->model.config;
    if (f->output == MX_OUT_LOGITS && !m->classes)
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "%s holds a model without a head: it must be fine-tuned first (mixmae finetune --init)",
            o->checkpoint);
    if (f->output == MX_OUT_STAGE && (stage < 0 || stage >= m->stages))
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no stage%d: %s has stages 1 to %d", stage + 1,
                       o->checkpoint, m->stages);
    return MX_OK;
}

mx_status mx_inference_open(mx_inference *f, const mx_options *o, mx_output output, int stage,
                            const mixmae_sink *sink, mx_error *e) {
    memset(f, 0, sizeof *f);
    f->output = output;
    int threads = mx_session_threads((int)o->threads);
    if (mx_compute_make(&f->how, o->device, o->dtype, threads, e) || open_model(f, o, stage, sink, e))
        return e->status;
    const mx_model_config *m = &f->model.config;
    shape_output(f, stage);
    f->batch = o->batch_size > 0 ? (int)o->batch_size : default_batch(m);
    f->workers = o->workers >= 0 ? (int)o->workers : threads;
    f->transform = (mx_transform){.height = m->image_h,
                                  .width = m->image_w,
                                  .channels = m->channels,
                                  .value_range = f->pixels.value_range,
                                  .scale_lo = 0.2, /* of crops, which evaluation has none of */
                                  .scale_hi = 1,
                                  .ratio_lo = 3.0 / 4,
                                  .ratio_hi = 4.0 / 3};
    memcpy(f->transform.mean, f->pixels.mean, sizeof f->pixels.mean);
    memcpy(f->transform.std, f->pixels.std, sizeof f->pixels.std);
    f->images = calloc((size_t)f->batch * (size_t)f->each_in, sizeof *f->images);
    f->out = calloc((size_t)f->batch * (size_t)f->each_out, sizeof *f->out);
    if (!f->images || !f->out)
        return mx_fail(e, MX_ERR_MEMORY,
                       "out of memory for a batch of %d images: a smaller --batch-size takes less", f->batch);
    if (mx_token_tables_make(&f->tables, m, f->batch, false, e)) return e->status;
    f->now = f->batch;
    if (mx_session_make(&f->session, &f->how, work, f, NULL, e)) return e->status;
    mx_ctx *c = &f->session.ctx;
    mx_params_attach(c, &f->model.params);
    mx_params_upload(c, &f->model.params);
    mx_token_tables_attach(c, &f->tables);
    mx_attach(c, f->out, sizeof *f->out * (size_t)f->batch * (size_t)f->each_out);
    return mx_session_error(&f->session, e);
}

void mx_machine_notice(const mx_compute *how, const mixmae_sink *sink) {
    char machine[160];
    mx_compute_text(how, machine, sizeof machine);
    mx_notice(sink, "machine   %s", machine);
}

void mx_inference_free(mx_inference *f) {
    if (!f) return;
    mx_session_free(&f->session);
    mx_token_tables_free(&f->tables);
    mx_model_free(&f->model);
    free(f->images), free(f->out);
}

mx_status mx_inference_run(mx_inference *f, const float *images, int64_t n, mx_error *e) {
    f->now = n < f->batch ? (int)n : f->batch;
    if (images != f->images) memcpy(f->images, images, sizeof *images * (size_t)f->now * (size_t)f->each_in);
    work(&f->session.ctx, f);
    mx_download(&f->session.ctx, f->out, f->out, sizeof *f->out * (size_t)(f->now * f->each_out));
    return mx_session_error(&f->session, e);
}

mx_loader_config mx_inference_loader(const mx_inference *f, const mx_dataset *data) {
    int64_t count = mx_dataset_count(data);
    return (mx_loader_config){.data = data,
                              .transform = f->transform,
                              .batch = f->batch,
                              .batches_per_epoch = (count + f->batch - 1) / f->batch,
                              .workers = f->workers,
                              .ahead = 2,
                              .no_replacement = true,
                              .bad_share = 1};
}

const char *mx_inference_class(const mx_inference *f, int i, char number[16]) {
    if (f->model.class_name) return f->model.class_name[i];
    snprintf(number, 16, "%d", i);
    return number;
}
