/* The sources of data sets. Each is made in a temporary folder, opened, and compared by labels, names and
 * bytes. Also splits, shares, differing classes, order of tar shards, caches, malformed files. */
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

static mx_error refused(const char *spec, mx_split split) {
    mx_dataset *d;
    mx_error e = {0};
    if (!mx_dataset_open_split(&d, spec, split, NULL, &e)) fail_msg("%s was opened", spec);
    assert_null(d);
    return e;
}

static void expect_text(mx_error e, const char *part) {
    if (!strstr(e.text, part)) fail_msg("no \"%s\" in: %s", part, e.text);
}

/* Sample i decodes to a picture of this width. */
static void expect_width(const mx_dataset *d, int64_t i, int width) {
    mx_image im;
    mx_error e = {0};
    if (mx_dataset_read(d, i, 3, &im, &e)) fail_msg("%s", e.text);
    assert_int_equal(im.width, width);
    assert_int_equal(mx_dataset_index(d)->file[i].width, width); /* known beforehand, for plans */
    mx_image_free(&im);
}

static void test_list(void **state) {
    (void)state;
    put_picture("l/x/1.png", 5, 4, 3, 1);
    put_picture("l/x/2 b.png", 6, 4, 3, 2);
    put_picture("l/3.jpg", 7, 4, 3, 3);
    const struct {
        const char *name, *text;
        const char *path[3], *class_name[3];
        int classes;
    } good[] = {
        {"a.csv", "path,label\nx/1.png,2\n3.jpg,0\n", {"x/1.png", "3.jpg"}, {"2", "0"}, 3},
        {"b.csv",
         "\xef\xbb\xbfx/1.png,cat\r\n\r\n\"x/2 b.png\",\"a \"\"dog\"\"\"\r\n3.jpg,cat",
         {"x/1.png", "x/2 b.png", "3.jpg"},
         {"cat", "a \"dog\"", "cat"},
         2},
        {"c.tsv",
         "id\tCategory\tFile_Name\n9\tq\t3.jpg\n8\tp\tx/1.png\n",
         {"3.jpg", "x/1.png"},
         {"q", "p"},
         2},
        {"d.txt", "x/2 b.png 1\n3.jpg   0\n", {"x/2 b.png", "3.jpg"}, {"1", "0"}, 2},
        {"e.lst", "x/2 b.png\n3.jpg\n", {"x/2 b.png", "3.jpg"}, {NULL, NULL}, 0},
        {"f.txt", "../l/3.jpg 4\n3.jpg 4\n", {"../l/3.jpg", "3.jpg"}, {"4", "4"}, 5},
    };
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        char name[64];
        snprintf(name, sizeof name, "l/%s", good[k].name);
        put_text(name, good[k].text);
        mx_dataset *d = open_part(at(name), MX_SPLIT_TRAIN, NULL);
        assert_int_equal(mx_dataset_classes(d), good[k].classes);
        int64_t n = 0;
        for (; n < 3 && good[k].path[n]; n++) expect_sample(d, n, good[k].path[n], good[k].class_name[n]);
        assert_int_equal(mx_dataset_count(d), n);
        for (int64_t i = 0; i < n; i++)
            expect_width(d, i, strstr(good[k].path[i], "1.png") ? 5 : strstr(good[k].path[i], "2 b") ? 6 : 7);
        mx_dataset_close(d);
    }
    const struct {
        const char *text, *says;
    } bad[] = {
        {"3.jpg,1\nx/1.png\n", "line 2: expected 2 fields"},
        {"3.jpg,1\n3.jpg,cat\n", "line 2: expected a label number"},
        {"3.jpg,1\n3.jpg,\n", "line 2: expected a label"},
        {"3.jpg,1,7\n", "found 3 columns"},
        {"nothing,label\nneither,1\n", "line 1: expected a header with a column path"},
        {"3.jpg,1\n\"3.jpg,1\n", "line 2: expected 2 fields"},
        {"3.jpg,99999999\n", "a label below 1048576"},
        {"3.jpg,70000\n", "classes of 1 images, found 70000"},
        {",1\n3.jpg,1\n", "expected a path of 1"},
        {"", "lists no images"},
        {"gone.png,1\nlost.png,1\n", "none of the 2 images"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        put_text("l/bad.csv", bad[k].text);
        expect_text(refused(at("l/bad.csv"), MX_SPLIT_TRAIN), bad[k].says);
    }
    put_bytes("l/bad.csv", "3.jpg,1\n3.\0jpg,1\n", 18);
    expect_text(refused(spec_of("list:", "l/bad.csv"), MX_SPLIT_TRAIN), "line 2: expected text");
}

