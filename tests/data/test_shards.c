/* Tar shards: samples are found in every dialect of tar, read in place, and shuffled into a stream that
 * depends on seed and epoch only; malformed shards are refused. The archives are written here byte by byte,
 * so that reader and test share no code. */
#include "image_folder.h"

#include "data/index.h"
#include "data/shards.h"
#include "data/source.h"

typedef struct {
    char bytes[1 << 18];
    size_t size;
} tar;

static void put_header(tar *t, const char *name, char type, int64_t size) {
    char *h = t->bytes + t->size;
    memset(h, 0, 512);
    snprintf(h, 100, "%s", name);
    strcpy(h + 100, "0000644"), strcpy(h + 108, "0000000"), strcpy(h + 116, "0000000");
    snprintf(h + 124, 12, "%011llo", (long long)size);
    strcpy(h + 136, "00000000000");
    h[156] = type;
    memcpy(h + 257, "ustar\00000", 8);
    t->size += 512;
}

static void seal(tar *t, size_t header) { /* the checksum, of the header at that place */
    unsigned sum = 0;
    char *h = t->bytes + header;
    memset(h + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
}

static void put_data(tar *t, const void *bytes, size_t size) {
    memset(t->bytes + t->size, 0, (size + 511) / 512 * 512);
    memcpy(t->bytes + t->size, bytes, size);
    t->size += (size + 511) / 512 * 512;
}

static void member(tar *t, const char *name, const void *bytes, size_t size) {
    size_t at_header = t->size;
    put_header(t, name, '0', (int64_t)size);
    seal(t, at_header);
    put_data(t, bytes, size);
}

static void text_member(tar *t, const char *name, const char *text) { member(t, name, text, strlen(text)); }

/* A header block of kind x (PAX) or L (GNU) in front of the next member. */
static void extension(tar *t, char type, const void *bytes, size_t size) {
    size_t at_header = t->size;
    put_header(t, type == 'L' ? "././@LongLink" : "PaxHeader/x", type, (int64_t)size);
    seal(t, at_header);
    put_data(t, bytes, size);
}

static void finish(tar *t, const char *rel) {
    memset(t->bytes + t->size, 0, 1024);
    put_bytes(rel, t->bytes, t->size + 1024);
    t->size = 0;
}

static tar *new_tar(void) {
    tar *t = calloc(1, sizeof *t);
    assert_non_null(t);
    return t;
}

/* A PNG file's bytes, width x 2; valid until the next call. */
static const char *png(int width, size_t *size) {
    static char bytes[1 << 16];
    put_picture("one.png", width, 2, 3, (uint32_t)width);
    FILE *f = fopen(at("one.png"), "rb");
    *size = fread(bytes, 1, sizeof bytes, f);
    fclose(f), unlink(at("one.png"));
    return bytes;
}

static void image_member(tar *t, const char *name, int width) {
    size_t size;
    const char *bytes = png(width, &size);
    member(t, name, bytes, size);
}

static mx_dataset *open_part(const char *spec, mx_split split, const char *cache) {
    mx_dataset *d;
    mx_error e = {0};
    if (mx_dataset_open_split(&d, spec, split, cache, &e)) fail_msg("%s: %s", spec, e.text);
    return d;
}

static void refused(const char *spec, mx_split split, const char *part) {
    mx_dataset *d;
    mx_error e = {0};
    if (!mx_dataset_open_split(&d, spec, split, NULL, &e)) fail_msg("%s was opened", spec);
    assert_null(d);
    if (!strstr(e.text, part)) fail_msg("no \"%s\" in: %s", part, e.text);
}

/* Sample i is this path, label and width. */
static void expect(const mx_dataset *d, int64_t i, const char *path, int label, int width) {
    mx_image im;
    mx_error e = {0};
    assert_true(i < mx_dataset_count(d));
    assert_string_equal(mx_dataset_path(d, i), path);
    assert_int_equal(mx_dataset_label(d, i), label);
    assert_int_equal(mx_dataset_index(d)->file[i].width, width);
    if (mx_dataset_read(d, i, 3, &im, &e)) fail_msg("%s", e.text);
    assert_int_equal(im.width, width);
    mx_image_free(&im);
}

/* Fields around the image in any order, members that are none of ours, the dialects of long names. */
static void test_samples(void **state) {
    (void)state;
    tar *t = new_tar();
    char name[300], pax[400], path[400];
    size_t size;
    text_member(t, "__index__/a.jpg", "no sample");
    text_member(t, "a.cls", " 2\n"), image_member(t, "a.png", 3), text_member(t, "a.seg.png", "not an image");
    text_member(t, "README", "no dot"), text_member(t, ".hidden", "no base");
    image_member(t, "dir.x/b.PNG", 4), text_member(t, "dir.x/b.json", "{"),
        text_member(t, "dir.x/b.cls", "0");
    text_member(t, "c.txt", "no image"), text_member(t, "c.cls", "1");
    size_t header = t->size; /* a folder and a link */
    put_header(t, "d.png", '5', 0), seal(t, header);
    header = t->size;
    put_header(t, "e.png", '2', 0), strcpy(t->bytes + header + 157, "a.png"), seal(t, header);
    memset(name, 'n', 200), strcpy(name + 200, ".png"); /* GNU's long names */
    extension(t, 'L', name, strlen(name) + 1), image_member(t, "cut off", 5);
    memset(name, 'n', 200), strcpy(name + 200, ".cls");
    extension(t, 'L', name, strlen(name) + 1), text_member(t, "cut off", "7");
    for (int k = 0; k < 2; k++) { /* PAX, with a float time as Python writes, and letters beyond ASCII */
        memset(name, 'p', 220), strcpy(name + 220, k ? "\xc3\xa9.cls" : "\xc3\xa9.png");
        int n = snprintf(pax, sizeof pax, "24 mtime=1600000000.125\n");
        n += snprintf(pax + n, sizeof pax - (size_t)n, "236 path=%s\n", name);
        extension(t, 'x', pax, (size_t)n);
        if (k)
            text_member(t, "ignored", "1");
        else
            image_member(t, "ignored", 6);
    }
    const char *bytes = png(7, &size); /* a size in base 256 */
    header = t->size;
    put_header(t, "q.webp", '0', 0);
    memset(t->bytes + header + 124, 0, 12), t->bytes[header + 124] = (char)0x80;
    t->bytes[header + 134] = (char)(size >> 8), t->bytes[header + 135] = (char)size;
    seal(t, header), put_data(t, bytes, size), text_member(t, "q.cls", "1");
    header = t->size; /* ustar's prefix */
    put_header(t, "r.png", '0', (int64_t)size), strcpy(t->bytes + header + 345, "pre/fix"), seal(t, header);
    put_data(t, bytes, size), text_member(t, "pre/fix/r.cls", "2");
    finish(t, "s.tar");
    free(t);
    char prefix[300];
    snprintf(prefix, sizeof prefix, "%s", at("s.tar"));
    mx_dataset *d = open_part(prefix, MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_count(d), 6);
    assert_int_equal(mx_dataset_classes(d), 8);
    const struct {
        int label, width;
        const char *end;
    } want[6] = {{2, 3, "/a.png"},        {0, 4, "/dir.x/b.PNG"}, {7, 5, "nnn.png"},
                 {1, 6, "p\xc3\xa9.png"}, {1, 7, "/q.webp"},      {2, 7, "/pre/fix/r.png"}};
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s", mx_dataset_path(d, i));
        assert_memory_equal(path, prefix, strlen(prefix));
        assert_string_equal(path + strlen(path) - strlen(want[i].end), want[i].end);
        expect(d, i, path, want[i].label, want[i].width);
    }
    mx_dataset_close(d);
}

