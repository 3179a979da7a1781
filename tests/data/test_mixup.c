/* Mixup and CutMix (data/mixup.h): targets, partners, boxes and their real area, modes, determinism. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/mixup.h"

enum { B = 4, C = 2, H = 12, W = 10, N = C * H * W, CLASSES = 1000 };

static const mx_mixup both = {0.8, 1, {0, 0}, 1, 0.5, 0.1, MX_MIXUP_BATCH};

/* Image i holds i+1 everywhere. */
static void fill(float *x) {
    for (int i = 0; i < B * N; i++) x[i] = (float)(i / N + 1);
}

static const int32_t labels[B] = {5, 17, 400, 999};

static void apply(const mx_mixup *m, float *x, float *t, uint64_t step) {
    mx_error e = {0};
    fill(x);
    if (mx_mixup_apply(m, x, labels, t, B, C, H, W, CLASSES, 1, step, 0, &e)) fail_msg("%s", e.text);
}

static void smoothing_alone(void **state) {
    (void)state;
    const mx_mixup m = {.smoothing = 0.1, .probability = 1};
    float *x = malloc(sizeof *x * B * N), *y = malloc(sizeof *y * B * N),
          *t = malloc(sizeof *t * B * CLASSES);
    apply(&m, x, t, 0);
    fill(y);
    assert_memory_equal(x, y, sizeof *x * B * N);
    assert_true(fabsf(t[5] - 0.9001f) < 1e-7f && fabsf(t[6] - 0.0001f) < 1e-9f); /* docs/AUGMENT.md */
    free(x), free(y), free(t);
}

/* A blended image tells its lambda; the target must say the same. */
static void mixup_blends_with_the_reverse(void **state) {
    (void)state;
    mx_mixup m = both;
    m.cutmix = 0;
    float *x = malloc(sizeof *x * B * N), *t = malloc(sizeof *t * B * CLASSES);
    double sum = 0;
    for (uint64_t step = 0; step < 200; step++) {
        apply(&m, x, t, step);
        double lambda = (4 - (double)x[0]) / 3; /* 1 with 4 */
        sum += lambda;
        for (int i = 0; i < B; i++) {
            double want = lambda * (i + 1) + (1 - lambda) * (B - i);
            for (int k = 0; k < N; k++) assert_true(fabs((double)x[i * N + k] - want) < 1e-5);
            assert_true(fabs((double)t[i * CLASSES + labels[i]] - (0.0001 + 0.9 * lambda)) < 1e-6);
            assert_true(fabs((double)t[i * CLASSES + labels[B - 1 - i]] - (0.0001 + 0.9 * (1 - lambda))) <
                        1e-6);
        }
    }
    assert_true(fabs(sum / 200 - 0.5) < 0.06); /* Beta(.8,.8) is symmetric */
    free(x), free(t);
}

static void cutmix_counts_the_real_box(void **state) {
    (void)state;
    mx_mixup m = both;
    m.mixup = 0;
    float *x = malloc(sizeof *x * B * N), *t = malloc(sizeof *t * B * CLASSES);
    int clipped = 0;
    for (uint64_t step = 0; step < 200; step++) {
        apply(&m, x, t, step);
        int own = 0;
        for (int k = 0; k < N; k++) own += x[k] == 1;
        assert_int_equal(own % C, 0);
        double lambda = (double)own / N;
        assert_true(fabs((double)t[labels[0]] - (0.0001 + 0.9 * lambda)) < 1e-6);
        for (int i = 1; i < B; i++) /* one box for the batch */
            for (int k = 0; k < N; k++) assert_int_equal(x[i * N + k] == (float)(i + 1), x[k] == 1);
        clipped += x[0] != 1 || x[N - 1] != 1;
    }
    assert_true(clipped > 5);
    free(x), free(t);
}

