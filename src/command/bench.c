/* `mixmae bench`: the speed of the training step next to the machine's own matrix rate. Both are measured in turn,
 * so that the figures hold on a noisy machine.
 *
 * (a) matrix rate: every distinct product of the step is timed alone on random matrices, weighted by how
 * often the step does it: Σ flops / Σ seconds. The faster of our blocks and oneDNN with its own threading
 * (if it is installed) counts, in the run's precision. (b) useful rate: 6 × forward multiply-adds
 * (docs/MODEL.md) of the step's images over the time of the whole step, optimiser included. What attention
 * inside groups saves and what is skipped counts as done. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/say.h"
#include "command/bench_profile.h"
#include "command/command.h"
#include "ops/product.h"
#include "train/memory.h"
#include "train/timing.h"

#define MX_BENCH_ROUNDS 5
#define MX_MAX_ROUNDS   100

typedef struct {
    mx_stepper stepper;
    mx_products products;
    float *a, *b, *c;          /* large enough for any product of the step */
    uint16_t *half_a, *half_b; /* the same numbers in bf16 */
    float *images;
    mx_run_state state;
    bool library;                /* oneDNN is available */
    double flops, library_flops; /* of all products timed; of those where oneDNN was faster */
} bench;

/* Random numbers in [-0.5, 0.5), exact in bf16. */
static void fill(float *x, uint16_t *half, int64_t n, uint32_t factor) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        x[i] = (float)(((uint32_t)i * factor >> 8) & 127) / 128 - 0.5f;
        memcpy(&bits, &x[i], sizeof bits);
        half[i] = (uint16_t)(bits >> 16);
    }
}

static mx_status make_matrices(bench *x, mx_error *e) {
    int64_t a = 1, b = 1, c = 1;
    for (int i = 0; i < x->products.count; i++) {
        const mx_product *p = &x->products.item[i];
        a = p->m * p->k > a ? p->m * p->k : a;
        b = p->n * p->k > b ? p->n * p->k : b;
        c = p->m * p->n > c ? p->m * p->n : c;
    }
    x->a = malloc(sizeof(float) * (size_t)a), x->b = malloc(sizeof(float) * (size_t)b);
    x->c = malloc(sizeof(float) * (size_t)c), x->images = mx_random_images(&x->stepper.settings);
    x->half_a = malloc(sizeof *x->half_a * (size_t)a), x->half_b = malloc(sizeof *x->half_b * (size_t)b);
    if (!x->a || !x->b || !x->c || !x->half_a || !x->half_b || !x->images)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the benchmark's matrices");
    fill(x->a, x->half_a, a, 2654435761u);
    fill(x->b, x->half_b, b, 2246822519u);
    memset(x->c, 0, sizeof(float) * (size_t)c);
    return MX_OK;
}

/* One product in the run's precision. In bf16 our blocks read the weight in f32, as the step does; oneDNN gets it in
 * bf16. If oneDNN has no bf16 products, it multiplies in f32. */
static bool multiply(bench *x, const mx_product *p, bool own) {
    const mx_settings *s = &x->stepper.settings;
    if (s->activations == MX_BF16) {
        const void *b = own && !p->trans_a ? (const void *)x->b : x->half_b;
        if (mx_product_run(p, MX_BF16, x->c, x->half_a, b, s->threads, own)) return true;
    }
    return mx_product_run(p, MX_F32, x->c, x->a, x->b, s->threads, own);
}

/* oneDNN compiles its code for a shape at the first product, which must not be timed. */
static void prepare_library(bench *x) {
    if (mx_backend_is_device(x->stepper.session.ctx.backend)) return;
    for (int i = 0; i < x->products.count; i++) x->library = multiply(x, &x->products.item[i], false);
}

static double product_flops(const mx_product *p) { return 2.0 * (double)p->m * (double)p->n * (double)p->k; }

/* Seconds of one call of p, the faster of the two ways on host memory. Small products are repeated to be measurable.
 */
static double time_product(bench *x, const mx_product *p) {
    const double flops = product_flops(p);
    mx_ctx *c = &x->stepper.session.ctx;
    if (mx_backend_is_device(c->backend)) return mx_product_seconds(c, p, x->stepper.settings.activations);
    double seconds[2] = {1e30, 1e30}; /* oneDNN's, ours */
    int repeat = flops < 2e8 ? (int)(2e8 / flops) + 1 : 1;
    for (int own = 0; own < 2; own++) {
        double start = mx_clock_now();
        bool done = true;
        for (int i = 0; i < repeat && done; i++) done = multiply(x, p, own);
        if (done) seconds[own] = (mx_clock_now() - start) / repeat;
    }
    x->flops += flops * (double)p->calls;
    if (seconds[0] >= seconds[1]) return seconds[1];
    x->library_flops += flops * (double)p->calls;
    return seconds[0];
}

