/* The named models compared with the paper's table, and the checks of divisibility: every refusal suggests a
 * number, which is then accepted. Source: docs/MODEL.md, "Models" and "From pixels to the loss". */
#include <limits.h>
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

#define COUNT(a) (sizeof(a) / sizeof *(a))

static mx_model_config named(const char *name) {
    mx_model_config c;
    assert_true(mx_model_named(name, &c, NULL));
    return c;
}

/* A small model of the test's own: named ones may be tuned. */
static mx_model_config small(void) {
    return (mx_model_config){.name = "custom",
                             .image_h = 64,
                             .image_w = 64,
                             .patch = 4,
                             .channels = 3,
                             .stages = 3,
                             .embed_dim = 48,
                             .depths = {2, 2, 4},
                             .heads = {3, 6, 12},
                             .windows = {8, 8, 4},
                             .decoder_dim = 128,
                             .decoder_depth = 2,
                             .decoder_heads = 4};
}

/* The check fails and its message holds `part`. */
static void refused(const mx_model_config *c, const char *part) {
    mx_error e = {0};
    assert_int_equal(mx_model_check(c, &e), MX_ERR_ARGUMENT);
    if (!strstr(e.text, part)) fail_msg("expected \"%s\" in \"%s\"", part, e.text);
}

static void accepted(const mx_model_config *c) {
    mx_error e = {0};
    if (mx_model_check(c, &e)) fail_msg("refused: %s", e.text);
}

static void test_paper_table(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int image, embed_dim, depths[4], heads[4], windows[4];
    } want[] = {{"base", 224, 128, {2, 2, 18, 2}, {4, 8, 16, 32}, {14, 14, 14, 7}},
                {"large", 224, 192, {2, 2, 18, 2}, {6, 12, 24, 48}, {14, 14, 14, 7}},
                {"huge", 224, 352, {2, 2, 18, 2}, {11, 22, 44, 88}, {14, 14, 14, 7}},
                {"base_384", 384, 128, {2, 2, 18, 2}, {4, 8, 16, 32}, {16, 16, 24, 12}},
                {"large_384", 384, 192, {2, 2, 18, 2}, {6, 12, 24, 48}, {16, 16, 24, 12}},
                {"tiny", 224, 96, {2, 2, 6, 2}, {3, 6, 12, 24}, {14, 14, 14, 7}},
                {"small", 224, 96, {2, 2, 18, 2}, {3, 6, 12, 24}, {14, 14, 14, 7}}};
    for (size_t i = 0; i < COUNT(want); i++) {
        mx_model_config c = named(want[i].name);
        assert_string_equal(c.name, want[i].name);
        assert_int_equal(c.image_h, want[i].image);
        assert_int_equal(c.image_w, want[i].image);
        assert_int_equal(c.embed_dim, want[i].embed_dim);
        assert_int_equal(c.stages, 4);
        assert_int_equal(c.patch, 4);
        assert_memory_equal(c.depths, want[i].depths, sizeof want[i].depths);
        assert_memory_equal(c.heads, want[i].heads, sizeof want[i].heads);
        assert_memory_equal(c.windows, want[i].windows, sizeof want[i].windows);
        assert_int_equal(c.decoder_dim, 512);
        assert_int_equal(c.decoder_depth, 8);
        assert_int_equal(c.decoder_heads, 16);
        assert_int_equal(mx_model_stride(&c), 32);
    }
}

/* Trainable millions of the encoder alone and with a head of 1000 classes, and the encoder's multiply-adds.
 */