/* n samples "k<number>" of class number % 3, in shard rel. */
static void put_shard(const char *rel, int first, int n) {
    tar *t = new_tar();
    char name[32], label[8];
    for (int i = first; i < first + n; i++) {
        snprintf(name, sizeof name, "k%05d.cls", i), snprintf(label, sizeof label, "%d", i % 3);
        text_member(t, name, label);
        snprintf(name, sizeof name, "k%05d.png", i);
        image_member(t, name, 2 + i % 5);
    }
    finish(t, rel);
    free(t);
}

static void test_splits(void **state) {
    (void)state;
    char spec[512];
    put_shard("a/set-train-000000.tar", 0, 3), put_shard("a/set-train-000001.tar", 3, 3);
    put_shard("a/set-val-000000.tar", 6, 2);
    put_text("a/classes.txt", "ape\nbee\ncat\ndog\n");
    mx_dataset *d = open_part(at("a"), MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_count(d), 6);
    assert_int_equal(mx_dataset_classes(d), 4);
    assert_string_equal(mx_dataset_class_name(d, 2), "cat");
    expect(d, 4, "set-train-000001.tar/k00004.png", 1, 6);
    mx_dataset_close(d);
    d = open_part(at("a"), MX_SPLIT_VAL, NULL);
    assert_int_equal(mx_dataset_count(d), 2);
    expect(d, 0, "set-val-000000.tar/k00006.png", 0, 3);
    mx_dataset_close(d);
    put_shard("a/other.tar", 6, 2);
    refused(at("a"), MX_SPLIT_TRAIN, "found also other.tar");
    put_shard("b/train/0.tar", 0, 2), put_shard("b/val/0.tar", 2, 1);
    d = open_part(at("b"), MX_SPLIT_TRAIN, NULL);
    expect(d, 1, "train/0.tar/k00001.png", 1, 3);
    mx_dataset_close(d);
    d = open_part(at("b"), MX_SPLIT_VAL, NULL);
    expect(d, 0, "val/0.tar/k00002.png", 2, 4);
    mx_dataset_close(d);
    snprintf(spec, sizeof spec, "%s/set-train-{000000..000001}.tar::%s/set-val-000000.tar", at("a"), at("a"));
    d = open_part(spec, MX_SPLIT_TRAIN, NULL);
    assert_int_equal(mx_dataset_count(d), 8);
    assert_string_equal(mx_dataset_class_name(d, 2), "cat");
    mx_dataset_close(d);
    assert_null(open_part(spec, MX_SPLIT_VAL, NULL));
    put_text("a/classes.txt", "ape\nbee\n");
    refused(at("a/set-train-000000.tar"), MX_SPLIT_TRAIN, "a label from 0 to 1");
}