static double matrix_rate(bench *x) {
    double flops = 0, seconds = 0;
    for (int i = 0; i < x->products.count; i++) {
        const mx_product *p = &x->products.item[i];
        flops += product_flops(p) * (double)p->calls;
        seconds += time_product(x, p) * (double)p->calls;
    }
    return seconds > 0 ? flops / seconds : 0;
}

static void rounds(bench *x, int count, const mixmae_sink *sink) {
    const mx_settings *s = &x->stepper.settings;
    double useful = 6 * mx_model_forward_macs(&s->model) * s->batch * s->accum;
    double matrix[MX_MAX_ROUNDS], step[MX_MAX_ROUNDS], ratio[MX_MAX_ROUNDS], images[MX_MAX_ROUNDS];
    mx_say(sink, "%5s %18s %18s %8s %10s", "round", "(a) matrix GFLOP/s", "(b) useful GFLOP/s", "b/a",
           "images/s");
    prepare_library(x);
    mx_time_step(&x->stepper, &x->state, x->images); /* touches all memory */
    for (int i = 0; i < count; i++) {
        matrix[i] = matrix_rate(x) / 1e9;
        double seconds = mx_time_step(&x->stepper, &x->state, x->images);
        step[i] = useful / seconds / 1e9, images[i] = s->batch * s->accum / seconds,
        ratio[i] = matrix[i] > 0 ? step[i] / matrix[i] : 0; /* a mock device has no rate of its own */
        mx_say(sink, "%5d %18.1f %18.1f %7.1f%% %10.2f", i + 1, matrix[i], step[i], 100 * ratio[i],
               images[i]);
    }
    mx_say(sink, "median %17.1f %18.1f %7.1f%% %10.2f", mx_median(matrix, count), mx_median(step, count),
           100 * mx_median(ratio, count), mx_median(images, count));
    if (x->library)
        mx_say(sink, "(a) is oneDNN's rate in %.0f%% of the work, where it was the faster, else our blocks'",
               100 * x->library_flops / x->flops);
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    mx_settings s;
    bench *x = calloc(1, sizeof *x);
    if (!x) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (mx_settings_make(&s, mx_objective_of_command("pretrain"), o, NULL, e)) goto done;
    s.steps_per_epoch = s.steps = 1000;
    if (mx_memory_fit(&s, NULL, NULL, e)) goto done;
    if (mx_stepper_make(&x->stepper, &s, false, &x->products, e) || make_matrices(x, e)) goto done;
    mx_params_init(&x->stepper.model.params, s.seed);
    mx_stepper_upload(&x->stepper);
    char recompute[256], machine[160];
    const mx_compute how = mx_settings_compute(&s);
    mx_compute_text(&how, machine, sizeof machine);
    mx_say(sink, "%s at %dx%d, batch %d x %d, %s", s.model.name, s.model.image_h, s.model.image_w, s.accum,
           s.batch, machine);
    mx_memory_text(&s, mx_model_blocks(&x->stepper.model), recompute, sizeof recompute);
    if (recompute[0]) mx_say(sink, "computed again: %s (counted in b as time only)", recompute);
    int count = o->steps > 0 ? (int)o->steps : MX_BENCH_ROUNDS;
    if (count > MX_MAX_ROUNDS) count = MX_MAX_ROUNDS;
    rounds(x, count, sink);
    if (o->profile) mx_bench_profile(&x->stepper, &x->state, x->images, count, sink);
    mx_session_error(&x->stepper.session, e);
done:
    mx_stepper_free(&x->stepper);
    free(x->products.item);
    free(x->a), free(x->b), free(x->c), free(x->half_a), free(x->half_b), free(x->images);
    free(x);
    return e->status;
}

const mx_command_about mx_about_bench = {
    .brief = "training speed against the machine's matrix rate",
    .usage = "mixmae bench --model NAME [--batch-size N] [--profile]",
    .text =
        "Alternates between (a) the matrix products of a step alone and (b) whole training steps, and prints "
        "the useful FLOPs per second of both.",
    .examples = {"mixmae bench --model base --batch-size 8",
                 "mixmae bench --model tiny --batch-size 16 --profile"},
    .run = run,
};
