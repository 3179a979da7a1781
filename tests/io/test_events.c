/* TensorBoard event files and the log of JSON lines: checksums compared with published values, our own files
 * read back, and cutting back to a step, including incomplete ends (io/events.h, io/crc32c.h;
 * docs/FORMATS.md). */
#include "image_folder.h"

#include <dirent.h>
#include <math.h>

#include "io/crc32c.h"
#include "io/events.h"
#include "io/file.h"
#include "tensorboard.pb-c.h"

static void checksums(void **state) {
    (void)state;
    unsigned char block[32];
    assert_int_equal(mx_crc32c("", 0), 0);
    assert_int_equal(mx_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(mx_crc32c_masked("123456789", 9), 0xc78ab0e5);
    memset(block, 0, 32); /* RFC 3720, B.4 */
    assert_int_equal(mx_crc32c(block, 32), 0x8a9136aa);
    memset(block, 0xff, 32);
    assert_int_equal(mx_crc32c(block, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) block[i] = (unsigned char)i;
    assert_int_equal(mx_crc32c(block, 32), 0x46dd794e);
    const unsigned char length[8] = {24};
    assert_int_equal(mx_crc32c_masked(length, 8), 0x224b7fa3);
}

static void file_holds(const char *rel, const char *expected) {
    void *bytes = NULL;
    size_t size = 0;
    mx_error e = {0};
    if (mx_file_read(at(rel), 1 << 20, &bytes, &size, &e)) fail_msg("%s", e.text);
    assert_string_equal((char *)bytes, expected);
    assert_int_equal(size, strlen(expected));
    free(bytes);
}

/* ---- event files ------------------------------------------------------------------------------------------
 */

enum { MOST = 64 };

typedef struct {
    unsigned char *bytes;
    size_t size, end[MOST]; /* end of each record */
    Tb__Event *event[MOST];
    int count;
} parsed;

/* A reader of our own that trusts nothing of the code under test but the checksum. */
static parsed parse(const char *path) {
    parsed p = {0};
    mx_error e = {0};
    void *bytes = NULL;
    if (mx_file_read(path, 1 << 20, &bytes, &p.size, &e)) fail_msg("%s", e.text);
    p.bytes = bytes;
    for (size_t at = 0; at < p.size;) {
        uint64_t n;
        uint32_t head, tail;
        assert_true(p.size - at >= 16 && p.count < MOST);
        memcpy(&n, p.bytes + at, 8), memcpy(&head, p.bytes + at + 8, 4);
        assert_true(n <= p.size - at - 16);
        memcpy(&tail, p.bytes + at + 12 + n, 4);
        assert_int_equal(head, mx_crc32c_masked(p.bytes + at, 8));
        assert_int_equal(tail, mx_crc32c_masked(p.bytes + at + 12, n));
        assert_non_null(p.event[p.count] = tb__event__unpack(NULL, n, p.bytes + at + 12));
        at += n + 16;
        p.end[p.count++] = at;
    }
    return p;
}

static void parsed_free(parsed *p) {
    for (int i = 0; i < p->count; i++) tb__event__free_unpacked(p->event[i], NULL);
    free(p->bytes);
}

/* Path of the only event file below base/rel. */
static char *only_file(const char *rel) {
    struct dirent **list = NULL;
    char *path = NULL;
    int n = scandir(at(rel), &list, NULL, alphasort), found = 0;
    for (int i = 0; i < n; i++) {
        if (strstr(list[i]->d_name, "tfevents") && !found++)
            assert_true(asprintf(&path, "%s/%s", at(rel), list[i]->d_name) > 0);
        free(list[i]);
    }
    free(list);
    assert_int_equal(found, 1);
    return path;
}

static mx_events *open_events(const char *rel, int64_t resume) {
    mx_events *w = NULL;
    mx_error e = {0};
    make_parents(rel), mkdir(at(rel), 0755);
    if (mx_events_open(&w, at(rel), resume, &e)) fail_msg("%s", e.text);
    return w;
}

/* The version, then a loss for each step 0, 10 ... 90, then a picture at step 90. */
static char *sample(const char *rel) {
    mx_events *w = open_events(rel, -1);
    mx_error e = {0};
    for (int i = 0; i < 10; i++)
        assert_int_equal(mx_events_scalar(w, "train/loss", 10 * i, i ? 1.0 / i : 0.0, &e), MX_OK);
    assert_int_equal(mx_events_image(w, "pictures", 90, 3, 2, "\x89PNG\0\xff", 6, &e), MX_OK);
    assert_int_equal(mx_events_flush(w, &e), MX_OK);
    mx_events_close(w);
    return only_file(rel);
}

static void reads_back(void **state) {
    (void)state;
    char *path = sample("back");
    parsed p = parse(path);
    assert_int_equal(p.count, 12);
    assert_int_equal(p.event[0]->what_case, TB__EVENT__WHAT_FILE_VERSION);
    assert_string_equal(p.event[0]->file_version, "brain.Event:2");
    for (int i = 1; i < 12; i++) {
        assert_int_equal(p.event[i]->what_case, TB__EVENT__WHAT_SUMMARY);
        assert_int_equal(p.event[i]->step, i < 11 ? 10 * (i - 1) : 90);
        assert_true(p.event[i]->wall_time > 1.6e9 && p.event[i]->wall_time >= p.event[i - 1]->wall_time - 1);
        assert_int_equal(p.event[i]->summary->n_value, 1);
    }
    for (int i = 0; i < 10; i++) {
        const Tb__Value *v = p.event[i + 1]->summary->value[0];
        assert_string_equal(v->tag, "train/loss");
        assert_int_equal(v->value_case, TB__VALUE__VALUE_SIMPLE_VALUE); /* the loss 0 too */
        assert_true(v->simple_value == (i ? 1.0f / (float)i : 0.0f));
    }
    const Tb__Value *v = p.event[11]->summary->value[0];
    assert_int_equal(v->value_case, TB__VALUE__VALUE_IMAGE);
    assert_int_equal(v->image->width, 3);
    assert_int_equal(v->image->height, 2);
    assert_int_equal(v->image->colorspace, 3);
    assert_int_equal(v->image->encoded_image_string.len, 6);
    assert_memory_equal(v->image->encoded_image_string.data, "\x89PNG\0\xff", 6);
    parsed_free(&p);
    free(path);
}

/* Each process start has a file of its own, also within one second. */
static void names_differ(void **state) {
    (void)state;
    mx_events *a = open_events("names", -1), *b = open_events("names", -1), *c = open_events("names", 5);
    mx_events_close(a), mx_events_close(b), mx_events_close(c);
    struct dirent **list = NULL;
    int n = scandir(at("names"), &list, NULL, alphasort);
    assert_int_equal(n, 5);
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
    mx_events_close(NULL);
}

static void nowhere(void **state) {
    (void)state;
    for (int resume = -1; resume < 1; resume++) {
        mx_events *w = (mx_events *)1;
        mx_error e = {0};
        assert_int_equal(mx_events_open(&w, at("absent"), resume, &e), MX_ERR_IO);
        assert_null(w);
        assert_non_null(strstr(e.text, "absent"));
    }
}

/* Resuming at a step leaves the old file's records up to it byte by byte. */
static void cut_back(void **state) {
    (void)state;
    static const struct {
        int64_t step;
        int kept;
    } cases[] = {{0, 2}, {9, 2}, {10, 3}, {55, 7}, {89, 10}, {90, 12}, {INT64_MAX, 12}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char rel[32];
        snprintf(rel, sizeof rel, "cut%zu", i);
        char *path = sample(rel);
        parsed before = parse(path);
        mx_events_close(open_events(rel, cases[i].step));
        parsed after = parse(path);
        assert_int_equal(after.count, cases[i].kept);
        assert_int_equal(after.size, before.end[cases[i].kept - 1]);
        assert_memory_equal(after.bytes, before.bytes, after.size);
        parsed_free(&before), parsed_free(&after);
        free(path);
    }
}

/* A run that was killed while it wrote: every cut and every flipped byte ends the file at a whole record
 * before. */
static void torn_tails(void **state) {
    (void)state;
    char *path = sample("torn");
    parsed p = parse(path);
    for (size_t n = 0; n <= p.size; n++) {
        size_t whole = 0;
        for (int i = 0; i < p.count && p.end[i] <= n; i++) whole = p.end[i];
        unsigned char *exact = malloc(n ? n : 1); /* a sanitizer sees one byte too far */
        memcpy(exact, p.bytes, n);
        assert_int_equal(mx_events_keep(exact, n, INT64_MAX), whole);
        free(exact);
    }
    for (size_t n = 0; n < p.size; n++) {
        size_t whole = 0;
        for (int i = 0; i < p.count && p.end[i] <= n; i++) whole = p.end[i];
        p.bytes[n] ^= 0x10;
        assert_int_equal(mx_events_keep(p.bytes, p.size, INT64_MAX), whole);
        p.bytes[n] ^= 0x10;
    }
    put_bytes("torn2/events.out.tfevents.1.h.1.0", p.bytes, p.size - 5);
    put_bytes("torn2/events.out.tfevents.1.h.1.0.77.1.tmp", "left over", 9);
    put_text("torn2/other", "left alone");
    mx_events_close(open_events("torn2", INT64_MAX));
    file_holds("torn2/events.out.tfevents.1.h.1.0.77.1.tmp", "left over");
    file_holds("torn2/other", "left alone");
    parsed q = parse(at("torn2/events.out.tfevents.1.h.1.0"));
    assert_int_equal(q.count, p.count - 1);
    parsed_free(&p), parsed_free(&q);
    free(path);
}

/* Lengths that lead outside the file or wrap around, under a right checksum. */
static void lying_lengths(void **state) {
    (void)state;
    static const uint64_t lengths[] = {
        1, 17, UINT64_MAX, UINT64_MAX - 15, UINT64_MAX - 11, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char *b = calloc(1, 16);
        memcpy(b, &lengths[i], 8);
        uint32_t crc = mx_crc32c_masked(b, 8);
        memcpy(b + 8, &crc, 4);
        assert_int_equal(mx_events_keep(b, 16, INT64_MAX), 0);
        free(b);
    }
}

/* ---- log.jsonl --------------------------------------------------------------------------------------------
 */

static void log_cut(void **state) {
    (void)state;
    static const struct {
        const char *before;
        int64_t step;
        const char *after;
    } cases[] = {
        {"{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n", 2, "{\"step\":1}\n{\"step\":2}\n"},
        {"{\"step\":1}\n{\"step\":2}\n", 2, "{\"step\":1}\n{\"step\":2}\n"},
        {"{\"step\":1}\n{\"step\":2}\n", 0, ""},
        {"{\"step\":1}\n{\"step\":2}", 5, "{\"step\":1}\n"},   /* torn just before the line's end */
        {"{\"step\":1}\n{\"st", 5, "{\"step\":1}\n"},          /* torn within */
        {"{\"step\":9}\n{\"step\":1}\n", 5, "{\"step\":1}\n"}, /* an earlier crash left a later line above */
        {"{\"event\":\"x\"}\n{\"step\":9}\n", 5, "{\"event\":\"x\"}\n"}, /* lines without a step stay */
        {"garbage\n[1]\n\n{\"step\":1}\n", 5, "{\"step\":1}\n"},
        {"{\"step\":1e300}\n{\"step\":99999999999999999999}\n", 5, "{\"step\":1e300}\n"},
        {"", 5, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mx_error e = {0};
        put_text("log.jsonl", cases[i].before);
        if (mx_jsonl_cut(at("log.jsonl"), cases[i].step, &e)) fail_msg("%s", e.text);
        file_holds("log.jsonl", cases[i].after);
    }
    mx_error e = {0};
    assert_int_equal(mx_jsonl_cut(at("no-log.jsonl"), 1, &e), MX_OK);
    assert_false(mx_path_exists(at("no-log.jsonl")));
}

static void log_append(void **state) {
    (void)state;
    mx_error e = {0};
    assert_int_equal(mx_jsonl_append(at("new.jsonl"), "{\"step\":1}", &e), MX_OK);
    assert_int_equal(mx_jsonl_append(at("new.jsonl"), "{\"step\":2}", &e), MX_OK);
    file_holds("new.jsonl", "{\"step\":1}\n{\"step\":2}\n");
    assert_int_equal(mx_jsonl_append(at("absent/new.jsonl"), "{}", &e), MX_ERR_IO);
    assert_non_null(strstr(e.text, "absent/new.jsonl"));
    assert_non_null(strstr(e.text, "No such file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums),     cmocka_unit_test(reads_back), cmocka_unit_test(names_differ),
        cmocka_unit_test(nowhere),       cmocka_unit_test(cut_back),   cmocka_unit_test(torn_tails),
        cmocka_unit_test(lying_lengths), cmocka_unit_test(log_cut),    cmocka_unit_test(log_append)};
    return cmocka_run_group_tests(tests, new_base, remove_base);
}