static void expands(const char *pattern, const char *want) {
    mx_names n = {0};
    mx_error e = {0};
    char got[512] = "";
    mx_status s = mx_shards_expand(&n, pattern, &e);
    for (int64_t i = 0; i < n.count; i++) strcat(strcat(got, i ? " " : ""), n.at[i]);
    if (want)
        assert_string_equal(s ? e.text : got, want);
    else
        assert_int_not_equal(s, MX_OK);
    mx_names_free(&n);
}

static void test_patterns(void **state) {
    (void)state;
    expands("a.tar", "a.tar");
    expands("a-{008..011}.tar", "a-008.tar a-009.tar a-010.tar a-011.tar");
    expands("{8..11}", "8 9 10 11");
    expands("{0..6..3}", "0 3 6");
    expands("{a,b{1,2}c,}x", "ax b1cx b2cx x");
    expands("{a,b}{0..1}", "a0 a1 b0 b1");
    expands("{a}{b..c}", "ab..c");
    expands("a{1..3", NULL), expands("{3..1}", NULL), expands("{1..2..0}", NULL);
    expands("{0..99999999}", NULL); /* too many */
    expands("{0..999}{0..999}{0..999}{0..999}", NULL);
    expands("{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a{a}}}}}}}}}}}}}}}}}}", NULL);
}