/* classes.txt numbers the names; val.csv beside train.csv is held out. */
static void test_list_classes(void **state) {
    (void)state;
    put_picture("l/1.png", 5, 4, 3, 1);
    put_text("l/train.csv", "1.png,zebra\n1.png,ant\n");
    put_text("l/val.csv", "1.png,ant\n");
    put_text("l/test.csv", "1.png,zebra\n"); /* val goes before test */
    put_text("l/classes.txt", "zebra\nbee\nant\n");
    mx_dataset *d = open_part(at("l/train.csv"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_classes(d), 3);
    assert_int_equal(mx_dataset_label(d, 0), 0), assert_int_equal(mx_dataset_label(d, 1), 2);
    mx_dataset_close(d);
    d = open_part(at("l/train.csv"), MX_SPLIT_VAL, NULL);
    expect_sample(d, 0, "1.png", "ant");
    mx_dataset_close(d);
    assert_null(open_part(at("l/val.csv"), MX_SPLIT_VAL, NULL));
    put_text("l/train.csv", "1.png,zebra\n1.png,cow\n");
    expect_text(refused(at("l/train.csv"), MX_SPLIT_TRAIN), "found \"cow\" for image 2");
    put_text("l/train.csv", "1.png,3\n");
    expect_text(refused(at("l/train.csv"), MX_SPLIT_TRAIN), "below the 3 classes");
}

#define INAT_HEAD "{\"info\": {\"year\": 2018, \"x\": [1, {\"y\": null}]}, "
static const char inat_train[] =
    INAT_HEAD "\"annotations\": [{\"id\": 1, \"image_id\": 20, \"category_id\": 2},"
              " {\"id\": 2, \"image_id\": 10, \"category_id\": 0}],\n"
              "\"images\": [{\"id\": 10, \"file_name\": \"train_val2018/Aves/0/a.jpg\", \"width\": 9},"
              "{\"id\": 20, \"file_name\": \"train_val2018/Aves/2/b.jpg\"}],"
              "\"categories\": [{\"id\": 2, \"name\": \"owl\"}, {\"id\": 0, \"name\": \"emu\"}, {\"id\": 1, "
              "\"name\": \"jay\"}]}";

static void test_inat(void **state) {
    (void)state;
    put_picture("i/train_val2018/Aves/0/a.jpg", 9, 4, 3, 1);
    put_picture("i/train_val2018/Aves/2/b.jpg", 8, 4, 3, 2);
    put_text("i/train2018.json", inat_train);
    assert_null(open_part(at("i"), MX_SPLIT_VAL, NULL));
    put_text("i/val2018.json", "{\"images\":[{\"id\":5,\"file_name\":\"train_val2018/Aves/2/b.jpg\"}],"
                               "\"annotations\":[{\"image_id\":5,\"category_id\":2}],\"categories\":[]}");
    mx_dataset *d = open_part(at("i"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_classes(d), 3);
    expect_sample(d, 0, "train_val2018/Aves/0/a.jpg", "emu");
    expect_sample(d, 1, "train_val2018/Aves/2/b.jpg", "owl");
    assert_int_equal(mx_dataset_label(d, 1), 2);
    expect_width(d, 0, 9), expect_width(d, 1, 8);
    mx_dataset_close(d);
    d = open_part(spec_of("inat:", "i"), MX_SPLIT_VAL, NULL);
    assert_int_equal(mx_dataset_label(d, 0), 2);
    mx_dataset_close(d);
    put_text("i/train2019.json", inat_train);
    expect_text(refused(at("i"), MX_SPLIT_TRAIN), "found several");
    d = open_part(at("i/train2019.json"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_count(d), 2);
    mx_dataset_close(d);
    expect_text(refused(spec_of("inat:", "i/train_val2018"), MX_SPLIT_TRAIN), "train20YY.json");
}

static void test_inat_bad(void **state) {
    (void)state;
#define IMAGES "\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"},{\"id\":2,\"file_name\":\"b.jpg\"}]"
    const struct {
        const char *text, *says;
    } bad[] = {
        {"", "byte 0: expected an object"},
        {"[]", "byte 0: expected an object"},
        {"{}", "expected images, found none"},
        {"{" IMAGES, "expected ',' or '}'"},
        {"{" IMAGES "} x", "expected the end"},
        {"{" IMAGES ",\"annotations\":[{\"image_id\":3,\"category_id\":0}]}", "no image with the id 3"},
        {"{" IMAGES ",\"annotations\":[{\"image_id\":1,\"category_id\":0}]}", "image 2 has no annotation"},
        {"{" IMAGES ",\"annotations\":[{\"image_id\":1,\"category_id\":-1}]}", "category_id from 0"},
        {"{" IMAGES ",\"annotations\":[{\"image_id\":1.5,\"category_id\":1}]}", "whole number \"image_id\""},
        {"{" IMAGES
         ",\"annotations\":[{\"image_id\":1,\"category_id\":1},{\"image_id\":1,\"category_id\":2}]}",
         "one category for image 1, found 1 and 2"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"},{\"id\":1,\"file_name\":\"b.jpg\"}]}",
         "id 1 twice"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"../a.jpg\"}]}", "below the root"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"/a.jpg\"}]}", "below the root"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a\\u0000.jpg\"}]}", "string \"file_name\""},
        {"{\"images\":[{\"id\":99999999999999999999,\"file_name\":\"a.jpg\"}]}", "byte "},
        {"{\"images\":[1]}", "object"},
        {"{\"images\":7}", "an array"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"", "byte "},
        {"{\"categories\":[{\"id\":0,\"name\":\"x\"},{\"id\":0,\"name\":\"y\"}],\"images\":[{\"id\":1,\"file_"
         "name\":\"a.jpg\"}],"
         "\"annotations\":[{\"image_id\":1,\"category_id\":0}]}",
         "id 0 twice"},
        {"{\"categories\":[{\"id\":0,\"name\":\"x\"}],\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"}],"
         "\"annotations\":[{\"image_id\":1,\"category_id\":4}]}",
         "none above 0"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        put_text("i/train2018.json", bad[k].text);
        mx_error e = refused(at("i"), MX_SPLIT_TRAIN);
        expect_text(e, bad[k].says);
        expect_text(e, "train2018.json");
    }
    for (size_t n = 0; n + 1 < sizeof inat_train; n++) { /* every truncation */
        put_bytes("i/train2018.json", inat_train, n);
        refused(at("i"), MX_SPLIT_TRAIN);
    }
}

static void test_places(void **state) {
    (void)state;
    put_picture("p/data_256/a/airfield/1.jpg", 5, 4, 3, 1);
    put_picture("p/data_256/a/apartment_building/outdoor/2.jpg", 6, 4, 3, 1);
    put_picture("p/val_large/Places365_val_1.jpg", 7, 4, 3, 1);
    put_text("p/places365_train_standard.txt",
             "/a/apartment_building/outdoor/2.jpg 1\n/a/airfield/1.jpg 0\n");
    put_text("p/places365_val.txt", "Places365_val_1.jpg 1\n");
    put_text("p/categories_places365.txt", "/a/airfield 0\n/a/apartment_building/outdoor 1\n");
    mx_dataset *d = open_part(at("p"), MX_SPLIT_TRAIN, NULL);
    expect_sample(d, 0, "data_256/a/apartment_building/outdoor/2.jpg", "a/apartment_building/outdoor");
    expect_sample(d, 1, "data_256/a/airfield/1.jpg", "a/airfield");
    expect_width(d, 0, 6), expect_width(d, 1, 5);
    mx_dataset_close(d);
    d = open_part(spec_of("places:", "p"), MX_SPLIT_VAL, NULL);
    expect_sample(d, 0, "val_large/Places365_val_1.jpg", "a/apartment_building/outdoor");
    expect_width(d, 0, 7);
    mx_dataset_close(d);
    put_text("p/places365_val.txt", "Places365_val_1.jpg 2\n");
    expect_text(refused(at("p"), MX_SPLIT_VAL), "line 1: expected a label below 2");
    put_text("p/places365_val.txt", "Places365_val_1.jpg\n");
    expect_text(refused(at("p"), MX_SPLIT_VAL), "line 1: expected \"path number\"");
    put_text("p/categories_places365.txt", "/a/airfield 0\n/a/apartment_building/outdoor 2\n");
    expect_text(refused(at("p"), MX_SPLIT_TRAIN), "expected the number 1, found 2");

    put_picture("q/data/vision/torralba/deeplearning/images256/a/abbey/1.jpg", 5, 4, 3, 1);
    put_text("q/trainvalsplit_places205/train_places205.csv", "a/abbey/1.jpg 0\n");
    put_text("q/trainvalsplit_places205/val_places205.csv", "a/abbey/1.jpg 0\n");
    for (mx_split k = MX_SPLIT_TRAIN; k <= MX_SPLIT_VAL; k++) {
        d = open_part(at("q"), k, NULL);
        expect_sample(d, 0, "data/vision/torralba/deeplearning/images256/a/abbey/1.jpg", "a/abbey");
        mx_dataset_close(d);
    }
    put_text("r/train_places205.csv", "a/abbey/1.jpg 0\n");
    expect_text(refused(at("r"), MX_SPLIT_TRAIN), "images256");
}

/* Records whose pixel (x, y) of channel c is x + y + 50 c + label. */
static void put_cifar(const char *rel, int labels, int records, int first) {
    size_t record = 3072 + (size_t)labels;
    unsigned char *bytes = calloc((size_t)records, record);
    for (int k = 0; k < records; k++) {
        unsigned char *p = bytes + (size_t)k * record;
        if (labels == 2) *p++ = 19;
        int label = *p++ = (unsigned char)((first + k) % 10);
        for (int i = 0; i < 3072; i++) p[i] = (unsigned char)(i % 32 + i / 32 % 32 + 50 * (i / 1024) + label);
    }
    put_bytes(rel, bytes, (size_t)records * record);
    free(bytes);
}

static void test_cifar(void **state) {
    (void)state;
    char name[64];
    for (int b = 1; b <= 5; b++) {
        snprintf(name, sizeof name, "k/data_batch_%d.bin", b);
        put_cifar(name, 1, 300, b); /* more than one block of reading */
    }
    put_cifar("k/test_batch.bin", 1, 2, 7);
    put_text("k/batches.meta.txt",
             "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
    mx_dataset *d = open_part(at("k"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_count(d), 1500);
    expect_sample(d, 0, "data_batch_1.bin/00000", "automobile");
    expect_sample(d, 1499, "data_batch_5.bin/00299", "deer");
    for (int channels = 1; channels <= 3; channels += 2) {
        mx_image im;
        mx_error e = {0};
        assert_int_equal(mx_dataset_read(d, 1499, channels, &im, &e), MX_OK);
        assert_int_equal(im.width, 32), assert_int_equal(im.height, 32);
        const uint8_t *p = im.pixels;
        for (int i = 0; i < 1024; i++) {
            int r = i % 32 + i / 32 + 4;
            for (int c = 0; channels == 3 && c < 3; c++) assert_int_equal(p[3 * i + c], r + 50 * c);
            if (channels == 1)
                assert_int_equal(p[i], (19595 * r + 38470 * (r + 50) + 7471 * (r + 100) + 32768) >> 16);
        }
        mx_image_free(&im);
    }
    float mean[3], std[3];
    assert_int_equal(mx_dataset_stats(d, 3, 0, 10, 2, mean, std, NULL), MX_OK);
    assert_int_equal(mx_dataset_largest(d), 3072);
    mx_dataset_close(d);
    d = open_part(spec_of("cifar:", "k"), MX_SPLIT_VAL, NULL);
    assert_int_equal(mx_dataset_count(d), 2);
    expect_sample(d, 1, "test_batch.bin/00001", "ship");
    mx_dataset_close(d);
    unlink(at("k/data_batch_3.bin"));
    expect_text(refused(at("k"), MX_SPLIT_TRAIN), "no data_batch_3.bin");

    put_cifar("h/train.bin", 2, 3, 4), put_cifar("h/test.bin", 2, 1, 9);
    d = open_part(at("h"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_classes(d), 100);
    expect_sample(d, 2, "train.bin/00002", "6"); /* the fine label */
    mx_dataset_close(d);
    put_bytes("h/test.bin", "\x01\x64", 2);
    expect_text(refused(at("h"), MX_SPLIT_VAL), "records of 3074 bytes, found 2");
    char *wrong = calloc(1, 3074);
    wrong[1] = 100;
    put_bytes("h/test.bin", wrong, 3074);
    free(wrong);
    expect_text(refused(at("h"), MX_SPLIT_VAL), "byte 1: expected a label below 100, found 100");
}

static void test_telling_apart(void **state) {
    (void)state;
    put_cifar("t/train.bin", 2, 1, 0), put_cifar("t/test.bin", 2, 1, 0);
    put_text("t/train2018.json", inat_train);
    mx_error e = refused(at("t"), MX_SPLIT_TRAIN);
    expect_text(e, "iNaturalist (train2018.json) or CIFAR (train.bin)");
    mx_dataset_close(open_part(spec_of("cifar:", "t"), MX_SPLIT_TRAIN, NULL));
    put_picture("u/a/1.png", 4, 4, 3, 1);
    put_text("u/left.tar", "");
    expect_text(refused(at("u"), MX_SPLIT_TRAIN), "tar:DIR or folder:DIR");
    mx_dataset_close(open_part(spec_of("folder:", "u"), MX_SPLIT_TRAIN, NULL));
    expect_text(refused(at("nowhere"), MX_SPLIT_TRAIN), "cannot open the data");
    expect_text(refused(spec_of("places:", "u"), MX_SPLIT_TRAIN), "places365_train_standard.txt");
    expect_text(refused(spec_of("cifar:", "u"), MX_SPLIT_TRAIN), "data_batch_1.bin");
    expect_text(refused(spec_of("oops:", "u"), MX_SPLIT_TRAIN), "the prefixes are");
    expect_text(refused(at("u/a/1.png"), MX_SPLIT_TRAIN), "found a file");
    expect_text(refused("tar:", MX_SPLIT_TRAIN), "expected a path");
    assert_int_equal(mkdir(at("empty"), 0755), 0);
    expect_text(refused(at("empty"), MX_SPLIT_TRAIN), "no images in");
}

/* What an absolute specification becomes, given in the folder base; '@' is that folder. */
static void expect_absolute(const char *spec, const char *want) {
    char full[1024] = "";
    for (const char *p = want; *p; p++) {
        char letter[2] = {*p, 0};
        strcat(full, *p == '@' ? base : letter);
    }
    char *got = mx_dataset_absolute(spec);
    assert_non_null(got);
    assert_string_equal(got, full);
    free(got);
}

static void test_absolute(void **state) {
    (void)state;
    char before[4096];
    put_text("x/a.tar", ""), put_text("x/tar:b", ""), put_text("y/c::d/e.tar", "");
    put_text("real/list.csv", "1.png,0\n"), put_picture("1.png", 4, 4, 3, 1);
    assert_int_equal(symlink("real/list.csv", at("list.csv")), 0);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(base), 0);
    expect_absolute("x", "@/x");
    expect_absolute("x/../x/", "@/x");
    expect_absolute("tar:x", "tar:@/x");
    expect_absolute("x/a.tar", "@/x/a.tar");
    expect_absolute("./x/tar:b", "@/x/tar:b"); /* no prefix, and none afterwards */
    expect_absolute("list.csv", "@/list.csv"); /* its images are beside the link */
    expect_absolute("list:list.csv", "list:@/list.csv");
    expect_absolute("tar:x/a-{0..3}.tar", "tar:@/x/a-{0..3}.tar");
    expect_absolute("{x,y}/{a,b}.tar::x/a.tar::x", "@/{x,y}/{a,b}.tar::@/x/a.tar::@/x");
    expect_absolute("tar:/data/{0..3}.tar", "tar:/data/{0..3}.tar");
    expect_absolute("nowhere", "nowhere"); /* for the message */
    expect_absolute("tar:nowhere.tar", "tar:nowhere.tar");
    expect_absolute("inat:", "inat:");
    assert_int_equal(chdir("y/c::d"), 0);
    expect_absolute("e.tar", "@/y/c::d/e.tar");
    expect_absolute("tar:e.tar", "tar:e.tar"); /* would be cut in two */
    assert_int_equal(chdir(before), 0);
    mx_dataset *d = open_part(at("list.csv"), MX_SPLIT_TRAIN, NULL);
    expect_sample(d, 0, "1.png", "0");
    mx_dataset_close(d);
}

/* Without a split: all of whatever there is, unless it has two parts with a list for each. */
static void test_open_all(void **state) {
    (void)state;
    mx_dataset *d;
    mx_error e = {0};
    put_picture("1.png", 4, 4, 3, 1), put_text("l.csv", "1.png,0\n");
    for (int k = 0; k < 2; k++) {
        e = (mx_error){0};
        if (mx_dataset_open(&d, k ? spec_of("list:", "l.csv") : at("l.csv"), NULL, &e))
            fail_msg("%s", e.text);
        assert_int_equal(mx_dataset_count(d), 1);
        expect_sample(d, 0, "1.png", "0");
        mx_dataset_close(d);
    }
    put_cifar("k/train.bin", 2, 3, 4), put_cifar("k/test.bin", 2, 1, 9);
    assert_int_equal(mx_dataset_open(&d, at("k"), NULL, &e), MX_ERR_ARGUMENT);
    assert_null(d);
    expect_text(e, "choose train or val");
    put_picture("f/train/a/1.png", 4, 4, 3, 1), put_picture("f/val/a/2.png", 4, 4, 3, 1);
    e = (mx_error){0};
    if (mx_dataset_open(&d, spec_of("folder:", "f"), NULL, &e)) fail_msg("%s", e.text);
    assert_int_equal(mx_dataset_count(d), 2);
    mx_dataset_close(d);
}

/* Is the cache of spec used? It is edited (a path's first letter) and read back. */
static bool cache_used(const char *rel) {
    char *bytes = malloc(1 << 20), *spec = strdup(at(rel));
    mx_dataset *d = open_part(spec, MX_SPLIT_TRAIN, at("cache"));
    uint64_t before = mx_dataset_fingerprint(d);
    char *path = strdup(mx_dataset_path(d, 0)), *found;
    mx_dataset_close(d);
    FILE *f = fopen(at("cache"), "rb");
    size_t size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    assert_non_null(found = memmem(bytes, size, path, strlen(path) + 1));
    *found = '#';
    mx_index_seal(bytes, size);
    put_bytes("cache", bytes, size);
    d = open_part(spec, MX_SPLIT_TRAIN, at("cache"));
    bool used = *mx_dataset_path(d, 0) == '#';
    if (!used) assert_int_equal(mx_dataset_fingerprint(d), before);
    mx_dataset_close(d);
    unlink(at("cache"));
    free(bytes), free(path), free(spec);
    return used;
}

static void age_file(const char *rel, time_t when) {
    struct timespec old[2] = {{when, 0}, {when, 0}};
    assert_int_equal(utimensat(AT_FDCWD, at(rel), old, 0), 0);
}

/* The kinds whose samples lie in one file: the cache holds until that file changes, and no longer. */
static void test_caches(void **state) {
    (void)state;
    put_cifar("h/train.bin", 2, 3, 4), put_cifar("h/test.bin", 2, 1, 9);
    assert_false(cache_used("h")); /* changed just now: never trusted */
    age_file("h/train.bin", 1500000000);
    assert_true(cache_used("h"));
    mx_dataset *d = open_part(at("h"), MX_SPLIT_TRAIN, at("cache"));
    mx_dataset_close(d);
    put_cifar("h/train.bin", 2, 2, 4);
    age_file("h/train.bin", 1500000000); /* another size at the same time */
    d = open_part(at("h"), MX_SPLIT_TRAIN, at("cache"));
    assert_int_equal(mx_dataset_count(d), 2);
    mx_dataset_close(d);
    d = open_part(at("h"), MX_SPLIT_VAL, at("cache")); /* another part is another list */
    assert_int_equal(mx_dataset_count(d), 1);
    mx_dataset_close(d);
    unlink(at("cache"));

    put_picture("l/1.png", 5, 4, 3, 1), put_picture("l/2.png", 5, 4, 3, 2);
    put_text("l/a.csv", "1.png,0\n2.png,1\n");
    age_file("l/a.csv", 1500000000);
    mx_dataset_close(open_part(at("l/a.csv"), MX_SPLIT_TRAIN, at("cache")));
    d = open_part(at("l/a.csv"), MX_SPLIT_TRAIN, at("cache"));
    expect_sample(d, 1, "2.png", "1");
    uint64_t before = mx_dataset_fingerprint(d);
    mx_dataset_close(d);
    put_text("l/a.csv", "1.png,0\n2.png,0\n");
    age_file("l/a.csv", 1500000001);
    d = open_part(at("l/a.csv"), MX_SPLIT_TRAIN, at("cache"));
    expect_sample(d, 1, "2.png", "0");
    assert_int_not_equal(mx_dataset_fingerprint(d), before); /* labels count */
    mx_dataset_close(d);
    put_picture("l/2.png", 9, 4, 3, 2); /* the image changes, the list does not */
    d = open_part(at("l/a.csv"), MX_SPLIT_TRAIN, at("cache"));
    expect_width(d, 1, 9);
    mx_dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder_splits, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_fraction, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_same_classes, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_list, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_list_classes, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_inat, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_inat_bad, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_places, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_cifar, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_telling_apart, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_absolute, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_open_all, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_caches, new_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
