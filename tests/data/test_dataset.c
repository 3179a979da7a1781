/* The data set: listing of folders of every kind, labels, the cache and damage to it, statistics. */
#include "image_folder.h"

#include "data/index.h"

static mx_dataset *open_good(const char *rel, const char *cache) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    mx_status s = mx_dataset_open(&d, at(rel), cache, &e);
    if (s) fail_msg("%s", e.text);
    return d;
}

static void open_bad(const char *rel, const char *says) {
    mx_dataset *d = (mx_dataset *)base;
    mx_error e = {0};
    assert_int_not_equal(mx_dataset_open(&d, at(rel), NULL, &e), MX_OK);
    assert_null(d);
    if (!strstr(e.text, says)) fail_msg("expected '%s' in: %s", says, e.text);
    assert_null(strchr(e.text, '\n'));
}

static void assert_paths(const mx_dataset *d, int n, const char *const *paths) {
    assert_int_equal(mx_dataset_count(d), n);
    for (int i = 0; i < n; i++) assert_string_equal(mx_dataset_path(d, i), paths[i]);
}
#define PATHS(d, ...)                                                                                        \
    do {                                                                                                     \
        const char *const list_[] = {__VA_ARGS__};                                                           \
        assert_paths(d, (int)(sizeof list_ / sizeof *list_), list_);                                         \
    } while (0)

static void test_flat(void **state) {
    (void)state;
    put_picture("d/b.png", 5, 4, 3, 1);
    put_picture("d/a.JPG", 9, 7, 3, 2); /* a PNG by content: the name does not matter */
    put_picture("d/Z.jpeg", 30, 20, 3, 3);
    put_picture("d/.hidden.png", 5, 4, 3, 4);
    put_text("d/notes.txt", "no image");
    mx_dataset *d = open_good("d", NULL);
    PATHS(d, "Z.jpeg", "a.JPG", "b.png");
    assert_int_equal(mx_dataset_classes(d), 0);
    assert_int_equal(mx_dataset_label(d, 1), -1);
    assert_string_equal(mx_dataset_root(d), at("d"));
    assert_int_equal(mx_dataset_largest(d), 30 * 20 * 3);
    mx_image im;
    mx_error e = {0};
    assert_int_equal(mx_dataset_read(d, 2, 3, &im, &e), MX_OK);
    assert_int_equal(im.width, 5);
    mx_image_free(&im);
    mx_dataset_close(d);
    mx_dataset_close(NULL);
}

static void test_nested(void **state) {
    (void)state;
    put_picture("d/x/y/z/deep.png", 4, 4, 3, 1);
    put_picture("d/top.png", 4, 4, 3, 2);
    put_picture("d/.git/x.png", 4, 4, 3, 3);
    put_picture("d/folder.png/in.png", 4, 4, 3, 4); /* a folder with the name of an image */
    mx_dataset *d = open_good("d", NULL);
    PATHS(d, "folder.png/in.png", "top.png", "x/y/z/deep.png");
    assert_int_equal(mx_dataset_label(d, 2), -1);
    mx_dataset_close(d);
}

static void test_labels(void **state) {
    (void)state;
    put_picture("d/a/1.png", 4, 4, 3, 1);
    put_picture("d/a-b/2.png", 4, 4, 3, 2); /* before a/1.png as a path, after it as a folder */
    put_picture("d/c/x/3.png", 4, 4, 3, 3);
    put_text("d/empty/readme", "");
    mx_dataset *d = open_good("d", NULL);
    PATHS(d, "a-b/2.png", "a/1.png", "c/x/3.png");
    assert_int_equal(mx_dataset_classes(d), 3);
    assert_int_equal(mx_dataset_label(d, 0), 1);
    assert_int_equal(mx_dataset_label(d, 1), 0);
    assert_int_equal(mx_dataset_label(d, 2), 2);
    assert_string_equal(mx_dataset_class_name(d, 0), "a");
    assert_string_equal(mx_dataset_class_name(d, 1), "a-b");
    mx_dataset_close(d);
}

