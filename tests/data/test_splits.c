/* Parts of data sets: which folders, lists and shards are for training and which are held out, by every usual
 * name; classes that only have such a name; shares held out; balanced drawing of classes. */
#include "image_folder.h"

#include "data/index.h"

static mx_dataset *opened(const char *prefix, const char *rel, mx_split split) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    char spec[600];
    snprintf(spec, sizeof spec, "%s%s", prefix, at(rel));
    if (mx_dataset_open_split(&d, spec, split, NULL, &e)) fail_msg("%s: %s", spec, e.text);
    return d;
}

/* The set has `count` images in a folder whose path ends so; count 0: there is no such part. */
static void expect_part(const char *prefix, const char *rel, mx_split split, int64_t count, const char *end) {
    mx_dataset *d = opened(prefix, rel, split);
    if (!count) {
        assert_null(d);
        return;
    }
    assert_non_null(d);
    const char *root = mx_dataset_root(d);
    if (strlen(root) < strlen(end) || strcmp(root + strlen(root) - strlen(end), end))
        fail_msg("%s%s: found %s, expected %s", prefix, rel, root, end);
    assert_int_equal(mx_dataset_count(d), count);
    mx_dataset_close(d);
}

static void expect_refused(const char *rel, mx_split split, const char *first, const char *second) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    if (!mx_dataset_open_split(&d, at(rel), split, NULL, &e)) fail_msg("%s was opened", rel);
    if (!strstr(e.text, first) || !strstr(e.text, second))
        fail_msg("no \"%s\" or \"%s\" in: %s", first, second, e.text);
}

/* n pictures of each class (NULL ends them) below base/folder. */
static void put_classes(const char *folder, int n, const char *const *classes) {
    char name[300];
    for (; *classes; classes++)
        for (int i = 0; i < n; i++) {
            snprintf(name, sizeof name, "%s/%s/%d.png", folder, *classes, i);
            put_picture(name, 4, 4, 3, (uint32_t)i);
        }
}

static const char *const pets[] = {"cat", "dog", NULL};

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *train, *held, *test;
    } sets[] = {{"train", "valid", "test"},       {"Train", NULL, "Test"},
                {"TRAIN", "VAL", "TEST"},         {"training", "validation", "testing"},
                {"train", "dev", "eval"},         {"training_set", NULL, "test_set"},
                {"Training Images", "Dev", NULL}, {"train", NULL, "evaluation"}};
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        char root[32], path[200], train[100], held[100], test[100];
        snprintf(root, sizeof root, "n%zu", k);
        snprintf(train, sizeof train, "%s/%s", root, sets[k].train);
        put_classes(train, 3, pets);
        snprintf(held, sizeof held, "%s/%s", root, sets[k].held ? sets[k].held : "");
        if (sets[k].held) put_classes(held, 2, pets);
        snprintf(test, sizeof test, "%s/%s", root, sets[k].test ? sets[k].test : "");
        if (sets[k].test) put_classes(test, 1, pets);
        snprintf(path, sizeof path, "%s/notes/readme.txt", root), put_text(path, "no image");
        expect_part("", root, MX_SPLIT_TRAIN, 6, train);
        expect_part("", root, MX_SPLIT_VAL, sets[k].held ? 4 : 2, sets[k].held ? held : test);
        expect_part("", root, MX_SPLIT_TEST, sets[k].test ? 2 : 0, test);
        mx_dataset *all = opened("", root, MX_SPLIT_ALL); /* labels are the classes, not the parts */
        assert_int_equal(mx_dataset_count(all), 6 + (sets[k].held ? 4 : 0) + (sets[k].test ? 2 : 0));
        assert_int_equal(mx_dataset_classes(all), 2);
        for (int64_t i = 0; i < mx_dataset_count(all); i++)
            assert_int_equal(mx_dataset_label(all, i), strstr(mx_dataset_path(all, i), "dog/") != NULL);
        mx_dataset_close(all);
    }
}

/* Two of a kind: the plain name goes before, else the user is asked, and what is suggested works. */
static void test_two_of_a_kind(void **state) {
    (void)state;
    put_classes("t/train", 2, pets), put_classes("t/training", 1, pets);
    put_classes("t/valid", 1, pets), put_classes("t/dev", 1, pets);
    expect_part("", "t", MX_SPLIT_TRAIN, 4, "t/train");
    expect_refused("t", MX_SPLIT_VAL, "valid", "--val-data");
    expect_part("", "t/valid", MX_SPLIT_TRAIN, 2, "t/valid");
    put_classes("t/val", 3, pets);
    expect_part("", "t", MX_SPLIT_VAL, 6, "t/val");
}