/* The box of lambda 0.5 in 12 x 10 is int(8.48) x int(7.07), and an odd side loses a pixel. */
static void boxes_by_hand(void **state) {
    (void)state;
    mx_mixup m = both;
    m.mixup = 0;
    for (uint64_t i = 0; i < 300; i++) {
        mx_rng r = mx_rng_make(2, MX_RNG_TEST, i, 0);
        mx_mix_draw d = mx_mixup_draw(&m, H, W, &r);
        int h = d.bottom - d.top, w = d.right - d.left;
        assert_true(d.cut && d.top >= 0 && d.bottom <= H && d.left >= 0 && d.right <= W && h >= 0 && w >= 0);
        assert_true(fabs(d.lambda - (1 - (double)(h * w) / (H * W))) < 1e-12);
        if (d.top > 0 && d.bottom < H) assert_int_equal(h % 2, 0);
    }
    m.cutmix_minmax[0] = 0.25, m.cutmix_minmax[1] = 0.75, m.cutmix = 0;
    for (uint64_t i = 0; i < 100; i++) {
        mx_rng r = mx_rng_make(3, MX_RNG_TEST, i, 0);
        mx_mix_draw d = mx_mixup_draw(&m, H, W, &r);
        assert_in_range(d.bottom - d.top, 3, 8); /* [int(12/4), int(12*3/4)) */
        assert_in_range(d.right - d.left, 2, 6);
    }
}

static void switch_and_probability(void **state) {
    (void)state;
    int cut = 0, none = 0;
    mx_mixup m = both;
    m.probability = 0.7;
    for (uint64_t i = 0; i < 1000; i++) {
        mx_rng r = mx_rng_make(4, MX_RNG_TEST, i, 0);
        mx_mix_draw d = mx_mixup_draw(&m, H, W, &r);
        cut += d.cut, none += !d.cut && d.lambda == 1;
    }
    assert_in_range(none, 250, 350);
    assert_in_range(cut, 300, 400);
}

static void modes(void **state) {
    (void)state;
    mx_mixup m = both;
    m.cutmix = 0;
    float *x = malloc(sizeof *x * B * N), *y = malloc(sizeof *y * B * N),
          *t = malloc(sizeof *t * B * CLASSES);
    m.mode = MX_MIXUP_PAIR;
    apply(&m, x, t, 3);
    double first = (4 - (double)x[0]) / 3, last = ((double)x[3 * N] - 1) / 3, second = 3 - (double)x[N];
    assert_true(fabs(first - last) < 1e-5 && fabs(first - second) > 1e-3);
    m.mode = MX_MIXUP_ELEM;
    apply(&m, x, t, 3);
    first = (4 - (double)x[0]) / 3, last = ((double)x[3 * N] - 1) / 3;
    assert_true(fabs(first - last) > 1e-3);
    assert_true(fabs((double)t[3 * CLASSES + labels[3]] - (0.0001 + 0.9 * last)) < 1e-5);
    apply(&m, y, t, 3);
    assert_memory_equal(x, y, sizeof *x * B * N);
    apply(&m, y, t, 4);
    assert_true(memcmp(x, y, sizeof *x * B * N) != 0);
    free(x), free(y), free(t);
}

static void what_cannot_be_mixed(void **state) {
    (void)state;
    float *x = calloc(B * N, sizeof *x), *t = calloc(B * CLASSES, sizeof *t);
    mx_error e = {0};
    assert_int_equal(mx_mixup_apply(&both, x, labels, t, 3, C, H, W, CLASSES, 1, 0, 0, &e), MX_ERR_ARGUMENT);
    assert_non_null(strstr(e.text, "even"));
    e = (mx_error){0};
    assert_int_equal(mx_mixup_apply(&both, x, labels, t, B, C, H, W, 999, 1, 0, 0, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "label 999"));
    free(x), free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smoothing_alone),
        cmocka_unit_test(mixup_blends_with_the_reverse),
        cmocka_unit_test(cutmix_counts_the_real_box),
        cmocka_unit_test(boxes_by_hand),
        cmocka_unit_test(switch_and_probability),
        cmocka_unit_test(modes),
        cmocka_unit_test(what_cannot_be_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
