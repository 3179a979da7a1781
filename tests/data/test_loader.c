/* The loader: its bytes depend on seed, epoch and position only; never on workers, timing or where a run was
 * resumed. Broken files are counted, named and replaced in a fixed way. */
#include "image_folder.h"

#include <math.h>

#include "data/index.h"

#define IMAGES 11
#define BATCH  3

static char said[65536]; /* everything logged */

static void hear(void *user, const char *line) {
    (void)user;
    assert_null(strchr(line, '\n'));
    assert_true(strlen(said) + strlen(line) + 2 < sizeof said);
    strcat(strcat(said, line), "\n");
}

static mx_dataset *open_good(const char *rel) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    if (mx_dataset_open(&d, at(rel), NULL, &e)) fail_msg("%s", e.text);
    return d;
}

static mx_dataset *eleven(void) {
    for (int i = 0; i < IMAGES; i++) {
        char name[64];
        snprintf(name, sizeof name, "d/%c/%02d.%s", 'a' + i % 3, i, i % 2 ? "jpg" : "png");
        put_picture(name, 20 + 7 * i, 60 - 3 * i, 3, (uint32_t)i);
    }
    return open_good("d");
}

static mx_loader_config config_of(const mx_dataset *d) {
    mx_loader_config c = {
        .data = d, .seed = 42, .batch = BATCH, .batches_per_epoch = 3, .workers = 2, .ahead = 2};
    c.transform = (mx_transform){.height = 16, .width = 24, .channels = 3, .scale_lo = 0.2, .scale_hi = 1};
    c.transform.ratio_lo = 0.75, c.transform.ratio_hi = 4 / 3.0, c.transform.flip = 0.5,
    c.transform.augment = true;
    for (int i = 0; i < MX_MAX_CHANNELS; i++) c.transform.mean[i] = 0.5F, c.transform.std[i] = 0.25F;
    c.bad_share = 0.5, c.log = hear;
    return c;
}

static mx_loader *start(const mx_loader_config *c) {
    mx_loader *l = NULL;
    mx_error e = {0};
    if (mx_loader_open(&l, c, &e)) fail_msg("%s", e.text);
    return l;
}

static uint64_t digest(uint64_t h, const void *bytes, size_t size) {
    for (const unsigned char *p = bytes; size; size--) h = (h ^ *p++) * 0x100000001b3u;
    return h;
}

static uint64_t digest_batch(const mx_loader_config *c, const mx_batch *b) {
    size_t image = (size_t)c->transform.channels * (size_t)c->transform.height * (size_t)c->transform.width;
    uint64_t h = digest(14695981039346656037u, b->images, sizeof(float) * image * (size_t)c->batch);
    h = digest(h, b->index, sizeof *b->index * (size_t)c->batch);
    h = digest(h, b->label, sizeof *b->label * (size_t)c->batch);
    const int64_t counts[3] = {b->number, b->bad_seen, b->bad_count};
    return digest(h, counts, sizeof counts);
}

/* Digests of n batches from c->first_batch on; the counters go on in c. */
static void take(mx_loader_config *c, int n, uint64_t *out) {
    mx_loader *l = start(c);
    for (int i = 0; i < n; i++) {
        mx_batch b;
        mx_error e = {0};
        if (mx_loader_next(l, &b, &e)) fail_msg("%s", e.text);
        assert_int_equal(b.number, c->first_batch + i);
        out[i] = digest_batch(c, &b);
        if (i == n - 1) c->bad_seen = b.bad_seen, c->bad_count = b.bad_count;
    }
    mx_loader_close(l);
}

static const int worker_counts[] = {0, 1, 2, 5};

