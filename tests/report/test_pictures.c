/* Patches back to pixels, and grids of pictures, compared with formulas written out here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "report/font.h"
#include "report/grid.h"
#include "objective/mixmae_view.h"

enum { C = 3, H = 12, W = 20, SIDE = 4, P = SIDE * SIDE * C, ACROSS = W / SIDE, COUNT = (H / SIDE) * ACROSS };

static void fill(float *v, int n, uint32_t seed) {
    mx_rng r = mx_rng_make(seed, MX_RNG_TEST, 0, 0);
    for (int i = 0; i < n; i++) v[i] = (float)mx_rng_normal(&r);
}

static float pixel(const float *image, int c, int y, int x) { return image[(c * H + y) * W + x]; }

static void test_paste(void **state) {
    (void)state;
    float image[C * H * W], want[C * H * W], patch[P];
    for (int index = 0; index < COUNT; index++) {
        fill(image, C * H * W, 1), fill(patch, P, 2);
        memcpy(want, image, sizeof want);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int c = 0; c < C; c++)
                    want[(c * H + index / ACROSS * SIDE + y) * W + index % ACROSS * SIDE + x] =
                        patch[(y * SIDE + x) * C + c];
        mx_paste_patch(image, patch, C, H, W, SIDE, index);
        assert_memory_equal(image, want, sizeof want);
    }
}

/* A patch normalised here (docs/MODEL.md, the target) comes back as the pixels it was made of. */
static void test_unnormalise(void **state) {
    (void)state;
    float image[C * H * W], patch[P];
    fill(image, C * H * W, 3);
    for (int c = 0; c < C; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) image[(c * H + y) * W + x] = 0.25f; /* patch 0: no variance */
    for (int index = 0; index < COUNT; index++) {
        int top = index / ACROSS * SIDE, left = index % ACROSS * SIDE;
        double mean = 0, var = 0;
        for (int i = 0; i < P; i++)
            mean += (double)pixel(image, i % C, top + i / C / SIDE, left + i / C % SIDE) / P;
        for (int i = 0; i < P; i++)
            var +=
                pow((double)pixel(image, i % C, top + i / C / SIDE, left + i / C % SIDE) - mean, 2) / (P - 1);
        for (int i = 0; i < P; i++)
            patch[i] = (float)(((double)pixel(image, i % C, top + i / C / SIDE, left + i / C % SIDE) - mean) /
                               sqrt(var + 1e-6));
        mx_unnormalise_patch(patch, image, C, H, W, SIDE, index);
        for (int i = 0; i < P; i++)
            assert_float_equal(patch[i], pixel(image, i % C, top + i / C / SIDE, left + i / C % SIDE), 2e-6);
    }
    for (int i = 0; i < P; i++) patch[i] = 1000;
    mx_unnormalise_patch(patch, image, C, H, W, SIDE, 0); /* the eps alone: 1000 * sqrt(1e-6) + 0.25 */
    for (int i = 0; i < P; i++) assert_float_equal(patch[i], 1.25, 1e-6);
}

static const uint8_t *at(const mx_image *im, int x, int y) {
    return (const uint8_t *)im->pixels + 3 * ((size_t)y * (size_t)im->width + (size_t)x);
}

/* Top left pixel of the first cell: below the headings, inside the gap. Found by its colour. */
static void find(const mx_image *im, const uint8_t rgb[3], int *x, int *y, int *w, int *h) {
    int x0 = im->width, y0 = im->height, x1 = -1, y1 = -1;
    for (int j = 0; j < im->height; j++)
        for (int i = 0; i < im->width; i++)
            if (!memcmp(at(im, i, j), rgb, 3)) {
                x0 = i < x0 ? i : x0, x1 = i > x1 ? i : x1;
                y0 = j < y0 ? j : y0, y1 = j > y1 ? j : y1;
            }
    *x = x0, *y = y0, *w = x1 - x0 + 1, *h = y1 - y0 + 1;
}

