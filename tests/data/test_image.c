/* Resizing compared with Pillow's own bytes, the random crop, tensors and encoding. The expected bytes were
 * made with Pillow 9.5 and equal those of 12.0; the two rows named so come from docs/AUGMENT.md. Decoding:
 * test_image_decode.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "data/image.h"

static mx_image make(int width, int height, int channels, mx_pixel type) {
    mx_image im;
    mx_error e = {0};
    if (mx_image_make(&im, width, height, channels, type, &e)) fail_msg("%s", e.text);
    return im;
}

static mx_box whole(const mx_image *im) { return (mx_box){0, 0, im->height, im->width}; }

static void resize(mx_image *out, const mx_image *in, mx_box box, mx_filter filter) {
    mx_error e = {0};
    if (mx_image_resize(out, in, box, filter, &e)) fail_msg("%s", e.text);
}

/* ---- resizing ---- */

static const uint8_t golden_row[8] = {0, 10, 50, 255, 255, 3, 128, 77};

/* The golden row as a row and as a column, in one channel and in three: all four must give want. */
static void check_row(mx_filter filter, int n, const uint8_t *want) {
    for (int channels = 1; channels <= 3; channels += 2)
        for (int column = 0; column < 2; column++) {
            mx_image in = make(column ? 1 : 8, column ? 8 : 1, channels, MX_PIXEL_U8);
            mx_image out = make(column ? 1 : n, column ? n : 1, channels, MX_PIXEL_U8);
            for (int i = 0; i < 8 * channels; i++) ((uint8_t *)in.pixels)[i] = golden_row[i / channels];
            resize(&out, &in, whole(&in), filter);
            for (int i = 0; i < n * channels; i++)
                assert_int_equal(((uint8_t *)out.pixels)[i], want[i / channels]);
            mx_image_free(&in);
            mx_image_free(&out);
        }
}

static void golden_rows(void **state) {
    (void)state;
    check_row(MX_FILTER_BICUBIC, 4, (const uint8_t[]){0, 159, 149, 83}); /* docs/AUGMENT.md */
    check_row(MX_FILTER_BICUBIC, 12,
              (const uint8_t[]){0, 2, 13, 33, 155, 255, 255, 121, 4, 113, 108, 74}); /* docs/AUGMENT.md */
    check_row(MX_FILTER_BICUBIC, 3, (const uint8_t[]){26, 182, 85});
    check_row(MX_FILTER_BICUBIC, 1, (const uint8_t[]){106});
    check_row(MX_FILTER_BILINEAR, 4, (const uint8_t[]){11, 148, 145, 88});
    check_row(MX_FILTER_BILINEAR, 12, (const uint8_t[]){0, 5, 17, 43, 153, 255, 255, 129, 24, 107, 103, 77});
    check_row(MX_FILTER_BILINEAR, 3, (const uint8_t[]){36, 170, 94});
    check_row(MX_FILTER_BILINEAR, 1, (const uint8_t[]){110});
}

static mx_image pattern(void) { /* 83x61 RGB */
    mx_image im = make(83, 61, 3, MX_PIXEL_U8);
    uint8_t *p = im.pixels;
    for (int y = 0; y < 61; y++)
        for (int x = 0; x < 83; x++)
            for (int c = 0; c < 3; c++)
                *p++ = (uint8_t)(x * x * 7 + y * 13 * x + c * 101 * (y + 1) + (x ^ y) * 29);
    return im;
}