/* Content decides what is an image; whatever is none is named; a class must not vanish. */
static void test_passed_over(void **state) {
    (void)state;
    static const char heic[] = "\0\0\0\x18"
                               "ftypheic",
                      pnm[] = "P5 4 4 255\n0123456789abcdef", cr2[] = "II*\0\x10\0\0\0CR\2\0";
    mx_error e = {0};
    put_picture("d/a/1.png", 4, 4, 3, 1);
    put_bytes("d/a/no ending", pnm, sizeof pnm - 1);
    put_bytes("d/a/odd.ending", pnm, sizeof pnm - 1);
    put_bytes("d/b/2", pnm, sizeof pnm - 1);
    put_bytes("d/b/x.heic", heic, sizeof heic - 1);
    put_bytes("d/b/y", heic, sizeof heic - 1);
    put_bytes("d/b/z.dng", "II*\0\10\0\0\0\0\0\0\0\0\0", 14); /* a TIFF, and yet none */
    put_bytes("d/b/z2", cr2, sizeof cr2 - 1);
    put_text("d/notes/1.txt", "x");
    put_text("d/notes/README", "x");
    mkdir(at("d/none"), 0755);
    for (int again = 0; again < 2; again++) { /* the second time from the cache */
        mx_dataset *d = open_good("d", at("cache"));
        PATHS(d, "a/1.png", "a/no ending", "a/odd.ending", "b/2");
        assert_int_equal(mx_dataset_classes(d), 2);
        const char *text = mx_dataset_unread(d);
        assert_non_null(strstr(text, "6 files not read: "));
        assert_non_null(strstr(text, "2 HEIC (first b/"));
        assert_non_null(strstr(text, "2 camera raw (first b/z"));
        assert_non_null(strstr(text, "1 .txt (notes/1.txt)"));
        assert_non_null(strstr(text, "1 empty class folder (none)"));
        assert_int_equal(mx_dataset_check_classes(d, true, &e), MX_OK);
        mx_dataset_close(d);
    }
    put_bytes("d/c/x.jp2", "\0\0\0\014jP  \r\n", 10);
    mx_dataset *d = open_good("d", at("cache"));
    assert_int_not_equal(mx_dataset_check_classes(d, true, &e), MX_OK);
    if (!strstr(e.text, "the class folder c can be read (its files are JPEG 2000)")) fail_msg("%s", e.text);
    mx_dataset_close(d);
    unlink(at("d/c/x.jp2"));
    put_bytes("d/c/1.jpg", heic, sizeof heic - 1); /* the name of an image is not enough */
    d = open_good("d", at("cache"));
    e = (mx_error){0};
    assert_int_not_equal(mx_dataset_check_classes(d, true, &e), MX_OK);
    if (!strstr(e.text, "none of the 1 images of the class c can be read, as c/1.jpg"))
        fail_msg("%s", e.text);
    mx_dataset_close(d);
    unlink(at("d/c/1.jpg"));
}

static void put_member(char *tar, size_t block, const char *name, const char *bytes) { /* one block of data */
    char *h = tar + 1024 * block;
    unsigned sum = 0;
    memset(h, 0, 1024);
    snprintf(h, 100, "%s", name);
    memcpy(h + 100, "0000644\0000000000\0000000000\0", 24);
    snprintf(h + 124, 12, "%011o", (unsigned)strlen(bytes));
    memcpy(h + 136, "00000000000\0        0", 21);
    memcpy(h + 257, "ustar\00000", 8);
    strcpy(h + 512, bytes);
    for (int i = 0; i < 512; i++) sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
}

/* Members of a shard that are no images for us, and not what goes beside them. */
static void test_passed_over_in_shards(void **state) {
    (void)state;
    static char tar[1024 * 6];
    put_member(tar, 0, "a.pgm", "P5 2 2 255\nabcd");
    put_member(tar, 1, "a.json", "{}");
    put_member(tar, 2, "b.heic", "x");
    put_member(tar, 3, "c.heic", "x");
    put_member(tar, 4, "d.odd", "x");
    put_bytes("s/1.tar", tar, sizeof tar);
    mx_dataset *d = open_good("s", NULL);
    assert_int_equal(mx_dataset_count(d), 1);
    assert_string_equal(mx_dataset_unread(d),
                        "3 files not read: 2 HEIC (first 1.tar/b.heic), 1 .odd (1.tar/d.odd)");
    mx_dataset_close(d);
}