/* Any workers, any length of the ring, taken up at any batch: the same bytes, the same log. */
static void check_same(const mx_dataset *d) {
    enum { N = 10 };
    uint64_t want[N], got[N];
    char log[sizeof said];
    mx_loader_config c = config_of(d);
    c.workers = 0, said[0] = 0;
    take(&c, N, want);
    strcpy(log, said);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++) assert_true(want[i] != want[j]);
    for (size_t w = 0; w < sizeof worker_counts / sizeof *worker_counts; w++)
        for (int ahead = 0; ahead < 9; ahead += 4) {
            c = config_of(d);
            c.workers = worker_counts[w], c.ahead = ahead, said[0] = 0;
            take(&c, N, got);
            assert_memory_equal(got, want, sizeof want);
            assert_string_equal(said, log);
        }
    for (int cut = 1; cut < N; cut++) {
        c = config_of(d), said[0] = 0;
        take(&c, cut, got);
        c.first_batch = cut, c.workers = worker_counts[cut % 4];
        take(&c, N - cut, got + cut);
        assert_memory_equal(got, want, sizeof want);
        assert_string_equal(said, log);
    }
    c = config_of(d), c.seed = 43;
    take(&c, 1, got);
    assert_true(got[0] != want[0]);
}

static void test_same(void **state) {
    (void)state;
    mx_dataset *d = eleven();
    check_same(d);
    assert_string_equal(said, "");
    mx_dataset_close(d);
}

static void test_same_with_broken(void **state) {
    (void)state;
    put_text("d/a/03x.png", "broken");
    put_text("d/b/04x.jpg", "\xff\xd8\xff broken too");
    put_text("d/c/bad\nname.npy", "");
    mx_dataset *d = eleven();
    check_same(d);
    assert_non_null(strstr(said, "broken file: "));
    mx_dataset_close(d);
}

/* An epoch shows each image once, epochs differ in order, and the order is that of the documented shuffle. */
static void test_order(void **state) {
    (void)state;
    mx_dataset *d = eleven();
    mx_loader_config c = config_of(d);
    c.batch = IMAGES, c.batches_per_epoch = 1, c.ahead = 5; /* the ring holds several epochs at once */
    mx_loader *l = start(&c);
    mx_batch b;
    mx_error e = {0};
    for (int epoch = 0; epoch < 4; epoch++) {
        int64_t p[IMAGES];
        for (int i = 0; i < IMAGES; i++) p[i] = i;
        mx_rng r = mx_rng_make(42, MX_RNG_ORDER, (uint64_t)epoch, 0);
        for (int i = IMAGES - 1; i > 0; i--) {
            int64_t j = (int64_t)mx_rng_below(&r, (uint64_t)i + 1), x = p[i];
            p[i] = p[j], p[j] = x;
        }
        assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
        assert_memory_equal(b.index, p, sizeof p);
        for (int i = 0; i < IMAGES; i++) assert_int_equal(b.label[i], mx_dataset_label(d, p[i]));
    }
    mx_loader_close(l);
    mx_dataset_close(d);
}

/* Sample (e,k) made by hand from the documented stream: crop, then flip, then normalise. */
static void test_sample(void **state) {
    (void)state;
    mx_dataset *d = eleven();
    mx_loader_config c = config_of(d);
    c.first_batch = 4; /* epoch 1, k = 3.. */
    mx_loader *l = start(&c);
    mx_batch b;
    mx_error e = {0};
    int flips = 0;
    assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
    for (int i = 0; i < BATCH; i++) {
        mx_image im, small;
        float chw[3 * 16 * 24];
        mx_rng r = mx_rng_make(42, MX_RNG_AUGMENT, 1, (uint32_t)(3 + i));
        assert_int_equal(mx_dataset_read(d, b.index[i], 3, &im, &e), MX_OK);
        mx_box box = mx_crop_draw(&r, im.width, im.height, 0.2, 1, 0.75, 4 / 3.0);
        bool flip = mx_rng_uniform(&r) < 0.5;
        flips += flip;
        assert_int_equal(mx_image_make(&small, 24, 16, 3, MX_PIXEL_U8, &e), MX_OK);
        assert_int_equal(mx_image_resize(&small, &im, box, MX_FILTER_BICUBIC, &e), MX_OK);
        mx_image_to_tensor(chw, &small, flip, 255, c.transform.mean, c.transform.std);
        assert_memory_equal(chw, b.images + (size_t)i * 3 * 16 * 24, sizeof chw);
        mx_image_free(&im), mx_image_free(&small);
    }
    assert_in_range(flips, 0, BATCH);
    mx_loader_close(l);
    mx_dataset_close(d);
}

