/* The public model handle: loading, description, and the forward pass in pieces of max_batch images
 * (include/mixmae.h "Models"). One mutex a handle guards its arena; nothing is shared between handles. */
#include "api/model.h"
#include "base/escape.h"
#include "checkpoint/read_any.h"

#include <math.h>
#include <stdio.h>
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

typedef struct {
    mixmae_model *handle;
    const float *images; /* of this piece */
    int64_t n;
    mixmae_outputs out; /* where this piece's results go */
} piece;

static void copy_out(mx_ctx *c, float *to, mx_tensor from) {
    if (mx_ok(c)) mx_download(c, to, from.data, mx_bytes(from));
}

/* p [N,K] = softmax(logits), in double: the probabilities sum to 1 */
static void softmax_out(mx_ctx *c, float *p, mx_tensor logits) {
    copy_out(c, p, logits);
    if (c->planning || !mx_ok(c)) return;
    int64_t width = mx_width(logits);
    for (int64_t r = 0; r < mx_rows(logits); r++) {
        float *x = p + r * width;
        double most = (double)x[0], sum = 0;
        for (int64_t k = 1; k < width; k++) most = fmax(most, (double)x[k]);
        for (int64_t k = 0; k < width; k++) sum += exp((double)x[k] - most);
        for (int64_t k = 0; k < width; k++) x[k] = (float)(exp((double)x[k] - most) / sum);
    }
}

static void map_out(mx_ctx *c, float *to, mx_tensor map, const mx_layout *lay) {
    mx_tensor raster = map;
    if (!(raster.data = to) || !mx_ok(c)) return;
    size_t mark = c->arena->used;
    mx_tensor staged = mx_stage_out(c, raster);
    mx_map_to_raster(c, staged, map, lay);
    mx_fetch(c, raster, staged);
    mx_arena_release(c->arena, mark);
}

static void write_maps(mx_ctx *c, const piece *p, const mx_encoded *v) {
    const mx_token_tables *tables = &p->handle->tables;
    for (int k = 0; k < tables->stages; k++) map_out(c, p->out.stage[k], v->stage[k], &tables->layout[k]);
    map_out(c, p->out.tokens, v->tokens, &tables->layout[tables->stages - 1]);
}

static void forward(mx_ctx *c, void *user) {
    const piece *p = user;
    const mx_model *m = &p->handle->model;
    const mx_model_config *config = &m->config;
    mx_encoded v;
    mx_encode(c, m, &v,
              mx_view((void *)(uintptr_t)p->images, MX_F32, p->n, config->channels, config->image_h,
                      config->image_w, 0),
              &p->handle->tables);
    if (mx_ok(c)) write_maps(c, p, &v);
    if (p->out.features) copy_out(c, p->out.features, v.pooled);
    if (mx_ok(c) && (p->out.logits || p->out.probabilities)) {
        mx_tensor logits = mx_alloc(c, MX_F32, 2, (int64_t[]){p->n, config->classes});
        mx_head_forward(c, m, logits, &v);
        if (p->out.logits) copy_out(c, p->out.logits, logits);
        if (p->out.probabilities) softmax_out(c, p->out.probabilities, logits);
    }
    mx_arena_release(c->arena, 0);
}

static float *ahead(float *p, int64_t count) { return p ? p + count : NULL; }

/* The piece that starts at image `first`: its share of the caller's buffers. */
static piece piece_at(mixmae_model *handle, const float *images, int64_t n, int64_t first,
                      const mixmae_outputs *out) {
    const mx_model_config *m = &handle->model.config;
    int64_t left = n - first;
    piece p = {.handle = handle, .n = left < handle->max_batch ? left : handle->max_batch};
    p.images = images + first * m->channels * m->image_h * m->image_w;
    p.out.features = ahead(out->features, first * mx_stage_width(m, m->stages - 1));
    p.out.logits = ahead(out->logits, first * m->classes);
    p.out.probabilities = ahead(out->probabilities, first * m->classes);
    for (int k = 0; k < m->stages; k++) {
        int64_t each = (int64_t)mx_grid_h(m, k) * mx_grid_w(m, k) * mx_stage_width(m, k);
        p.out.stage[k] = ahead(out->stage[k], first * each);
        if (k == m->stages - 1) p.out.tokens = ahead(out->tokens, first * each);
    }
    return p;
}

static mx_status check(const mixmae_model *m, const float *images, int64_t n, const mixmae_outputs *out,
                       mx_error *e) {
    if (!images || !out) return mx_fail(e, MX_ERR_ARGUMENT, "images and outputs must be given, found NULL");
    if (n < 1) return mx_fail(e, MX_ERR_ARGUMENT, "expected 1 image or more, found %lld", (long long)n);
    if ((out->logits || out->probabilities) && !m->model.config.classes)
        return mx_fail(e, MX_ERR_ARGUMENT, "this model has no head: it tells no classes before fine-tuning");
    for (int k = m->model.config.stages; k < MIXMAE_MAX_STAGES; k++)
        if (out->stage[k])
            return mx_fail(e, MX_ERR_ARGUMENT, "expected a stage from 0 to %d, found %d",
                           m->model.config.stages - 1, k);
    return MX_OK;
}

