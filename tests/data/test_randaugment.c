/* RandAugment, erasing and the probe's crop: bytes compared with Pillow's (golden rows of docs/AUGMENT.md and
 * rows made with Pillow 13.0 by tests/interop/augment_check.py's reference), policies, and the distribution
 * of draws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/augment_ops.h"
#include "data/erase.h"

static mx_image picture(int width, int height, int channels) {
    mx_image im = {0};
    mx_error e = {0};
    assert_int_equal(mx_image_make(&im, width, height, channels, MX_PIXEL_U8, &e), MX_OK);
    uint8_t *p = im.pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) *p++ = (uint8_t)(x * 37 + y * 101 + c * 59 + x * y * 7);
    return im;
}

static uint32_t fnv(const mx_image *im) {
    const uint8_t *p = im->pixels;
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < (size_t)im->width * (size_t)im->height * (size_t)im->channels; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

static const uint8_t fill[3] = {124, 116, 104};

static void operations_equal_pillow(void **state) {
    (void)state;
    static const struct {
        mx_augment_kind kind;
        double argument;
        int channels;
        uint32_t hash;
    } rows[] = {
        {MX_OP_AUTOCONTRAST, 0, 1, 0x30b4719fu},    {MX_OP_EQUALIZE, 0, 1, 0x30b4719fu},
        {MX_OP_INVERT, 0, 1, 0xa0674cfeu},          {MX_OP_ROTATE, 27, 1, 0x565f727bu},
        {MX_OP_ROTATE, -27, 1, 0x638fe62eu},        {MX_OP_ROTATE, 13.5, 1, 0x7d32b33eu},
        {MX_OP_POSTERIZE, 0, 1, 0xd9f3ec4fu},       {MX_OP_POSTERIZE, 1, 1, 0x33e058cfu},
        {MX_OP_POSTERIZE, 2, 1, 0xa507124fu},       {MX_OP_SOLARIZE, 26, 1, 0x022560e2u},
        {MX_OP_SOLARIZE, 0, 1, 0xa0674cfeu},        {MX_OP_SOLARIZE_ADD, 99, 1, 0xc949f49bu},
        {MX_OP_COLOR, 0.19, 1, 0x30b4719fu},        {MX_OP_COLOR, 1.81, 1, 0x30b4719fu},
        {MX_OP_CONTRAST, 0.19, 1, 0x777afc64u},     {MX_OP_CONTRAST, 1.81, 1, 0xce1e9972u},
        {MX_OP_BRIGHTNESS, 0.19, 1, 0xe953cd5au},   {MX_OP_BRIGHTNESS, 1.81, 1, 0x40ff7860u},
        {MX_OP_SHARPNESS, 0.19, 1, 0x3851dfc1u},    {MX_OP_SHARPNESS, 1.81, 1, 0x047496b0u},
        {MX_OP_SHEAR_X, 0.27, 1, 0x9e353ac3u},      {MX_OP_SHEAR_X, -0.27, 1, 0x16bb0259u},
        {MX_OP_SHEAR_Y, 0.27, 1, 0x8e1f5ebfu},      {MX_OP_SHEAR_Y, -0.27, 1, 0x0b77c1b3u},
        {MX_OP_TRANSLATE_X, 5.265, 1, 0xe5dda2e8u}, {MX_OP_TRANSLATE_X, -5.265, 1, 0xaf1d9027u},
        {MX_OP_TRANSLATE_Y, 3.645, 1, 0x77756c46u}, {MX_OP_TRANSLATE_Y, -3.645, 1, 0x2b695d17u},
        {MX_OP_AUTOCONTRAST, 0, 3, 0x6be32ac6u},    {MX_OP_EQUALIZE, 0, 3, 0x7bd1b932u},
        {MX_OP_INVERT, 0, 3, 0xa6332f0du},          {MX_OP_ROTATE, 27, 3, 0xb75a79f1u},
        {MX_OP_ROTATE, -27, 3, 0x6436d45fu},        {MX_OP_ROTATE, 13.5, 3, 0x5c579cb5u},
        {MX_OP_POSTERIZE, 0, 3, 0x75ada4c7u},       {MX_OP_POSTERIZE, 1, 3, 0xf964fe47u},
        {MX_OP_POSTERIZE, 2, 3, 0x8673a707u},       {MX_OP_SOLARIZE, 26, 3, 0xd16fe679u},
        {MX_OP_SOLARIZE, 0, 3, 0xa6332f0du},        {MX_OP_SOLARIZE_ADD, 99, 3, 0x5b20d614u},
        {MX_OP_COLOR, 0.19, 3, 0x9e93b2e0u},        {MX_OP_COLOR, 1.81, 3, 0x4efa57bfu},
        {MX_OP_CONTRAST, 0.19, 3, 0x9bb36fc2u},     {MX_OP_CONTRAST, 1.81, 3, 0xafb521fau},
        {MX_OP_BRIGHTNESS, 0.19, 3, 0xd87808aau},   {MX_OP_BRIGHTNESS, 1.81, 3, 0x33d1b5b1u},
        {MX_OP_SHARPNESS, 0.19, 3, 0xf686d66bu},    {MX_OP_SHARPNESS, 1.81, 3, 0x40259309u},
        {MX_OP_SHEAR_X, 0.27, 3, 0x801b45c8u},      {MX_OP_SHEAR_X, -0.27, 3, 0x15a41ef6u},
        {MX_OP_SHEAR_Y, 0.27, 3, 0x5ad734ecu},      {MX_OP_SHEAR_Y, -0.27, 3, 0x580341acu},
        {MX_OP_TRANSLATE_X, 5.265, 3, 0x38834b7au}, {MX_OP_TRANSLATE_X, -5.265, 3, 0xd6884429u},
        {MX_OP_TRANSLATE_Y, 3.645, 3, 0x0aa80a52u}, {MX_OP_TRANSLATE_Y, -3.645, 3, 0x9acaa6ceu},
    };
    mx_image spare = {0};
    mx_error e = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mx_image im = picture(13, 9, rows[i].channels);
        assert_int_equal(mx_augment_op(rows[i].kind, rows[i].argument, &im, &spare, fill, &e), MX_OK);
        if (fnv(&im) != rows[i].hash)
            fail_msg("operation %d with %g on %d channels: other bytes than Pillow's", (int)rows[i].kind,
                     rows[i].argument, rows[i].channels);
        mx_image_free(&im);
    }
    mx_image_free(&spare);
}

/* docs/AUGMENT.md: AFFINE (1,.25,0,0,1,0), bicubic, fill 9. */
static void affine_golden_row(void **state) {
    (void)state;
    static const uint8_t in[8] = {0, 10, 50, 255, 255, 3, 128, 77},
                         want[8] = {0, 13, 79, 255, 149, 17, 127, 69}, nine = 9;
    const double m[6] = {1, 0.25, 0, 0, 1, 0};
    uint8_t out[8];
    mx_image a = {4, 2, 1, MX_PIXEL_U8, (void *)in}, b = {4, 2, 1, MX_PIXEL_U8, out};
    mx_op_affine(&b, &a, m, &nine);
    assert_memory_equal(out, want, 8);
}

