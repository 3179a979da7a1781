/* Activation checkpointing (model/block.h): gradients and weights have the same bytes whatever the blocks
 * keep; the planned arena is the one used; keeping less takes less memory and more work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/step.h"
#include "backends.h"

static const char *const backends[] = {"ref", "cpu"};

/* ref is slow: a model of one block a stage, the last stage two. cpu: nano, whose GELU runs over several
 * tasks. */
static mx_settings settings(const char *backend, const mx_objective *objective) {
    mx_settings s = {.objective = objective,
                     .batch = 8,
                     .accum = 2,
                     .epochs = 4,
                     .schedule = {1e-2, 0, 1, 4},
                     .weight_decay = 0.05,
                     .beta1 = 0.9,
                     .beta2 = 0.95,
                     .objective_settings = {.mask_ratio = 0.5, .layer_decay = 0.7, .drop_path = 0.4},
                     .seed = 7,
                     .max_skipped = 3,
                     .threads = 2,
                     .device = backend,
                     .steps_per_epoch = 8,
                     .steps = 32};
    s.model = (mx_model_config){.name = "test",
                                .image_h = 32,
                                .image_w = 32,
                                .patch = 4,
                                .channels = 3,
                                .stages = 3,
                                .embed_dim = 8,
                                .depths = {1, 1, 2},
                                .heads = {1, 2, 4},
                                .windows = {4, 2, 2},
                                .decoder_dim = 16,
                                .decoder_depth = 2,
                                .decoder_heads = 2,
                                .norm_pix = true};
    if (!strcmp(backend, "cpu"))
        mx_model_named("nano", &s.model, NULL);
    else
        s.accum = 1;
    if (objective->labels)
        s.model.decoder_dim = s.model.decoder_depth = s.model.decoder_heads = 0, s.model.classes = 3;
    return s;
}

static float *make_images(const mx_settings *s) {
    size_t n = (size_t)s->batch * 3 * (size_t)s->model.image_h * (size_t)s->model.image_w;
    float *x = malloc(n * sizeof *x);
    mx_rng r = mx_rng_make(3, MX_RNG_TEST, 9, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)mx_rng_normal(&r);
    return x;
}

typedef struct {
    float *weight, *grad;
    size_t bytes, planned;
    double flops;
} outcome;

/* Three steps from the seed: weights, and the last step's gradients. */
static outcome run(const mx_settings *s) {
    mx_stepper t;
    mx_error e = {0};
    mx_run_state state = {0};
    if (mx_stepper_make(&t, s, false, NULL, &e)) fail_msg("%s", e.text);
    mx_params_init(&t.model.params, s->seed);
    if (s->objective->labels) mx_head_init(&t.model, s->seed, 0.02);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < s->accum; j++) {
            float *images = make_images(s); /* fine-tuning mixes them in place */
            mx_step_micro(&t, state.step, j, images, NULL);
            free(images);
        }
        mx_step_update(&t, &state);
        assert_true(mx_step_result_next(&t, &state, &(mx_step_result){0}));
    }
    if (!mx_ok(&t.session.ctx)) fail_msg("%s", t.session.ctx.error.text);
    assert_int_equal(state.updates, 3);
    assert_int_equal(t.session.arena.peak, t.session.planned);
    assert_int_equal(t.session.arena.used, 0);
    outcome o = {.bytes = sizeof(float) * (size_t)t.model.params.total,
                 .planned = t.session.planned,
                 .flops = t.session.flops};
    memcpy(o.weight = malloc(o.bytes), t.model.params.weight, o.bytes);
    memcpy(o.grad = malloc(o.bytes), t.model.params.grad, o.bytes);
    mx_stepper_free(&t);
    return o;
}

static void forget(outcome *o) { free(o->weight), free(o->grad); }

static void same(const outcome *a, const outcome *b) {
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->grad, b->grad, a->bytes);
    assert_memory_equal(a->weight, b->weight, a->bytes);
}