mixmae_status mixmae_model_forward(mixmae_model *model, const float *images, int64_t n,
                                   const mixmae_outputs *out, char *message, size_t size) {
    mx_error e = {0};
    if (!check(model, images, n, out, &e)) {
        mx_ctx *c = &model->session.ctx;
        pthread_mutex_lock(&model->lock);
        for (int64_t first = 0; first < n && !e.status; first += model->max_batch) {
            piece p = piece_at(model, images, n, first, out);
            forward(c, &p);
            mx_session_error(&model->session, &e);
        }
        c->error = (mx_error){0}; /* the next call starts afresh */
        pthread_mutex_unlock(&model->lock);
    }
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
    if (k < 0 || k >= model->model.config.stages) {
        mx_fail(&e, MX_ERR_ARGUMENT, "expected a stage from 0 to %d, found %d",
                model->model.config.stages - 1, k);
        return mx_public_status(&e, message, size);
    }
    out.stage[k] = map;
    return mixmae_model_forward(model, images, n, &out, message, size);
}

mixmae_status mixmae_model_classify(mixmae_model *model, const float *images, int64_t n, float *logits,
                                    float *probabilities, char *message, size_t size) {
    const mixmae_outputs out = {.logits = logits, .probabilities = probabilities};
    mx_error e = {0};
    if (!model->model.config.classes) { /* said even when neither output is wanted */
        mx_fail(&e, MX_ERR_ARGUMENT, "this model has no head: it tells no classes before fine-tuning");
        return mx_public_status(&e, message, size);
    }
    return mixmae_model_forward(model, images, n, &out, message, size);
}

/* ---- loading and describing ---- */

/* Plans a pass that wants everything; addresses of a dry run are not read. */
static mx_status make_memory(mixmae_model *m, const mx_compute *how, mx_error *e) {
    float *fake = (float *)(void *)m;
    piece all = {.handle = m, .images = fake, .n = m->max_batch};
    for (int k = 0; k < m->model.config.stages; k++) all.out.stage[k] = fake;
    all.out.features = all.out.tokens = fake;
    if (m->model.config.classes) all.out.logits = all.out.probabilities = fake;
    if (mx_token_tables_make(&m->tables, &m->model.config, m->max_batch, false, e) ||
        mx_session_make(&m->session, how, forward, &all, NULL, e))
        return e->status;
    mx_params_attach(&m->session.ctx, &m->model.params);
    mx_params_upload(&m->session.ctx, &m->model.params);
    mx_token_tables_attach(&m->session.ctx, &m->tables);
    return mx_session_error(&m->session, e);
}

static mx_status load(mixmae_model *m, const char *path, const mixmae_load_options *o, mx_error *e) {
    if (pthread_mutex_init(&m->lock, NULL)) return mx_fail(e, MX_ERR_MEMORY, "cannot make a mutex");
    m->lock_made = true;
    m->max_batch = o->max_batch ? o->max_batch : MX_DEFAULT_MAX_BATCH;
    if (m->max_batch < 1 || m->max_batch > MX_LARGEST_BATCH)
        return mx_fail(e, MX_ERR_ARGUMENT, "max_batch: expected 0 to %d, found %d", MX_LARGEST_BATCH,
                       m->max_batch);
    if (o->threads < 0 || o->threads > 1024)
        return mx_fail(e, MX_ERR_ARGUMENT, "threads: expected 0 to 1024, found %d", o->threads);
    mx_compute how;
    if (mx_compute_make(&how, o->device, o->dtype, o->threads, e)) return mx_fail_where(e, "options");
    if (mx_model_read_any(&m->model, &m->pixels, path, mx_compute_params_use(&how), e)) return e->status;
    return make_memory(m, &how, e);
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
    mx_session_free(&m->session);
    mx_token_tables_free(&m->tables);
    mx_model_free(&m->model);
    if (m->lock_made) pthread_mutex_destroy(&m->lock);
    free(m);
}

void mixmae_model_describe(const mixmae_model *m, mixmae_model_info *info) {
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
                                .max_batch = m->max_batch,
                                .threads = m->session.ctx.threads,
                                .dtype = mx_dtype_name(m->session.ctx.activations),
                                .memory = m->model.params.bytes + m->session.planned +
                                          mx_token_tables_bytes(c, m->max_batch)};
    memcpy(info->name, c->name, sizeof info->name);
    memcpy(info->mean, m->pixels.mean, sizeof(float) * (size_t)c->channels);
    memcpy(info->std, m->pixels.std, sizeof(float) * (size_t)c->channels);
    for (int k = 0; k < c->stages; k++)
        info->stage[k] = (mixmae_stage){mx_grid_h(c, k), mx_grid_w(c, k), mx_stage_width(c, k)};
}

const char *mixmae_model_class_name(const mixmae_model *m, int index) {
    bool known = m->model.class_name && index >= 0 && index < m->model.config.classes;
    return known ? m->model.class_name[index] : NULL;
}
