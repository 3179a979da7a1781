/* One output of a model that options name, see one_output.h. */
#include "infer/one_output.h"

#include <stdlib.h>

#include "base/say.h"
#include "checkpoint/read_any.h"

#define MX_BATCH_PIXELS (64 * 96 * 96) /* of a default batch: its activations stay near the caches */

static mx_status check(const mx_model_config *m, mx_output output, int stage, const char *path, mx_error *e) {
    if (output == MX_OUT_LOGITS && !m->classes)
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "%s holds a model without a head: it must be fine-tuned first (mixmae finetune --init)", path);
    if (output == MX_OUT_STAGE && (stage < 0 || stage >= m->stages))
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no stage%d: %s has stages 1 to %d", stage + 1, path,
                       m->stages);
    return MX_OK;
}

static void set_shape(mx_one_output *one, mx_output output, int stage) {
    const mx_model_config *m = &one->f->model.config;
    int k = output == MX_OUT_STAGE ? stage : m->stages - 1;
    int64_t *at = one->shape;
    if (output == MX_OUT_TOKENS || output == MX_OUT_STAGE) *at++ = mx_grid_h(m, k), *at++ = mx_grid_w(m, k);
    *at++ = output == MX_OUT_LOGITS ? m->classes : mx_stage_width(m, k);
    one->shape_count = (int)(at - one->shape);
    one->each_in = mx_image_floats(m), one->each_out = 1;
    for (int i = 0; i < one->shape_count; i++) one->each_out *= one->shape[i];
}

static int default_batch(const mx_model_config *m) {
    int n = MX_BATCH_PIXELS / (m->image_h * m->image_w);
    return n < 1 ? 1 : n > 256 ? 256 : n;
}

static mx_status make_memory(mx_one_output *one, int batch, mx_output output, int stage, mx_error *e) {
    one->images = calloc((size_t)batch * (size_t)one->each_in, sizeof *one->images);
    one->out = calloc((size_t)batch * (size_t)one->each_out, sizeof *one->out);
    if (!one->images || !one->out)
        return mx_fail(e, MX_ERR_MEMORY,
                       "out of memory for a batch of %d images: a smaller --batch-size takes less", batch);
    float **const place[] = {[MX_OUT_LOGITS] = &one->wanted.logits,
                             [MX_OUT_POOLED] = &one->wanted.features,
                             [MX_OUT_TOKENS] = &one->wanted.tokens,
                             [MX_OUT_STAGE] = &one->wanted.stage[stage]};
    *place[output] = one->out;
    return MX_OK;
}

mx_status mx_one_output_open(mx_one_output *one, mx_inference *f, const mx_options *o, mx_output output,
                             int stage, const mixmae_sink *sink, mx_error *e) {
    const mx_foreign_hints hints = mx_weights_hints(o, sink);
    int threads = mx_session_threads((int)o->threads);
    mx_compute how;
    *one = (mx_one_output){.f = f, .sink = sink, .workers = o->workers >= 0 ? (int)o->workers : threads};
    *f = (mx_inference){0};
    if (mx_compute_make(&how, o->device, o->dtype, threads, e)) return e->status;
    if (!o->checkpoint)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--checkpoint FILE is needed: a model.safetensors or best.safetensors");
    if (mx_inference_read(f, o->checkpoint, &hints, &how, e) ||
        check(&f->model.config, output, stage, o->checkpoint, e))
        return e->status;
    set_shape(one, output, stage);
    int batch = o->batch_size > 0 ? (int)o->batch_size : default_batch(&f->model.config);
    if (make_memory(one, batch, output, stage, e)) return e->status;
    return mx_inference_plan(f, batch, e);
}

void mx_one_output_free(mx_one_output *one) { free(one->images), free(one->out); }

mx_status mx_one_output_run(mx_one_output *one, const float *images, int64_t n, mx_error *e) {
    int64_t most = one->f->batch;
    return mx_inference_run(one->f, images, n < most ? n : most, &one->wanted, e);
}

static void tell(void *user, const char *line) { mx_notice(user, "%s", line); }

mx_loader_config mx_one_output_loader(const mx_one_output *one, const mx_dataset *data) {
    int64_t count = mx_dataset_count(data);
    return (mx_loader_config){.data = data,
                              .transform = one->f->transform,
                              .batch = one->f->batch,
                              .batches_per_epoch = (count + one->f->batch - 1) / one->f->batch,
                              .workers = one->workers,
                              .ahead = 2,
                              .no_replacement = true,
                              .bad_share = 1,
                              .log = tell,
                              .user = (void *)(uintptr_t)one->sink};
}
