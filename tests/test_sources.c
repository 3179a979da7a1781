/* The sources of data sets: each is made in a temporary folder, opened, and compared in labels, names and
 * bytes; splits, shares, classes that differ, order of tar shards, caches, malformed files. */
#include "image_folder.h"

#include "data/index.h"

static mx_dataset *open_part(const char *spec, mx_split split, const char *cache) {
    mx_dataset *d;
    mx_error e = {0};
    if (mx_dataset_open_split(&d, spec, split, cache, &e)) fail_msg("%s: %s", spec, e.text);
    return d;
}

/* "prefix:" + base/rel; two results are valid at a time. */
static const char *spec_of(const char *prefix, const char *rel) {
    static char spec[2][8192];
    static int turn;
    turn = !turn;
    snprintf(spec[turn], sizeof spec[turn], "%s%s", prefix, at(rel));
    return spec[turn];
}

static void expect_sample(const mx_dataset *d, int64_t i, const char *path, const char *class_name) {
    assert_true(i < mx_dataset_count(d));
    assert_string_equal(mx_dataset_path(d, i), path);
    int label = mx_dataset_label(d, i);
    if (class_name)
        assert_string_equal(mx_dataset_class_name(d, label), class_name);
    else
        assert_int_equal(label, -1);
}

static void test_folder_splits(void **state) {
    (void)state;
    put_picture("s/train/b/1.png", 4, 4, 3, 1);
    put_picture("s/train/a/2.png", 4, 4, 3, 2);
    put_picture("s/test/b/3.png", 4, 4, 3, 3);
    mx_dataset *d = open_part(at("s"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_count(d), 2);
    expect_sample(d, 0, "a/2.png", "a");
    mx_dataset_close(d);
    d = open_part(spec_of("folder:", "s"), MX_SPLIT_VAL, NULL);
    expect_sample(d, 0, "b/3.png", "b");
    mx_dataset_close(d);
    put_picture("s/val/a/4.png", 4, 4, 3, 4); /* val goes before test */
    d = open_part(at("s"), MX_SPLIT_VAL, NULL);
    expect_sample(d, 0, "a/4.png", "a");
    mx_dataset_close(d);
    d = open_part(at("s/test"), MX_SPLIT_TRAIN, NULL); /* not divided */
    assert_int_equal(mx_dataset_count(d), 1);
    mx_dataset_close(d);
    assert_null(open_part(at("s/test"), MX_SPLIT_VAL, NULL));
}

static void test_fraction(void **state) {
    (void)state;
    char name[64];
    mx_error e = {0};
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "f/%s/%02d.png", i < 30 ? "many" : i < 39 ? "some" : "one", i);
        put_picture(name, 2, 2, 1, 1);
    }
    mx_dataset *whole = open_part(at("f"), MX_SPLIT_TRAIN, NULL), *d[3];
    for (int k = 0; k < 3; k++) {
        d[k] = open_part(at("f"), MX_SPLIT_TRAIN, NULL);
        assert_int_equal(mx_dataset_take_fraction(d[k], 0.1, k == 2, &e), MX_OK);
        int count[3] = {0};
        for (int64_t i = 0; i < mx_dataset_count(d[k]); i++) {
            count[mx_dataset_label(d[k], i)]++;
            if (i) assert_true(strcmp(mx_dataset_path(d[k], i - 1), mx_dataset_path(d[k], i)) < 0);
        }
        assert_int_equal(count[0], 3), assert_int_equal(count[1], 1), assert_int_equal(count[2], 1);
    }
    assert_int_equal(mx_dataset_fingerprint(d[0]), mx_dataset_fingerprint(d[1]));
    assert_int_not_equal(mx_dataset_fingerprint(d[0]), mx_dataset_fingerprint(d[2]));
    assert_int_not_equal(mx_dataset_fingerprint(d[0]), mx_dataset_fingerprint(whole));
    assert_int_equal(mx_dataset_take_fraction(whole, 0, 0, &e), MX_ERR_ARGUMENT);
    e = (mx_error){0};
    assert_int_equal(mx_dataset_take_fraction(whole, 1, 0, &e), MX_OK);
    assert_int_equal(mx_dataset_count(whole), 40);
    for (int k = 0; k < 3; k++) mx_dataset_close(d[k]);
    mx_dataset_close(whole);
}

static void test_same_classes(void **state) {
    (void)state;
    mx_error e = {0};
    put_picture("c/train/a/1.png", 2, 2, 1, 1);
    put_picture("c/train/b/1.png", 2, 2, 1, 1);
    put_picture("c/train/c/1.png", 2, 2, 1, 1);
    put_picture("c/val/c/1.png", 2, 2, 1, 1);
    put_picture("c/val/b/1.png", 2, 2, 1, 1);
    mx_dataset *train = open_part(at("c"), MX_SPLIT_TRAIN, NULL),
               *val = open_part(at("c"), MX_SPLIT_VAL, NULL);
    assert_int_equal(mx_dataset_label(val, 0), 0); /* b, shifted */
    assert_int_equal(mx_dataset_same_classes(train, val, &e), MX_OK);
    assert_int_equal(mx_dataset_classes(val), 3);
    assert_int_equal(mx_dataset_label(val, 0), 1);
    assert_int_equal(mx_dataset_label(val, 1), 2);
    assert_string_equal(mx_dataset_class_name(val, 2), "c");
    mx_dataset_close(val);
    put_picture("c/val/stranger/1.png", 2, 2, 1, 1);
    val = open_part(at("c"), MX_SPLIT_VAL, NULL);
    assert_int_equal(mx_dataset_same_classes(train, val, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "stranger"));
    mx_dataset_close(val), mx_dataset_close(train);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder_splits, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_fraction, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_same_classes, new_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
