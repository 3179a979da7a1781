/* Parameter registry, flat buffers and initial values, see params.h. */
#include "model/params.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

#define MX_PARAM_PAD (MX_ALIGN / (int)sizeof(float))

static int64_t padded(int64_t n) { return (n + MX_PARAM_PAD - 1) / MX_PARAM_PAD * MX_PARAM_PAD; }

mx_pid mx_params_add(mx_params *p, mx_init init, int fan, const char *name, int64_t a, int64_t b, int64_t c,
                     int64_t d) {
    if (p->capacity < 0) return MX_NO_PARAM;
    if (p->count == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 64;
        mx_param *item = realloc(p->item, sizeof *item * (size_t)capacity);
        if (!item) {
            p->capacity = -1; /* reported by mx_params_allocate */
            return MX_NO_PARAM;
        }
        p->item = item, p->capacity = capacity;
    }
    mx_param *q = &p->item[p->count];
    *q = (mx_param){.dim = {a, b, c, d}, .init = init, .fan = fan, .fixed = init == MX_INIT_POSITION};
    snprintf(q->name, sizeof q->name, "%s", name);
    q->count = 1;
    while (q->ndim < 4 && q->dim[q->ndim] > 0) q->count *= q->dim[q->ndim++];
    q->decay = !q->fixed && q->ndim > 1;
    int64_t *total = q->fixed ? &p->fixed_total : &p->total;
    q->offset = *total;
    *total += padded(q->count);
    return p->count++;
}

size_t mx_params_bytes(const mx_params *p, mx_params_use use) {
    int64_t copies = use == MX_PARAMS_AVERAGE ? 5
                     : use == MX_PARAMS_TRAIN ? 4
                     : use == MX_PARAMS_GRADS ? 2
                                              : 1;
    return sizeof(float) * (size_t)(copies * p->total + p->fixed_total);
}

mx_status mx_params_allocate(mx_params *p, mx_params_use use, mx_error *e) {
    if (p->capacity < 0) return mx_fail(e, MX_ERR_MEMORY, "out of memory while listing a model's parameters");
    p->bytes = use == MX_PARAMS_PLAN ? 0 : mx_params_bytes(p, use);
    if (use == MX_PARAMS_MAPPED) return MX_OK;
    char *base = (char *)((uintptr_t)1 << 42); /* a plan needs addresses that nothing reads */
    if (use != MX_PARAMS_PLAN) {
        if (!(base = p->memory = mx_pages_alloc(p->bytes)))
            return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a model's state", p->bytes);
        memset(base, 0, p->bytes);
    }
    p->weight = (float *)base;
    p->fixed = p->weight + p->total;
    float *next = p->fixed + p->fixed_total;
    if (use != MX_PARAMS_WEIGHTS) p->grad = next, next += p->total;
    bool train = use == MX_PARAMS_PLAN || use == MX_PARAMS_TRAIN || use == MX_PARAMS_AVERAGE;
    if (train) p->m = next, p->v = next + p->total;
    if (use == MX_PARAMS_AVERAGE) p->average = p->v + p->total;
    return MX_OK;
}

void mx_params_attach(mx_ctx *c, const mx_params *p) {
    if (p->memory) mx_attach(c, p->memory, p->bytes);
}
void mx_params_upload(mx_ctx *c, const mx_params *p) {
    if (p->memory) mx_upload(c, p->memory, p->memory, p->bytes);
}
void mx_params_download(mx_ctx *c, mx_params *p) {
    if (p->memory) mx_download(c, p->memory, p->memory, p->bytes);
}

void mx_params_free(mx_params *p) {
    if (!p) return;
    if (p->close) p->close(p->file);
    free(p->memory);
    free(p->item);
    memset(p, 0, sizeof *p);
}

static void fill_uniform(float *w, int64_t n, double bound, mx_rng *r) {
    for (int64_t i = 0; i < n; i++) w[i] = (float)(bound * (2.0 * mx_rng_uniform(r) - 1.0));
}