static void test_classes_called_so(void **state) {
    (void)state;
    static const char *const vehicles[] = {"bus", "car", "train", NULL};
    static const char *const stages[] = {"design", "Test", "review", NULL};
    static const char *const all[] = {"bus", "train", "test", NULL};
    put_classes("v", 2, vehicles), put_classes("s", 2, stages), put_classes("w", 2, all);
    expect_part("", "v", MX_SPLIT_TRAIN, 6, "/v"), expect_part("", "v", MX_SPLIT_VAL, 0, "");
    expect_part("", "s", MX_SPLIT_TRAIN, 6, "/s"), expect_part("", "s", MX_SPLIT_VAL, 0, "");
    mx_dataset *d = opened("", "v", MX_SPLIT_TRAIN);
    assert_string_equal(mx_dataset_class_name(d, 2), "train");
    mx_dataset_close(d);
    expect_part("split:", "v", MX_SPLIT_TRAIN, 2, "v/train"); /* a prefix settles it */
    expect_refused("w", MX_SPLIT_TRAIN, "classes:DIR", "split:DIR");
    expect_refused("w", MX_SPLIT_ALL, "classes:DIR", "split:DIR");
    expect_part("", "w", MX_SPLIT_EVERY, 6, "/w");
    expect_part("classes:", "w", MX_SPLIT_TRAIN, 6, "/w"),
        expect_part("folder:", "w", MX_SPLIT_TRAIN, 6, "/w");
    expect_part("split:", "w", MX_SPLIT_TRAIN, 2, "w/train"),
        expect_part("split:", "w", MX_SPLIT_VAL, 2, "w/test");
    expect_part("classes:", "v", MX_SPLIT_VAL, 0, "");
    /* only two folders, both called like parts: parts, unless one says otherwise */
    put_classes("x", 2, (const char *const[]){"train", "test", NULL});
    expect_part("", "x", MX_SPLIT_TRAIN, 2, "x/train"), expect_part("classes:", "x", MX_SPLIT_TRAIN, 4, "/x");
}

/* What lies beside parts is passed over, and said; a part beside the classes it holds is refused. */
static void test_beside_parts(void **state) {
    (void)state;
    put_classes("b/train", 2, pets), put_classes("b/val", 1, pets), put_classes("b/extra", 5, pets);
    mx_dataset *d = opened("", "b", MX_SPLIT_TRAIN);
    assert_int_equal(mx_dataset_count(d), 4);
    assert_non_null(strstr(mx_dataset_note(d), "extra"));
    mx_dataset_close(d);
    put_classes("h/train", 2, pets), put_classes("h/holdout", 1, pets);
    expect_part("", "h", MX_SPLIT_TRAIN, 4, "h/train");
    put_classes("m", 2, pets), put_classes("m/test", 1, pets); /* cat, dog, test/cat, test/dog */
    expect_refused("m", MX_SPLIT_TRAIN, "test", "classes:DIR");
    put_classes("g/train", 2, (const char *const[]){"steam", "diesel", NULL});
    put_classes("g/bus", 2, (const char *const[]){"city", "coach", NULL});
    expect_refused("g", MX_SPLIT_TRAIN, "split:DIR", "classes:DIR");
    put_classes("o/val", 1, pets), put_classes("o/test", 2, pets); /* nothing to train on */
    expect_refused("o", MX_SPLIT_TRAIN, "no folder train", "classes:DIR");
    expect_part("", "o", MX_SPLIT_VAL, 2, "o/val");
    expect_part("classes:", "o", MX_SPLIT_TRAIN, 6, "/o");
    put_classes("k/bottle/train", 1, pets), put_classes("k/bottle/test", 1, pets);
    put_classes("k/cable/train", 1, pets), put_classes("k/cable/test", 1, pets);
    expect_refused("k", MX_SPLIT_TRAIN, "part of its own", "classes:DIR");
    expect_part("classes:", "k", MX_SPLIT_TRAIN, 8, "/k");
}

/* An archive unpacks to a folder in a folder. */
static void test_wrapped(void **state) {
    (void)state;
    put_classes("z/archive/data/Training", 2, pets), put_classes("z/archive/data/Testing", 1, pets);
    expect_part("", "z", MX_SPLIT_TRAIN, 4, "z/archive/data/Training");
    expect_part("", "z", MX_SPLIT_VAL, 2, "z/archive/data/Testing");
    put_classes("y/only", 2, pets); /* no parts inside: one class, as ever */
    expect_part("", "y", MX_SPLIT_TRAIN, 4, "/y");
}