/* A broken file: its place is taken by the file the replacement stream draws, with the crop of its place. */
static void test_replacement(void **state) {
    (void)state;
    put_text("d/a/bad\n.png", "broken");
    mx_dataset *d = eleven();
    mx_loader_config c = config_of(d);
    c.batch = IMAGES + 1, c.batches_per_epoch = 1, c.bad_share = 0, said[0] = 0;
    mx_loader *l = start(&c);
    mx_batch b;
    mx_error e = {0};
    for (int epoch = 0; epoch < 5; epoch++) {
        assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
        mx_rng order = mx_rng_make(42, MX_RNG_ORDER, (uint64_t)epoch, 0);
        int64_t p[IMAGES + 1];
        for (int i = 0; i <= IMAGES; i++) p[i] = i;
        for (int i = IMAGES; i > 0; i--) {
            int64_t j = (int64_t)mx_rng_below(&order, (uint64_t)i + 1), x = p[i];
            p[i] = p[j], p[j] = x;
        }
        for (int k = 0; k <= IMAGES; k++) {
            if (!strstr(mx_dataset_path(d, p[k]), "bad")) {
                assert_int_equal(b.index[k], p[k]);
                continue;
            }
            mx_rng r = mx_rng_make(42, MX_RNG_REPLACE, (uint64_t)epoch, (uint32_t)k);
            int64_t other;
            do other = (int64_t)mx_rng_below(&r, IMAGES + 1);
            while (other == p[k]);
            assert_int_equal(b.index[k], other);
            assert_int_equal(b.label[k], mx_dataset_label(d, other));
        }
        assert_int_equal(b.bad_count, epoch + 1); /* one file each pass: never too many */
        assert_int_equal(b.bad_seen, (epoch + 1) * (IMAGES + 1));
    }
    assert_ptr_equal(strstr(said, "broken file: "), said);
    assert_non_null(strstr(said, "/a/bad\\x0a.png: ")); /* with its folder */
    assert_non_null(strstr(said, "(used instead: "));
    mx_loader_close(l);
    mx_dataset_close(d);
}

/* One good and one broken file: the broken one is often drawn again as its own replacement, and counted once.
 */
static void test_drawn_again(void **state) {
    (void)state;
    put_picture("d/good.png", 8, 8, 3, 1);
    put_text("d/bad.png", "broken");
    mx_dataset *d = open_good("d");
    mx_loader_config c = config_of(d);
    uint64_t out[30];
    c.batch = 2, c.batches_per_epoch = 1, c.bad_share = 0;
    take(&c, 30, out);
    assert_int_equal(c.bad_count, 30);
    assert_int_equal(c.bad_seen, 60);
    mx_dataset_close(d);
}

/* Runs until the error; returns how many batches came before it. */
static int until_error(const mx_loader_config *c, mx_error *e) {
    mx_loader *l = start(c);
    mx_batch b;
    int n = 0;
    while (mx_loader_next(l, &b, e) == MX_OK) assert_true(++n < 1000);
    mx_error again = {0};
    assert_int_equal(mx_loader_next(l, &b, &again), MX_ERR_DATA); /* and stays */
    assert_string_equal(again.text, e->text);
    mx_loader_close(l);
    return n;
}

