/* The linear probe on cached features: batch normalisation without weights, one linear layer, LARS, cosine.
 * Source: docs/TRAINING.md, "The probes" (MAE's recipe). See features.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "infer/features.h"
#include "objective/evaluate.h"
#include "optim/lars.h"
#include "optim/schedule.h"

#define MX_BN_EPS      1e-6
#define MX_BN_MOMENTUM 0.1
#define MX_HEAD_STD    0.01
#define MX_PROBE_BATCH 16384 /* the recipe's */
#define MX_PROBE_STEPS 78
#define MX_PROBE_LEAST 256

typedef struct {
    const mx_features *train;
    int classes, batch;
    int64_t width;
    float *w, *b, *dw, *db, *mw, *mb; /* [classes,width], [classes] */
    float *x, *logits, *dlogits, *targets;
    double *mean, *var; /* running, [width] */
    float loss;
    uint32_t *order;
    mx_session session;
} probe;

static mx_tensor matrix(float *data, int64_t rows, int64_t width) {
    return mx_view(data, MX_F32, rows, width, 0, 0, 0);
}
static mx_tensor vector(float *data, int64_t n) { return mx_view(data, MX_F32, n, 0, 0, 0, 0); }

static void learn(mx_ctx *c, void *user) {
    probe *p = user;
    mx_tensor x = matrix(p->x, p->batch, p->width), w = matrix(p->w, p->classes, p->width);
    mx_tensor logits = matrix(p->logits, p->batch, p->classes), dlogits = logits;
    dlogits.data = p->dlogits;
    mx_linear(c, logits, x, w, vector(p->b, p->classes));
    mx_fill(c, matrix(p->dw, p->classes, p->width), 0), mx_fill(c, vector(p->db, p->classes), 0);
    p->loss = 0;
    mx_soft_cross_entropy(c, vector(&p->loss, 1), dlogits, logits, matrix(p->targets, p->batch, p->classes),
                          1);
    mx_linear_back(c, MX_ABSENT, matrix(p->dw, p->classes, p->width), vector(p->db, p->classes), dlogits, x,
                   w);
}

/* Batch statistics normalise (biased variance) and go into the running ones (unbiased). */
static void normalise_batch(probe *p) {
    for (int64_t j = 0; j < p->width; j++) {
        double sum = 0, square = 0;
        for (int i = 0; i < p->batch; i++) sum += (double)p->x[i * p->width + j];
        double mean = sum / p->batch;
        for (int i = 0; i < p->batch; i++) {
            double d = (double)p->x[i * p->width + j] - mean;
            square += d * d;
        }
        double var = square / p->batch, scale = 1 / sqrt(var + MX_BN_EPS);
        for (int i = 0; i < p->batch; i++) {
            float *x = &p->x[i * p->width + j];
            *x = (float)(((double)*x - mean) * scale);
        }
        p->mean[j] += MX_BN_MOMENTUM * (mean - p->mean[j]);
        p->var[j] += MX_BN_MOMENTUM * (square / (p->batch > 1 ? p->batch - 1 : 1) - p->var[j]);
    }
}

static void shuffle(probe *p, uint64_t seed, int64_t epoch) {
    mx_rng r = mx_rng_make(seed, MX_RNG_ORDER, (uint64_t)epoch, 1);
    for (int64_t i = 0; i < p->train->count; i++) p->order[i] = (uint32_t)i;
    for (int64_t i = p->train->count - 1; i > 0; i--) {
        int64_t j = (int64_t)mx_rng_below(&r, (uint64_t)i + 1);
        uint32_t x = p->order[i];
        p->order[i] = p->order[j], p->order[j] = x;
    }
}

static void take_batch(probe *p, int64_t epoch, int64_t n) {
    const mx_features *t = p->train;
    const float *view = t->x + (epoch % t->views) * t->count * t->width;
    memset(p->targets, 0, sizeof *p->targets * (size_t)p->batch * (size_t)p->classes);
    for (int i = 0; i < p->batch; i++) {
        int64_t row = p->order[n * p->batch + i];
        memcpy(p->x + i * p->width, view + row * p->width, sizeof *p->x * (size_t)p->width);
        p->targets[(int64_t)i * p->classes + t->label[row]] = 1;
    }
    normalise_batch(p);
}

