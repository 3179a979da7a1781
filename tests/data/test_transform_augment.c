/* The whole fine-tuning transform (data/transform.c): crop, flip, policy, tensor, erasing, in this order and
 * from one stream; what it refuses; and that loading with it depends on seed, epoch and position only. */
#include "image_folder.h"

#include <math.h>

#include "data/index.h"

enum { SIDE = 24, N = 3 * SIDE * SIDE };

static mx_transform everything(void) {
    mx_transform t = {.height = SIDE,
                      .width = SIDE,
                      .channels = 3,
                      .scale_lo = 0.2,
                      .scale_hi = 1,
                      .ratio_lo = 0.75,
                      .ratio_hi = 4 / 3.0,
                      .flip = 0.5,
                      .augment = true};
    const float mean[3] = {0.485f, 0.456f, 0.406f};
    for (int c = 0; c < 3; c++) t.mean[c] = mean[c], t.std[c] = 0.25f;
    mx_error e = {0};
    assert_int_equal(mx_randaugment_parse(&t.randaugment, "rand-m9-n3-p1-mstd0.5-inc1", &e), MX_OK);
    t.erase = (mx_erase){0.5, 0.02, 1.0 / 3, 0.3, 1, MX_ERASE_PIXEL};
    return t;
}

static mx_dataset *pictures(void) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/%d.png", i);
        put_picture(name, 40 + 5 * i, 50 - 3 * i, i % 2 ? 1 : 3, (uint32_t)i);
    }
    if (mx_dataset_open(&d, at("d"), NULL, &e)) fail_msg("%s", e.text);
    return d;
}

static void mirror(mx_image *m) {
    uint8_t *p = m->pixels;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width / 2; x++)
            for (int c = 0; c < 3; c++) {
                uint8_t *a = &p[(y * m->width + x) * 3 + c],
                        *b = &p[(y * m->width + m->width - 1 - x) * 3 + c], v = *a;
                *a = *b, *b = v;
            }
}

/* The same by hand, from the pieces that have tests of their own. */
static bool by_hand(float *chw, const mx_dataset *d, const mx_transform *t, int64_t i, mx_rng r) {
    mx_image im = {0}, small = {0}, spare = {0};
    mx_error e = {0};
    const uint8_t fill[3] = {124, 116, 104}; /* round(255 mean) */
    assert_int_equal(mx_dataset_read(d, i, 3, &im, &e), MX_OK);
    mx_box box = mx_crop_draw(&r, im.width, im.height, t->scale_lo, t->scale_hi, t->ratio_lo, t->ratio_hi);
    bool flip = mx_rng_uniform(&r) < t->flip;
    assert_int_equal(mx_image_make(&small, SIDE, SIDE, 3, MX_PIXEL_U8, &e), MX_OK);
    assert_int_equal(mx_image_resize(&small, &im, box, MX_FILTER_BICUBIC, &e), MX_OK);
    if (flip) mirror(&small);
    if (t->randaugment.on)
        assert_int_equal(mx_randaugment_apply(&t->randaugment, &small, &spare, fill, &r, &e), MX_OK);
    else if (t->color_jitter > 0)
        assert_int_equal(mx_color_jitter(t->color_jitter, &small, &spare, &r, &e), MX_OK);
    mx_image_to_tensor(chw, &small, false, 255, t->mean, t->std);
    mx_random_erase(&t->erase, chw, 3, SIDE, SIDE, &r);
    mx_image_free(&im), mx_image_free(&small), mx_image_free(&spare);
    return flip;
}

static void order_of_steps(void **state) {
    (void)state;
    mx_dataset *d = pictures();
    mx_scratch s = {0};
    mx_error e = {0};
    static float got[N], want[N];
    int flips = 0;
    for (int turn = 0; turn < 120; turn++) {
        mx_transform t = everything();
        if (turn % 3 == 1) t.randaugment.on = false, t.color_jitter = 0.4;
        if (turn % 3 == 2) t.erase.probability = 0;
        mx_rng r = mx_rng_make(9, MX_RNG_AUGMENT, (uint64_t)turn, 0);
        assert_int_equal(mx_transform_file(d, &t, turn % 6, r, &s, got, &e), MX_OK);
        flips += by_hand(want, d, &t, turn % 6, r);
        assert_memory_equal(got, want, sizeof got);
    }
    assert_in_range(flips, 40, 80);
    mx_scratch_free(&s);
    mx_dataset_close(d);
}

