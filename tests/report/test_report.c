/* The report of a run: malicious and damaged logs, long logs, escaping, pictures, missing files. */
#include "image_folder.h"

#include <math.h>

#include "io/file.h"
#include "report/report.h"
#include "report/log.h"

static const char options[] = "; mixmae\nmodel = nano\nepochs = 4\nbatch-size = 16\nmask-ratio = 0.5\n"
                              "weight-decay = 0.050000000000000003\n";

static mx_run_log *read_log(const char *text) {
    mx_run_log *log = test_malloc(sizeof *log);
    mx_error e = {0};
    put_text("log.jsonl", text);
    if (mx_run_log_read(log, at("log.jsonl"), &e)) fail_msg("%s", e.text);
    return log;
}

static void drop_log(mx_run_log *log) {
    mx_run_log_free(log);
    test_free(log);
}

/* The page of base/run; the caller frees it. */
static char *report(void) {
    mx_error e = {0};
    void *html = NULL;
    size_t size = 0;
    if (mx_report_write(at("run"), &e)) fail_msg("%s", e.text);
    if (mx_file_read(at("run/report.html"), (size_t)1 << 26, &html, &size, &e)) fail_msg("%s", e.text);
    assert_int_equal(strlen(html), size); /* no zero byte in it */
    return html;
}

static int count_of(const char *text, const char *word) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) n++;
    return n;
}

/* Numbers that are none, where the page holds numbers ("nano" is a model). */
static bool only_numbers(const char *html) {
    static const char *const no[] = {"nan,", ",nan", "\"nan", "-nan", ">nan<",
                                     "inf,", ",inf", "\"inf", "-inf", ">inf<"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strstr(html, no[i])) return false;
    return true;
}

static void test_numbers(void **state) {
    (void)state;
    mx_run_log *log = read_log(
        "{\"epoch\":1.0,\"images_per_second\":10.0,\"loss\":1.25,\"lr\":0.001,\"step\":10,\"wait_share\":0.5}"
        "\n"
        "{\"epoch\":1.5,\"step\":15,\"val_loss\":0.75}\n"
        "{\"epoch\":2.0,\"images_per_second\":20.0,\"loss\":1.0,\"lr\":null,\"step\":20,\"wait_share\":0.0}\n"
        "{\"step\":30,\"val_loss\":0.5}\n"
        "{\"event\":\"saved\",\"step\":30,\"epoch\":3.0}");
    assert_int_equal(log->lines, 5);
    assert_int_equal(log->damaged, 0);
    assert_int_equal(log->series[MX_SERIES_LOSS].count, 2);
    assert_int_equal(log->series[MX_SERIES_LR].count, 1);
    assert_true(log->series[MX_SERIES_LOSS].last == 1.0);
    assert_true(log->series[MX_SERIES_VAL].point[1].x == 3.0); /* from its step: 10 steps are an epoch */
    assert_true(log->work == 10 / 10.0 + 10 / 20.0 && log->waited == 0.5);
    assert_true(mx_series_median(&log->series[MX_SERIES_RATE]) == 15);
    assert_int_equal(log->events, 1);
    assert_string_equal(log->event[0].text, "saved");
    assert_true(log->last_step == 30 && log->last_epoch == 3);
    drop_log(log);
}

static void test_steps_without_epochs(void **state) {
    (void)state;
    mx_run_log *log = read_log("{\"step\":5,\"loss\":1}\n{\"step\":9,\"loss\":0.5}\n");
    assert_false(log->epochs);
    assert_true(log->series[MX_SERIES_LOSS].point[1].x == 9);
    drop_log(log);
}

