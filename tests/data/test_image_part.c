/* Decoding a part of a picture: every sample equals that of the whole decode. Also the vector code of
 * resizing, equal to the plain code to the byte. */
#include "image_encoders.h"

#include "data/image_internal.h"
#include "data/resize.h"

static uint32_t state = 7;
static int below(int n) { return (int)((state = state * 1664525u + 1013904223u) >> 8) % n; }

/* Smooth waves with some noise: neighbours differ, and upsampling smooths visibly. */
static uint8_t *picture(int width, int height, int channels) {
    uint8_t *p = malloc((size_t)(width * height * channels));
    assert_non_null(p);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                p[(y * width + x) * channels + c] =
                    (uint8_t)((x * (3 + c) + y * (5 - c) + (x / 7 % 2 ? 90 : 0)) / 2 + below(24));
    return p;
}

static mx_box chosen;
static int seen_w, seen_h;
static mx_box choose(void *user, int width, int height) {
    (void)user;
    seen_w = width, seen_h = height;
    return chosen;
}

static mx_box draw_box(int width, int height) {
    mx_box b = {.width = 1 + below(width), .height = 1 + below(height)};
    b.left = below(width - b.width + 1), b.top = below(height - b.height + 1);
    return b;
}

static void compare(const mx_image *whole, const mx_image *part, mx_box at) {
    const size_t c = (size_t)whole->channels, row = (size_t)chosen.width * c;
    assert_int_equal(part->channels, whole->channels);
    assert_true(at.left >= 0 && at.top >= 0 && at.width == chosen.width && at.height == chosen.height);
    assert_true(at.left + at.width <= part->width && at.top + at.height <= part->height);
    for (int y = 0; y < chosen.height; y++)
        if (memcmp((uint8_t *)part->pixels +
                       ((size_t)(at.top + y) * (size_t)part->width + (size_t)at.left) * c,
                   (uint8_t *)whole->pixels +
                       ((size_t)(chosen.top + y) * (size_t)whole->width + (size_t)chosen.left) * c,
                   row))
            fail_msg("row %d of %dx%d at %d,%d of a picture of %dx%d differs", y, chosen.width, chosen.height,
                     chosen.left, chosen.top, whole->width, whole->height);
}

/* `boxes` parts of f as 1 and 3 channels; returns the fewest samples that were decoded. */
static int64_t check(file f, int boxes) {
    int64_t fewest = INT64_MAX;
    for (int channels = 1; channels <= 3; channels += 2) {
        mx_error e = {0};
        mx_image whole;
        if (mx_image_decode(&whole, f.bytes, f.size, channels, &e)) fail_msg("%s", e.text);
        for (int i = 0; i < boxes; i++) {
            mx_image part;
            mx_box at = {0};
            const mx_part how = {.choose = choose};
            chosen = i ? draw_box(whole.width, whole.height) : (mx_box){0, 0, whole.height, whole.width};
            if (mx_image_decode_part(&part, &at, f.bytes, f.size, channels, &how, &e)) fail_msg("%s", e.text);
            assert_true(seen_w == whole.width && seen_h == whole.height);
            compare(&whole, &part, at);
            int64_t samples = (int64_t)part.width * part.height * part.channels;
            if (samples < fewest) fewest = samples;
            mx_image_free(&part);
        }
        mx_image_free(&whole);
    }
    return fewest;
}

static void every_sample_of_a_part_is_the_wholes(void **unused) {
    (void)unused;
    const int sampling[] = {11, 22, 21, 12}; /* 4:4:4, 4:2:0, 4:2:2, 4:4:0 */
    const int sizes[][2] = {{500, 375}, {97, 203}, {16, 16}, {33, 65}, {1, 40}, {250, 8}};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t k = 0; k < COUNT(sampling); k++)
            for (int restart = 0; restart < 8; restart += 7) {
                int w = sizes[s][0], h = sizes[s][1];
                uint8_t *p = picture(w, h, 3);
                file f = jpeg_make((jpeg_kind){.width = w,
                                               .height = h,
                                               .components = 3,
                                               .restart = restart,
                                               .sampling = sampling[k],
                                               .given = JCS_RGB,
                                               .stored = JCS_YCbCr},
                                   p);
                int64_t fewest = check(f, s ? 40 : 60);
                if (w == 500) assert_true(fewest < 500 * 375 / 2); /* it was decoded in part */
                free(f.bytes), free(p);
            }
}

static void other_files_are_decoded_whole(void **unused) {
    (void)unused;
    uint8_t *p = picture(90, 70, 4);
    file f[] = {jpeg_make((jpeg_kind){90, 70, 3, 0, 1, 2, JCS_RGB, JCS_YCbCr}, p), /* progressive */
                jpeg_make((jpeg_kind){90, 70, 4, 0, 0, 0, JCS_CMYK, JCS_YCCK}, p),
                jpeg_make((jpeg_kind){90, 70, 1, 0, 0, 0, JCS_GRAYSCALE, JCS_GRAYSCALE}, p),
                png_make((png_kind){90, 70, 8, PNG_COLOR_TYPE_RGB, 0, 0, 0}, p, 270)};
    for (size_t i = 0; i < COUNT(f); i++) check(f[i], 20), free(f[i].bytes);
    free(p);
}