static void test_refused(void **state) {
    (void)state;
    mkdir(at("empty"), 0755);
    put_text("texts/a/b.txt", "x");
    put_text("file", "x");
    open_bad("missing", "cannot open the data");
    open_bad("empty", "no images in");
    open_bad("texts", "found 1 other files in 2 folders");
    open_bad("file", "found a file");
    open_bad("a\nb", "cannot open");
}

static void test_unreadable_folder(void **state) {
    (void)state;
    put_picture("d/in/1.png", 4, 4, 3, 1);
    put_picture("d/1.png", 4, 4, 3, 1);
    chmod(base, 0755), chmod(at("d/in"), 0);
    bool root = geteuid() == 0;
    if (root) assert_int_equal(seteuid(65534), 0); /* permissions do not hold root back */
    open_bad("d", "cannot open the folder in/");
    chmod(at("d/in"), 0755);
    if (root) assert_int_equal(seteuid(0), 0);
    chmod(at("d/in"), 0755);
}

/* Things with the name of an image that cannot be read: kept, and an error when they are used. */
static void test_unreadable_files(void **state) {
    (void)state;
    put_picture("d/good.png", 4, 4, 3, 1);
    put_text("d/empty.png", "");
    put_text("d/text.png", "this is no image");
    assert_int_equal(symlink("nowhere", at("d/dangling.png")), 0);
    assert_int_equal(symlink("self.png", at("d/self.png")), 0);
    assert_int_equal(mkfifo(at("d/pipe.png"), 0644), 0);
    mx_dataset *d = open_good("d", NULL);
    PATHS(d, "dangling.png", "empty.png", "good.png", "pipe.png", "self.png", "text.png");
    for (int i = 0; i < 6; i++) {
        mx_image im;
        mx_error e = {0};
        assert_int_equal(mx_dataset_read(d, i, 3, &im, &e) == MX_OK, i == 2);
        char where[MX_WHERE];
        mx_dataset_where(where, d, i);
        assert_non_null(strstr(where, "d/"));
        if (i != 2) assert_ptr_equal(strstr(e.text, where), e.text); /* with its folder */
        mx_image_free(&im);
    }
    assert_int_equal(mx_dataset_largest(d), 4 * 4 * 3);
    put_picture("d/good.png", 40, 4, 3, 1); /* replaced under our feet: memory was planned for the other */
    mx_image im;
    mx_error e = {0};
    assert_int_not_equal(mx_dataset_read(d, 2, 3, &im, &e), MX_OK);
    assert_non_null(strstr(e.text, "changed since"));
    mx_dataset_close(d);
}

static void test_links(void **state) {
    (void)state;
    put_picture("d/a/1.png", 4, 4, 3, 1);
    put_picture("far/2.png", 4, 4, 3, 2);
    assert_int_equal(symlink("..", at("d/a/up")), 0);
    assert_int_equal(symlink(".", at("d/here")), 0);
    assert_int_equal(symlink("../far", at("d/far")), 0);
    assert_int_equal(symlink("../d", at("far/back")), 0);
    assert_int_equal(symlink("1.png", at("d/a/same.png")), 0);
    mx_dataset *d = open_good("d", NULL);
    PATHS(d, "a/1.png", "a/same.png", "far/2.png");
    mx_dataset_close(d);
}

static void
test_web_of_links(void **state) { /* each folder links to all: no cycle-free path is endless, but many */
    (void)state;
    put_picture("d/0/x.png", 4, 4, 3, 1);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            char link[32], target[32];
            snprintf(link, sizeof link, "d/%d/to%d", i, j), snprintf(target, sizeof target, "../%d", j);
            make_parents(link);
            assert_int_equal(symlink(target, at(link)), 0);
        }
    mx_dataset *d = open_good("d", NULL);
    assert_int_equal(mx_dataset_count(d),
                     1 + 3 * (1 + 2 * (1 + 1))); /* paths of distinct folders that end in 0 */
    mx_dataset_close(d);
}