static void test_paper_sizes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double encoder, classifier, giga;
    } want[] = {{"base", 86.9, 87.9, 16.3},
                {"large", 195.3, 196.8, 35.8},
                {"huge", 655.3, 658.2, 117.6},
                {"base_384", 87.4, 88.4, 52.5},
                {"large_384", 195.9, 197.5, 112.0}};
    for (size_t i = 0; i < COUNT(want); i++)
        for (int classes = 0; classes <= 1000; classes += 1000) {
            mx_model_config c = named(want[i].name);
            mx_model m;
            mx_error e = {0};
            c.decoder_dim = c.decoder_depth = c.decoder_heads = 0, c.classes = classes;
            if (mx_model_make(&m, &c, MX_PARAMS_PLAN, &e)) fail_msg("%s", e.text);
            double millions = (double)mx_params_trainable(&m.params) / 1e6,
                   giga = mx_model_forward_macs(&c) / 1e9;
            double expected = classes ? want[i].classifier : want[i].encoder;
            if (fabs(millions - expected) > 0.0501 || (!classes && fabs(giga - want[i].giga) > 0.0501))
                fail_msg("%s: %.3f M, %.3f G; expected %.1f, %.1f", want[i].name, millions, giga, expected,
                         want[i].giga);
            mx_model_free(&m);
        }
    mx_model_config c = named("base"); /* pretraining */
    mx_model m;
    mx_error e = {0};
    if (mx_model_make(&m, &c, MX_PARAMS_PLAN, &e)) fail_msg("%s", e.text);
    assert_true(fabs((double)mx_params_trainable(&m.params) / 1e6 - 114.2) <= 0.0501);
    mx_model_free(&m);
}

static void test_every_named_model(void **state) {
    (void)state;
    char names[256], *rest = names;
    int seen = 0;
    snprintf(names, sizeof names, "%s", mx_model_names());
    for (char *name; (name = strsep(&rest, ", "));) {
        mx_model_config c;
        mx_model_recipes r;
        if (!*name) continue;
        assert_true(mx_model_named(name, &c, &r));
        accepted(&c);
        assert_int_equal(c.channels, 3);
        assert_int_equal(c.classes, 0);
        assert_true(c.norm_pix);
        assert_true(r.pretrain.blr > 0 && r.pretrain.epochs > 0 && r.pretrain.batch > 0 &&
                    r.pretrain.batch % 2 == 0);
        assert_true(r.pretrain.warmup_epochs < r.pretrain.epochs);
        for (int k = 0; k < c.stages;
             k++) /* a named model's windows tile without being cut, each head is whole */
            assert_true(mx_window_h(&c, k) == c.windows[k] && mx_stage_width(&c, k) % c.heads[k] == 0);
        seen++;
    }
    assert_int_equal(seen, 9);
    mx_model_config c;
    mx_model_recipes r;
    assert_true(mx_model_named("base", &c, &r));
    assert_true(r.pretrain.blr == 1.5e-4f && r.pretrain.warmup_epochs == 40 && r.pretrain.epochs == 600 &&
                r.pretrain.batch == 128);
    assert_false(mx_model_named("giant", &c, NULL));
    assert_false(mx_model_named("", &c, NULL));
}

static void test_image_size(void **state) {
    (void)state;
    mx_model_config c = named("base");
    c.image_w = 230;
    refused(&c,
            "image width 230 is not a multiple of the stride 32 (patch size 4, 4 stages): 224 or 448 work");
    c = named("base");
    c.image_h = 20;
    refused(&c, "image height 20 is not a multiple of the stride 32 (patch size 4, 4 stages): 32 works");
    c.image_h = 0;
    refused(&c, "image height is 0, but must be between 1 and 16384");
    c = small();
    c.image_h = 32, c.image_w = 96; /* windows 8,8,4 on grids 8x24, 4x12 (cut to 4x8: no), ... */
    refused(&c, "stage 1: window size 8 does not divide its grid of 4x12 tokens: --window-size 8,6,3 or "
                "8,12,6 works");
    c.windows[1] = 6;
    refused(
        &c,
        "stage 2: window size 4 does not divide its grid of 2x6 tokens: --window-size 8,6,3 or 8,6,6 works");
    c.windows[2] = 3;
    accepted(&c);
    assert_int_equal(mx_window_h(&c, 2), 2);
    assert_int_equal(mx_window_w(&c, 2), 3);
}

