/* What each operation of RandAugment, the whole policy and erasing cost on one core, at 224 x 224 RGB. Made by
 * `cmake --build build --target augment_rate`.
 *
 * Prints microseconds, the median of 15 rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/erase.h"
#include "data/randaugment.h"

enum { SIDE = 224, ROUNDS = 15 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v) {
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

int main(void) {
    static const char *const name[MX_OPS] = {"AutoContrast", "Equalize",   "Invert",      "Rotate",
                                             "Posterize",    "Solarize",   "SolarizeAdd", "Color",
                                             "Contrast",     "Brightness", "Sharpness",   "ShearX",
                                             "ShearY",       "TranslateX", "TranslateY"};
    const double argument[MX_OPS] = {0, 0, 0, 27, 1, 26, 99, 1.81, 1.81, 1.81, 1.81, 0.27, 0.27, 90.7, 90.7};
    const uint8_t fill[3] = {124, 116, 104};
    static uint8_t original[SIDE * SIDE * 3];
    static float chw[SIDE * SIDE * 3];
    mx_image im, spare = {0};
    mx_error e = {0};
    mx_rng r = mx_rng_make(1, MX_RNG_TEST, 0, 0);
    double v[ROUNDS];
    for (size_t i = 0; i < sizeof original; i++)
        original[i] = (uint8_t)(128 + i / 2000 + mx_rng_u32(&r) % 64);
    mx_image_make(&im, SIDE, SIDE, 3, MX_PIXEL_U8, &e);
    for (int k = 0; k < MX_OPS; k++) {
        for (int i = 0; i < ROUNDS; i++) {
            memcpy(im.pixels, original, sizeof original);
            double start = now();
            mx_augment_op((mx_augment_kind)k, argument[k], &im, &spare, fill, &e);
            v[i] = now() - start;
        }
        printf("%-14s %8.0f us\n", name[k], median(v));
    }
    mx_randaugment a;
    mx_randaugment_parse(&a, "rand-m9-mstd0.5-inc1", &e);
    double start = now();
    for (int i = 0; i < 400; i++) mx_randaugment_apply(&a, &im, &spare, fill, &r, &e);
    printf("%-14s %8.0f us an image (mean of 400)\n", "policy", (now() - start) / 400);
    const mx_erase c = {0.25, 0.02, 1.0 / 3, 0.3, 1, MX_ERASE_PIXEL};
    start = now();
    for (int i = 0; i < 400; i++) mx_random_erase(&c, chw, 3, SIDE, SIDE, &r);
    printf("%-14s %8.0f us an image (mean of 400)\n", "erasing", (now() - start) / 400);
    return 0;
}
