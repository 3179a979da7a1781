/* Lists as people write them: headers with any names, other separators, quotes, columns named by options; and
 * the messages of errors. Also annotations with odd values in fields that are not read. */
#include "image_folder.h"

static mx_status open_list(mx_dataset **d, const char *text, const char *image, const char *label,
                           mx_error *e) {
    put_text("l/list.csv", text);
    char spec[600];
    snprintf(spec, sizeof spec, "%s", at("l/list.csv"));
    const mx_data_request r = {spec, image, label};
    return mx_dataset_open_request(d, &r, MX_SPLIT_TRAIN, NULL, e);
}

/* Its images are l/x/1.png of class first and l/2 b.png of class second; NULL: without labels. */
static void expect_list(const char *text, const char *image, const char *label, const char *first,
                        const char *second) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    if (open_list(&d, text, image, label, &e)) fail_msg("%s: %s", text, e.text);
    if (mx_dataset_count(d) != 2) fail_msg("%s: %d images", text, (int)mx_dataset_count(d));
    assert_string_equal(mx_dataset_path(d, 0), "x/1.png"),
        assert_string_equal(mx_dataset_path(d, 1), "2 b.png");
    const char *want[] = {first, second};
    for (int i = 0; i < 2; i++) {
        int l = mx_dataset_label(d, i);
        if (!want[i] != (l < 0)) fail_msg("%s: label %d", text, l);
        if (want[i]) assert_string_equal(mx_dataset_class_name(d, l), want[i]);
    }
    mx_dataset_close(d);
}

static void expect_error(const char *text, const char *image, const char *label, const char *says) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    if (!open_list(&d, text, image, label, &e)) fail_msg("%s: was opened", text);
    if (!strstr(e.text, says)) fail_msg("no \"%s\" in: %s", says, e.text);
}

static void put_images(void) {
    put_picture("l/x/1.png", 5, 4, 3, 1);
    put_picture("l/2 b.png", 6, 4, 3, 2);
    put_picture("l/plain", 6, 4, 3, 2); /* without an extension */
}

static void test_headers(void **state) {
    (void)state;
    put_images();
    expect_list("filepaths,labels\nx/1.png,cat\n2 b.png,dog\n", NULL, NULL, "cat", "dog");
    expect_list("img_path,diagnosis\nx/1.png,0\n2 b.png,1\n", NULL, NULL, "0", "1");
    expect_list("Image Path, Species\nx/1.png, cat\n2 b.png, dog\n", NULL, NULL, "cat", "dog");
    expect_list("bild,sorte\nx/1.png,cat\n2 b.png,dog\n", NULL, "sorte", "cat",
                "dog"); /* by what stands there */
    expect_list("bild,sorte\nx/1.png,cat\n2 b.png,dog\n", "BILD", "2", "cat", "dog");
    expect_list("bild\nx/1.png\n2 b.png\n", NULL, NULL, NULL, NULL);
    expect_list(",path,class\n0,x/1.png,cat\n1,2 b.png,dog\n", NULL, NULL, "cat", "dog"); /* pandas' index */
    expect_list("name,photo_file,class\nRex,x/1.png,cat\nTom,2 b.png,dog\n", NULL, NULL, "cat", "dog");
    expect_list("label,x,path\ncat,1,x/1.png\ndog,2,2 b.png\n", NULL, NULL, "cat", "dog");
    expect_list("path,class,fine\nx/1.png,a,cat\n2 b.png,a,dog\n", NULL, "fine", "cat", "dog");
    expect_list("path,width\nx/1.png,640\n2 b.png,480\n", NULL, NULL, NULL, NULL);
    expect_list("\xef\xbb\xbf\"path\",\"label\"\r\n\"x/1.png\",\"cat\"\r\n\"2 b.png\",\"dog\"\r\n", NULL,
                NULL, "cat", "dog");
}

static void test_without_header(void **state) {
    (void)state;
    mx_dataset *d = NULL;
    mx_error e = {0};
    put_images();
    expect_list("cat,x/1.png\ndog,2 b.png\n", NULL, NULL, "cat", "dog");
    expect_list("7,x/1.png,cat\n8,2 b.png,dog\n", NULL, "3", "cat", "dog");
    expect_list("x/1.png,cat,q\n2 b.png,dog,q\n", "1", "2", "cat", "dog");
    assert_int_equal(open_list(&d, "plain,cat\nx/1.png,dog\n", NULL, NULL, &e),
                     MX_OK); /* a file: no header */
    assert_int_equal(mx_dataset_count(d), 2);
    mx_dataset_close(d);
    put_picture("l/a,b;c.png", 4, 4, 3, 1);
    assert_int_equal(open_list(&d, "a,b;c.png\nx/1.png\n", NULL, NULL, &e), MX_OK);
    assert_string_equal(mx_dataset_path(d, 0), "a,b;c.png");
    mx_dataset_close(d);
}