/* Whatever a message offers is accepted, for every window on every grid of a stage. */
static void test_windows_offered_work(void **state) {
    (void)state;
    for (int side = 8; side <= 240; side += 8)
        for (int w = 1; w <= 32; w++) {
            mx_model_config c = small();
            c.patch = 2, c.stages = 1, c.image_h = side, c.image_w = 96, c.windows[0] = w;
            mx_error e = {0};
            int h = side / 2, v = 48, below, above;
            int fits = h % (w < h ? w : h) == 0 && v % (w < v ? w : v) == 0;
            assert_int_equal(mx_model_check(&c, &e) == MX_OK, fits);
            if (fits) continue;
            const char *offer = strstr(e.text, "tokens: ");
            assert_non_null(offer);
            assert_int_equal(sscanf(offer, "tokens: --window-size %d or %d works", &below, &above), 2);
            assert_true(below < w && above > w);
            c.windows[0] = below, accepted(&c);
            c.windows[0] = above, accepted(&c);
        }
}

static void test_heads_and_widths(void **state) {
    (void)state;
    mx_model_config c = small();
    c.heads[1] = 5;
    refused(&c, "stage 1: 5 heads do not divide the width 96: --num-heads 3,4,12 or 3,6,12 works");
    c.heads[1] = 0;
    refused(&c, "stage 1: number of heads is 0, but must be between 1");
    c.heads[1] = 97;
    refused(&c, "96");
    c = small();
    c.decoder_heads = 7;
    refused(&c, "decoder: 7 heads do not divide the width 128: 4 or 8 work");
    c = small();
    c.embed_dim = 46;
    refused(&c, "embed dim 46 is not a multiple of 4 (sine and cosine of two axes): 36 or 48 work");
    c = small();
    c.decoder_dim = 130;
    refused(&c, "decoder dim 130 is not a multiple of 4 (sine and cosine of two axes): 128 or 132 work");
    c = small();
    c.channels = 65;
    refused(&c, "channels is 65, but must be between 1 and 64");
    c.channels = 0;
    refused(&c, "channels is 0");
    c = small();
    c.depths[2] = 0;
    refused(&c, "stage 2: depth is 0");
    c = small();
    c.decoder_dim = 0, c.decoder_depth = 0, c.decoder_heads = 0; /* a classifier */
    accepted(&c);
}

/* Any field at its extremes is refused or accepted, never an overflow (the sanitizers watch). */
static void test_absurd_numbers(void **state) {
    (void)state;
    static const int absurd[] = {INT_MIN, -1, 0, 1, 3, 65536, 1 << 30, INT_MAX};
    for (size_t i = 0; i < COUNT(absurd); i++) {
        for (int field = 0; field < 12; field++) {
            mx_model_config c = named("base");
            int *at[] = {&c.image_h,    &c.image_w,       &c.patch,         &c.channels,
                         &c.stages,     &c.embed_dim,     &c.depths[3],     &c.heads[3],
                         &c.windows[3], &c.decoder_depth, &c.decoder_heads, &c.classes};
            *at[field] = absurd[i];
            mx_error e = {0};
            if (mx_model_check(&c, &e)) assert_true(strlen(e.text) > 10);
            if (absurd[i] == INT_MAX || absurd[i] == INT_MIN) assert_int_equal(e.status, MX_ERR_ARGUMENT);
        }
    }
    mx_model_config c = named("base");
    c.stages = MX_MAX_STAGES + 1;
    refused(&c, "number of stages is 7, but must be between 1 and 6");
    c = named("base");
    c.embed_dim = 65536; /* the last stage would have 524288 channels */
    refused(&c, "stage 1: width is 131072, but must be between 1 and 65536");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paper_table),          cmocka_unit_test(test_paper_sizes),
        cmocka_unit_test(test_every_named_model),    cmocka_unit_test(test_image_size),
        cmocka_unit_test(test_windows_offered_work), cmocka_unit_test(test_heads_and_widths),
        cmocka_unit_test(test_absurd_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
