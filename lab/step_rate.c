/* One pretraining step of a named model: time by op, and the rate against that of the step's bare products.
 *
 * gcc -O2 -D_GNU_SOURCE -Isrc lab/step_rate.c build/libmixmae.a -ljansson -lm -o
 * /tmp/step_rate /tmp/step_rate base 8 2 3      (model, batch, threads, steps) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/model.h"
#include "ops/product.h"
#include "optim/adamw.h"
#include "model/session.h"

/* With one thread, processor time: what other programs take does not count. With more, wall time, because
 * threads that wait for each other count as busy. */
static clockid_t which = CLOCK_MONOTONIC;
static double now(void) {
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    mx_model model;
    mx_token_order mix;
    mx_tensor images;
    float loss;
    double update[MX_UPDATE];
} work;

static const mx_adamw_config adamw = {
    .weight_decay = 0.05, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .layer_decay = 1};

static void step(mx_ctx *c, void *user) {
    work *w = user;
    w->loss = 0;
    mx_gradients_zero(c, &w->model.params);
    mx_pretrain_pass(c, &w->model, mx_view(&w->loss, MX_F32, 1, 0, 0, 0, 0), w->images, &w->mix, 1.0f);
    w->update[MX_UPDATE_LR] = 1e-4;
    mx_adamw_update(c, &w->model.params, &adamw, mx_view(w->update, MX_F64, MX_UPDATE, 0, 0, 0, 0),
                    mx_view(&w->loss, MX_F32, 1, 0, 0, 0, 0));
}

static int by_time(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Seconds that the products of a step take alone: each shape timed for at least 3 runs, median, times calls.
 */
static double products_alone(const mx_products *p, int threads, bool blocks) {
    double total = 0;
    for (int i = 0; i < p->count; i++) {
        const mx_product *q = &p->item[i];
        const int64_t na = q->m * q->k, nb = q->k * q->n, nc = q->m * q->n;
        float *a = malloc(sizeof *a * (size_t)na), *b = malloc(sizeof *b * (size_t)nb),
              *c = malloc(sizeof *c * (size_t)nc);
        for (int64_t j = 0; j < na; j++) a[j] = (float)(j % 97) * 0.01f - 0.5f;
        for (int64_t j = 0; j < nb; j++) b[j] = (float)(j % 89) * 0.01f - 0.5f;
        double t[5];
        mx_product_run(q, MX_F32, c, a, b, threads, blocks);
        for (int r = 0; r < 5; r++) {
            const double begun = now();
            mx_product_run(q, MX_F32, c, a, b, threads, blocks);
            t[r] = now() - begun;
        }
        qsort(t, 5, sizeof *t, by_time);
        total += t[2] * (double)q->calls;
        if (getenv("SHAPES"))
            printf("%s%s m %6ld n %5ld k %6ld x%3ld: %6.1f GFLOP/s\n", q->trans_a ? "T" : "N",
                   q->trans_b ? "T" : "N", (long)q->m, (long)q->n, (long)q->k, (long)q->calls,
                   2e-9 * (double)q->m * (double)q->n * (double)q->k / t[2]);
        free(a), free(b), free(c);
    }
    return total;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "base";
    const int batch = argc > 2 ? atoi(argv[2]) : 8, threads = argc > 3 ? atoi(argv[3]) : 2,
              steps = argc > 4 ? atoi(argv[4]) : 3;
    if (threads == 1) which = CLOCK_PROCESS_CPUTIME_ID;
    mx_model_config config;
    mx_error e = {0};
    work w = {.loss = 0};
    mx_session s;
    mx_products products = {0};
    mx_profile profile = {.count = 0};
    if (!mx_model_named(name, &config, NULL)) return 1;
    if (mx_model_make(&w.model, &config, MX_PARAMS_TRAIN, &e) ||
        mx_token_order_make(&w.mix, &config, batch, true, &e))
        return fprintf(stderr, "%s\n", e.text), 1;
    mx_params_init(&w.model.params, 1);
    const int64_t pixels = (int64_t)batch * config.channels * config.image_h * config.image_w;
    float *x = malloc(sizeof *x * (size_t)pixels);
    for (int64_t i = 0; i < pixels; i++) x[i] = (float)(i * 7919 % 1000) * 2e-3f - 1;
    w.images = mx_view(x, MX_F32, batch, config.channels, config.image_h, config.image_w, 0);
    if (mx_session_make(&s, &(mx_compute){.backend = "cpu", .threads = threads}, step, &w, &products, &e))
        return fprintf(stderr, "%s\n", e.text), 1;
    uint8_t *mask = calloc((size_t)w.mix.units, 1);
    for (int i = 0; i < w.mix.units; i++) mask[i] = (uint8_t)(i * 31 % 7 % 2);
    mx_token_order_set(&w.mix, mask);
    double best = 1e9, flops = 0;
    for (int i = 0; i < steps; i++) {
        profile.count = 0;
        s.ctx.profile = &profile;
        s.ctx.flops = 0;
        const double begun = now();
        step(&s.ctx, &w);
        const double t = now() - begun;
        if (t < best) best = t;
        flops = s.ctx.flops;
        printf("step %d: %.3f s, loss %g %s\n", i, t, w.loss, s.ctx.error.text);
    }
    double listed = 0, sum = 0;
    for (int i = 0; i < profile.count; i++) listed += profile.seconds[i];
    for (int i = 0; i < profile.count; i++)
        printf("%-20s %5ld calls %7.3f s %5.1f %%  %6.1f GFLOP/s\n", profile.name[i], (long)profile.calls[i],
               profile.seconds[i], 100 * profile.seconds[i] / listed,
               profile.flops[i] / profile.seconds[i] * 1e-9);
    for (int i = 0; i < products.count; i++)
        sum += 2.0 * (double)products.item[i].m * (double)products.item[i].n * (double)products.item[i].k *
               (double)products.item[i].calls;
    const double ours = products_alone(&products, threads, true),
                 library = products_alone(&products, threads, false);
    const double rate = flops / best * 1e-9, fastest = sum / (ours < library ? ours : library) * 1e-9;
    printf("%s, batch %d, %d threads, %s: %.0f GFLOP in %.3f s = %.1f GFLOP/s; products alone: ours %.1f, "
           "library %.1f; "
           "step at %.0f %% of the faster; memory %.0f MB\n",
           name, batch, threads, mx_backend_isa(s.ctx.backend), flops * 1e-9, best, rate, sum / ours * 1e-9,
           sum / library * 1e-9, 100 * rate / fastest, (double)s.planned * 1e-6);
    return 0;
}
