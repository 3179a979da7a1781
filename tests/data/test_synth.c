/* The built-in image set: it depends only on its arguments, its pictures can be learnt from, and the written
 * folder is right. */
#include "image_folder.h"

#include <math.h>

#include "data/synth.h"
#include "data/synth_families.h"

enum { S = 32 };

static mx_image draw(int class_index, int index, uint64_t seed, bool val) {
    mx_image im = {0};
    mx_error e = {0};
    if (mx_synth_draw(&im, class_index, index, S, seed, val, &e)) fail_msg("%s", e.text);
    assert_true(im.width == S && im.height == S && im.channels == 3 && im.type == MX_PIXEL_U8);
    return im;
}

static bool same(const mx_image *a, const mx_image *b) { return !memcmp(a->pixels, b->pixels, 3 * S * S); }

static void test_function(void **state) {
    (void)state;
    mx_image a = draw(4, 7, 11, false);
    const mx_image other[] = {draw(4, 7, 11, false), draw(5, 7, 11, false),
                              draw(4, 8, 11, false), draw(4, 7, 12, false),
                              draw(4, 7, 11, true),  draw(4 + mx_family_count, 7, 11, false)};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(same(&a, &other[i]), i == 0);
        mx_image_free((mx_image *)&other[i]);
    }
    mx_image_free(&a);
}

/* Spread of the grey values, and how much of it is left between pixels that are `far` apart: 1 for unrelated
 * ones, 0 where they are equal. */
static void measure(const mx_image *im, int far, double *spread, double *change) {
    const uint8_t *p = im->pixels;
    double mean = 0, var = 0, diff = 0;
    int n = 0;
    for (int i = 0; i < S * S; i++) mean += (p[3 * i] + p[3 * i + 1] + p[3 * i + 2]) / 3.0 / (S * S);
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++) {
            const uint8_t *a = p + 3 * (y * S + x), *b = a + 3 * far;
            double g = (a[0] + a[1] + a[2]) / 3.0;
            var += (g - mean) * (g - mean) / (S * S);
            if (x + far < S) diff += pow(g - (b[0] + b[1] + b[2]) / 3.0, 2), n++;
        }
    *spread = sqrt(var), *change = diff / n / (2 * var + 1e-9);
}

/* No family is flat, and none is noise: neighbours are far more alike than distant pixels. */
static void test_worth_learning(void **state) {
    (void)state;
    assert_true(mx_family_count >= 16);
    for (int c = 0; c < mx_family_count; c++) {
        double spread = 0, near = 0, s, d;
        for (int i = 0; i < 20; i++) {
            mx_image im = draw(c, i, 3, false);
            measure(&im, 1, &s, &d);
            spread += s / 20, near += d / 20;
            mx_image_free(&im);
        }
        if (spread < 15 || near > 0.55)
            fail_msg("%s: spread %g of 255, neighbours differ by %g", mx_families[c].name, spread, near);
    }
}

/* Pictures of a class differ from each other in more than grain. */
static void test_variety(void **state) {
    (void)state;
    for (int c = 0; c < mx_family_count; c++) {
        mx_image a = draw(c, 0, 5, false);
        for (int i = 1; i < 6; i++) {
            mx_image b = draw(c, i, 5, false);
            double diff = 0;
            for (int k = 0; k < 3 * S * S; k++)
                diff += abs(((uint8_t *)a.pixels)[k] - ((uint8_t *)b.pixels)[k]) / (3.0 * S * S);
            if (diff < 12)
                fail_msg("%s: images 0 and %d differ by %g a sample", mx_families[c].name, i, diff);
            mx_image_free(&b);
        }
        mx_image_free(&a);
    }
}