/* Each cell in a colour of its own; the picture must hold each as one rectangle, in rows and columns. */
static void check_grid(int channels, int height, int width, int zoom, const char *const *headings) {
    enum { ROWS = 2, COLUMNS = 3 };
    static const float mean[4] = {0.5f, 0.4f, 0.3f, 0.2f}, std[4] = {0.25f, 0.5f, 0.2f, 1};
    const float *cells[ROWS * COLUMNS];
    mx_image grid = {0};
    mx_error e = {0};
    for (int k = 0; k < ROWS * COLUMNS; k++) {
        float *v = test_malloc(sizeof *v * (size_t)(channels * height * width));
        for (int i = 0; i < channels * height * width; i++) {
            int c = i / (height * width); /* byte 30 k + 10 c + 50 after colours are put back */
            v[i] = ((float)(30 * k + 10 * c + 50) / 255.0f - mean[c]) / std[c];
        }
        cells[k] = v;
    }
    if (mx_picture_grid(&grid, cells, ROWS, COLUMNS, headings, channels, height, width, mean, std, &e))
        fail_msg("%s", e.text);
    int x[ROWS * COLUMNS], y[ROWS * COLUMNS], w, h;
    for (int k = 0; k < ROWS * COLUMNS; k++) {
        int c = channels >= 3;
        uint8_t rgb[3] = {(uint8_t)(30 * k + 50), (uint8_t)(30 * k + 50 + 10 * c),
                          (uint8_t)(30 * k + 50 + 20 * c)};
        find(&grid, rgb, &x[k], &y[k], &w, &h);
        assert_int_equal(w, width * zoom);
        assert_int_equal(h, height * zoom);
        assert_int_equal(x[k], x[k % COLUMNS]);
        assert_int_equal(y[k], y[k - k % COLUMNS]);
        if (k % COLUMNS) assert_true(x[k] > x[k - 1] + w);
        if (k >= COLUMNS) assert_true(y[k] > y[k - COLUMNS] + h);
        test_free((void *)cells[k]);
    }
    int ink = 0;
    for (int j = 0; j < y[0]; j++)
        for (int i = 0; i < grid.width; i++) ink += *at(&grid, i, j) < 100;
    assert_int_equal(ink > 0, headings != NULL);
    mx_image_free(&grid);
}

static void test_grids(void **state) {
    (void)state;
    static const char *const headings[] = {"image", "Mixed, as seen",
                                           "a heading that is far too long for its cell to hold"};
    check_grid(3, 64, 64, 3, headings); /* enlarged to at least MX_CELL */
    check_grid(3, 10, 17, 16, headings);
    check_grid(3, 224, 300, 1, NULL);
    check_grid(1, 33, 32, 5, headings); /* grey */
    check_grid(2, 33, 32, 5, headings); /* two channels: the first as grey */
    check_grid(4, 32, 32, 5, headings); /* more: the first three */
}

static void test_odd_values(void **state) { /* not finite and far outside: no undefined conversion */
    (void)state;
    static const float zero[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    float cell[3] = {NAN, INFINITY, -1e30f};
    const float *cells[2] = {cell, NULL};
    mx_image grid = {0};
    mx_error e = {0};
    assert_int_equal(mx_picture_grid(&grid, cells, 1, 2, NULL, 3, 1, 1, zero, one, &e), MX_OK);
    int x, y, w, h;
    find(&grid, (const uint8_t[]){0, 255, 0}, &x, &y, &w, &h);
    assert_int_equal(w, MX_CELL);
    assert_int_equal(h, MX_CELL);
    assert_true(grid.width > 2 * MX_CELL); /* the empty cell keeps its room */
    mx_image_free(&grid);
}

static void test_refused(void **state) {
    (void)state;
    static const float v[3] = {1, 1, 1};
    const float *cells[1] = {v};
    mx_image grid = {0};
    mx_error e = {0};
    assert_int_equal(mx_picture_grid(&grid, cells, 0, 1, NULL, 3, 1, 1, v, v, &e), MX_ERR_ARGUMENT);
    e = (mx_error){0};
    assert_int_equal(mx_picture_grid(&grid, cells, INT32_MAX / 2, 1, NULL, 3, 1, 1, v, v, &e),
                     MX_ERR_ARGUMENT);
    assert_null(grid.pixels);
}

static void test_font(void **state) { /* every sign that it claims has a shape of its own */
    (void)state;
    static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789.,-:/()%+=_'";
    for (const char *p = all; *p; p++) {
        int ink = 0;
        for (int y = 0; y < MX_FONT_HEIGHT; y++)
            ink += mx_font_glyph(*p)[y], assert_true(mx_font_glyph(*p)[y] < 32);
        assert_true(ink > 0);
        for (const char *q = all; q < p; q++)
            assert_memory_not_equal(mx_font_glyph(*p), mx_font_glyph(*q), MX_FONT_HEIGHT);
    }
    assert_ptr_equal(mx_font_glyph('A'), mx_font_glyph('a'));
    for (int c = -128; c < 128; c++) assert_non_null(mx_font_glyph((char)c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paste),      cmocka_unit_test(test_unnormalise), cmocka_unit_test(test_grids),
        cmocka_unit_test(test_odd_values), cmocka_unit_test(test_refused),     cmocka_unit_test(test_font),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