static void test_lists(void **state) {
    (void)state;
    put_picture("l/1.png", 4, 4, 3, 1);
    put_text("l/Training_labels.csv", "1.png,a\n1.png,b\n");
    put_text("l/Testing_labels.csv", "1.png,a\n");
    put_text("l/other.csv", "1.png,a\n");
    expect_part("", "l/Training_labels.csv", MX_SPLIT_VAL, 1, "l//Testing_labels.csv");
    put_text("l/valid_labels.csv", "1.png,a\n1.png,b\n1.png,b\n");
    expect_part("", "l/Training_labels.csv", MX_SPLIT_VAL, 3, "l//valid_labels.csv");
    expect_part("", "l/Training_labels.csv", MX_SPLIT_TEST, 1, "l//Testing_labels.csv");
    expect_part("", "l/other.csv", MX_SPLIT_VAL, 0, "");
}

/* A column may say which line is of which part. */
static void test_list_rows(void **state) {
    (void)state;
    put_picture("c/1.png", 4, 4, 3, 1);
    put_text("c/birds.csv", "class id,filepaths,labels,data set\n0,1.png,owl,train\n1,1.png,jay,train\n"
                            "1,1.png,jay,test\n0,1.png,owl,Valid\n1,1.png,jay,Valid\n0,1.png,owl,valid\n");
    expect_part("", "c/birds.csv", MX_SPLIT_TRAIN, 2, "birds.csv");
    expect_part("", "c/birds.csv", MX_SPLIT_VAL, 3, "birds.csv");
    expect_part("", "c/birds.csv", MX_SPLIT_TEST, 1, "birds.csv");
    expect_part("", "c/birds.csv", MX_SPLIT_ALL, 6, "birds.csv");
    put_text("c/folds.csv", "path,label,split\n1.png,a,train\n1.png,b,3\n"); /* says something else */
    expect_part("", "c/folds.csv", MX_SPLIT_TRAIN, 2, "folds.csv"),
        expect_part("", "c/folds.csv", MX_SPLIT_VAL, 0, "");
    put_text("c/test.csv",
             "path,label,split\n1.png,a,test\n1.png,b,test\n"); /* nothing to train on: all of it */
    expect_part("", "c/test.csv", MX_SPLIT_TRAIN, 2, "test.csv"),
        expect_part("", "c/test.csv", MX_SPLIT_VAL, 0, "");
}

/* The reason why there are no classes names the file. */
static void test_stray_image(void **state) {
    (void)state;
    mx_error e = {0};
    put_classes("r", 2, pets);
    put_picture("r/montage.png", 4, 4, 3, 1);
    mx_dataset *d = opened("", "r", MX_SPLIT_TRAIN);
    assert_int_equal(mx_dataset_need_classes(d, 2, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "montage.png lies beside the class folders (cat"));
    mx_dataset_close(d);
    assert_int_equal(unlink(at("r/montage.png")), 0); /* as it says */
    d = opened("", "r", MX_SPLIT_TRAIN);
    assert_int_equal(mx_dataset_classes(d), 2);
    mx_dataset_close(d);
}

/* Held share and rest: together everything, nothing twice, of each class its share, by the seed only. */
static void test_share(void **state) {
    (void)state;
    mx_error e = {0};
    put_classes("p", 20, (const char *const[]){"a", "b", NULL});
    put_classes("p", 1, (const char *const[]){"c", NULL}),
        put_classes("p", 2, (const char *const[]){"d", NULL});
    mx_dataset *part[4];
    for (int k = 0; k < 4; k++) {
        part[k] = opened("", "p", MX_SPLIT_TRAIN);
        assert_int_equal(mx_dataset_take_share(part[k], 0.1, k == 3, k != 0, &e), MX_OK);
    }
    assert_int_equal(mx_dataset_count(part[0]), 18 + 18 + 1 + 1);
    assert_int_equal(mx_dataset_count(part[1]), 2 + 2 + 0 + 1);
    assert_int_equal(mx_dataset_fingerprint(part[1]), mx_dataset_fingerprint(part[2]));
    assert_int_not_equal(mx_dataset_fingerprint(part[1]), mx_dataset_fingerprint(part[3]));
    for (int64_t i = 0; i < mx_dataset_count(part[1]); i++)
        for (int64_t k = 0; k < mx_dataset_count(part[0]); k++)
            assert_string_not_equal(mx_dataset_path(part[1], i), mx_dataset_path(part[0], k));
    assert_int_equal(mx_dataset_take_share(part[0], 1, 0, true, &e), MX_ERR_ARGUMENT);
    for (int k = 0; k < 4; k++) mx_dataset_close(part[k]);
}

/* How often each class and each image comes in an epoch of a balance; 30, 10 and 2 images. */
static void count_epoch(const mx_dataset *d, double balance, int64_t epoch, int *classes, int *images) {
    uint32_t order[2 * 42 + 8];
    assert_true(mx_dataset_balanced_room(d) <= (int64_t)(sizeof order / sizeof *order));
    mx_dataset_order_balanced(d, balance, 7, epoch, order);
    memset(classes, 0, 3 * sizeof *classes), memset(images, 0, 42 * sizeof *images);
    for (int i = 0; i < 42; i++) classes[mx_dataset_label(d, order[i])]++, images[order[i]]++;
}