static void arguments_by_level(void **state) {
    (void)state;
    const int side[2] = {100, 200};
    mx_rng r = mx_rng_make(1, MX_RNG_TEST, 0, 0);
    static const struct {
        mx_augment_kind kind;
        double level, inc, plain; /* without sign */
    } rows[] = {{MX_OP_ROTATE, 9, 27, 27},       {MX_OP_POSTERIZE, 9, 1, 3},
                {MX_OP_POSTERIZE, 10, 0, 4},     {MX_OP_POSTERIZE, 7.4, 2, 2},
                {MX_OP_SOLARIZE, 9, 26, 230},    {MX_OP_SOLARIZE, 10, 0, 256},
                {MX_OP_SOLARIZE_ADD, 9, 99, 99}, {MX_OP_SHEAR_X, 9, 0.27, 0.27},
                {MX_OP_TRANSLATE_X, 9, 81, 81},  {MX_OP_TRANSLATE_Y, 9, 40.5, 40.5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double inc = fabs(mx_augment_argument(rows[i].kind, rows[i].level, true, side, &r));
        double plain = fabs(mx_augment_argument(rows[i].kind, rows[i].level, false, side, &r));
        if (fabs(inc - rows[i].inc) > 1e-12 || fabs(plain - rows[i].plain) > 1e-12)
            fail_msg("row %zu: %g and %g", i, inc, plain);
    }
    int low = 0, high = 0;
    for (int i = 0; i < 100; i++) {
        double v = mx_augment_argument(MX_OP_COLOR, 9, true, side, &r);
        low += fabs(v - 0.19) < 1e-12, high += fabs(v - 1.81) < 1e-12;
    }
    assert_true(low + high == 100 && low > 30 && high > 30);
    assert_true(fabs(mx_augment_argument(MX_OP_COLOR, 9, false, side, &r) - 1.72) < 1e-12);
    assert_true(mx_augment_argument(MX_OP_SHARPNESS, 10, true, side, &r) >= 0.1);
}

static void policies(void **state) {
    (void)state;
    mx_randaugment a;
    mx_error e = {0};
    assert_int_equal(mx_randaugment_parse(&a, "rand-m9-mstd0.5-inc1", &e), MX_OK);
    assert_true(a.on && a.magnitude == 9 && a.magnitude_std == 0.5 && a.magnitude_max == 10 && a.ops == 2 &&
                a.increasing && a.probability == 0.5);
    assert_int_equal(mx_randaugment_parse(&a, "rand-m7-n3-p1-mmax8-inc0", &e), MX_OK);
    assert_true(a.magnitude == 7 && a.ops == 3 && a.probability == 1 && a.magnitude_max == 8 && a.increasing);
    assert_int_equal(mx_randaugment_parse(&a, "rand", &e), MX_OK);
    assert_true(a.on && !a.increasing && a.magnitude == 10);
    assert_int_equal(mx_randaugment_parse(&a, "none", &e), MX_OK);
    assert_false(a.on);
    static const char *const bad[] = {"augmix-m9",   "rand-q3",   "rand-m",        "rand-m9x",
                                      "rand-mstd-1", "rand-n2.5", "rand-m9--inc1", "rand-p2",
                                      "rand-n65",    "rand-mnan", "rand-minf"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = (mx_error){0};
        if (mx_randaugment_parse(&a, bad[i], &e) != MX_ERR_ARGUMENT || a.on) fail_msg("%s was taken", bad[i]);
    }
}

/* Two draws of 15 with probability one half: an image stays as it is with 0.25 or more, and the same stream
 * gives the same bytes. */
static void whole_policy(void **state) {
    (void)state;
    mx_randaugment a;
    mx_error e = {0};
    mx_image spare = {0};
    int untouched = 0;
    mx_randaugment_parse(&a, "rand-m9-mstd0.5-inc1", &e);
    for (int i = 0; i < 400; i++) {
        mx_image x = picture(20, 16, 3), y = picture(20, 16, 3);
        uint32_t before = fnv(&x);
        mx_rng r = mx_rng_make(3, MX_RNG_TEST, (uint64_t)i, 0), s = r;
        assert_int_equal(mx_randaugment_apply(&a, &x, &spare, fill, &r, &e), MX_OK);
        assert_int_equal(mx_randaugment_apply(&a, &y, &spare, fill, &s, &e), MX_OK);
        assert_int_equal(fnv(&x), fnv(&y));
        untouched += fnv(&x) == before;
        mx_image_free(&x), mx_image_free(&y);
    }
    assert_in_range(untouched, 80, 150);
    mx_image_free(&spare);
}

static void other_images_are_refused(void **state) {
    (void)state;
    mx_image im = {0}, spare = {0};
    mx_error e = {0};
    mx_image_make(&im, 4, 4, 1, MX_PIXEL_U16, &e);
    assert_int_equal(mx_augment_op(MX_OP_INVERT, 0, &im, &spare, fill, &e), MX_ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "16 bits") ? strstr(e.text, "--aa none") : NULL);
    mx_image_free(&im), mx_image_free(&spare);
}