static void test_damage(void **state) {
    (void)state;
    static const char *const bad[] = {"{\"step\":1,\"loss\":",
                                      "[1,2,3]",
                                      "null",
                                      "\"text\"",
                                      "{\"step\":-4,\"loss\":1}",
                                      "{\"step\":4,\"epoch\":-1,\"loss\":1}",
                                      "{\"step\":\"four\",\"loss\":1}",
                                      "{\"loss\":1}",
                                      "{\"step\":1e300,\"loss\":1}",
                                      "{\"step\":4,\"loss\":1e400}",
                                      "{\"step\":4,\"loss\":NaN}",
                                      "{\"step\":4,\"loss\":\"low\"}",
                                      "{\"step\":4,\"loss\":9e99}",
                                      "{\"step\":4}trailing",
                                      "\x01\xff\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"step\":1,\"epoch\":1,\"loss\":2}\n%s\n\n{\"step\":6,\"epoch\":2,\"loss\":1}\n", bad[i]);
        mx_run_log *log = read_log(text);
        if (log->damaged != 1 || log->lines != 3 || log->series[MX_SERIES_LOSS].count != 2)
            fail_msg("%s: %d damaged lines, %d losses", bad[i], (int)log->damaged,
                     log->series[MX_SERIES_LOSS].count);
        drop_log(log);
    }
}

static void test_long_line(void **state) { /* longer than is kept, and nested deeper than a parser's stack */
    (void)state;
    size_t n = 3 * MX_LOG_MOST_LINE;
    char *text = test_malloc(n + 64);
    memset(text, '[', n);
    strcpy(text + n, "\n{\"step\":6,\"epoch\":2,\"loss\":1}\n");
    mx_run_log *log = read_log(text);
    assert_int_equal(log->damaged, 1);
    assert_int_equal(log->series[MX_SERIES_LOSS].count, 1);
    drop_log(log);
    memset(text + MX_LOG_MOST_LINE / 2, '\n', 1);
    log = read_log(text);
    assert_int_equal(log->damaged, 2);
    drop_log(log);
    test_free(text);
}

static void test_thinning(void **state) {
    (void)state;
    mx_series *s = test_calloc(1, sizeof *s);
    for (int i = 0; i < 1000003; i++) mx_series_add(s, i, i == 777777 ? 50 : i == 5 ? -3 : 1);
    int64_t lines = 0;
    double high = 0, low = 0, before = -1;
    for (int i = 0; i < s->count; i++) {
        const mx_point *p = &s->point[i];
        lines += p->lines, high = fmax(high, p->high), low = fmin(low, p->low);
        assert_true(p->x > before && p->low <= p->y && p->y <= p->high);
        before = p->x;
    }
    assert_in_range(s->count, MX_SERIES_POINTS / 2, MX_SERIES_POINTS);
    assert_int_equal(lines, 1000003);
    assert_true(high == 50 && low == -3); /* a spike is never thinned away */
    assert_true(fabs(s->point[0].x - (double)(s->group - 1) / 2) < 1e-6);
    test_free(s);
}

static void test_many_events(void **state) {
    (void)state;
    char *text = test_calloc(1, 1 << 20), *p = text;
    for (int i = 0; i < MX_LOG_MOST_EVENTS + 7; i++)
        p += sprintf(p, "{\"step\":%d,\"event\":\"e%d\"}\n", i, i);
    mx_run_log *log = read_log(text);
    assert_int_equal(log->events, MX_LOG_MOST_EVENTS);
    assert_int_equal(log->events_left_out, 7);
    drop_log(log);
    test_free(text);
}

