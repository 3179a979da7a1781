/* Makes folders of small images for tests, in a new temporary folder. Include it once per test. */
#ifndef MX_TESTS_IMAGE_FOLDER_H
#define MX_TESTS_IMAGE_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
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

#include "data/dataset.h"

static char base[64]; /* the temporary folder */

/* base/rel; four results are valid at a time. */
static const char *at(const char *rel) {
    static char path[4][8192];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", base, rel);
    return path[turn];
}

static int new_base(void **state) {
    (void)state;
    strcpy(base, "/tmp/mx-test-XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st, (void)type, (void)f;
    return remove(path);
}

static int remove_base(void **state) {
    (void)state;
    return nftw(base, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* mkdir -p of the folders above base/rel. */
static void make_parents(const char *rel) {
    char path[8192];
    snprintf(path, sizeof path, "%s", at(rel));
    for (char *p = path + strlen(base) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(path, 0755);
        *p = '/';
    }
}

static inline void put_bytes(const char *rel, const void *bytes, size_t size) {
    make_parents(rel);
    FILE *f = fopen(at(rel), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static inline void put_text(const char *rel, const char *text) { put_bytes(rel, text, strlen(text)); }

/* A picture whose pixels depend on seed and position. */
static inline void put_picture(const char *rel, int width, int height, int channels, uint32_t seed) {
    mx_image im = {0};
    mx_error e = {0};
    mx_rng r = mx_rng_make(seed, MX_RNG_TEST, 0, 0);
    make_parents(rel);
    assert_int_equal(mx_image_make(&im, width, height, channels, MX_PIXEL_U8, &e), MX_OK);
    uint8_t *p = im.pixels;
    for (int i = 0; i < width * height * channels; i++) p[i] = (uint8_t)mx_rng_u32(&r);
    const char *written =
        at("picture being written"); /* with some names, a temporary's name would be too long */
    if (strstr(rel, ".jp"))
        assert_int_equal(mx_image_write_jpeg(&im, written, 90, &e), MX_OK);
    else
        assert_int_equal(mx_image_write_png(&im, written, &e), MX_OK);
    char *bytes = malloc(1 << 20);
    FILE *f = fopen(written, "rb");
    assert_non_null(f);
    size_t size = fread(bytes, 1, 1 << 20, f);
    fclose(f), unlink(written);
    put_bytes(rel, bytes, size); /* in place: the folder's time changes only when the name is new */
    free(bytes);
    mx_image_free(&im);
}

/* descr "<f4", "<u2" or "|u1". */
static inline void put_npy(const char *rel, const char *descr, int height, int width, int channels,
                           const void *values) {
    size_t sample = (size_t)(descr[2] - '0'), size = sample * (size_t)(height * width * channels);
    char *bytes = calloc(1, 128 + size), head[119];
    int n = snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d, %d), }",
                     descr, height, width, channels);
    memset(bytes, ' ', 128);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(bytes + 10, head, (size_t)n);
    bytes[127] = '\n';
    memcpy(bytes + 128, values, size);
    put_bytes(rel, bytes, 128 + size);
    free(bytes);
}

static int age_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st, (void)f;
    struct timespec old[2] = {{1500000000, 0}, {1500000000, 0}};
    return type == FTW_D || type == FTW_DP ? utimensat(AT_FDCWD, path, old, 0) : 0;
}

/* Gives all folders below base/rel the same old modification time: a folder that has just changed is never
 * trusted. */
static inline void age(const char *rel) { assert_int_equal(nftw(at(rel), age_one, 32, FTW_PHYS), 0); }

#endif