static void jitter_changes_colours_within_bounds(void **state) {
    (void)state;
    mx_image im = picture(8, 8, 3), spare = {0};
    mx_error e = {0};
    uint32_t before = fnv(&im);
    mx_rng r = mx_rng_make(4, MX_RNG_TEST, 0, 0);
    assert_int_equal(mx_color_jitter(0.4, &im, &spare, &r, &e), MX_OK);
    assert_true(fnv(&im) != before);
    mx_image_free(&im), mx_image_free(&spare);
}

/* Erased share over many draws: (0.02 + 1/3) / 2 of a quarter of the images, less what ten tries did not fit.
 */
static void erasing(void **state) {
    (void)state;
    enum { side = 40, n = 3 * side * side };
    mx_erase c = {0.25, 0.02, 1.0 / 3, 0.3, 1, MX_ERASE_CONST};
    static float x[n];
    int images = 0;
    double share = 0, noise = 0, square = 0;
    for (int i = 0; i < 2000; i++) {
        mx_rng r = mx_rng_make(5, MX_RNG_TEST, (uint64_t)i, 0);
        int erased = 0;
        for (int k = 0; k < n; k++) x[k] = 1;
        mx_random_erase(&c, x, 3, side, side, &r);
        for (int k = 0; k < side * side; k++) {
            erased += x[k] == 0;
            assert_true(x[k] == x[k + side * side] && x[k] == x[k + 2 * side * side]);
        }
        assert_true(erased < side * side);
        images += erased > 0, share += (double)erased / (side * side);
    }
    assert_in_range(images, 430, 570);
    assert_true(fabs(share / images - 0.17) < 0.02);
    c.mode = MX_ERASE_PIXEL, c.probability = 1;
    int count = 0;
    mx_rng r = mx_rng_make(6, MX_RNG_TEST, 0, 0);
    for (int k = 0; k < n; k++) x[k] = 9;
    mx_random_erase(&c, x, 3, side, side, &r);
    for (int k = 0; k < n; k++)
        if (x[k] != 9) count++, noise += (double)x[k], square += (double)x[k] * (double)x[k];
    assert_true(count > 30 && fabs(noise / count) < 0.3 && fabs(square / count - 1) < 0.4);
    c.probability = 0; /* off: not even a draw */
    mx_rng a = r;
    mx_random_erase(&c, x, 3, side, side, &r);
    assert_memory_equal(&a, &r, sizeof a);
}

static void one_shot_crops_fit(void **state) {
    (void)state;
    double area = 0;
    for (int i = 0; i < 500; i++) {
        mx_rng r = mx_rng_make(7, MX_RNG_TEST, (uint64_t)i, 0);
        mx_box b = mx_crop_draw_once(&r, 90, 30, 0.08, 1, 3.0 / 4, 4.0 / 3);
        assert_true(b.top >= 0 && b.left >= 0 && b.height >= 1 && b.width >= 1 && b.top + b.height <= 30 &&
                    b.left + b.width <= 90);
        area += (double)b.width * b.height / 2700;
    }
    assert_true(area / 500 > 0.2 &&
                area / 500 < 0.5); /* sides are cut to the image's: less than the drawn 0.54 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_equal_pillow),
        cmocka_unit_test(affine_golden_row),
        cmocka_unit_test(arguments_by_level),
        cmocka_unit_test(policies),
        cmocka_unit_test(whole_policy),
        cmocka_unit_test(other_images_are_refused),
        cmocka_unit_test(jitter_changes_colours_within_bounds),
        cmocka_unit_test(erasing),
        cmocka_unit_test(one_shot_crops_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
