/* Whole files: read up to a limit, written so that the old or the new content is there and never a mix, with
 * no temporary left (io/file.h). */
#include "image_folder.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "data/image.h"
#include "io/events.h"
#include "io/file.h"
#include "io/pth_write.h"

static void holds(const char *rel, const char *expected) {
    void *bytes = NULL;
    size_t size = 0;
    mx_error e = {0};
    if (mx_file_read(at(rel), 1 << 20, &bytes, &size, &e)) fail_msg("%s", e.text);
    assert_int_equal(size, strlen(expected));
    assert_string_equal((char *)bytes, expected); /* also the 0 behind the content */
    free(bytes);
}

static int entries(const char *rel) {
    DIR *d = opendir(at(rel));
    int n = -2;
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void write_and_replace(void **state) {
    (void)state;
    mx_error e = {0};
    mkdir(at("w"), 0755);
    assert_int_equal(mx_file_write(at("w/f"), "first", 5, &e), MX_OK);
    holds("w/f", "first");
    assert_int_equal(mx_file_write(at("w/f"), "2", 1, &e), MX_OK);
    holds("w/f", "2");
    assert_int_equal(mx_file_write(at("w/f"), NULL, 0, &e), MX_OK);
    holds("w/f", "");
    assert_int_equal(entries("w"), 1);
    if (chdir(at("w"))) fail();
    assert_int_equal(mx_file_write("here", "x", 1, &e), MX_OK); /* a name without a folder */
    holds("w/here", "x");
    if (chdir("/")) fail();
}

static void in_pieces(void **state) {
    (void)state;
    mx_error e = {0};
    mx_file *f = NULL, *g = NULL;
    put_text("p/f", "old");
    assert_int_equal(mx_file_begin(&f, at("p/f"), &e), MX_OK);
    assert_int_equal(mx_file_begin(&g, at("p/f"), &e), MX_OK); /* two at once do not meet */
    assert_int_equal(mx_file_put(f, "ne", 2, &e), MX_OK);
    assert_int_equal(mx_file_put(g, "dropped", 7, &e), MX_OK);
    assert_int_equal(mx_file_put(f, "", 0, &e), MX_OK);
    assert_int_equal(mx_file_put(f, "w", 1, &e), MX_OK);
    holds("p/f", "old"); /* until it is committed */
    assert_int_equal(entries("p"), 3);
    assert_int_equal(mx_file_commit(f, &e), MX_OK);
    holds("p/f", "new");
    mx_file_drop(g);
    mx_file_drop(NULL);
    holds("p/f", "new");
    assert_int_equal(entries("p"), 1);
}

static void refused(mx_status s, const mx_error *e, const char *expected) {
    assert_int_equal(s, MX_ERR_IO);
    if (!strstr(e->text, expected)) fail_msg("expected \"%s\", found \"%s\"", expected, e->text);
}

/* The target is a folder: everything is written, and only the last step fails. */
static void last_step_fails(void **state) {
    (void)state;
    mx_error e = {0};
    put_text("t/folder/inside", "kept");
    refused(mx_file_write(at("t/folder"), "x", 1, &e), &e, "cannot replace");
    holds("t/folder/inside", "kept");
    assert_int_equal(entries("t"), 1);
}

static void nowhere_to_write(void **state) {
    (void)state;
    mx_error e = {0}, f = {0};
    mx_file *file = (mx_file *)1;
    refused(mx_file_write(at("absent/f"), "x", 1, &e), &e, "absent/f");
    assert_int_equal(mx_file_begin(&file, at("absent/f"), &f), MX_ERR_IO);
    assert_null(file);
}

/* The disk is full in the middle: here a limit on the size of files says so. */
static void disk_full(void **state) {
    (void)state;
    struct rlimit old, small;
    mx_error e = {0};
    size_t size = 1 << 20;
    char *much = calloc(1, size);
    put_text("d/f", "old");
    getrlimit(RLIMIT_FSIZE, &old);
    small = old, small.rlim_cur = 1 << 16;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    mx_status s = mx_file_write(at("d/f"), much, size, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    refused(s, &e, "cannot write");
    holds("d/f", "old");
    assert_int_equal(entries("d"), 1);
    free(much);
}

/* A killed writer's temporaries under our own process number, as in containers: they do not stop us, and
 * sweeping removes them and nothing else. */
static void leftovers(void **state) {
    (void)state;
    static const char *const stay[] = {"a.tmp",    "b.7.tmp",  "c.1.2.tmpx", "d.x.2.tmp",
                                       "e.1..tmp", ".1.2.tmp", "1.2.tmp"};
    char name[64];
    mx_error e = {0};
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "k/f.%ld.%d.tmp", (long)getpid(), i);
        put_text(name, "half");
    }
    assert_int_equal(mx_file_write(at("k/f"), "whole", 5, &e), MX_OK);
    holds("k/f", "whole");
    assert_int_equal(entries("k"), 101);
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) {
        snprintf(name, sizeof name, "k/%s", stay[i]);
        put_text(name, "a user's");
    }
    mkdir(at("k/g.1.2.tmp"), 0755);
    mx_folder_sweep(at("k"));
    mx_folder_sweep(at("absent"));
    assert_int_equal(entries("k"), 2 + (int)(sizeof stay / sizeof *stay));
    holds("k/f", "whole");
}