/* mx_gelu makes the very bytes that the product's epilogue made, tails of registers and of tasks included. */
static void gelu_repeats_the_epilogue(void **state) {
    (void)state;
    const int64_t sizes[][2] = {{1, 1}, {7, 13}, {49, 100}, {1100, 160}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes * 2; i++) {
        const mx_backend *backend = mx_backend_find(backends[i % 2]);
        int64_t rows = sizes[i / 2][0], out = sizes[i / 2][1], in = 3;
        mx_arena arena;
        mx_error e = {0};
        if (!has_backend(backends[i % 2])) continue;
        if (mx_arena_make(&arena, (size_t)64 << 20, &e)) fail_msg("%s", e.text);
        mx_ctx c = {.backend = backend, .arena = &arena, .threads = 3};
        mx_tensor x = mx_alloc(&c, MX_F32, 2, (int64_t[]){rows, in}),
                  w = mx_alloc(&c, MX_F32, 2, (int64_t[]){out, in});
        mx_tensor b = mx_alloc(&c, MX_F32, 1, &out), y = mx_alloc(&c, MX_F32, 2, (int64_t[]){rows, out});
        mx_tensor h = mx_alloc_like(&c, y), again = mx_alloc(&c, MX_F32, 1, (int64_t[]){rows * out + 1});
        mx_rng r = mx_rng_make(5, MX_RNG_TEST, 1, (uint32_t)i);
        mx_tensor all[] = {x, w, b};
        for (int k = 0; k < 3; k++)
            for (int64_t j = 0; j < mx_count(all[k]); j++) mx_f32(all[k])[j] = (float)mx_rng_normal(&r);
        mx_f32(again)[rows * out] = 77;
        mx_linear_gelu(&c, y, h, x, w, b);
        mx_gelu(&c, mx_slice(again, 0, rows * out), h);
        assert_true(mx_ok(&c) && mx_f32(again)[rows * out] == 77);
        assert_memory_equal(again.data, y.data, mx_bytes(y));
        mx_gelu(&c, y, mx_slice(again, 0, rows * out + 1));
        assert_int_equal(c.error.status, MX_ERR_SHAPE);
        mx_arena_free(&arena);
    }
}

static void every_level_gives_the_same_bytes(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        if (!has_backend(backends[i / 2])) continue;
        mx_settings s = settings(backends[i / 2], i % 2 ? &mx_classify : &mx_mixmae);
        outcome all = run(&s), last = {.planned = all.planned, .flops = all.flops};
        for (int level = 1; level < MX_RECOMPUTE_LEVELS; level++) {
            memset(s.recompute, level, sizeof s.recompute);
            outcome o = run(&s);
            same(&all, &o);
            assert_true(o.planned < last.planned);
            assert_true(level == MX_RECOMPUTE_POINTWISE ? o.flops == last.flops : o.flops > last.flops);
            last.planned = o.planned, last.flops = o.flops;
            forget(&o);
        }
        forget(&all);
    }
}

/* In mixed precision too: what is computed again reads the same bf16 bytes. */
static void mixed_precision_gives_the_same_bytes(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        if (!has_backend(backends[i / 2])) continue;
        mx_settings s = settings(backends[i / 2], i % 2 ? &mx_classify : &mx_mixmae);
        outcome full = run(&s);
        s.activations = MX_BF16;
        outcome all = run(&s);
        assert_true(all.planned < full.planned);
        assert_true(memcmp(all.weight, full.weight, all.bytes) != 0);
        for (int level = 1; level < MX_RECOMPUTE_LEVELS; level++) {
            memset(s.recompute, level, sizeof s.recompute);
            outcome o = run(&s);
            same(&all, &o);
            forget(&o);
        }
        s.threads = 5;
        outcome o = run(&s);
        same(&all, &o);
        forget(&o);
        forget(&all);
        forget(&full);
    }
}

/* Each block its own level, in many combinations. */
static void mixed_levels_give_the_same_bytes(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        if (!has_backend(backends[i / 2])) continue;
        mx_settings s = settings(backends[i / 2], i % 2 ? &mx_classify : &mx_mixmae);
        outcome all = run(&s);
        for (uint32_t draw = 0; draw < (i < 2 ? 1 : 8); draw++) {
            mx_rng r = mx_rng_make(11, MX_RNG_TEST, 4, draw);
            for (int b = 0; b < MX_MAX_BLOCKS; b++)
                s.recompute[b] = (uint8_t)(mx_rng_u32(&r) % MX_RECOMPUTE_LEVELS);
            outcome o = run(&s);
            same(&all, &o);
            forget(&o);
        }
        forget(&all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gelu_repeats_the_epilogue),
                                       cmocka_unit_test(every_level_gives_the_same_bytes),
                                       cmocka_unit_test(mixed_levels_give_the_same_bytes),
                                       cmocka_unit_test(mixed_precision_gives_the_same_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