/* Whole runs of the loader: labels and pixels of two epochs. */
static void run(const mx_dataset *d, int workers, int64_t from, uint64_t *digest, int64_t *index) {
    mx_loader_config c = {.data = d,
                          .seed = 5,
                          .batch = 4,
                          .batches_per_epoch = 10,
                          .first_batch = from,
                          .workers = workers,
                          .ahead = 3,
                          .bad_share = 0};
    c.transform = (mx_transform){.height = 4,
                                 .width = 4,
                                 .channels = 3,
                                 .scale_lo = 0.2,
                                 .scale_hi = 1,
                                 .ratio_lo = 0.75,
                                 .ratio_hi = 1.33,
                                 .flip = 0.5,
                                 .augment = true};
    for (int i = 0; i < 3; i++) c.transform.std[i] = 1;
    mx_loader *l;
    mx_error e = {0};
    if (mx_loader_open(&l, &c, &e)) fail_msg("%s", e.text);
    for (int64_t b = from; b < 20; b++) {
        mx_batch batch;
        if (mx_loader_next(l, &batch, &e)) fail_msg("%s", e.text);
        const uint32_t *word = (const uint32_t *)batch.images;
        digest[b] = 0;
        for (int i = 0; i < 4 * 48; i++) digest[b] = (digest[b] ^ word[i]) * 0x100000001b3u;
        for (int i = 0; i < 4; i++) {
            index[4 * b + i] = batch.index[i];
            assert_int_equal(batch.label[i], mx_dataset_label(d, batch.index[i]));
        }
    }
    mx_loader_close(l);
}

