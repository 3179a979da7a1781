/* The public model handle (include/mixmae.h "Models"): the finished model of infer/inference.h with a mutex, public
 * types and public status codes. */
#include "api/model.h"
#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

#define MX_DEFAULT_MAX_BATCH 8 /* base at 224 pixels: about 0.25 GB of working memory */
#define MX_LARGEST_BATCH     65536

_Static_assert((int)MIXMAE_ERR_INTERRUPTED == (int)MX_ERR_INTERRUPTED, "the public codes are ours");
_Static_assert((int)MIXMAE_ERR_NUMERIC == (int)MX_ERR_NUMERIC, "the public codes are ours");
_Static_assert(MIXMAE_MAX_STAGES == MX_MAX_STAGES && MIXMAE_MAX_CHANNELS == MX_MAX_CHANNELS, "public limits");

mixmae_status mx_public_status(const mx_error *e, char *message, size_t size) {
    mx_escape_into(message, size, e->text);
    return (mixmae_status)e->status;
}

const char *mixmae_status_name(mixmae_status status) { return mx_status_name((mx_status)status); }

/* ---- the forward pass ---- */

mixmae_status mixmae_model_forward(mixmae_model *model, const float *images, int64_t n,
                                   const mixmae_outputs *out, char *message, size_t size) {
    mx_error e = {0};
    pthread_mutex_lock(&model->lock);
    mx_inference_run(&model->f, images, n, out, &e);
    pthread_mutex_unlock(&model->lock);
    return mx_public_status(&e, message, size);
}

mixmae_status mixmae_model_encode(mixmae_model *model, const float *images, int64_t n, float *features,
                                  char *message, size_t size) {
    const mixmae_outputs out = {.features = features};
    return mixmae_model_forward(model, images, n, &out, message, size);
}

mixmae_status mixmae_model_stage_map(mixmae_model *model, const float *images, int64_t n, int k, float *map,
                                     char *message, size_t size) {
    mixmae_outputs out = {0};
    mx_error e = {0};
    if (mx_inference_need_stage(&model->f, k, &e)) return mx_public_status(&e, message, size);
    out.stage[k] = map;
    return mixmae_model_forward(model, images, n, &out, message, size);
}

mixmae_status mixmae_model_classify(mixmae_model *model, const float *images, int64_t n, float *logits,
                                    float *probabilities, char *message, size_t size) {
    const mixmae_outputs out = {.logits = logits, .probabilities = probabilities};
    mx_error e = {0};
    if (mx_inference_need_classes(&model->f, &e)) /* even when neither output is wanted */
        return mx_public_status(&e, message, size);
    return mixmae_model_forward(model, images, n, &out, message, size);
}

/* ---- loading and describing ---- */

static mx_status load(mixmae_model *m, const char *path, const mixmae_load_options *o, mx_error *e) {
    if (pthread_mutex_init(&m->lock, NULL)) return mx_fail(e, MX_ERR_MEMORY, "cannot make a mutex");
    m->lock_made = true;
    int batch = o->max_batch ? o->max_batch : MX_DEFAULT_MAX_BATCH;
    if (batch < 1 || batch > MX_LARGEST_BATCH)
        return mx_fail(e, MX_ERR_ARGUMENT, "max_batch: expected 0 to %d, found %d", MX_LARGEST_BATCH, batch);
    if (o->threads < 0 || o->threads > 1024)
        return mx_fail(e, MX_ERR_ARGUMENT, "threads: expected 0 to 1024, found %d", o->threads);
    mx_compute how;
    if (mx_compute_make(&how, o->device, o->dtype, o->threads, e)) return mx_fail_where(e, "options");
    if (mx_inference_read(&m->f, path, NULL, &how, e)) return e->status;
    mx_inference_plan(&m->f, batch, e);
    m->f.how.device = NULL; /* the caller's text need not stay */
    return e->status;
}

mixmae_status mixmae_model_load(mixmae_model **out, const char *path, const mixmae_load_options *options,
                                char *message, size_t size) {
    mx_error e = {0};
    const mixmae_load_options defaults = {0};
    mixmae_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        mx_fail(&e, MX_ERR_MEMORY, "out of memory");
    else if (!path)
        mx_fail(&e, MX_ERR_ARGUMENT, "expected the path of a checkpoint, found NULL");
    else
        load(m, path, options ? options : &defaults, &e);
    if (e.status)
        mixmae_model_free(m);
    else
        *out = m;
    return mx_public_status(&e, message, size);
}

void mixmae_model_free(mixmae_model *m) {
    if (!m) return;
    mx_inference_free(&m->f);
    if (m->lock_made) pthread_mutex_destroy(&m->lock);
    free(m);
}

void mixmae_model_describe(const mixmae_model *model, mixmae_model_info *info) {
    const mx_inference *m = &model->f;
    const mx_model_config *c = &m->model.config;
    *info = (mixmae_model_info){.image_height = c->image_h,
                                .image_width = c->image_w,
                                .channels = c->channels,
                                .stages = c->stages,
                                .features = mx_stage_width(c, c->stages - 1),
                                .classes = c->classes,
                                .decoder = c->decoder_dim > 0,
                                .parameters = mx_params_trainable(&m->model.params),
                                .value_range = m->pixels.value_range,
                                .max_batch = m->batch,
                                .threads = m->session.ctx.threads,
                                .dtype = mx_dtype_name(m->session.ctx.activations),
                                .memory = m->model.params.bytes + m->session.planned +
                                          mx_token_tables_bytes(c, m->batch)};
    memcpy(info->name, c->name, sizeof info->name);
    memcpy(info->mean, m->pixels.mean, sizeof(float) * (size_t)c->channels);
    memcpy(info->std, m->pixels.std, sizeof(float) * (size_t)c->channels);
    for (int k = 0; k < c->stages; k++)
        info->stage[k] = (mixmae_stage){mx_grid_h(c, k), mx_grid_w(c, k), mx_stage_width(c, k)};
}

const char *mixmae_model_class_name(const mixmae_model *m, int index) {
    const mx_model *c = &m->f.model;
    return c->class_name && index >= 0 && index < c->config.classes ? c->class_name[index] : NULL;
}