static void test_too_many(void **state) {
    (void)state;
    for (int i = 0; i < 30; i++) {
        char name[64];
        snprintf(name, sizeof name, "d/a/%02d.png", i);
        if (i % 3)
            put_picture(name, 8, 8, 3, (uint32_t)i);
        else
            put_text(name, "broken");
    }
    mx_dataset *d = open_good("d");
    mx_loader_config c = config_of(d);
    mx_error first = {0};
    c.bad_share = 0.1, c.workers = 0; /* a third is broken: more than 3 of the first 30 */
    int n = until_error(&c, &first);
    assert_int_equal(first.status, MX_ERR_DATA);
    assert_non_null(strstr(first.text, "4 broken among "));
    assert_non_null(strstr(first.text, "a/"));
    for (int w = 1; w < 4; w++) {
        mx_error e = {0};
        c.workers = worker_counts[w];
        assert_int_equal(until_error(&c, &e), n);
        assert_string_equal(e.text, first.text);
    }
    c.bad_share = 0.9; /* the share allows it */
    uint64_t out[40];
    take(&c, 40, out);
    mx_dataset_close(d);
}

static void test_all_broken(void **state) {
    (void)state;
    char name[300];
    for (int i = 0; i < 25; i++) { /* long names: the list must end inside the message */
        snprintf(name, sizeof name, "d/%02d%0200d.png", i, i);
        put_text(name, "broken");
    }
    mx_dataset *d = open_good("d");
    for (int w = 0; w < 4; w++) {
        mx_loader_config c = config_of(d);
        mx_error e = {0};
        c.workers = worker_counts[w], c.bad_share = 1;
        assert_int_equal(until_error(&c, &e), 0);
        assert_int_equal(e.status, MX_ERR_DATA);
        assert_non_null(strstr(e.text, ", ..."));
    }
    mx_dataset_close(d);
}

/* Closing at any moment, with workers waiting, decoding or just started, joins them all. */
static void test_close(void **state) {
    (void)state;
    mx_dataset *d = eleven();
    for (int n = 0; n < 6; n++)
        for (int w = 0; w < 4; w++) {
            mx_loader_config c = config_of(d);
            c.workers = worker_counts[w], c.ahead = n;
            mx_loader *l = start(&c);
            for (int i = 0; i < n; i++) {
                mx_batch b;
                assert_int_equal(mx_loader_next(l, &b, NULL), MX_OK);
            }
            mx_loader_close(l);
        }
    mx_loader_close(NULL);
    mx_dataset_close(d);
}

/* Evaluation: files in order, round and round, the centre of the picture. */
static void test_evaluation(void **state) {
    (void)state;
    float v[40 * 60];
    for (int i = 0; i < 40 * 60; i++) v[i] = (float)(i % 60);
    put_npy("e/wide.npy", "<f4", 40, 60, 1, v);
    for (int i = 0; i < 40 * 60; i++) v[i] = 3;
    put_npy("e/long.npy", "<f4", 2000, 1, 1, v);
    mx_dataset *d = open_good("e");
    mx_loader_config c = config_of(d);
    c.transform.augment = false, c.transform.channels = 1, c.transform.height = c.transform.width = 35;
    c.transform.mean[0] = 0, c.transform.std[0] = 1; /* 35 / 0.875 = 40: unscaled */
    mx_loader *l = start(&c);
    mx_batch b;
    mx_error e = {0};
    for (int n = 0; n < 4; n++) {
        assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
        for (int i = 0; i < BATCH; i++) {
            int64_t want = (n * BATCH + i) % 2;
            const float *image = b.images + i * 35 * 35;
            assert_int_equal(b.index[i], want);
            for (int k = 0; k < 35 * 35; k++) /* (60 - 35)/2 = 12.5, to even 12 */
                if (want)
                    assert_true(image[k] == (float)(12 + k % 35));
                else
                    assert_float_equal(image[k], 3, 1e-5);
        }
    }
    mx_loader_close(l);
    for (int w = 1; w < 90; w += 11)
        for (int h = 1; h < 90; h += 11) { /* every shape of picture and crop works */
            c = config_of(d), c.workers = 0;
            c.transform.augment = false, c.transform.channels = 1, c.transform.height = h,
            c.transform.width = w;
            uint64_t out;
            take(&c, 1, &out);
        }
    mx_dataset_close(d);
}