static mx_status train_probe(probe *p, const mx_linear_probe_config *c, mx_linear_probe_result *out,
                             mx_error *e) {
    int64_t epoch_steps = p->train->count / p->batch;
    const mx_schedule schedule = {c->lr, 0, c->warmup_epochs, c->epochs};
    out->steps = (int64_t)ceil(c->epochs * (double)epoch_steps);
    for (int64_t step = 0; step < out->steps && !e->status; step++) {
        if (step % epoch_steps == 0) shuffle(p, c->seed, step / epoch_steps);
        take_batch(p, step / epoch_steps, step % epoch_steps);
        learn(&p->session.ctx, p);
        mx_session_error(&p->session, e);
        const mx_lars_config lars = {mx_schedule_at(&schedule, (double)step / (double)epoch_steps), 0, 0.9,
                                     0.001};
        mx_lars_update(p->w, p->dw, p->mw, p->classes * p->width, true, &lars);
        mx_lars_update(p->b, p->db, p->mb, p->classes, false, &lars);
    }
    return e->status;
}

/* Running statistics, then the layer, a few rows at a time. */
static void test_probe(probe *p, const mx_features *test, mx_accuracy *out) {
    mx_ctx *c = &p->session.ctx;
    *out = (mx_accuracy){0};
    for (int64_t at = 0; at < test->count; at += p->batch) {
        int64_t rows = test->count - at < p->batch ? test->count - at : p->batch;
        for (int64_t i = 0; i < rows * p->width; i++) {
            int64_t j = i % p->width;
            p->x[i] =
                (float)(((double)test->x[at * p->width + i] - p->mean[j]) / sqrt(p->var[j] + MX_BN_EPS));
        }
        mx_linear(c, matrix(p->logits, p->batch, p->classes), matrix(p->x, p->batch, p->width),
                  matrix(p->w, p->classes, p->width), vector(p->b, p->classes));
        for (int64_t i = 0; i < rows; i++) {
            int rank = mx_rank_of(p->logits + i * p->classes, p->classes, test->label[at + i]);
            out->top1 += rank < 1, out->top5 += rank < 5;
        }
    }
    out->top1 *= 100.0 / (double)test->count, out->top5 *= 100.0 / (double)test->count;
}

static int choose_batch(int64_t count) {
    int64_t n = count / MX_PROBE_STEPS;
    if (n > MX_PROBE_BATCH) n = MX_PROBE_BATCH;
    if (n < MX_PROBE_LEAST) n = MX_PROBE_LEAST;
    return (int)(n < count ? n : count);
}

static bool make_buffers(probe *p, uint64_t seed) {
    size_t rows = (size_t)p->batch, width = (size_t)p->width, classes = (size_t)p->classes;
    p->w = calloc(classes * width, sizeof(float)), p->dw = calloc(classes * width, sizeof(float));
    p->mw = calloc(classes * width, sizeof(float));
    p->b = calloc(classes, sizeof(float)), p->db = calloc(classes, sizeof(float)),
    p->mb = calloc(classes, sizeof(float));
    p->x = calloc(rows * width, sizeof(float)), p->logits = calloc(rows * classes, sizeof(float));
    p->dlogits = calloc(rows * classes, sizeof(float)), p->targets = calloc(rows * classes, sizeof(float));
    p->mean = calloc(width, sizeof(double)), p->var = calloc(width, sizeof(double));
    p->order = calloc((size_t)p->train->count, sizeof *p->order);
    if (!p->w || !p->dw || !p->mw || !p->b || !p->db || !p->mb || !p->x || !p->logits || !p->dlogits ||
        !p->targets || !p->mean || !p->var || !p->order)
        return false;
    mx_rng r = mx_rng_make(seed, MX_RNG_INIT, 0, 2);
    for (size_t i = 0; i < classes * width; i++) p->w[i] = (float)(MX_HEAD_STD * mx_rng_normal(&r));
    for (size_t j = 0; j < width; j++) p->var[j] = 1;
    return true;
}

mx_status mx_linear_probe(mx_linear_probe_result *out, const mx_features *train, const mx_features *test,
                          int classes, const mx_linear_probe_config *config, const mx_ctx *like,
                          mx_error *e) {
    const mx_compute how = mx_compute_like(like);
    probe p = {
        .train = train, .classes = classes, .width = train->width, .batch = choose_batch(train->count)};
    *out = (mx_linear_probe_result){.batch = p.batch};
    if (!make_buffers(&p, config->seed))
        mx_fail(e, MX_ERR_MEMORY, "out of memory for a linear probe of %d x %lld", classes,
                (long long)train->width);
    else if (!mx_session_make(&p.session, &how, learn, &p, NULL, e) && !train_probe(&p, config, out, e)) {
        test_probe(&p, test, &out->test);
        mx_session_error(&p.session, e);
    }
    mx_session_free(&p.session);
    free(p.w), free(p.dw), free(p.mw), free(p.b), free(p.db), free(p.mb), free(p.x), free(p.logits),
        free(p.dlogits);
    free(p.targets), free(p.mean), free(p.var), free(p.order);
    return e->status;
}