static void fill_trunc_normal(float *w, int64_t n, double std, mx_rng *r) {
    for (int64_t i = 0; i < n; i++) {
        double x;
        do x = std * mx_rng_normal(r);
        while (fabs(x) > 2.0); /* absolute bounds, as in timm */
        w[i] = (float)x;
    }
}

void mx_params_init(mx_params *p, uint64_t seed) {
    for (int i = 0; i < p->count; i++) {
        mx_param *q = &p->item[i];
        float *w = mx_param_at(p, q, p->weight);
        mx_rng r = mx_rng_make(seed, MX_RNG_INIT, (uint64_t)i, 0);
        switch (q->init) {
        case MX_INIT_ZERO: memset(w, 0, sizeof *w * (size_t)q->count); break;
        case MX_INIT_ONE:
            for (int64_t j = 0; j < q->count; j++) w[j] = 1.0f;
            break;
        case MX_INIT_XAVIER:
            fill_uniform(w, q->count, sqrt(6.0 / (double)(q->dim[0] + q->dim[1])), &r);
            break;
        case MX_INIT_TRUNC_NORMAL: fill_trunc_normal(w, q->count, 0.02, &r); break;
        case MX_INIT_CONV: fill_uniform(w, q->count, 1.0 / sqrt((double)q->fan), &r); break;
        case MX_INIT_POSITION: mx_position_table(w, q->fan, q->fan2, (int)q->dim[q->ndim - 1]); break;
        }
    }
}

/* One axis: [sin(pos ω_0..), cos(pos ω_0..)], ω_i = 10000^(-i/(n/2)), in double, stored in f32. */
static void position_axis(float *out, int n, int pos) {
    int half = n / 2;
    for (int i = 0; i < half; i++) {
        double angle = pos * pow(10000.0, -(double)i / half);
        out[i] = (float)sin(angle);
        out[half + i] = (float)cos(angle);
    }
}

void mx_position_table(float *out, int grid_h, int grid_w, int channels) {
    for (int r = 0; r < grid_h; r++)
        for (int c = 0; c < grid_w; c++, out += channels) {
            position_axis(out, channels / 2, c);
            position_axis(out + channels / 2, channels / 2, r);
        }
}

mx_pid mx_params_find(const mx_params *p, const char *name) {
    for (int i = 0; i < p->count; i++)
        if (!strcmp(p->item[i].name, name)) return i;
    return MX_NO_PARAM;
}

float *mx_param_at(const mx_params *p, const mx_param *q, float *base) {
    return (q->fixed ? p->fixed : base) + q->offset;
}

bool mx_param_shaped(const mx_param *q, int ndim, const int64_t *dim) {
    return q->ndim == ndim && !memcmp(q->dim, dim, sizeof *dim * (size_t)ndim);
}

void mx_shape_text(char out[128], int ndim, const int64_t *dim) {
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < ndim && at < 100; i++)
        at += (size_t)snprintf(out + at, 128 - at, "%s%" PRId64, i ? "," : "", dim[i]);
}

static mx_tensor view(const mx_param *q, float *values) {
    return mx_view(values, MX_F32, q->dim[0], q->dim[1], q->dim[2], q->dim[3], 0);
}

mx_tensor mx_weight(const mx_params *p, mx_pid id) {
    if (id < 0) return MX_ABSENT;
    const mx_param *q = &p->item[id];
    if (q->mapped) /* the cast is safe: ops only read weights */
        return view(q, (float *)(uintptr_t)q->mapped);
    return view(q, mx_param_at(p, q, p->weight));
}

mx_tensor mx_grad(const mx_params *p, mx_pid id) {
    if (id < 0 || p->item[id].fixed || !p->grad) return MX_ABSENT;
    return view(&p->item[id], mx_param_at(p, &p->item[id], p->grad));
}

int64_t mx_params_trainable(const mx_params *p) {
    int64_t n = 0;
    for (int i = 0; i < p->count; i++) n += p->item[i].fixed ? 0 : p->item[i].count;
    return n;
}