/* A model that is not square: the picture covers it, whole in one direction but for the margin, in
 * proportion. Values are places in the picture, so a crop tells where it was taken from. */
static void test_evaluation_wide(void **state) {
    (void)state;
    for (uint64_t n = 0; n < 60; n++) {
        mx_rng r = mx_rng_make(11, MX_RNG_AUGMENT, n, 0);
        int w = 8 + (int)mx_rng_below(&r, 120), h = 8 + (int)mx_rng_below(&r, 120);
        mx_transform t = {.channels = 2, .value_range = 1, .std = {1, 1}};
        t.width = 8 + (int)mx_rng_below(&r, 400), t.height = 8 + (int)mx_rng_below(&r, 60);
        if (t.width == t.height) continue;
        mx_image im;
        mx_error e = {0};
        assert_int_equal(mx_image_make(&im, w, h, 2, MX_PIXEL_F32, &e), MX_OK);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                float *p = (float *)im.pixels + 2 * (y * w + x);
                p[0] = ((float)x + 0.5F) / (float)w - 0.5F, p[1] = ((float)y + 0.5F) / (float)h - 0.5F;
            }
        float *out = malloc(sizeof *out * 2 * (size_t)t.width * (size_t)t.height);
        if (mx_transform_image(&t, &im, out, &e)) fail_msg("%s", e.text);
        int longer = t.width > t.height ? t.width : t.height;
        double margin = longer > 224 ? 1 : (int)(longer / 0.875) / (double)longer;
        double scale = fmax((double)t.width / w, (double)t.height / h) * margin;
        for (int c = 0; c < 2; c++) { /* the middle row's ends, the middle column's ends */
            int size = c ? t.height : t.width, step = c ? t.width : 1;
            const float *line = out + c * t.width * t.height + (c ? t.width / 2 : t.height / 2 * t.width);
            double seen = (double)line[(size - 1) * step] - (double)line[0];
            double want = (size - 1) / (scale * (c ? h : w));
            if (fabs(seen - want) > 2.5 / (c ? h : w) / fmin(1, scale) / 2 + 0.02)
                fail_msg("%dx%d in %dx%d: %g of axis %d are seen, expected %g", w, h, t.width, t.height, seen,
                         c, want);
            if (fabs((double)line[(size - 1) * step] + (double)line[0]) > 2 / fmin(size, c ? h : w) + 0.02)
                fail_msg("%dx%d in %dx%d: not the centre of axis %d", w, h, t.width, t.height, c);
        }
        free(out);
        mx_image_free(&im);
    }
}

