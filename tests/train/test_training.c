/* Training properties that golden files do not show: initial values, drop path, clipping, order of decay and
 * update, handling of non-finite values, accumulation, schedule, isolation of mixed images, planned memory
 * (model/, optim/, train/step.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "ops/backend.h"
#include "optim/adamw.h"
#include "optim/schedule.h"
#include "train/step.h"
#include "backends.h"

static const char *const backends[] = {"ref", "cpu"};

static mx_model_config config(void) {
    return (mx_model_config){.name = "test",
                             .image_h = 32,
                             .image_w = 32,
                             .patch = 2,
                             .channels = 3,
                             .stages = 3,
                             .embed_dim = 16,
                             .depths = {1, 1, 2},
                             .heads = {1, 2, 4},
                             .windows = {8, 4, 4},
                             .decoder_dim = 32,
                             .decoder_depth = 2,
                             .decoder_heads = 2,
                             .norm_pix = true};
}

static mx_settings settings(const char *backend, int threads) {
    return (mx_settings){.objective = &mx_mixmae,
                         .model = config(),
                         .batch = 4,
                         .accum = 2,
                         .epochs = 4,
                         .schedule = {1e-3, 0, 1, 4},
                         .weight_decay = 0.05,
                         .beta1 = 0.9,
                         .beta2 = 0.95,
                         .objective_settings = {.mask_ratio = 0.5},
                         .seed = 7,
                         .max_skipped = 3,
                         .threads = threads,
                         .device = backend,
                         .steps_per_epoch = 8,
                         .steps = 32};
}

static float *make_images(int count, uint64_t seed) {
    size_t n = (size_t)count * 3 * 32 * 32;
    float *x = malloc(n * sizeof *x);
    mx_rng r = mx_rng_make(seed, MX_RNG_TEST, 9, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)mx_rng_normal(&r);
    return x;
}

static void open_stepper(mx_stepper *t, const mx_settings *s) {
    mx_error e = {0};
    if (mx_stepper_make(t, s, false, NULL, &e)) fail_msg("%s", e.text);
    mx_params_init(&t->model.params, s->seed);
}

static void train(mx_stepper *t, mx_run_state *state, const float *images, int steps) {
    for (int i = 0; i < steps; i++) {
        for (int j = 0; j < t->settings.accum; j++) mx_step_micro(t, state->step, j, (float *)images, NULL);
        mx_step_result r;
        mx_step_update(t, state);
        assert_true(mx_step_results_full(t) && mx_step_result_next(t, state, &r));
        assert_true(r.step == state->step && !mx_step_result_next(t, state, &r));
    }
    assert_true(mx_ok(&t->session.ctx));
}

/* Mean and deviation of a tensor's initial values. */
static void moments(const mx_params *p, const char *name, double *mean, double *std, double *far) {
    const mx_param *q = &p->item[mx_params_find(p, name)];
    const float *w = p->weight + q->offset;
    double s = 0, ss = 0;
    *far = 0;
    for (int64_t i = 0; i < q->count; i++)
        s += (double)w[i], ss += (double)w[i] * (double)w[i], *far = fmax(*far, fabs((double)w[i]));
    *mean = s / (double)q->count, *std = sqrt(ss / (double)q->count - *mean * *mean);
}

static void initial_values(void **state) {
    (void)state;
    mx_model m;
    mx_error e = {0};
    mx_model_config c = config();
    c.embed_dim = 64;
    double mean, std, far, bound;
    assert_int_equal(mx_model_make(&m, &c, MX_PARAMS_WEIGHTS, &e), MX_OK);
    mx_params_init(&m.params, 1);
    moments(&m.params, "layers.1.blocks.0.attn.qkv.weight", &mean, &std, &far);
    bound = sqrt(6.0 / (128 + 3 * 128)); /* qkv is one 3C x C matrix */
    assert_true(far <= bound && far > 0.99 * bound && fabs(std / (bound / sqrt(3)) - 1) < 0.02 &&
                fabs(mean) < 0.002);
    moments(&m.params, "patch_embed.proj.weight", &mean, &std, &far);
    bound = 1 / sqrt(12.0);
    assert_true(far <= bound && fabs(std / (bound / sqrt(3)) - 1) < 0.1);
    moments(&m.params, "patch_embed.proj.bias", &mean, &std, &far);
    assert_true(std > 0.1 && far <= bound);
    moments(&m.params, "layers.0.blocks.0.attn.relative_position_bias_table", &mean, &std, &far);
    assert_true(fabs(std / 0.02 - 1) < 0.15 && far > 0.04);
    moments(&m.params, "layers.0.blocks.0.mlp.fc1.bias", &mean, &std, &far);
    assert_true(far == 0);
    moments(&m.params, "norm.weight", &mean, &std, &far);
    assert_true(mean == 1 && std < 1e-7);
    mx_model_free(&m);
}

