/* --memory (train/memory.h): the choice fits, is near the best found by trying all choices, and a limit that
 * is too small is refused with one that works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/memory.h"

/* Six blocks, whose levels can all be tried: 4096 dry runs. */
static mx_settings settings(int batch) {
    mx_settings s = {.objective = &mx_mixmae,
                     .batch = batch,
                     .accum = 1,
                     .epochs = 4,
                     .schedule = {1e-3, 0, 1, 4},
                     .objective_settings = {.mask_ratio = 0.5},
                     .threads = 2,
                     .device = "ref"};
    s.model = (mx_model_config){.name = "test",
                                .image_h = 64,
                                .image_w = 64,
                                .patch = 4,
                                .channels = 3,
                                .stages = 3,
                                .embed_dim = 32,
                                .depths = {1, 1, 2},
                                .heads = {1, 2, 4},
                                .windows = {8, 4, 4},
                                .decoder_dim = 96,
                                .decoder_depth = 2,
                                .decoder_heads = 2,
                                .norm_pix = true};
    return s;
}

enum { BLOCKS = 6, PLANS = 4096 };

typedef struct {
    size_t arena;
    double extra_work;
} tried;

static size_t kept(const mx_stepper *t, int block) {
    return t->model.saved[block].top - t->model.saved[block].mark;
}

/* Every plan: its peak and its work as memory.h counts it. */
static tried *try_all(mx_stepper *t) {
    tried *all = calloc(PLANS, sizeof *all);
    uint8_t recompute[MX_MAX_BLOCKS] = {0};
    mx_error e = {0};
    double cheap[BLOCKS];
    size_t everything[BLOCKS];
    mx_stepper_replan(t, recompute, &e);
    double flops = t->session.flops;
    for (int b = 0; b < BLOCKS; b++) everything[b] = kept(t, b);
    memset(recompute, MX_RECOMPUTE_POINTWISE, sizeof recompute);
    mx_stepper_replan(t, recompute, &e);
    for (int b = 0; b < BLOCKS; b++) cheap[b] = MX_WORK_A_BYTE * (double)(everything[b] - kept(t, b));
    for (int i = 0; i < PLANS; i++) {
        double work = 0;
        for (int b = 0; b < BLOCKS; b++) {
            recompute[b] = (uint8_t)(i >> 2 * b & 3);
            work += recompute[b] ? cheap[b] : 0;
        }
        mx_stepper_replan(t, recompute, &e);
        all[i] = (tried){t->session.planned, work + t->session.flops - flops};
    }
    assert_int_equal(e.status, MX_OK);
    return all;
}

static void choice_is_near_the_best(void **state) {
    (void)state;
    mx_settings s = settings(16);
    mx_stepper t;
    mx_error e = {0};
    if (mx_stepper_make(&t, &s, true, NULL, &e)) fail_msg("%s", e.text);
    assert_int_equal(mx_model_blocks(&t.model), BLOCKS);
    tried *all = try_all(&t);
    size_t least = SIZE_MAX, most = all[0].arena;
    for (int i = 0; i < PLANS; i++) least = all[i].arena < least ? all[i].arena : least;
    double sum = 0, best_sum = 0;
    for (int i = 0; i <= 40; i++) {
        size_t limit = least + (most - least) * (size_t)i / 40;
        double best = 1e300, work, extra;
        uint8_t recompute[MX_MAX_BLOCKS];
        for (int j = 0; j < PLANS; j++)
            if (all[j].arena <= limit && all[j].extra_work < best) best = all[j].extra_work;
        assert_int_equal(mx_memory_choose(&t, limit, recompute, &work, &extra, &e), MX_OK);
        if (getenv("SHOW"))
            printf("limit %zu: peak %zu, extra %.0f, best %.0f of %.0f\n", limit, t.session.planned, extra,
                   best, work);
        assert_true(t.session.planned <= limit);
        assert_true(extra >= best * (1 - 1e-9));
        sum += extra, best_sum += best;
    }
    assert_true(sum < 1.10 * best_sum);
    /* what cannot be met: the least that there is */
    uint8_t recompute[MX_MAX_BLOCKS];
    double work, extra;
    mx_memory_choose(&t, least - 1, recompute, &work, &extra, &e);
    assert_int_equal(t.session.planned, least);
    free(all);
    mx_stepper_free(&t);
}

static void limits_are_kept_or_refused(void **state) {
    (void)state;
    mx_settings s = settings(32);
    mx_error e = {0};
    mx_stepper t;
    mx_memory_plan m;
    s.memory = 1;
    assert_int_equal(mx_memory_fit(&s, NULL, NULL, &e), MX_ERR_ARGUMENT);
    const char *advice = strstr(e.text, "give --memory ");
    assert_non_null(advice);
    size_t least = 0;
    char amount[32];
    assert_int_equal(sscanf(advice, "give --memory %31s", amount), 1);
    e = (mx_error){0};
    assert_int_equal(mx_parse_bytes(amount, &least, &e), MX_OK);
    s.memory = least - 1000000; /* it was rounded up to this */
    assert_int_equal(mx_memory_fit(&s, NULL, NULL, &e), MX_ERR_ARGUMENT);
    e = (mx_error){0};
    double before = 1e300;
    for (size_t limit = least; limit < least + ((size_t)64 << 20); limit += (size_t)4 << 20) {
        s.memory = limit;
        if (mx_memory_fit(&s, NULL, NULL, &e) || mx_stepper_make(&t, &s, true, NULL, &e))
            fail_msg("%s", e.text);
        mx_plan_memory(&m, &t, NULL, NULL);
        assert_true(m.total <= limit && s.extra_work <= before);
        before = s.extra_work;
        mx_stepper_free(&t);
    }
    assert_true(before == 0); /* the last limit leaves room for everything */
}

static void amounts(void **state) {
    (void)state;
    const struct {
        const char *text;
        size_t bytes;
    } good[] = {{"8G", 8000000000u},       {"2500M", 2500000000u},   {"7.5GB", 7500000000u},
                {"8GiB", (size_t)8 << 30}, {"123456789", 123456789}, {"1T", 1000000000000u}};
    const char *bad[] = {"", "G", "8X", "-3G", "8 G", "0", "nan", "inf", "1e30", "8GG"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t bytes = 0;
        mx_error e = {0};
        assert_int_equal(mx_parse_bytes(good[i].text, &bytes, &e), MX_OK);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t bytes = 5;
        mx_error e = {0};
        assert_int_equal(mx_parse_bytes(bad[i], &bytes, &e), MX_ERR_ARGUMENT);
        assert_int_equal(bytes, 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(choice_is_near_the_best),
                                       cmocka_unit_test(limits_are_kept_or_refused),
                                       cmocka_unit_test(amounts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