static void locks(void **state) {
    (void)state;
    mx_error e = {0}, f = {0};
    FILE *one = NULL, *two = NULL;
    mkdir(at("l"), 0755);
    assert_int_equal(mx_file_lock(&one, at("l/lock"), &e), MX_OK);
    assert_non_null(one);
    refused(mx_file_lock(&two, at("l/lock"), &f), &f, "l/lock is locked");
    assert_null(two);
    fclose(one);
    assert_int_equal(mx_file_lock(&two, at("l/lock"), &e), MX_OK);
    assert_non_null(two);
    fclose(two);
    refused(mx_file_lock(&one, at("l/none/lock"), &e), &e, "l/none/lock: No such file or directory");
    assert_null(one);
}

static void read_limits(void **state) {
    (void)state;
    void *bytes = NULL;
    size_t size = 0;
    mx_error e[6] = {{0}};
    put_text("r/ten", "0123456789");
    assert_int_equal(mx_file_read(at("r/ten"), 10, &bytes, &size, &e[0]), MX_OK);
    assert_int_equal(size, 10);
    assert_int_equal(((char *)bytes)[10], 0);
    free(bytes);
    refused(mx_file_read(at("r/ten"), 9, &bytes, &size, &e[1]), &e[1],
            "has 10 bytes, more than the limit of 9");
    assert_null(bytes);
    assert_int_equal(size, 0);
    refused(mx_file_read(at("r"), 10, &bytes, &size, &e[2]), &e[2], "is not a regular file");
    refused(mx_file_read(at("r/none"), 10, &bytes, &size, &e[3]), &e[3], "No such file");
    refused(mx_file_read("/dev/zero", 10, &bytes, &size, &e[4]), &e[4], "is not a regular file");
    assert_int_equal(mkfifo(at("r/pipe"), 0600), 0);
    alarm(20); /* a pipe that nobody writes must not hang the reader */
    refused(mx_file_read(at("r/pipe"), 10, &bytes, &size, &e[5]), &e[5], "is not a regular file");
    alarm(0);
}

static void folders(void **state) {
    (void)state;
    mx_error e = {0}, f = {0}, g = {0};
    assert_int_equal(mx_folder_make(at("m/a/b//c/"), &e), MX_OK);
    assert_int_equal(mx_folder_make(at("m/a/b/c"), &e), MX_OK); /* there already */
    assert_true(mx_path_exists(at("m/a/b/c")) && mx_folder_empty(at("m/a/b/c")));
    assert_false(mx_folder_empty(at("m/a")));
    assert_false(mx_folder_empty(at("m/none")) || mx_path_exists(at("m/none")));
    put_text("m/file", "x");
    assert_true(mx_path_exists(at("m/file")));
    assert_false(mx_folder_empty(at("m/file")));
    refused(mx_folder_make(at("m/file"), &f), &f, "m/file");
    refused(mx_folder_make(at("m/file/below"), &g), &g, "m/file");
    mx_error h = {0};
    refused(mx_folder_make("", &h), &h, "without a name");
    if (chdir(at("m"))) fail();
    assert_int_equal(mx_folder_make("x/y", &e), MX_OK);
    assert_true(mx_folder_empty(at("m/x/y")));
    if (chdir("/")) fail();
}

/* Whoever guesses the names of temporaries can only be in the way: a link there is not written through. */
static void links_are_not_followed(void **state) {
    (void)state;
    mx_error e = {0};
    FILE *lock = NULL;
    float value = 1;
    mx_image im;
    const mx_st_tensor one = {
        .name = (char *)"t", .dtype = "F32", .ndim = 1, .dim = {1}, .bytes = 4, .data = &value};
    static const char *const name[] = {"k/a.png", "k/b.pth", "k/c"};
    put_text("victim", "mine");
    mkdir(at("k"), 0755);
    for (int i = 0; i < 3 * 200; i++) {
        char rel[64], target[512];
        snprintf(rel, sizeof rel, i % 200 ? "%s.%ld.%d.tmp" : "%s.%ld.tmp", name[i / 200], (long)getpid(),
                 i % 200 - 1);
        snprintf(target, sizeof target, "%s", at("victim"));
        assert_int_equal(symlink(target, at(rel)), 0);
    }
    assert_int_equal(mx_image_make(&im, 2, 2, 1, MX_PIXEL_U8, &e), MX_OK);
    memset(im.pixels, 7, 4);
    if (!mx_image_png_check(NULL)) assert_int_equal(mx_image_write_png(&im, at("k/a.png"), &e), MX_OK);
    assert_int_equal(mx_pth_write(at("k/b.pth"), &one, 1, NULL, 0, &e), MX_OK);
    assert_int_equal(mx_file_write(at("k/c"), "c", 1, &e), MX_OK);
    holds("k/c", "c");
    assert_int_equal(symlink("../victim", at("k/log")), 0);
    assert_int_equal(symlink("../absent", at("k/lock")), 0);
    assert_int_equal(mx_jsonl_append(at("k/log"), "{}", &(mx_error){0}), MX_ERR_IO);
    assert_int_equal(mx_file_lock(&lock, at("k/lock"), &(mx_error){0}), MX_ERR_IO);
    assert_null(lock);
    assert_false(mx_path_exists(at("absent")));
    holds("victim", "mine");
    mx_image_free(&im);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_and_replace),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(last_step_fails),
        cmocka_unit_test(nowhere_to_write),
        cmocka_unit_test(disk_full),
        cmocka_unit_test(leftovers),
        cmocka_unit_test(links_are_not_followed), /* by then some numbers are used up */
        cmocka_unit_test(locks),
        cmocka_unit_test(read_limits),
        cmocka_unit_test(folders)};
    return cmocka_run_group_tests(tests, new_base, remove_base);
}
