/* The classifier's head, see classifier.h. */
#include "model/head/classifier.h"

#include <stdlib.h>
#include <string.h>

#include "model/fits.h"

typedef struct {
    mx_pid w, b;
} classifier;

static mx_status check(const mx_model_config *c, mx_error *e) {
    return mx_in_range("number of classes", c->classes, 0, 1 << 20, e);
}

static int width(const mx_model_config *c) { return mx_stage_width(c, c->stages - 1); }

static double macs(const mx_model_config *c) { return (double)width(c) * c->classes; }

static mx_status make(mx_head *h, int layer, mx_error *e) {
    classifier *s = h->parts = calloc(1, sizeof *s);
    int64_t classes = h->config->classes;
    if (!s) return mx_fail(e, MX_ERR_MEMORY, "out of memory while building a classifier");
    s->w = mx_params_add(h->params, MX_INIT_XAVIER, 0, "head.weight", classes, width(h->config), 0, 0);
    s->b = mx_params_add(h->params, MX_INIT_ZERO, 0, "head.bias", classes, 0, 0, 0);
    if (s->b >= 0) h->params->item[s->w].layer = h->params->item[s->b].layer = layer;
    return MX_OK;
}

static void discard(mx_head *h) { free(h->parts); }

static void init(const mx_head *h, uint64_t seed, double std) {
    const classifier *s = h->parts;
    mx_tensor w = mx_weight(h->params, s->w), b = mx_weight(h->params, s->b);
    float *x = mx_f32(w);
    mx_rng r = mx_rng_make(seed, MX_RNG_INIT, (uint64_t)s->w, 1);
    for (int64_t i = 0; i < mx_count(w); i++) x[i] = (float)(std * mx_rng_normal(&r));
    memset(mx_f32(b), 0, sizeof(float) * (size_t)mx_count(b));
}

static void forward(mx_ctx *c, const mx_head *h, mx_tensor out, mx_encoded *x, bool train) {
    const classifier *s = h->parts;
    (void)train;
    mx_encoded_mean(c, x);
    if (mx_ok(c)) mx_linear(c, out, x->pooled, mx_weight(h->params, s->w), mx_weight(h->params, s->b));
}

static void backward(mx_ctx *c, const mx_head *h, mx_encoded *dx, mx_tensor dout, const mx_encoded *x) {
    const classifier *s = h->parts;
    if (!mx_ok(c)) return;
    mx_tensor dpooled = mx_alloc_like(c, x->pooled);
    dx->tokens = mx_alloc_like(c, x->tokens);
    mx_linear_back(c, dpooled, mx_grad(h->params, s->w), mx_grad(h->params, s->b), dout, x->pooled,
                   mx_weight(h->params, s->w));
    mx_mean_rows_back(c, dx->tokens, dpooled);
}

const mx_head_kind mx_head_classifier = {.name = "classifier",
                                         .prefix = "head.",
                                         .check = check,
                                         .macs = macs,
                                         .make = make,
                                         .free = discard,
                                         .init = init,
                                         .forward = forward,
                                         .backward = backward};