static void drop_path_keeps_the_expectation(void **state) {
    (void)state;
    enum { BLOCKS = 5, BATCH = 4000 };
    mx_drop_scale keep[BLOCKS];
    float *memory = malloc(sizeof(float) * 2 * BLOCKS * BATCH);
    mx_drop_path_draw(keep, memory, BLOCKS, BATCH, 0.4, 3, 11, 0);
    assert_false(mx_present(keep[0].attention)); /* rate 0 in the first block */
    for (int i = 1; i < BLOCKS; i++) {
        double p = 0.4 * i / (BLOCKS - 1), kept = 0, same = 0;
        for (int b = 0; b < BATCH; b++) {
            float a = mx_f32(keep[i].attention)[b], f = mx_f32(keep[i].mlp)[b];
            assert_true(a == 0 || fabs((double)a - 1 / (1 - p)) < 1e-6);
            kept += a > 0, same += (a > 0) == (f > 0);
        }
        assert_true(fabs(kept / BATCH - (1 - p)) < 5 * sqrt(p * (1 - p) / BATCH));
        assert_true(same < BATCH); /* two independent draws a block */
    }
    free(memory);
}

static void schedule_as_published(void **state) {
    (void)state;
    const mx_schedule pre = {1.2e-3, 0, 40, 600}, fine = {2e-3, 1e-6, 5, 100};
    const double cases[][2] = {{0, 0},       {1.0 / 625, 4.8e-8}, {20, 6e-4},
                               {40, 1.2e-3}, {320, 6e-4},         {599, 9.44e-9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(fabs(mx_schedule_at(&pre, cases[i][0]) - cases[i][1]) <= 1e-3 * cases[i][1]);
    assert_true(fabs(mx_schedule_at(&fine, 2.5) - 1e-3) < 1e-12 &&
                fabs(mx_schedule_at(&fine, 52.5) - 1.0005e-3) < 1e-9);
    assert_true(mx_warmup_bound(40, 600) == 40 &&
                mx_warmup_bound(40, 200) == 40); /* the paper's runs keep theirs */
    assert_true(mx_warmup_bound(40, 41) == 8.2 && mx_warmup_bound(40, 40) == 8 && mx_warmup_bound(0, 0) == 0);
    for (double epochs = 0.25; epochs < 600;
         epochs += 0.25) { /* longer runs never warm up less, nor for most of it */
        assert_true(mx_warmup_bound(40, epochs) <= mx_warmup_bound(40, epochs + 0.25));
        assert_false(mx_warmup_long(&(mx_schedule){1, 0, mx_warmup_bound(40, epochs), epochs}));
    }
}

/* One update on one number by hand: decay first, then the corrected step with eps outside the root. */
static void adamw_by_hand(void **state) {
    (void)state;
    for (int b = 0; b < 2; b++) {
        if (!has_backend(backends[b])) continue;
        mx_arena arena = {0};
        mx_ctx c = {.backend = mx_backend_find(backends[b]), .arena = &arena, .threads = 1};
        float w = 2, m = 0.1f, v = 1e-9f, g = 3e-5f;
        mx_adamw_args a = {0.5, 0.5, 0.9, 0.95, 1e-8};
        double u[MX_UPDATE] = {
            [MX_UPDATE_LR] = 0.2, [MX_UPDATE_COUNT] = 3, [MX_UPDATE_SCALE] = 0.5, [MX_UPDATE_FINITE] = 1};
        mx_tensor W = mx_view(&w, MX_F32, 1, 0, 0, 0, 0), M = W, V = W, G = W;
        M.data = &m, V.data = &v, G.data = &g;
        mx_adamw(&c, W, M, V, G, mx_view(u, MX_F64, MX_UPDATE, 0, 0, 0, 0), &a);
        double grad = 0.5 * 3e-5, m1 = 0.9 * 0.1 + 0.1 * grad, v1 = 0.95 * 1e-9 + 0.05 * grad * grad;
        double p = 2 * (1 - 0.1 * 0.5);
        p -= 0.1 / (1 - pow(0.9, 3)) * m1 / (sqrt(v1) / sqrt(1 - pow(0.95, 3)) + 1e-8);
        assert_true(mx_ok(&c) && fabs((double)w - p) < 2e-6 * fabs(p));
        assert_true(fabs((double)m - m1) < 1e-7 * m1 && fabs((double)v - v1) < 1e-6 * v1);
    }
}

static void not_finite_skips_the_update(void **state) {
    (void)state;
    for (int b = 0; b < 2; b++) {
        if (!has_backend(backends[b])) continue;
        mx_settings s = settings(backends[b], 2);
        mx_stepper t;
        mx_run_state run = {0};
        float *images = make_images(4, 1), *before;
        open_stepper(&t, &s);
        train(&t, &run, images, 2);
        size_t bytes = sizeof(float) * (size_t)t.model.params.total;
        before = malloc(bytes);
        memcpy(before, t.model.params.weight, bytes);
        float good = images[100];
        images[100] = NAN;
        train(&t, &run, images, 2);
        assert_int_equal(run.step, 4), assert_int_equal(run.updates, 2);
        assert_int_equal(run.skipped, 2), assert_int_equal(run.skipped_in_row, 2);
        assert_memory_equal(before, t.model.params.weight, bytes);
        images[100] = good;
        train(&t, &run, images, 1);
        assert_int_equal(run.skipped_in_row, 0), assert_int_equal(run.updates, 3);
        assert_true(memcmp(before, t.model.params.weight, bytes) != 0);
        free(before), free(images);
        mx_stepper_free(&t);
    }
}

static int downloads; /* through count_download */
static const mx_backend *device_itself;
static void count_download(mx_ctx *c, void *to, const void *name, size_t bytes) {
    downloads++;
    device_itself->download(c, to, name, bytes);
}

/* 20 steps, the 7th and 8th on images that are not numbers, results read after every `together` steps. */
static void results_of(mx_step_result out[20], mx_run_state *run, const char *backend, int together) {
    mx_settings s = settings(backend, 2);
    mx_stepper t;
    float *images = make_images(4, 4), good = images[100];
    mx_backend counted = *mx_backend_find(backend);
    open_stepper(&t, &s);
    mx_stepper_upload(&t);
    if (mx_backend_is_device(&counted)) {
        device_itself = t.session.ctx.backend;
        counted.download = count_download;
        t.session.ctx.backend = &counted;
    }
    memset(run, 0, sizeof *run); /* its padding too: it is compared */
    run->step = 3, run->updates = 2;
    downloads = 0;
    for (int i = 0, read = 0; i < 20; i++) {
        images[100] = i == 6 || i == 7 ? NAN : good;
        for (int j = 0; j < s.accum; j++) mx_step_micro(&t, run->step, j, images, NULL);
        mx_step_update(&t, run);
        if ((i + 1) % together == 0 || i == 19)
            while (mx_step_result_next(&t, run, &out[read])) read++;
        assert_true(read == 20 || read == (i + 1) / together * together);
    }
    if (!mx_ok(&t.session.ctx)) fail_msg("%s", t.session.ctx.error.text);
    free(images);
    mx_stepper_free(&t);
}

/* A step needs nothing from the host but images and a rate: its results may be read much later. */
static void results_can_wait(void **state) {
    (void)state;
    static const int together[] = {3, 7, MX_UNREAD};
    mx_step_result each[20], late[20];
    mx_run_state one, other;
    for (int b = 0; b < 3; b++) {
        const char *backend = b == 2 ? "mock" : backends[b];
        if (!has_backend(backend)) continue;
        results_of(each, &one, backend, 1);
        assert_true(each[5].step == 9 && each[6].skipped && each[7].skipped && !each[8].skipped);
        assert_true(one.updates == 20 && one.skipped == 2 && one.step == 23 && one.skipped_in_row == 0);
        for (int k = b ? 0 : 2; k < 3; k++) { /* ref is slow */
            results_of(late, &other, backend, together[k]);
            assert_memory_equal(&one, &other, sizeof one);
            for (int i = 0; i < 20; i++)
                assert_true(!memcmp(&each[i].loss, &late[i].loss, sizeof(double)) &&
                            !memcmp(&each[i].norm, &late[i].norm, sizeof(double)) &&
                            each[i].lr == late[i].lr && each[i].skipped == late[i].skipped &&
                            each[i].step == late[i].step);
            if (b == 2) assert_int_equal(downloads, (20 + together[k] - 1) / together[k]);
        }
    }
}

static void unread_results_are_not_lost(void **state) {
    (void)state;
    mx_settings s = settings("ref", 1);
    mx_stepper t;
    mx_run_state run = {0};
    open_stepper(&t, &s);
    for (int i = 0; i < MX_UNREAD; i++) mx_step_update(&t, &run);
    assert_true(mx_ok(&t.session.ctx) && mx_step_results_full(&t));
    mx_step_update(&t, &run);
    assert_int_equal(t.session.ctx.error.status, MX_ERR_ARGUMENT);
    mx_stepper_free(&t);
}

static void clipping_bounds_the_gradient(void **state) {
    (void)state;
    mx_settings s = settings("ref", 1);
    s.clip_grad = 1e-3, s.weight_decay = 0;
    mx_stepper t;
    mx_run_state run = {.step = 8}; /* past the first step, whose rate is 0 */
    float *images = make_images(4, 2);
    open_stepper(&t, &s);
    for (int j = 0; j < 2; j++) mx_step_micro(&t, run.step, j, (float *)images, NULL);
    mx_step_result r;
    mx_step_update(&t, &run);
    assert_true(mx_step_result_next(&t, &run, &r));
    double sum = 0; /* after the first update m = (1 - beta1) * clipped gradient */
    for (int64_t i = 0; i < t.model.params.total; i++) sum += pow((double)t.model.params.m[i] / (1 - 0.9), 2);
    assert_true(r.norm > 1e-3 && fabs(sqrt(sum) / 1e-3 - 1) < 2e-3);
    free(images);
    mx_stepper_free(&t);
}

/* The gradient of a step is the mean of its micro-batches' gradients, each under its own mask. */
static void accumulation_is_a_mean(void **state) {
    (void)state;
    mx_settings s = settings("ref", 1);
    mx_stepper t;
    float *images = make_images(4, 3);
    open_stepper(&t, &s);
    size_t n = (size_t)t.model.params.total;
    float *sum = calloc(n, sizeof *sum);
    for (int j = 0; j < 2; j++) {
        mx_gradients_zero(&t.session.ctx, &t.model.params);
        mx_step_micro(&t, 5, j + 2, (float *)images, NULL); /* j > 0 only: nothing is zeroed inside */
        for (size_t i = 0; i < n; i++) sum[i] += t.model.params.grad[i];
    }
    mx_gradients_zero(&t.session.ctx, &t.model.params);
    for (int j = 0; j < 2; j++) mx_step_micro(&t, 5, j + 2, (float *)images, NULL);
    double diff = 0, norm = 0;
    for (size_t i = 0; i < n; i++)
        diff += pow((double)sum[i] - (double)t.model.params.grad[i], 2), norm += pow((double)sum[i], 2);
    assert_true(norm > 0 && sqrt(diff / norm) < 1e-6);
    free(sum), free(images);
    mx_stepper_free(&t);
}

/* Pixels of the paired image under mask 1 never reach the tokens of the own image: no leak through windows or
 * merging. */
static void mixed_images_do_not_see_each_other(void **state) {
    (void)state;
    for (int b = 0; b < 2; b++) {
        if (!has_backend(backends[b])) continue;
        mx_settings s = settings(backends[b], 2);
        mx_stepper t;
        mx_pretrain_outputs v = {0};
        float *images = make_images(4, 4);
        open_stepper(&t, &s);
        mx_tensor x = mx_view(images, MX_F32, 4, 3, 32, 32, 0);
        mx_rng r = mx_rng_make(1, MX_RNG_TEST, 2, 0);
        mx_token_tables tables;
        mx_error e = {0};
        if (mx_token_tables_make(&tables, &s.model, 4, true, &e)) fail_msg("%s", e.text);
        mx_token_tables_attach(&t.session.ctx, &tables);
        uint8_t *mask = malloc((size_t)tables.units);
        mx_mask_draw(mask, tables.units, 0.5, 0, &r);
        mx_token_tables_set(&tables, mask);
        mx_pretrain_forward(&t.session.ctx, &t.model, &v, x, &tables);
        size_t width = (size_t)v.features.dim[2], units = (size_t)tables.units;
        float *before = malloc(mx_bytes(v.features));
        memcpy(before, v.features.data, mx_bytes(v.features));
        mx_arena_release(&t.session.arena, 0);
        for (size_t i = 0; i < 3 * 32 * 32; i++)
            images[3 * 3 * 32 * 32 + i] += 1; /* image 3, the partner of image 0 */
        mx_pretrain_forward(&t.session.ctx, &t.model, &v, x, &tables);
        assert_true(mx_ok(&t.session.ctx));
        for (size_t u = 0; u < units; u++) {
            int same = !memcmp(before + u * width, mx_f32(v.features) + u * width, width * sizeof(float));
            assert_int_equal(same, !tables.decoder.group[u]);
        }
        free(before), free(images), free(mask);
        mx_stepper_free(&t);
        mx_token_tables_free(&tables);
    }
}

static void planned_memory_is_used_memory(void **state) {
    (void)state;
    for (int b = 0; b < 2; b++) {
        if (!has_backend(backends[b])) continue;
        for (int threads = 1; threads <= 3; threads++) {
            mx_settings s = settings(backends[b], threads);
            mx_stepper t;
            mx_run_state run = {0};
            float *images = make_images(4, 5);
            open_stepper(&t, &s);
            train(&t, &run, images, 2);
            assert_int_equal(t.session.arena.peak, t.session.planned);
            assert_int_equal(t.session.arena.used, 0);
            free(images);
            mx_stepper_free(&t);
        }
    }
}

static void training_learns_and_repeats(void **state) {
    (void)state;
    for (int b = 0; b < 2; b++) {
        if (!has_backend(backends[b])) continue;
        float first = 0, *bytes = NULL;
        for (int again = 0; again < 2; again++) {
            mx_settings s = settings(backends[b], 1 + again);
            mx_stepper t;
            mx_run_state run = {0};
            float *images = make_images(4, 6);
            open_stepper(&t, &s);
            train(&t, &run, images, 1);
            first = t.loss;
            train(&t, &run, images, 23);
            assert_true((double)t.loss < 0.95 * (double)first);
            size_t n = sizeof(float) * (size_t)t.model.params.total;
            if (again)
                assert_memory_equal(bytes, t.model.params.weight, n);
            else
                memcpy(bytes = malloc(n), t.model.params.weight, n);
            free(images);
            mx_stepper_free(&t);
        }
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(initial_values),
                                       cmocka_unit_test(drop_path_keeps_the_expectation),
                                       cmocka_unit_test(schedule_as_published),
                                       cmocka_unit_test(adamw_by_hand),
                                       cmocka_unit_test(not_finite_skips_the_update),
                                       cmocka_unit_test(clipping_bounds_the_gradient),
                                       cmocka_unit_test(results_can_wait),
                                       cmocka_unit_test(unread_results_are_not_lost),
                                       cmocka_unit_test(accumulation_is_a_mean),
                                       cmocka_unit_test(mixed_images_do_not_see_each_other),
                                       cmocka_unit_test(planned_memory_is_used_memory),
                                       cmocka_unit_test(training_learns_and_repeats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