static void test_page(void **state) {
    (void)state;
    put_text("run/options.ini", options);
    put_text(
        "run/log.jsonl",
        "{\"epoch\":2,\"images_per_second\":16,\"loss\":1.25,\"lr\":0.001,\"step\":20,\"wait_share\":0.25}\n"
        "{\"epoch\":4,\"images_per_second\":16,\"loss\":0.9,\"lr\":0.001,\"step\":40,\"wait_share\":0.25}\n"
        "{\"epoch\":4,\"step\":40,\"val_loss\":0.8125}\n{torn");
    put_picture("run/pictures/step-00000005.png", 40, 30, 3, 1);
    put_picture("run/pictures/step-40.png", 50, 30, 3, 2);
    put_text("run/pictures/step-00000030.png", "not a picture at all, but longer than a header of one");
    put_picture("run/pictures/other.png", 50, 30, 3, 2);
    char *html = report();
    assert_non_null(strstr(html, "0.8125</b>"));
    assert_non_null(strstr(html, "<b>40 s</b>")); /* 40 steps of 16 images at 16 images a second */
    assert_non_null(strstr(html, "<b>25.0&#8239;%</b>"));
    assert_non_null(strstr(html, "4 epochs, complete"));
    assert_non_null(strstr(html, "predicting each patch&#39;s mean"));
    assert_non_null(strstr(html, "<dd>0.05</dd>")); /* not 0.050000000000000003 */
    assert_non_null(strstr(html, "1 damaged line was"));
    assert_int_equal(count_of(html, "data:image/png;base64,iVBORw0KGgo"), 2);
    assert_true(strstr(html, "Step 40") < strstr(html, "Step 5<")); /* the last one first */
    assert_null(strstr(html, "://"));                               /* nothing is fetched */
    assert_null(strstr(html, "<script"));
    free(html);
}

static void test_escaping(void **state) {
    (void)state;
    put_text("run/options.ini", "model = <script>alert(1)</script>\nodd'\"<i> = a&b\nno line at all\n");
    put_text("run/log.jsonl", "{\"step\":1,\"event\":\"<script>\\\"'&\\u0007\"}\n");
    char *html = report();
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<i> = "));
    assert_non_null(strstr(html, "&lt;script&gt;&quot;&#39;&amp; "));
    assert_non_null(strstr(html, "a&amp;b"));
    assert_non_null(strstr(html, ">MixMAE pretraining</p>"));
    free(html);
    put_text("run/options.ini", "; mixmae 0.1.0, finetune\nmodel = other\n"); /* another version's options */
    html = report();
    assert_non_null(strstr(html, ">Fine-tuning</p>"));
    free(html);
}

static void test_missing(void **state) { /* a run that has only begun */
    (void)state;
    mx_error e = {0};
    put_text("run/other", "");
    char *html = report();
    assert_non_null(strstr(html, "holds no losses yet"));
    free(html);
    assert_int_equal(mx_report_write(at("nowhere"), &e), MX_ERR_IO);
    assert_non_null(strstr(e.text, "nowhere"));
    assert_int_equal(mx_report_write(at("nowhere"), NULL), MX_ERR_IO);
    put_text("pipe/other", "");
    assert_int_equal(mkfifo(at("pipe/log.jsonl"), 0600), 0);
    e = (mx_error){0};
    assert_int_equal(mx_report_write(at("pipe"), &e), MX_ERR_FORMAT);
}

static void test_extremes(void **state) { /* values with which an axis could fail to end */
    (void)state;
    static const char *const values[] = {"0", "1e15", "-1e15", "1e-300", "5e-324", "0.1"};
    put_text("run/options.ini", options);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++) {
            char text[512];
            snprintf(
                text, sizeof text,
                "{\"step\":1,\"epoch\":1e15,\"loss\":%s,\"lr\":%s}\n{\"step\":2,\"epoch\":%s,\"loss\":%s}\n",
                values[i], values[k], i == 2 ? "0" : values[i], values[k]);
            put_text("run/log.jsonl", text);
            char *html = report();
            assert_non_null(strstr(html, "<svg"));
            assert_true(only_numbers(html));
            assert_true(strlen(html) < 200000);
            free(html);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_steps_without_epochs, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_damage, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_long_line, new_base, remove_base),
        cmocka_unit_test(test_thinning),
        cmocka_unit_test_setup_teardown(test_many_events, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_page, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_escaping, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_missing, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_extremes, new_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