/* What is cut off is an error wherever the part lies, as in a whole decode. */
static void a_cut_file_is_an_error(void **unused) {
    (void)unused;
    uint8_t *p = picture(200, 150, 3);
    file f = jpeg_make((jpeg_kind){200, 150, 3, 0, 0, 2, JCS_RGB, JCS_YCbCr}, p);
    const mx_part how = {.choose = choose};
    chosen = (mx_box){0, 0, 10, 10};
    for (size_t cut = 1; cut < f.size; cut += f.size / 50) {
        mx_error e = {0};
        mx_image part;
        mx_box at;
        assert_int_equal(mx_image_decode_part(&part, &at, f.bytes, f.size - cut, 3, &how, &e), MX_ERR_FORMAT);
        assert_null(part.pixels);
    }
    free(f.bytes), free(p);
}

/* Fast: half the size while it stays larger than what is asked for, and about the same colours. */
static void fast_parts_are_smaller_and_alike(void **unused) {
    (void)unused;
    uint8_t *p = malloc(800 * 600 * 3);
    for (int i = 0; i < 800 * 600; i++)
        p[3 * i] = (uint8_t)(i % 800 / 4), p[3 * i + 1] = (uint8_t)(i / 800 / 3), p[3 * i + 2] = 90;
    file f = jpeg_make((jpeg_kind){800, 600, 3, 0, 0, 2, JCS_RGB, JCS_YCbCr}, p);
    const int by[][3] = {{100, 100, 4}, {101, 100, 2}, {200, 200, 2}, {400, 400, 1}, {1, 1, 8}};
    for (size_t i = 0; i < COUNT(by); i++) {
        const mx_part how = {.choose = choose, .fast = true, .out_w = by[i][0], .out_h = by[i][1]};
        mx_error e = {0};
        mx_image part;
        mx_box at;
        chosen = (mx_box){120, 240, 400, 400};
        if (mx_image_decode_part(&part, &at, f.bytes, f.size, 3, &how, &e)) fail_msg("%s", e.text);
        int scale = by[i][2];
        assert_int_equal(at.width, 400 / scale);
        assert_int_equal(at.height, 400 / scale);
        for (int y = 0; y < at.height; y += 7)
            for (int x = 0; x < at.width; x += 5) {
                const uint8_t *q = (uint8_t *)part.pixels + ((at.top + y) * part.width + at.left + x) * 3;
                const int want_r = (240 + (x * 2 + 1) * scale / 2) / 4,
                          want_g = (120 + (y * 2 + 1) * scale / 2) / 3;
                assert_in_range(q[0] + 4 - want_r, 0, 8);
                assert_in_range(q[1] + 4 - want_g, 0, 8);
            }
        mx_image_free(&part);
    }
    free(f.bytes), free(p);
}

/* RGB takes the vector code across, four channels the plain code: equal where both have the samples. A width
 * of less than 16 bytes takes the plain code down. */
static void vector_code_equals_plain_code(void **unused) {
    (void)unused;
    const int cases[][4] = {{500, 375, 224, 224}, {37, 41, 224, 224}, {224, 10, 7, 224},
                            {900, 60, 16, 17},    {3, 3, 50, 4},      {640, 480, 5, 3},
                            {2, 9, 40, 9},        {2000, 9, 8, 9},    {6, 2000, 6, 5}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        mx_error e = {0};
        mx_image in3, in4, out3, out4;
        int w = cases[i][0], h = cases[i][1], ow = cases[i][2], oh = cases[i][3];
        assert_int_equal(mx_image_make(&in3, w, h, 3, MX_PIXEL_U8, &e), MX_OK);
        assert_int_equal(mx_image_make(&in4, w, h, 4, MX_PIXEL_U8, &e), MX_OK);
        assert_int_equal(mx_image_make(&out3, ow, oh, 3, MX_PIXEL_U8, &e), MX_OK);
        assert_int_equal(mx_image_make(&out4, ow, oh, 1, MX_PIXEL_U8, &e), MX_OK);
        uint8_t *p = in3.pixels;
        for (int k = 0; k < w * h * 3; k++) p[k] = (uint8_t)(below(3) ? below(256) : below(2) * 255);
        for (int filter = 0; filter < 2; filter++)
            for (int b = 0; b < 6; b++) {
                mx_box box = b ? draw_box(w, h) : (mx_box){0, 0, h, w};
                assert_int_equal(mx_image_resize(&out3, &in3, box, filter, &e), MX_OK);
                for (int c = 0; c < 3; c++) { /* each channel alone goes the plain way across */
                    mx_image one = {w, h, 1, MX_PIXEL_U8, in4.pixels};
                    for (int k = 0; k < w * h; k++) ((uint8_t *)one.pixels)[k] = p[3 * k + c];
                    assert_int_equal(mx_image_resize(&out4, &one, box, filter, &e), MX_OK);
                    for (int k = 0; k < ow * oh; k++)
                        assert_int_equal(((uint8_t *)out3.pixels)[3 * k + c], ((uint8_t *)out4.pixels)[k]);
                }
            }
        mx_image_free(&in3), mx_image_free(&in4), mx_image_free(&out3), mx_image_free(&out4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_of_a_part_is_the_wholes),
        cmocka_unit_test(other_files_are_decoded_whole),
        cmocka_unit_test(a_cut_file_is_an_error),
        cmocka_unit_test(fast_parts_are_smaller_and_alike),
        cmocka_unit_test(vector_code_equals_plain_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