static void test_balance(void **state) {
    (void)state;
    int classes[3], images[42], again[42];
    put_classes("q", 30, (const char *const[]){"a", NULL}),
        put_classes("q", 10, (const char *const[]){"b", NULL});
    put_classes("q", 2, (const char *const[]){"c", NULL});
    mx_dataset *d = opened("", "q", MX_SPLIT_TRAIN);
    assert_int_equal(mx_dataset_count(d), 42);
    count_epoch(d, 1, 3, classes, images);
    for (int c = 0; c < 3; c++) assert_int_equal(classes[c], 14);
    for (int i = 0; i < 42; i++) /* of a class each as often as the others, give or take one */
        assert_true(i < 30 ? images[i] <= 1 : i < 40 ? images[i] == 1 || images[i] == 2 : images[i] == 7);
    count_epoch(d, 1, 3, classes, again);
    assert_memory_equal(images, again, sizeof images);
    count_epoch(d, 1, 4, classes, again);
    assert_memory_not_equal(images, again, sizeof images);
    count_epoch(d, 0.5, 0, classes, images); /* square roots: 5.48, 3.16, 1.41 of 10.05 */
    assert_int_equal(classes[0], 23), assert_int_equal(classes[1], 13), assert_int_equal(classes[2], 6);
    mx_dataset_close(d);
}

/* One name in Unicode's two forms is one class, in a folder, in a list, and between the parts. */
static void test_forms(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"caf\xc3\xa9", "cafe\xcc\x81"},                          /* e with acute */
        {"\xe1\xbb\x87", "e\xcc\xa3\xcc\x82"},                    /* two marks */
        {"\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"}, /* Hangul */
        {"\xd0\xb9", "\xd0\xb8\xcc\x86"},                         /* Cyrillic */
        {"\xe3\x81\x8c", "\xe3\x81\x8b\xe3\x82\x99"}};            /* Kana */
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
        char root[16], list[400], part[40];
        mx_error e = {0};
        snprintf(root, sizeof root, "u%zu", k);
        snprintf(part, sizeof part, "%s/train", root);
        put_classes(part, 2, (const char *const[]){same[k][0], "dog", NULL});
        snprintf(part, sizeof part, "%s/val", root);
        put_classes(part, 1, (const char *const[]){same[k][1], "dog", NULL});
        mx_dataset *train = opened("", root, MX_SPLIT_TRAIN), *val = opened("", root, MX_SPLIT_VAL);
        if (mx_dataset_same_classes(train, val, &e)) fail_msg("%s", e.text);
        assert_int_equal(mx_dataset_classes(train), 2);
        mx_dataset_close(train), mx_dataset_close(val);
        mx_dataset *all = opened("", root, MX_SPLIT_ALL);
        assert_int_equal(mx_dataset_classes(all), 2);
        assert_non_null(strstr(mx_dataset_note(all), "1 classes have a name"));
        for (int64_t i = 0; i < mx_dataset_count(all); i++)
            assert_int_equal(strcmp(mx_dataset_class_name(all, mx_dataset_label(all, i)), "dog") == 0,
                             strstr(mx_dataset_path(all, i), "dog/") != NULL);
        mx_dataset_close(all);
        put_picture("u.png", 4, 4, 3, 1);
        snprintf(list, sizeof list, "u.png,%s\nu.png,zebra\nu.png,%s\n", same[k][0], same[k][1]);
        put_text("u.csv", list);
        mx_dataset *d = opened("", "u.csv", MX_SPLIT_TRAIN);
        assert_int_equal(mx_dataset_classes(d), 2);
        assert_int_equal(mx_dataset_label(d, 0), mx_dataset_label(d, 2));
        assert_int_not_equal(mx_dataset_label(d, 0), mx_dataset_label(d, 1));
        mx_dataset_close(d);
    }
    put_classes("uu", 1, (const char *const[]){"\xc3\xa9", "\xc3\xa8", "e", "\xff\xcc\x81", "\xff", NULL});
    mx_dataset *d = opened("", "uu", MX_SPLIT_TRAIN);
    assert_int_equal(mx_dataset_classes(d), 5); /* other letters, and what is no text, stay apart */
    assert_string_equal(mx_dataset_note(d), "");
    mx_dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_two_of_a_kind),
                                       cmocka_unit_test(test_classes_called_so),
                                       cmocka_unit_test(test_beside_parts),
                                       cmocka_unit_test(test_wrapped),
                                       cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_list_rows),
                                       cmocka_unit_test(test_stray_image),
                                       cmocka_unit_test(test_share),
                                       cmocka_unit_test(test_balance),
                                       cmocka_unit_test(test_forms)};
    return cmocka_run_group_tests(tests, new_base, remove_base);
}
