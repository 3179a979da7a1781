/* Reading a finished model and its forward pass, see inference.h. */
#include "infer/inference.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/say.h"
#include "checkpoint/read_any.h"

/* ---- the forward pass ---- */

typedef struct {
    mx_inference *f;
    const float *images; /* of this piece */
    int64_t n;
    mixmae_outputs out; /* where this piece's results go */
} piece;

static void copy_out(mx_ctx *c, float *to, mx_tensor from) {
    if (to && mx_ok(c)) mx_download(c, to, from.data, mx_bytes(from));
}

/* p [N,K] = softmax(logits), in double: the probabilities sum to 1 */
static void softmax_out(mx_ctx *c, float *p, mx_tensor logits) {
    copy_out(c, p, logits);
    if (!p || c->planning || !mx_ok(c)) return;
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
    const mx_token_tables *tables = &p->f->tables;
    for (int k = 0; k < tables->stages; k++) map_out(c, p->out.stage[k], v->stage[k], &tables->layout[k]);
    map_out(c, p->out.tokens, v->tokens, &tables->layout[tables->stages - 1]);
}

static void forward(mx_ctx *c, void *user) {
    const piece *p = user;
    const mx_model *m = &p->f->model;
    mx_encoded v;
    mx_encode(c, m, &v, mx_images_view(&m->config, p->images, p->n), &p->f->tables);
    if (mx_ok(c)) write_maps(c, p, &v);
    copy_out(c, p->out.features, v.pooled);
    if (mx_ok(c) && (p->out.logits || p->out.probabilities)) {
        mx_tensor logits = mx_alloc(c, MX_F32, 2, (int64_t[]){p->n, m->config.classes});
        mx_head_forward(c, m, logits, &v);
        copy_out(c, p->out.logits, logits);
        softmax_out(c, p->out.probabilities, logits);
    }
    mx_arena_release(c->arena, 0);
}

static float *ahead(float *p, int64_t count) { return p ? p + count : NULL; }

/* The piece that starts at image `first`: its share of the caller's buffers. */
static piece piece_at(mx_inference *f, const float *images, int64_t n, int64_t first,
                      const mixmae_outputs *out) {
    const mx_model_config *m = &f->model.config;
    int64_t left = n - first;
    piece p = {.f = f, .n = left < f->batch ? left : f->batch};
    p.images = images + first * mx_image_floats(m);
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

mx_status mx_inference_need_classes(const mx_inference *f, mx_error *e) {
    if (f->model.config.classes) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "this model has no head: it tells no classes before fine-tuning");
}

mx_status mx_inference_need_stage(const mx_inference *f, int k, mx_error *e) {
    int stages = f->model.config.stages;
    if (k >= 0 && k < stages) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "expected a stage from 0 to %d, found %d", stages - 1, k);
}

static mx_status check(const mx_inference *f, const float *images, int64_t n, const mixmae_outputs *out,
                       mx_error *e) {
    if (!images || !out) return mx_fail(e, MX_ERR_ARGUMENT, "images and outputs must be given, found NULL");
    if (n < 1) return mx_fail(e, MX_ERR_ARGUMENT, "expected 1 image or more, found %lld", (long long)n);
    if ((out->logits || out->probabilities) && mx_inference_need_classes(f, e)) return e->status;
    for (int k = 0; k < MIXMAE_MAX_STAGES; k++)
        if (out->stage[k] && mx_inference_need_stage(f, k, e)) return e->status;
    return MX_OK;
}

mx_status mx_inference_run(mx_inference *f, const float *images, int64_t n, const mixmae_outputs *out,
                           mx_error *e) {
    mx_ctx *c = &f->session.ctx;
    if (check(f, images, n, out, e)) return e->status;
    for (int64_t first = 0; first < n && !e->status; first += f->batch) {
        piece p = piece_at(f, images, n, first, out);
        forward(c, &p);
        mx_session_error(&f->session, e);
    }
    c->error = (mx_error){0}; /* the next call starts afresh */
    return e->status;
}

/* ---- reading and planning ---- */

static mx_transform evaluation(const mx_model_config *m, const mx_pixels *pixels) {
    mx_transform t = {.height = m->image_h,
                      .width = m->image_w,
                      .channels = m->channels,
                      .value_range = pixels->value_range,
                      .scale_lo = 0.2, /* of crops, which evaluation has none of */
                      .scale_hi = 1,
                      .ratio_lo = 3.0 / 4,
                      .ratio_hi = 4.0 / 3};
    memcpy(t.mean, pixels->mean, sizeof t.mean);
    memcpy(t.std, pixels->std, sizeof t.std);
    return t;
}

mx_status mx_inference_read(mx_inference *f, const char *path, const mx_foreign_hints *hints,
                            const mx_compute *how, mx_error *e) {
    *f = (mx_inference){.how = *how};
    if (mx_model_read_with(&f->model, &f->pixels, path, hints, mx_compute_params_use(how), e))
        return e->status;
    f->transform = evaluation(&f->model.config, &f->pixels);
    return MX_OK;
}

mx_status mx_inference_plan_pass(mx_inference *f, mx_session_work *work, void *user, mx_error *e) {
    mx_ctx *c = &f->session.ctx;
    f->batch = f->tables.batch;
    if (mx_session_make(&f->session, &f->how, work, user, NULL, e)) return e->status;
    mx_params_attach(c, &f->model.params);
    mx_params_upload(c, &f->model.params);
    mx_token_tables_attach(c, &f->tables);
    return mx_session_error(&f->session, e);
}

mx_status mx_inference_plan(mx_inference *f, int batch, mx_error *e) {
    float *fake = (float *)(void *)f; /* addresses of a dry run are not read */
    piece all = {.f = f, .images = fake, .n = batch, .out = {.features = fake, .tokens = fake}};
    for (int k = 0; k < f->model.config.stages; k++) all.out.stage[k] = fake;
    if (f->model.config.classes) all.out.logits = all.out.probabilities = fake;
    if (mx_token_tables_make(&f->tables, &f->model.config, batch, false, e)) return e->status;
    return mx_inference_plan_pass(f, forward, &all, e);
}

void mx_inference_free(mx_inference *f) {
    if (!f) return;
    mx_session_free(&f->session);
    mx_token_tables_free(&f->tables);
    mx_model_free(&f->model);
}

/* ---- describing ---- */

const char *mx_inference_class(const mx_inference *f, int i, char number[16]) {
    if (f->model.class_name) return f->model.class_name[i];
    snprintf(number, 16, "%d", i);
    return number;
}

void mx_inference_notice(const mx_inference *f, const mixmae_sink *sink) {
    char machine[160];
    mx_compute_text(&f->how, machine, sizeof machine);
    mx_notice(sink, "machine   %s", machine);
}