static const struct {
    mx_box box;
    int height, width;
    mx_filter filter;
    uint32_t crc;
} golden_crops[] = {
    {{0, 0, 61, 83}, 24, 24, MX_FILTER_BICUBIC, 0x4741a960u},
    {{0, 0, 61, 83}, 24, 24, MX_FILTER_BILINEAR, 0x31e6ee33u},
    {{0, 0, 61, 83}, 97, 40, MX_FILTER_BICUBIC, 0x5d26611eu},
    {{0, 0, 61, 83}, 61, 20, MX_FILTER_BICUBIC, 0x3ab69b74u},
    {{0, 0, 61, 83}, 30, 83, MX_FILTER_BICUBIC, 0xbeda09c6u},
    {{0, 0, 61, 83}, 120, 130, MX_FILTER_BILINEAR, 0x624a103au},
    {{0, 0, 61, 83}, 1, 1, MX_FILTER_BICUBIC, 0x340b6979u},
    {{5, 7, 40, 33}, 24, 24, MX_FILTER_BICUBIC, 0x1539d209u},
    {{5, 7, 40, 33}, 24, 24, MX_FILTER_BILINEAR, 0xab92eb3cu},
    {{5, 7, 40, 33}, 97, 40, MX_FILTER_BICUBIC, 0xe914b27cu},
    {{5, 7, 40, 33}, 61, 20, MX_FILTER_BICUBIC, 0x1107e518u},
    {{5, 7, 40, 33}, 30, 83, MX_FILTER_BICUBIC, 0xd5d2d1f5u},
    {{5, 7, 40, 33}, 120, 130, MX_FILTER_BICUBIC, 0x007a30fbu},
    {{5, 7, 40, 33}, 1, 1, MX_FILTER_BILINEAR, 0xf0ea31a1u},
};

static void golden_images(void **state) {
    (void)state;
    mx_image in = pattern();
    for (size_t i = 0; i < sizeof golden_crops / sizeof *golden_crops; i++) {
        mx_image out = make(golden_crops[i].width, golden_crops[i].height, 3, MX_PIXEL_U8);
        resize(&out, &in, golden_crops[i].box, golden_crops[i].filter);
        uint32_t crc = (uint32_t)crc32(0, out.pixels, (uInt)(out.width * out.height * 3));
        if (crc != golden_crops[i].crc)
            fail_msg("case %zu: expected %08x, found %08x", i, golden_crops[i].crc, crc);
        mx_image_free(&out);
    }
    mx_image_free(&in);
}

/* A box of unchanged size is a copy; a flat image stays flat, whatever the size. */
static void copies_and_flat(void **state) {
    (void)state;
    mx_image in = pattern(), out = make(20, 31, 3, MX_PIXEL_U8);
    resize(&out, &in, (mx_box){9, 40, 31, 20}, MX_FILTER_BICUBIC);
    for (int y = 0; y < 31; y++)
        assert_memory_equal((uint8_t *)out.pixels + y * 60, (uint8_t *)in.pixels + ((y + 9) * 83 + 40) * 3,
                            60);
    memset(in.pixels, 201, 83 * 61 * 3);
    resize(&out, &in, whole(&in), MX_FILTER_BICUBIC);
    for (int i = 0; i < 31 * 60; i++) assert_int_equal(((uint8_t *)out.pixels)[i], 201);
    mx_image_free(&in);
    mx_image_free(&out);
}