static void test_stream(void **state) {
    (void)state;
    put_shard("s/0.tar", 0, 17), put_shard("s/1.tar", 17, 13), put_shard("s/2.tar", 30, 10);
    mx_dataset *d = open_part(at("s"), MX_SPLIT_TRAIN, NULL);
    uint64_t digest[3][20];
    int64_t index[3][80];
    run(d, 0, 0, digest[0], index[0]);
    for (int k = 1; k < 3; k++) {
        memcpy(digest[k], digest[0], sizeof *digest), memcpy(index[k], index[0], sizeof *index);
        run(d, k == 1 ? 3 : 1, k == 1 ? 0 : 13, digest[k], index[k]); /* more workers; resumed */
        assert_memory_equal(digest[k], digest[0], sizeof *digest);
        assert_memory_equal(index[k], index[0], sizeof *index);
    }
    for (int epoch = 0; epoch < 2; epoch++) { /* each sample once */
        int seen[40] = {0};
        for (int i = 0; i < 40; i++) seen[index[0][40 * epoch + i]]++;
        for (int i = 0; i < 40; i++) assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(index[0], index[0] + 40, 40 * sizeof(int64_t));
    mx_error e = {0};
    assert_int_equal(mx_dataset_take_fraction(d, 0.2, 1, &e), MX_OK); /* 40 % 3 classes: 14, 13, 13 */
    assert_int_equal(mx_dataset_count(d), 3 + 3 + 3);
    uint32_t order[16];
    int sum = 0;
    assert_true(mx_dataset_order_room(d) <= 9 + 3);
    mx_dataset_order(d, 1, 0, order);
    for (int i = 0; i < 9; i++) sum += (int)order[i];
    assert_int_equal(sum, 36);
    mx_dataset_close(d);
}

/* The order of many shards stays near their sequence: each sample within the buffer's length of its place. */
static void test_order_is_nearly_sequential(void **state) {
    (void)state;
    enum { shards = 30, each = 1000, n = shards * each };
    struct mx_dataset d = {.source.kind = MX_SOURCE_TAR};
    mx_error e = {0};
    d.index.kind = MX_SOURCE_TAR;
    for (int i = 0; i < n; i++) {
        assert_int_equal(mx_index_add_file(&d.index, "x", &e), MX_OK);
        d.index.file[i].holder = (uint32_t)(1 + i / each);
    }
    assert_int_equal(mx_dataset_settle(&d, &e), MX_OK);
    assert_int_equal(mx_dataset_order_room(&d), n + shards);
    uint32_t *order = malloc((n + shards) * sizeof *order);
    int *place = malloc(n * sizeof *place), late = 0, first[shards], rank[shards];
    mx_dataset_order(&d, 3, 7, order);
    for (int t = 0; t < n; t++) place[order[t]] = t;
    for (int k = 0; k < shards; k++) { /* when the first sample of each shard is read: the shards' order */
        first[k] = n;
        for (int i = 0; i < each; i++)
            if (place[k * each + i] < first[k]) first[k] = place[k * each + i];
    }
    for (int k = 0; k < shards; k++) {
        rank[k] = 0;
        for (int j = 0; j < shards; j++) rank[k] += first[j] < first[k];
        late += rank[k] != k;
    }
    assert_true(late > shards / 2); /* shuffled */
    int early = 0;
    for (int k = 0; k < shards; k++) /* a buffer of ten shards fills before the eleventh is opened */
        for (int i = 0; i < each; i++) early += rank[k] >= 12 && place[k * each + i] < 1000;
    assert_int_equal(early, 0);
    int spread = 0;
    for (int t = 1; t < 1000; t++) spread += order[t] / each != order[t - 1] / each;
    assert_true(spread > 800); /* neighbours come from different shards */
    free(order), free(place), free(d.run);
    mx_index_free(&d.index);
}

/* Labels by the images' names: "" none. names and labels end with NULL. */
static void expect_labels(const char *const *names, const char *const *labels, const char *note) {
    char spec[300], path[400];
    snprintf(spec, sizeof spec, "%s", at("d.tar"));
    mx_dataset *d = open_part(spec, MX_SPLIT_TRAIN, NULL);
    int64_t n = 0;
    for (; names[n]; n++) {
        snprintf(path, sizeof path, "%s/%s", spec, names[n]);
        assert_true(n < mx_dataset_count(d));
        assert_string_equal(mx_dataset_path(d, n), path);
        assert_int_equal(mx_dataset_label(d, n), *labels[n] ? atoi(labels[n]) : -1);
    }
    assert_int_equal(mx_dataset_count(d), n);
    if (note && !strstr(mx_dataset_note(d), note)) fail_msg("no \"%s\" in: %s", note, mx_dataset_note(d));
    if (!note) assert_string_equal(mx_dataset_note(d), "");
    mx_dataset_close(d);
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* WebDataset's key ends at the first dot; what was meant otherwise is read so, or said. */
static void test_dots(void **state) {
    (void)state;
    tar *t = new_tar();
    image_member(t, "p v1.2.png", 3), text_member(t, "p v1.2.cls", "1");
    image_member(t, "p v1.3.png", 4), text_member(t, "p v1.3.cls", "0"), image_member(t, "q.png", 3);
    text_member(t, "q.cls", "2"), finish(t, "d.tar");
    expect_labels(NAMES("p v1.2.png", "p v1.3.png", "q.png"), NAMES("1", "0", "2"), NULL);
    image_member(t, "a.rgb.png", 3), text_member(t, "a.cls", "1"), finish(t, "d.tar");
    expect_labels(NAMES("a.rgb.png"), NAMES("1"), NULL);
    image_member(t, "v1.2.png", 3), image_member(t, "v1.3.png", 3), finish(t, "d.tar");
    expect_labels(NAMES("v1.2.png", "v1.3.png"), NAMES("", ""), NULL);
    image_member(t, "a.png", 3), image_member(t, "a.seg.png", 3), image_member(t, "b.png", 3),
        finish(t, "d.tar");
    expect_labels(NAMES("a.png", "b.png"), NAMES("", ""),
                  "1 pictures beside a sample's image that are not used, the first is a.seg.png");
    image_member(t, "a.png", 3), text_member(t, "b.bmx", "?"), text_member(t, "b.txt", "?"),
        finish(t, "d.tar");
    expect_labels(NAMES("a.png"), NAMES(""), "1 samples without an image that is read, the first is b.bmx");
    image_member(t, "a.left.png", 3), image_member(t, "a.right.png", 3), text_member(t, "a.cls", "1");
    finish(t, "d.tar");
    refused(at("d.tar"), MX_SPLIT_TRAIN, "expected one image in a sample with a label, found 2");
    image_member(t, "a.png", 3), text_member(t, "a.cls", "1"), text_member(t, "a.fine.cls", "words");
    finish(t, "d.tar");
    expect_labels(NAMES("a.png"), NAMES("1"), NULL);
    free(t);
}

/* Labels behind or before all images, as tar packs what was not sorted. */
static void test_apart(void **state) {
    (void)state;
    tar *t = new_tar();
    image_member(t, "x/a.png", 3), image_member(t, "x/b.1.png", 3), image_member(t, "x/b.2.png", 3);
    text_member(t, "x/b.2.cls", "2"), text_member(t, "x/b.1.cls", "0"), text_member(t, "x/a.cls", "1");
    finish(t, "d.tar");
    expect_labels(NAMES("x/a.png", "x/b.1.png", "x/b.2.png"), NAMES("1", "0", "2"), NULL);
    text_member(t, "a.cls", "1"), text_member(t, "b.cls", "0"), text_member(t, "c.cls", "5");
    image_member(t, "a.png", 3), image_member(t, "b.png", 3), finish(t, "d.tar");
    expect_labels(NAMES("a.png", "b.png"), NAMES("1", "0"), "1 labels without an image, the first is c");
    image_member(t, "a.rgb.png", 3), image_member(t, "b.rgb.png", 3), text_member(t, "a.cls", "1");
    text_member(t, "b.cls", "0"), finish(t, "d.tar");
    expect_labels(NAMES("a.rgb.png", "b.rgb.png"), NAMES("1", "0"), NULL);
    image_member(t, "a.png", 3), image_member(t, "b.png", 3), text_member(t, "a.cls", "1"),
        finish(t, "d.tar");
    refused(at("d.tar"), MX_SPLIT_TRAIN, "no .cls field, though others have one"); /* b */
    image_member(t, "a.png", 3), text_member(t, "b.cls", "1"), text_member(t, "a.cls", "1"),
        text_member(t, "b.cls", "0");
    finish(t, "d.tar");
    refused(at("d.tar"), MX_SPLIT_TRAIN, "expected one label of b");
    free(t);
}

/* A val part is never mixed with a test part; every usual name is known. */
static void test_held_shards(void **state) {
    (void)state;
    static const char *const sets[][3] = {{"e/set-train-0.tar", "e/set-val-0.tar", "e/set-test-0.tar"},
                                          {"f/Training_0.tar", "f/dev_0.tar", "f/eval_0.tar"},
                                          {"g/Training/0.tar", "g/valid/0.tar", "g/Test/0.tar"}};
    for (int k = 0; k < 3; k++) {
        char root[4] = {sets[k][0][0], 0};
        for (int i = 0; i < 3; i++) put_shard(sets[k][i], 0, 6 - i);
        for (int i = 0; i < 3; i++) {
            mx_dataset *d = open_part(at(root), (mx_split)i, NULL);
            assert_non_null(d);
            assert_int_equal(mx_dataset_count(d), 6 - i);
            mx_dataset_close(d);
        }
    }
}

static void test_malformed(void **state) {
    (void)state;
    char spec[300];
    tar *t = new_tar();
    text_member(t, "a.cls", "1"), image_member(t, "a.png", 3), image_member(t, "a.png", 3);
    finish(t, "m.tar");
    snprintf(spec, sizeof spec, "%s", at("m.tar"));
    refused(spec, MX_SPLIT_TRAIN, "expected each field once");
    const char *labels[] = {"x",
                            "-1",
                            "1.5",
                            "",
                            "99999999999999999999",
                            "1048576",
                            "1 2",
                            "1111111111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        image_member(t, "a.png", 3), text_member(t, "a.cls", labels[i]);
        finish(t, "m.tar");
        refused(spec, MX_SPLIT_TRAIN, "expected a label");
    }
    image_member(t, "a.png", 3), text_member(t, "a.cls", "1"), image_member(t, "b.png", 3);
    finish(t, "m.tar");
    refused(spec, MX_SPLIT_TRAIN, "no .cls field, though others have one");
    text_member(t, "a.txt", "1");
    finish(t, "m.tar");
    refused(spec, MX_SPLIT_TRAIN, "lists no images");
    for (int k = 0; k < 2;
         k++) { /* GNU's second size, of sparse files, overrules the first: -1, and the least */
        size_t header = t->size;
        size_t size_png;
        const char *bytes = png(3, &size_png);
        put_header(t, "a.png", '0', (int64_t)size_png);
        memcpy(t->bytes + header + 257, "ustar  ", 8);
        memset(t->bytes + header + 483, 0xff, 12);
        if (k) memset(t->bytes + header + 487, 0, 8), t->bytes[header + 487] = (char)0x80;
        seal(t, header), put_data(t, bytes, size_png);
        finish(t, "m.tar");
        refused(spec, MX_SPLIT_TRAIN, "a.png: expected a size of at least 0");
    }
    const char gzip[64] = "\x1f\x8b\x08";
    put_bytes("m.tar", gzip, sizeof gzip);
    refused(spec, MX_SPLIT_TRAIN, "compressed (gzip)");
    put_text("m.tar", "This is not a tar file, though it is called one.");
    refused(spec, MX_SPLIT_TRAIN, "cannot be read as tar");
    /* every truncation to a multiple of a hundred bytes: an error, or the samples that are whole */
    image_member(t, "a.png", 3), text_member(t, "a.cls", "1"), image_member(t, "b.png", 3),
        text_member(t, "b.cls", "1");
    size_t size = t->size;
    char *whole = malloc(size);
    memcpy(whole, t->bytes, size);
    for (size_t n = 0; n < size; n += 100) {
        mx_dataset *d;
        mx_error e = {0};
        put_bytes("m.tar", whole, n);
        if (!mx_dataset_open_split(&d, spec, MX_SPLIT_TRAIN, NULL, &e)) {
            for (int64_t i = 0; i < mx_dataset_count(d); i++) expect(d, i, mx_dataset_path(d, i), 1, 3);
            mx_dataset_close(d);
        } else
            assert_true(e.text[0]);
    }
    free(whole), free(t);
}

static void test_cache(void **state) {
    (void)state;
    struct timespec old[2] = {{1500000000, 0}, {1500000000, 0}};
    put_shard("s/0.tar", 0, 5);
    utimensat(AT_FDCWD, at("s/0.tar"), old, 0);
    mx_dataset_close(open_part(at("s"), MX_SPLIT_TRAIN, at("cache")));
    struct stat before, after;
    stat(at("cache"), &before);
    mx_dataset *d = open_part(at("s"), MX_SPLIT_TRAIN, at("cache"));
    stat(at("cache"), &after);
    assert_int_equal(before.st_ino, after.st_ino); /* not written again: it was used */
    expect(d, 4, "0.tar/k00004.png", 1, 6);
    put_shard("s/0.tar", 0, 6); /* changed under an open data set */
    void *bytes = NULL;
    size_t room = 0, size;
    mx_error e = {0};
    assert_int_equal(mx_dataset_bytes(d, 0, &bytes, &room, &size, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "changed since it was listed"));
    mx_dataset_close(d);
    utimensat(AT_FDCWD, at("s/0.tar"), old, 0);
    d = open_part(at("s"), MX_SPLIT_TRAIN, at("cache"));
    assert_int_equal(mx_dataset_count(d), 6);
    mx_dataset_close(d);
    put_shard("s/1.tar", 6, 1); /* one more shard is another list */
    d = open_part(at("s"), MX_SPLIT_TRAIN, at("cache"));
    assert_int_equal(mx_dataset_count(d), 7);
    mx_dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_samples, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_splits, new_base, remove_base),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test_setup_teardown(test_stream, new_base, remove_base),
        cmocka_unit_test(test_order_is_nearly_sequential),
        cmocka_unit_test_setup_teardown(test_malformed, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_dots, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_apart, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_held_shards, new_base, remove_base),
        cmocka_unit_test_setup_teardown(test_cache, new_base, remove_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