/* Drawing larger is drawing the same picture finer. */
static void test_sizes(void **state) {
    (void)state;
    mx_image big = {0};
    mx_error e = {0};
    mx_image small = draw(4, 1, 9, false);
    assert_int_equal(mx_synth_draw(&big, 4, 1, 4 * S, 9, false, &e), MX_OK);
    double diff = 0;
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++) {
            double sum = 0;
            for (int k = 0; k < 16; k++)
                sum += ((uint8_t *)big.pixels)[3 * ((4 * y + k / 4) * 4 * S + 4 * x + k % 4)] / 16.0;
            diff += fabs(sum - ((uint8_t *)small.pixels)[3 * (y * S + x)]) / (S * S);
        }
    assert_true(diff < 3); /* of 255: the grain, and edges */
    mx_image_free(&big), mx_image_free(&small);
    assert_int_equal(mx_synth_draw(&big, 0, 0, 1, 0, false, &e), MX_OK);
    mx_image_free(&big);
    assert_int_equal(mx_synth_draw(&big, 2000000000, 1000000000, 3, UINT64_MAX, true, &e), MX_OK);
    mx_image_free(&big);
}

static void test_names(void **state) {
    (void)state;
    char a[32], b[32];
    int count = 3 * mx_family_count;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++) {
            mx_synth_class_name(a, i), mx_synth_class_name(b, j);
            assert_string_not_equal(a, b);
        }
}

static void count_notice(void *user, const char *line) {
    assert_non_null(strstr(line, "3 classes"));
    ++*(int *)user;
}

static void test_folder(void **state) {
    (void)state;
    mx_error e = {0};
    int notices = 0, labels = 3;
    if (mx_synth_write(at("deep/set"), 3, 11, S, 21, count_notice, &notices, &e)) fail_msg("%s", e.text);
    assert_int_equal(notices, 1);
    static const char *const part[2] = {"deep/set/train", "deep/set/val"};
    static const int64_t want[2] = {33, 6}; /* max(1, 11 / 5) = 2 of each class */
    for (int p = 0; p < 2; p++) {
        mx_dataset *d = NULL;
        if (mx_dataset_open(&d, at(part[p]), NULL, &e)) fail_msg("%s", e.text);
        assert_int_equal(mx_dataset_count(d), want[p]);
        assert_int_equal(mx_dataset_classes(d), labels);
        mx_dataset_close(d);
    }
    char name[32], path[96];
    mx_synth_class_name(name, 2);
    for (int val = 0; val < 2; val++) { /* the file is what is drawn, whichever thread drew it */
        mx_image read = {0}, drawn = draw(2, 1, 21, val);
        snprintf(path, sizeof path, "%s/%s/00001.png", part[val], name);
        if (mx_image_read(&read, at(path), 3, false, &e)) fail_msg("%s", e.text);
        assert_true(read.width == S && read.height == S && same(&read, &drawn));
        mx_image_free(&read), mx_image_free(&drawn);
    }
    assert_int_not_equal(mx_synth_write(at("deep/set"), 1, 1, S, 1, NULL, NULL, &e), MX_OK);
    assert_non_null(strstr(e.text, "not empty"));
    e = (mx_error){0};
    assert_int_equal(mkdir(at("empty"), 0755), 0);
    assert_int_equal(mx_synth_write(at("empty"), 1, 1, S, 1, NULL, NULL, &e),
                     MX_OK); /* one held-out image at least */
    assert_int_equal(access(at("empty/val/julia/00000.png"), R_OK), 0);
}

static void test_refused(void **state) {
    (void)state;
    static const int bad[][3] = {{0, 1, 8},  {1, 0, 8},     {1, 1, 0},
                                 {-1, 1, 8}, {1, 1, 20000}, {1000000, 1000000, 8}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mx_error e = {0};
        assert_int_equal(mx_synth_write(at("none"), bad[i][0], bad[i][1], bad[i][2], 1, NULL, NULL, &e),
                         MX_ERR_ARGUMENT);
        assert_int_not_equal(access(at("none"), F_OK), 0); /* and nothing was made */
    }
    mx_error e = {0};
    put_text("file", "x");
    assert_int_equal(mx_synth_write(at("file"), 1, 1, 8, 1, NULL, NULL, &e), MX_ERR_IO);
    mx_image im = {0};
    assert_int_equal(mx_synth_draw(&im, -1, 0, 8, 0, false, &(mx_error){0}), MX_ERR_ARGUMENT);
    assert_int_equal(mx_synth_draw(&im, 0, 0, 0, 0, false, NULL), MX_ERR_ARGUMENT);
    assert_null(im.pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function),
        cmocka_unit_test(test_worth_learning),
        cmocka_unit_test(test_variety),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_folder, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_refused, new_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