/* One channel of 16 bits, five of float: nothing is cut to 8 bits. */
static void test_deep(void **state) {
    (void)state;
    uint16_t a[16 * 24];
    float v[16 * 24 * 5];
    mx_error e = {0};
    mx_batch b;
    for (int i = 0; i < 16 * 24; i++) a[i] = (uint16_t)(40000 + i);
    for (int i = 0; i < 16 * 24 * 5; i++) v[i] = 1 + (float)i * 1e-4F;
    put_npy("u2/a.npy", "<u2", 16, 24, 1, a);
    put_npy("f4/a.npy", "<f4", 16, 24, 5, v);
    mx_dataset *u2 = open_good("u2"), *f4 = open_good("f4");
    assert_int_equal(mx_dataset_largest(u2), sizeof a);
    assert_int_equal(mx_dataset_largest(f4), sizeof v);
    mx_loader_config c = config_of(u2);
    c.transform.scale_lo = c.transform.scale_hi = 1, c.transform.ratio_lo = c.transform.ratio_hi = 1.5;
    c.transform.flip = 0, c.transform.channels = 1; /* the whole picture, as it is */
    for (int pass = 0; pass < 2; pass++) {
        float range = pass ? 10000.0F : 65535.0F;
        c.transform.value_range = pass ? range : 0;
        mx_loader *l = start(&c);
        assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
        for (int i = 0; i < 16 * 24; i++) assert_true(b.images[i] == ((float)a[i] / range - 0.5F) / 0.25F);
        mx_loader_close(l);
    }
    c.data = f4, c.transform.channels = 5, c.transform.value_range = 0;
    mx_loader *l = start(&c);
    assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
    for (int k = 0; k < 5; k++)
        for (int i = 0; i < 16 * 24; i++)
            assert_true(b.images[k * 16 * 24 + i] == (v[i * 5 + k] - 0.5F) / 0.25F);
    mx_loader_close(l);
    mx_dataset_close(u2);

    v[77] = (float)strtod("nan", NULL);
    put_npy("f4/nan.npy", "<f4", 16, 24, 5, v);
    mx_dataset *two = open_good("f4");
    c.data = two, c.batch = 2, c.batches_per_epoch = 1, said[0] = 0;
    l = start(&c);
    assert_int_equal(mx_loader_next(l, &b, &e), MX_OK);
    assert_int_equal(b.bad_count, 1);
    assert_int_equal(b.index[0] + b.index[1], 0);
    assert_non_null(strstr(said, "nan.npy: expected finite"));
    mx_loader_close(l);
    mx_dataset_close(two), mx_dataset_close(f4);
}

static void test_refused(void **state) {
    (void)state;
    mx_dataset *d = eleven();
    const mx_loader_config good = config_of(d);
    mx_loader_config bad[16];
    int n = 0;
    for (int i = 0; i < 16; i++) bad[i] = good;
    bad[n++].batch = 0, bad[n++].batches_per_epoch = 0, bad[n++].first_batch = -1, bad[n++].workers = -1;
    bad[n++].ahead = -1, bad[n++].bad_share = 2, bad[n++].transform.height = 0,
    bad[n++].transform.channels = 65;
    bad[n++].transform.std[2] = 0, bad[n++].transform.flip = 1.5, bad[n++].transform.scale_lo = 0;
    bad[n++].transform.ratio_hi = 0.1, bad[n++].batches_per_epoch = INT64_MAX,
    bad[n++].first_batch = INT64_MAX;
    bad[n++].data = NULL, bad[n++].workers = 1 << 30;
    for (int i = 0; i < n; i++) {
        mx_loader *l = (mx_loader *)base;
        mx_error e = {0};
        if (mx_loader_open(&l, &bad[i], &e) != MX_ERR_ARGUMENT) fail_msg("case %d was taken", i);
        assert_null(l);
        assert_true(e.text[0]);
    }
    mx_dataset_close(d);
}

static void test_memory(void **state) {
    (void)state;
    mx_dataset *d = eleven();
    mx_loader_config c = config_of(d);
    size_t ring = (size_t)(c.ahead + 1) * BATCH * 3 * 16 * 24 * 4, two = mx_loader_memory(&c);
    c.workers = 1;
    size_t one = mx_loader_memory(&c);
    assert_true(two > one && one > ring);
    assert_true(two - one >= mx_dataset_largest(d) &&
                two < 8 << 20); /* 2 MB of it are malloc's for each worker */
    c.ahead = 1 << 16, c.batch = 1 << 20, c.transform.height = c.transform.width = 16384,
    c.transform.channels = 64;
    assert_true(mx_loader_memory(&c) > (size_t)1 << 60); /* saturates, does not wrap */
    mx_dataset_close(d);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, new_base, remove_base)
    const struct CMUnitTest tests[] = {
        T(test_same),        T(test_same_with_broken), T(test_order),           T(test_sample),
        T(test_replacement), T(test_drawn_again),      T(test_too_many),        T(test_all_broken),
        T(test_close),       T(test_evaluation),       T(test_evaluation_wide), T(test_deep),
        T(test_refused),     T(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