static double cubic(double x) {
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* One result sample straight from the definition, both axes at once, in double. */
static double defined(const mx_image *in, mx_box b, int out_w, int out_h, int x, int y, int k) {
    double sx = (double)b.width / out_w, sy = (double)b.height / out_h, fx = fmax(sx, 1), fy = fmax(sy, 1);
    double sum = 0, weights = 0;
    for (int j = 0; j < b.height; j++)
        for (int i = 0; i < b.width; i++) {
            double w = cubic((i + 0.5 - (x + 0.5) * sx) / fx) * cubic((j + 0.5 - (y + 0.5) * sy) / fy);
            size_t at =
                ((size_t)(b.top + j) * (size_t)in->width + (size_t)(b.left + i)) * (size_t)in->channels +
                (size_t)k;
            sum += w * (in->type == MX_PIXEL_U16 ? ((uint16_t *)in->pixels)[at]
                                                 : (double)((float *)in->pixels)[at]);
            weights += w;
        }
    return sum / weights;
}

/* 16 bits and float against the definition: not cut to 8 bits, no rounding between, clipped to 0..65535. */
static void wide_samples(void **state) {
    (void)state;
    const mx_box box = {2, 3, 17, 21};
    const int sizes[][2] = {{9, 11}, {30, 25}, {17, 8}, {40, 21}};
    mx_rng r = mx_rng_make(5, MX_RNG_TEST, 0, 0);
    int clipped = 0;
    for (int t = 0; t < 8; t++) {
        mx_pixel type = t % 2 ? MX_PIXEL_F32 : MX_PIXEL_U16;
        int h = sizes[t / 2][0], w = sizes[t / 2][1];
        mx_image in = make(27, 22, 2, type), out = make(w, h, 2, type);
        for (int i = 0; i < 27 * 22 * 2; i++) {
            if (type == MX_PIXEL_U16)
                ((uint16_t *)in.pixels)[i] = mx_rng_below(&r, 3) ? (uint16_t)mx_rng_u32(&r) : 65535;
            else
                ((float *)in.pixels)[i] = (float)mx_rng_normal(&r);
        }
        resize(&out, &in, box, MX_FILTER_BICUBIC);
        for (int i = 0; i < w * h * 2; i++) {
            double want = defined(&in, box, w, h, i / 2 % w, i / 2 / w, i % 2);
            if (type == MX_PIXEL_F32)
                assert_true(fabs(((float *)out.pixels)[i] - want) < 1e-5);
            else {
                clipped += want < 0 || want > 65535;
                want = want < 0 ? 0 : want > 65535 ? 65535 : want;
                assert_true(fabs(((uint16_t *)out.pixels)[i] - want) <= 0.5 + 0.05);
            }
        }
        mx_image_free(&in);
        mx_image_free(&out);
    }
    assert_true(clipped > 10);
}

static void resize_refuses(void **state) {
    (void)state;
    mx_image in = pattern(), out = make(4, 4, 3, MX_PIXEL_U8), grey = make(4, 4, 1, MX_PIXEL_U8);
    const mx_box bad[] = {{-1, 0, 4, 4}, {0, -1, 4, 4}, {0, 0, 0, 4},         {0, 0, 4, 0},
                          {58, 0, 4, 4}, {0, 80, 4, 4}, {INT32_MAX, 0, 4, 4}, {0, 0, INT32_MAX, 4}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(mx_image_resize(&out, &in, bad[i], MX_FILTER_BICUBIC, NULL), MX_ERR_ARGUMENT);
    assert_int_equal(mx_image_resize(&grey, &in, whole(&in), MX_FILTER_BICUBIC, NULL), MX_ERR_ARGUMENT);
    mx_image_free(&in);
    mx_image_free(&out);
    mx_image_free(&grey);
}

/* ---- the random crop ---- */

/* Half of torchvision's definition can be checked exactly: area and ratio of what is accepted. A square image
 * of 1000 takes most first draws, so area is uniform up to the corner that the edge cuts off. */
static void crop_statistics(void **state) {
    (void)state;
    enum { DRAWS = 20000 };
    mx_rng r = mx_rng_make(11, MX_RNG_TEST, 1, 0);
    double area = 0, ratio = 0, top = 0, left = 0, least = 1, most = 0;
    int edges = 0;
    for (int i = 0; i < DRAWS; i++) {
        mx_box b = mx_crop_draw(&r, 1000, 1000, 0.2, 0.5, 3.0 / 4, 4.0 / 3);
        assert_true(b.top >= 0 && b.left >= 0 && b.width > 0 && b.height > 0);
        assert_true(b.top + b.height <= 1000 && b.left + b.width <= 1000);
        double a = (double)b.width * b.height / 1e6, q = log((double)b.width / b.height);
        assert_true(a > 0.198 && a < 0.502 && fabs(q) < log(4.0 / 3) + 0.005);
        least = fmin(least, a), most = fmax(most, a);
        area += a / DRAWS, ratio += q * q / DRAWS;
        top += (double)b.top / (1000 - b.height) / DRAWS, left += (double)b.left / (1000 - b.width) / DRAWS;
        edges += b.top == 0 || b.top == 1000 - b.height;
    }
    /* means of uniform draws; limits are above 5 standard errors */
    assert_true(fabs(area - 0.35) < 0.004 && least < 0.201 && most > 0.499);
    assert_true(fabs(ratio - pow(log(4.0 / 3), 2) / 3) < 0.001);
    assert_true(fabs(top - 0.5) < 0.011 && fabs(left - 0.5) < 0.011);
    assert_true(edges > 20); /* both ends are possible */
}

static void crop_reproducible(void **state) {
    (void)state;
    mx_rng r = mx_rng_make(3, MX_RNG_AUGMENT, 7, 1), s = r, t = r;
    mx_box a = mx_crop_draw(&r, 1000, 900, 0.2, 0.5, 3.0 / 4, 4.0 / 3);
    mx_box b = mx_crop_draw(&s, 1000, 900, 0.2, 0.5, 3.0 / 4, 4.0 / 3);
    assert_memory_equal(&a, &b, sizeof a);
    /* The draw order is part of the promise: area, ratio, top, left. Any half of this image fits. */
    double target = 1000 * 900 * (0.2 + 0.3 * mx_rng_uniform(&t));
    double ratio = exp(log(0.75) + (log(4.0 / 3) - log(0.75)) * mx_rng_uniform(&t));
    int w = (int)rint(sqrt(target * ratio)), h = (int)rint(sqrt(target / ratio));
    assert_int_equal(a.width, w);
    assert_int_equal(a.height, h);
    assert_int_equal(a.top, (int)mx_rng_below(&t, (uint64_t)(900 - h + 1)));
    assert_int_equal(a.left, (int)mx_rng_below(&t, (uint64_t)(1000 - w + 1)));
}

static void check_fallback(int width, int height, mx_box want) {
    mx_rng r = mx_rng_make(1, MX_RNG_TEST, 2, 0);
    mx_box b = mx_crop_draw(&r, width, height, 0.9, 1, 3.0 / 4, 4.0 / 3);
    assert_memory_equal(&b, &want, sizeof b);
}

/* Images so long that no draw fits: the centre, deterministic. */
static void crop_fallback(void **state) {
    (void)state;
    check_fallback(1000, 100, (mx_box){0, 433, 100, 133}); /* round(100 * 4/3), (1000-133)//2 */
    check_fallback(100, 1000, (mx_box){433, 0, 133, 100}); /* round(100 / (3/4)) */
    check_fallback(1, 1000, (mx_box){499, 0, 1, 1});
    check_fallback(1000, 1, (mx_box){0, 499, 1, 1});
    mx_rng r = mx_rng_make(1, MX_RNG_TEST, 3, 0);
    for (int i = 0; i < 100; i++) { /* a single pixel has one crop */
        mx_box b = mx_crop_draw(&r, 1, 1, 0.2, 1, 3.0 / 4, 4.0 / 3), want = {0, 0, 1, 1};
        assert_memory_equal(&b, &want, sizeof b);
    }
    /* nothing fits a square when every ratio is 2 and the area is whole: width 100, height 50 of 100x100 */
    mx_box b = mx_crop_draw(&r, 100, 100, 1, 1, 2, 2), want = {25, 0, 50, 100};
    assert_memory_equal(&b, &want, sizeof b);
}

/* ---- tensors ---- */

static void to_tensor(void **state) {
    (void)state;
    const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    for (int type = MX_PIXEL_U8; type <= MX_PIXEL_F32; type++)
        for (int flip = 0; flip < 2; flip++) {
            mx_image im = make(5, 4, 3, (mx_pixel)type);
            float chw[60],
                range = type == MX_PIXEL_U8    ? 255.0f
                        : type == MX_PIXEL_U16 ? 10000.0f
                                               : 1.0f,
                v[60];
            for (int i = 0; i < 60; i++) {
                v[i] = type == MX_PIXEL_U8    ? (float)(i * 4)
                       : type == MX_PIXEL_U16 ? (float)(i * 1000)
                                              : (float)i / 7;
                if (type == MX_PIXEL_U8)
                    ((uint8_t *)im.pixels)[i] = (uint8_t)v[i];
                else if (type == MX_PIXEL_U16)
                    ((uint16_t *)im.pixels)[i] = (uint16_t)v[i];
                else
                    ((float *)im.pixels)[i] = v[i];
            }
            mx_image_to_tensor(chw, &im, flip, range, mean, std);
            for (int c = 0; c < 3; c++)
                for (int y = 0; y < 4; y++)
                    for (int x = 0; x < 5; x++) {
                        float value = v[(y * 5 + (flip ? 4 - x : x)) * 3 + c] / range;
                        float want = (value - mean[c]) / std[c]; /* to the bit */
                        assert_memory_equal(&chw[(c * 4 + y) * 5 + x], &want, 4);
                    }
            mx_image_free(&im);
        }
}

/* ---- files ---- */

static void names(void **state) {
    (void)state;
    const char *known[] = {"a.jpg", "a.JPEG", "b/c.PNG", "x.WebP", "x.tif",   "x.TIFF",   "a.jfif",
                           "a.JPE", "x.gif",  "x.BMP",   "x.pgm",  "a.b.npy", "d.x/a.jpg"};
    const char *unknown[] = {"jpg", "a.jpgx", "a.heic", "a", "", "a.", "a.jpg/b", "png", ".jpg", "a.npz"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) assert_true(mx_image_name_known(known[i]));
    char kinds[MX_IMAGE_KINDS];
    mx_image_kinds(kinds); /* missing libraries change nothing */
    assert_string_equal(kinds, "JPEG, PNG, WebP, TIFF, GIF, BMP, PNM or .npy");
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_false(mx_image_name_known(unknown[i]));
}

static void encode_and_read(void **state) {
    (void)state;
    char folder[] = "/tmp/mx-image-XXXXXX", path[64];
    mx_error e = {0};
    mx_image im = pattern(), back, flat = make(16, 8, 1, MX_PIXEL_U8);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.png", folder);
    assert_int_equal(mx_image_write_png(&im, path, &e), MX_OK);
    assert_int_equal(mx_image_read(&back, path, 3, false, &e), MX_OK);
    assert_int_equal(back.width, 83);
    assert_int_equal(back.height, 61);
    assert_memory_equal(back.pixels, im.pixels, 83 * 61 * 3);
    mx_image_free(&back);
    memset(flat.pixels, 93, 128);
    assert_int_equal(mx_image_write_jpeg(&flat, path, 100, &e), MX_OK); /* content decides, not the name */
    assert_int_equal(mx_image_read(&back, path, 1, false, &e), MX_OK);
    assert_memory_equal(back.pixels, flat.pixels, 128);
    mx_image_free(&back);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mx_image_read(&back, path, 1, false, &e), MX_ERR_IO);
    assert_non_null(strstr(e.text, path));
    assert_int_equal(mx_image_read(&back, folder, 1, false, NULL), MX_ERR_IO);
    assert_int_not_equal(mx_image_write_png(&im, "/nowhere/at/all.png", NULL), MX_OK);
    assert_int_equal(rmdir(folder), 0); /* no temporary left behind */
    mx_image wide = make(2, 2, 3, MX_PIXEL_U16);
    assert_int_equal(mx_image_write_png(&wide, path, NULL), MX_ERR_ARGUMENT);
    assert_int_equal(mx_image_write_jpeg(&wide, path, 90, NULL), MX_ERR_ARGUMENT);
    mx_image_free(&wide);
    mx_image_free(&flat);
    mx_image_free(&im);
}

static void making(void **state) {
    (void)state;
    mx_image im;
    const int bad[][3] = {
        {0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {-1, 1, 1}, {1 << 15, 1 << 15, 2}, {INT32_MAX, INT32_MAX, 3}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mx_error e = {0};
        assert_int_equal(mx_image_make(&im, bad[i][0], bad[i][1], bad[i][2], MX_PIXEL_U8, &e), MX_ERR_FORMAT);
        assert_null(im.pixels);
        assert_true(strlen(e.text) > 0);
    }
    mx_image_free(NULL);
    mx_image_free(&im);
    mx_image_free(&im);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_rows),       cmocka_unit_test(golden_images),
        cmocka_unit_test(copies_and_flat),   cmocka_unit_test(wide_samples),
        cmocka_unit_test(resize_refuses),    cmocka_unit_test(crop_statistics),
        cmocka_unit_test(crop_reproducible), cmocka_unit_test(crop_fallback),
        cmocka_unit_test(to_tensor),         cmocka_unit_test(names),
        cmocka_unit_test(encode_and_read),   cmocka_unit_test(making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