static void test_separators(void **state) {
    (void)state;
    put_images();
    expect_list("path;label\nx/1.png;cat\n2 b.png;dog\n", NULL, NULL, "cat", "dog");
    expect_list("x/1.png;\"a;b\"\n2 b.png;dog\n", NULL, NULL, "a;b", "dog");
    expect_list("path;note;label\nx/1.png;\"a, b\";cat\n2 b.png;;dog\n", NULL, NULL, "cat", "dog");
    expect_list("path|label\nx/1.png|cat\n2 b.png|dog\n", NULL, NULL, "cat", "dog");
    expect_list("path\tlabel\nx/1.png\tcat\n2 b.png\tdog\n", NULL, NULL, "cat", "dog");
    expect_list("path\tlabel\n\"x/1.png\"\t\"cat\"\n2 b.png\tdog\n", NULL, NULL, "cat", "dog");
    expect_list("path\tlabel\tsize\nx/1.png\tcat\t5\" wide\n2 b.png\tdog\t\"\n", NULL, NULL, "cat", "dog");
    /* a field that nobody reads, over several lines */
    expect_list(
        "path,text,label\nx/1.png,\"two\n\nlines, \"\"and\"\" a comma\",cat\r\n2 b.png,\"o\r\nne\",dog\r\n",
        NULL, NULL, "cat", "dog");
    char wide[6000] = "path", row[3000] = "x/1.png", row2[3000] = "2 b.png"; /* 300 columns */
    for (int i = 0; i < 300; i++) strcat(wide, ",c"), strcat(row, ",1"), strcat(row2, ",NaN");
    strcat(strcat(strcat(wide, ",label\n"), row), ",cat\n"), strcat(strcat(wide, row2), ",dog\n");
    expect_list(wide, NULL, NULL, "cat", "dog");
}

static void test_errors(void **state) {
    (void)state;
    mx_dataset *d = NULL;
    mx_error e = {0};
    put_images();
    const char *two = "path,age\nx/1.png,3\n2 b.png,4\n",
               *masks = "photo_a,photo_b\nx/1.png,2 b.png\n2 b.png,x/1.png\n";
    expect_error(two, NULL, "sex", "--label-column sex: expected one of the columns path, age, or a number");
    expect_error(two, "9", NULL, "--image-column 9: expected one of the columns");
    expect_error(two, NULL, "path", "in two columns");
    expect_error("x/1.png,3\n", NULL, "cat", "of a header, found none above x/1.png, 3");
    expect_error(masks, NULL, NULL, "--image-column");
    expect_error("x/1.png,3,4\n", NULL, NULL, "--image-column 1 --label-column N");
    expect_error("path,label\nx/1.png,a\n\"2 b.png,b\n", NULL, NULL, "line 3: expected 2 fields");
    expect_error("path,label\nx/1.png,a,b\n", NULL, NULL,
                 "line 2: expected 2 fields as in the first line, found 3");
    expect_list(masks, "photo_a", NULL, NULL, NULL); /* what is suggested works */
    expect_list("x/1.png,3,4\n2 b.png,5,6\n", "1", "2", "3", "5");
    assert_int_equal(open_list(&d, two, NULL, NULL, &e), MX_OK); /* labels are asked for later */
    assert_int_equal(mx_dataset_need_classes(d, 2, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "found path, age; --label-column"));
    mx_dataset_close(d);
    expect_list(two, NULL, "age", "3", "4");
}

/* What Python and others write into fields that nobody reads. */
static void test_json(void **state) {
    (void)state;
    static const char *const odd[] = {"NaN",
                                      "-Infinity",
                                      "1e999",
                                      "123456789012345678901234567890",
                                      "[NaN, {\"a\": [-Infinity]}]",
                                      "\"\\ud800 \\x\"",
                                      "{\"id\": \"], }\"}",
                                      "01",
                                      "True",
                                      "\"\xff\xfe\""};
    put_images();
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char text[2000];
        mx_dataset *d = NULL;
        mx_error e = {0};
        snprintf(text, sizeof text,
                 "{\"info\": %s, \"images\": [{\"latitude\": %s, \"id\": 1, \"name\": %s, \"file_name\": "
                 "\"x/1.png\"}], "
                 "\"annotations\": [{\"id\": %s, \"image_id\": 1, \"category_id\": 0, \"bbox\": %s}], "
                 "\"categories\": [{\"id\": 0, \"name\": \"owl\", \"image_id\": %s}], \"more\": %s}",
                 odd[i], odd[i], odd[i], odd[i], odd[i], odd[i], odd[i]);
        put_text("l/train2018.json", text);
        if (mx_dataset_open_split(&d, at("l/train2018.json"), MX_SPLIT_TRAIN, NULL, &e))
            fail_msg("%s: %s", odd[i], e.text);
        assert_string_equal(mx_dataset_class_name(d, mx_dataset_label(d, 0)), "owl");
        mx_dataset_close(d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_without_header),
                                       cmocka_unit_test(test_separators), cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, new_base, remove_base);
}