static void test_odd_names(void **state) {
    (void)state;
    char name[260] = "d/";
    memset(name + 2, 'n', 251), strcpy(name + 253, ".png");
    put_picture(name, 4, 4, 3, 1);
    put_picture("d/new\nline.png", 4, 4, 3, 1);
    put_picture("d/\xff\xfe bytes.png", 4, 4, 3, 1);
    put_picture("d/'; rm -rf %s%n.png", 4, 4, 3, 1);
    put_text("d/bad\n\x1b[31m.png", "x");
    mx_dataset *d = open_good("d", at("cache"));
    age("d");
    PATHS(d, "'; rm -rf %s%n.png", "bad\n\x1b[31m.png", "new\nline.png", name + 2, "\xff\xfe bytes.png");
    mx_image im;
    mx_error e = {0};
    assert_int_not_equal(mx_dataset_read(d, 1, 3, &im, &e), MX_OK);
    assert_non_null(strstr(e.text, "bad\\x0a\\x1b[31m.png: "));
    char out[MX_QUOTE], longest[600];
    memset(longest, '\n', sizeof longest), longest[599] = 0;
    assert_true(strlen(mx_quote(out, longest)) < MX_QUOTE);
    mx_dataset_close(d);
}

/* The cache in memory. */
static char *slurp(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

/* Is the cache file used as it is? Then it is not written anew, and keeps its inode. */
static bool reused(const char *rel) {
    struct stat before, after;
    assert_int_equal(stat(at("cache"), &before), 0);
    link(at("cache"), at("keeps the inode from being given again"));
    mx_dataset_close(open_good(rel, at("cache")));
    unlink(at("keeps the inode from being given again"));
    assert_int_equal(stat(at("cache"), &after), 0);
    return before.st_ino == after.st_ino;
}

static void test_cache(void **state) {
    (void)state;
    put_picture("d/a/1.png", 4, 4, 3, 1);
    put_picture("d/b/2.png", 6, 4, 3, 1);
    age("d");
    mx_dataset *d = open_good("d", at("cache"));
    uint64_t print = mx_dataset_fingerprint(d);
    mx_dataset_close(d);
    assert_true(reused("d"));
    d = open_good("d", at("cache"));
    PATHS(d, "a/1.png", "b/2.png");
    assert_int_equal(mx_dataset_label(d, 1), 1);
    assert_int_equal(mx_dataset_largest(d), 72);
    assert_true(mx_dataset_fingerprint(d) == print);
    mx_dataset_close(d);

    put_picture("d/b/3.png", 8, 8, 3, 1); /* added: seen by the folder's time */
    d = open_good("d", at("cache"));
    PATHS(d, "a/1.png", "b/2.png", "b/3.png");
    assert_int_equal(mx_dataset_largest(d), 192);
    assert_true(mx_dataset_fingerprint(d) != print);
    mx_dataset_close(d);
    assert_false(reused("d")); /* changed just now: may have changed again since */
    age("d");
    assert_false(reused("d"));
    assert_true(reused("d"));

    put_picture("d/a/1.png", 40, 40, 3, 1); /* rewritten in place: the folder's time stays */
    assert_false(reused("d"));
    d = open_good("d", at("cache"));
    assert_int_equal(mx_dataset_largest(d), 4800);
    mx_dataset_close(d);

    unlink(at("d/b/2.png"));
    d = open_good("d", at("cache"));
    PATHS(d, "a/1.png", "b/3.png");
    mx_dataset_close(d);

    age("d");
    mx_dataset_close(open_good("d", at("cache")));
    rename(at("d"), at("moved")); /* a cache belongs to one place */
    assert_false(reused("moved"));
}

static void test_cache_unwritable(void **state) {
    (void)state;
    put_picture("d/1.png", 4, 4, 3, 1);
    mkdir(at("is-a-folder"), 0755);
    mx_dataset_close(open_good("d", at("no/such/folder/cache")));
    mx_dataset_close(open_good("d", at("is-a-folder")));
    assert_int_equal(mkfifo(at("pipe"), 0644), 0);
    mx_dataset_close(open_good("d", at("pipe")));
    for (int i = 0; i < 2; i++) { /* inside the folder: listed each time, but right */
        mx_dataset *d = open_good("d", at("d/cache"));
        PATHS(d, "1.png");
        mx_dataset_close(d);
    }
}

/* Every truncation and every flipped bit of a cache is noticed. */
static void test_cache_damage(void **state) {
    (void)state;
    put_picture("d/a/1.png", 4, 4, 3, 1);
    put_picture("d/b/2.png", 6, 4, 3, 1);
    mx_dataset_close(open_good("d", at("cache")));
    size_t size;
    char *bytes = slurp(at("cache"), &size), *real = realpath(at("d"), NULL);
    mx_index x;
    int64_t written;
    assert_true(mx_index_parse(&x, &written, bytes, size, real));
    mx_index_free(&x);
    assert_false(mx_index_parse(&x, &written, bytes, size, "/elsewhere"));
    for (size_t n = 0; n < size; n++) assert_false(mx_index_parse(&x, &written, bytes, n, real));
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(mx_index_parse(&x, &written, bytes, size, real));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    bytes[size / 2] ^= 1; /* on disk: made again */
    put_bytes("cache", bytes, size);
    age("d");
    assert_false(reused("d"));
    mx_dataset *d = open_good("d", at("cache"));
    PATHS(d, "a/1.png", "b/2.png");
    mx_dataset_close(d);
    free(bytes), free(real);
}

/* A cache with a right checksum and one wrong field. */
static void test_cache_hostile(void **state) {
    (void)state;
    mx_index x = {0}, y;
    mx_error e = {0};
    int64_t written;
    size_t size;
    mx_index_add_folder(&x, "", 1, &e);
    mx_index_add_file(&x, "a/1.png", &e);
    mx_index_add_file(&x, "b/2.png", &e);
    x.file[0] = (mx_entry){
        .name = x.file[0].name, .size = 9, .width = 4, .height = 5, .channels = 3, .depth = 1, .label = -1};
    assert_true(mx_index_save(&x, 5, at("cache"), "/r"));
    char *bytes = slurp(at("cache"), &size), *copy = malloc(size);
    assert_true(mx_index_parse(&y, &written, bytes, size, "/r"));
    assert_int_equal(written, 5);
    mx_index_free(&y);
    const size_t folder = 96, file = folder + 24, names = file + 96;
    const struct {
        size_t where, size;
        const char *value;
    } wrong[] = {
        {24, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"},        /* written */
        {32, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"},        /* folders */
        {32, 8, "\x01\x00\x00\x00\x00\x00\x00\x10"},        /* folders: the sum of sizes wraps to the same */
        {40, 8, "\x00\x00\x00\x00\x00\x00\x00\x00"},        /* files */
        {40, 8, "\x02\x00\x00\x00\x00\x00\x00\x20"},        /* files, wrapping */
        {48, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"},        /* names */
        {56, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"},        /* root */
        {folder, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f"},    /* a folder's name outside the block */
        {folder, 1, "\x01"},                                /* a file's path as a folder's */
        {file, 8, "\x11\x00\x00\x00\x00\x00\x00\x00"},      /* just past the block */
        {file, 1, "\x09"},                                  /* the same name twice */
        {file + 8, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"},  /* size -1 */
        {file + 24, 4, "\xff\xff\xff\xff"},                 /* width */
        {file + 24, 8, "\xff\xff\xff\x7f\xff\xff\xff\x7f"}, /* width * height */
        {file + 28, 4, "\x00\x00\x00\x00"},                 /* height 0 */
        {file + 32, 2, "\x00\x00"},                         /* channels 0 */
        {file + 34, 2, "\x03\x00"},                         /* depth 3 */
        {file + 36, 1, "\x01"},                             /* inside a folder */
        {file + 36, 1, "\x02"},                             /* inside what there is not */
        {file + 40, 4, "\x00\x00\x00\x00"},                 /* a label without classes */
        {file + 44, 1, "\x20"},                             /* no such format */
        {file + 45, 1, "\x09"},                             /* no such orientation */
        {64, 8, "\x01\x00\x00\x00\x00\x00\x00\x00"},        /* classes */
        {64, 8, "\x00\x00\x00\x00\x00\x00\x00\x20"},        /* classes, wrapping */
        {80, 1, "\x40"},                                    /* a note outside the block */
        {88, 1, "\x40"},                                    /* a class folder's */
        {72, 1, "\x06"},                                    /* no such kind */
        {72, 1, "\x03"},                                    /* CIFAR's records are no files */
        {folder + 16, 8, "\x00\x00\x00\x00\x00\x00\x00\x00"}, /* a file where folders are */
        {names, 1, "x"},                                      /* the folder "" */
        {names + 1, 2, "/1"},                                 /* absolute */
        {names + 1, 2, ".."},                                 /* hidden or above */
        {names + 3, 1, "."},                                  /* hidden below */
        {names + 1, 1, "z"},                                  /* out of order */
        {names + 1, 7, "../.png"},                            /* climbs out */
        {names + 16, 1, "x"},                                 /* the block does not end with 0 */
        {names + 17, 1, "x"},                                 /* another root */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(copy, bytes, size);
        mx_index_seal(copy, size);
        assert_memory_equal(copy, bytes, size); /* sealing alone changes nothing */
        memcpy(copy + wrong[i].where, wrong[i].value, wrong[i].size);
        mx_index_seal(copy, size);
        if (mx_index_parse(&y, &written, copy, size, "/r")) fail_msg("case %zu was taken", i);
    }
    mx_index_free(&x);
    free(copy), free(bytes);
}

static void test_stats(void **state) {
    (void)state;
    const float a[] = {1, 10, 3, 20, 5, 30, 7, 40}, b[] = {2, 10, 2, 10};
    float mean[2], std[2], again[2], spread[2];
    mx_error e = {0};
    put_npy("d/a.npy", "<f4", 2, 2, 2, a);
    put_npy("d/b.npy", "<f4", 1, 2, 2, b);
    put_text("d/broken.npy", "no");
    mx_dataset *d = open_good("d", NULL);
    assert_int_equal(mx_dataset_stats(d, 2, 0, 0, 1, mean, std, &e), MX_OK);
    assert_float_equal(mean[0], (4 + 2) / 2.0, 1e-6); /* each image counts alike */
    assert_float_equal(mean[1], (25 + 10) / 2.0, 1e-6);
    assert_float_equal(std[0], 1.8708287, 1e-6);  /* sqrt((21 + 4)/2 - 9) */
    assert_float_equal(std[1], 10.8972474, 1e-5); /* sqrt((750 + 100)/2 - 17.5^2) */
    assert_int_equal(mx_dataset_stats(d, 2, 10, 0, 1, again, spread, &e), MX_OK);
    assert_float_equal(again[0], 0.3, 1e-7);
    assert_float_equal(spread[0], 0.18708287, 1e-7);
    assert_int_equal(mx_dataset_stats(d, 3, 0, 0, 1, mean, std, &e), MX_ERR_DATA);
    mx_dataset_close(d);

    for (int i = 0; i < 75; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%d.npy", i);
        uint16_t v[12];
        for (int k = 0; k < 12; k++) v[k] = (uint16_t)(i * 800 + k % 2 * 999);
        for (int k = 1; k < 12; k += 2) v[k] = 7;
        put_npy(name, "<u2", 2, 3, 2, v);
    }
    d = open_good("many", NULL);
    for (int64_t limit = 0; limit < 70; limit += 33) {
        e = (mx_error){0};
        assert_int_equal(mx_dataset_stats(d, 2, 0, limit, 1, mean, std, &e), MX_OK);
        for (int threads = 2; threads < 7; threads++) {
            assert_int_equal(mx_dataset_stats(d, 2, 0, limit, threads, again, spread, &e), MX_OK);
            assert_memory_equal(mean, again, sizeof mean);
            assert_memory_equal(std, spread, sizeof std);
        }
        assert_float_equal(mean[1], 7 / 65535.0F, 1e-9);
        assert_true(std[1] == 1); /* constant */
        if (!limit) assert_float_equal(mean[0], 37 * 800 / 65535.0F, 1e-6);
    }
    mx_dataset_close(d);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, new_base, remove_base)
    const struct CMUnitTest tests[] = {
        T(test_flat),
        T(test_nested),
        T(test_labels),
        T(test_passed_over),
        T(test_passed_over_in_shards),
        T(test_refused),
        T(test_links),
        T(test_unreadable_folder),
        T(test_unreadable_files),
        T(test_web_of_links),
        T(test_odd_names),
        T(test_cache),
        T(test_cache_unwritable),
        T(test_cache_damage),
        T(test_cache_hostile),
        T(test_stats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