/* Erasing comes last: all that it does not cover is as without it. */
static void erasing_changes_nothing_else(void **state) {
    (void)state;
    mx_dataset *d = pictures();
    mx_scratch s = {0};
    mx_error e = {0};
    static float with[N], without[N];
    int touched = 0;
    for (int turn = 0; turn < 40; turn++) {
        mx_transform t = everything();
        mx_rng r = mx_rng_make(10, MX_RNG_AUGMENT, (uint64_t)turn, 0);
        assert_int_equal(mx_transform_file(d, &t, turn % 6, r, &s, with, &e), MX_OK);
        t.erase.probability = 0;
        assert_int_equal(mx_transform_file(d, &t, turn % 6, r, &s, without, &e), MX_OK);
        int differ = 0;
        for (int k = 0; k < N; k++) differ += with[k] != without[k];
        assert_true(differ < N / 2);
        touched += differ > 0;
    }
    assert_in_range(touched, 10, 30);
    mx_scratch_free(&s);
    mx_dataset_close(d);
}

static uint64_t stream(const mx_dataset *d, int workers) {
    mx_loader_config c = {.data = d,
                          .transform = everything(),
                          .seed = 5,
                          .batch = 4,
                          .batches_per_epoch = 3,
                          .workers = workers,
                          .ahead = 2,
                          .bad_share = 0.5};
    mx_loader *l = NULL;
    mx_error e = {0};
    uint64_t h = 14695981039346656037u;
    if (mx_loader_open(&l, &c, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < 9; i++) {
        mx_batch b;
        if (mx_loader_next(l, &b, &e)) fail_msg("%s", e.text);
        const unsigned char *p = (const unsigned char *)b.images;
        for (size_t k = 0; k < sizeof(float) * 4 * N; k++) h = (h ^ p[k]) * 0x100000001b3u;
    }
    mx_loader_close(l);
    return h;
}

static void the_same_for_any_workers(void **state) {
    (void)state;
    mx_dataset *d = pictures();
    uint64_t alone = stream(d, 0);
    assert_true(stream(d, 1) == alone && stream(d, 3) == alone);
    mx_dataset_close(d);
}

static void memory_counts_the_second_image(void **state) {
    (void)state;
    mx_dataset *d = pictures();
    mx_transform t = everything(), plain = t;
    int64_t large;
    plain.randaugment.on = false;
    assert_true(mx_transform_memory(d, &t, 0, &large) >= mx_transform_memory(d, &plain, 0, &large) + N);
    mx_dataset_close(d);
}

static void what_is_refused(void **state) {
    (void)state;
    mx_transform t = everything();
    mx_error e = {0};
    t.channels = 4, t.mean[3] = 0, t.std[3] = 1;
    assert_int_equal(mx_transform_check(&t, &e), MX_ERR_ARGUMENT);
    assert_non_null(strstr(e.text, "--aa none"));
    const mx_erase bad[] = {{1.5, 0.02, 0.3, 0.3, 1, 0}, {0.5, 0.4, 0.3, 0.3, 1, 0},
                            {0.5, 0.02, 1.3, 0.3, 1, 0}, {0.5, 0.02, 0.3, 0, 1, 0},
                            {0.5, 0.02, 0.3, 0.3, 0, 0}, {NAN, 0.02, 0.3, 0.3, 1, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        t = everything(), e = (mx_error){0};
        t.erase = bad[i];
        if (mx_transform_check(&t, &e) != MX_ERR_ARGUMENT || !strstr(e.text, "erasing"))
            fail_msg("erase %zu was taken", i);
    }
    t = everything(), e = (mx_error){0}, t.color_jitter = NAN;
    assert_int_equal(mx_transform_check(&t, &e), MX_ERR_ARGUMENT);
    t = everything(), e = (mx_error){0};
    assert_int_equal(mx_transform_check(&t, &e), MX_OK);
}

/* 16-bit images under a policy for bytes end a run before it begins, and are named. */
static void deep_images_are_named(void **state) {
    (void)state;
    static const uint16_t deep[40 * 40 * 3];
    mx_dataset *d = pictures();
    mx_error e = {0};
    mx_dataset_close(d);
    put_npy("d/deep.npy", "<u2", 40, 40, 3, deep);
    assert_int_equal(mx_dataset_open(&d, at("d"), NULL, &e), MX_OK);
    mx_loader_config c = {
        .data = d, .transform = everything(), .batch = 2, .batches_per_epoch = 2, .bad_share = 0.5};
    mx_loader *l = NULL;
    assert_int_equal(mx_loader_open(&l, &c, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "deep.npy"));
    assert_non_null(strstr(e.text, "--aa none"));
    c.transform.randaugment.on = false, e = (mx_error){0};
    assert_int_equal(mx_loader_open(&l, &c, &e), MX_OK);
    mx_loader_close(l);
    mx_dataset_close(d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_base, remove_base)

int main(void) {
    const struct CMUnitTest tests[] = {T(order_of_steps),           T(erasing_changes_nothing_else),
                                       T(the_same_for_any_workers), T(memory_counts_the_second_image),
                                       T(what_is_refused),          T(deep_images_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
