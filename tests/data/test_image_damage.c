/* Malicious and damaged files: empty, of other formats, with false sizes, cut at every length or with any bit
 * flipped, alone and from many threads. Each gives an error with a message or a whole image, and prints
 * nothing on stderr. */
#include "image_encoders.h"

#include <pthread.h>
#include <unistd.h>
#include <zlib.h>

static void empty_and_foreign(void **state) {
    (void)state;
    mx_image im;
    refused((file){(uint8_t *)"", 0, 0}, 3, "found no bytes");
    refused((file){(uint8_t *)"GIF89a", 6, 0}, 3, "GIF: damaged or cut off");
    refused((file){(uint8_t *)"ABCDEF", 6, 0}, 3, "41424344");
    refused((file){(uint8_t *)"\0\0\0\x18"
                              "ftypheic",
                   12, 0},
            3, "found HEIC, which is not read");
    refused((file){(uint8_t *)"\xff", 1, 0}, 3, "expected a JPEG, PNG");
    assert_int_equal(mx_image_decode(&im, "x", 1, 0, NULL), MX_ERR_ARGUMENT);
    assert_null(im.pixels);
}

/* Small files with great claims are refused before memory is asked for. */
static void great_claims(void **state) {
    (void)state;
    uint8_t grey[64] = {0};
    file f = jpeg_make((jpeg_kind){8, 8, 1, 0, 0, 0, JCS_GRAYSCALE, JCS_GRAYSCALE}, grey);
    for (size_t i = 2; i + 8 < f.size; i++)
        if (f.bytes[i] == 0xff && f.bytes[i + 1] == 0xc0) memset(f.bytes + i + 5, 0x70, 4); /* 28784x28784 */
    refused(f, 1, "cannot hold 28784x28784 pixels");
    free(f.bytes);
    f = png_make((png_kind){8, 8, 8, PNG_COLOR_TYPE_GRAY, 0, 0, 0}, grey, 8);
    memset(f.bytes + 16, 0x3f, 8);
    uint32_t crc = (uint32_t)crc32(0, f.bytes + 12, 17);
    for (int i = 0; i < 4; i++) f.bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    refused(f, 1, "cannot hold 1061109567x1061109567 pixels");
    int w, h, c;
    assert_int_equal(mx_image_probe(&w, &h, &c, f.bytes, f.size, NULL), MX_ERR_FORMAT);
    memcpy(f.bytes + 16, "\0\0\0\1\5\xf5\xe1\0", 8); /* short rows, but many */
    crc = (uint32_t)crc32(0, f.bytes + 12, 17);
    for (int i = 0; i < 4; i++) f.bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    refused(f, 1, "cannot hold 1x100000000 pixels");
    free(f.bytes);
    for (int packed = 0; packed < 2; packed++) {
        f = tiff_make((tiff_kind){.width = 8,
                                  .height = 8,
                                  .samples = 1,
                                  .bits = 8,
                                  .photometric = PHOTOMETRIC_MINISBLACK,
                                  .compression = packed ? COMPRESSION_LZW : COMPRESSION_NONE,
                                  .mode = "wl"},
                      grey);
        for (size_t i = 8; i + 12 < f.size; i++) /* tags 256 and 257, SHORT, 1 value */
            if (!memcmp(f.bytes + i, "\0\1\3\0\1\0\0\0\10", 9) ||
                !memcmp(f.bytes + i, "\1\1\3\0\1\0\0\0\10", 9))
                f.bytes[i + 8] = f.bytes[i + 9] = 0x7f;
        refused(f, 1, "cannot hold 32639x32639 pixels");
        free(f.bytes);
    }
}

enum { KINDS = 12 };

static void make_kinds(file *f) {
    uint8_t *p = random_bytes(40 * 40 * 4 * 4);
    f[0] = png_make((png_kind){20, 16, 8, PNG_COLOR_TYPE_RGB_ALPHA, 0, 0, 0}, p, 80);
    f[1] = png_make((png_kind){20, 16, 4, PNG_COLOR_TYPE_PALETTE, 1, 16, 5}, p, 10);
    f[2] = jpeg_make((jpeg_kind){40, 32, 3, 0, 0, 2, JCS_RGB, JCS_YCbCr}, p);
    f[3] = jpeg_make((jpeg_kind){40, 32, 3, 2, 1, 1, JCS_RGB, JCS_YCbCr}, p);
    f[4] = jpeg_make((jpeg_kind){16, 16, 4, 0, 0, 0, JCS_CMYK, JCS_YCCK}, p);
    f[5] = webp_make(p, 20, 16, 4);
    f[6] = tiff_make(
        (tiff_kind){
            .width = 20, .height = 16, .samples = 3, .bits = 8, .photometric = PHOTOMETRIC_RGB, .rows = 4},
        p);
    f[7] = tiff_make((tiff_kind){.width = 20,
                                 .height = 16,
                                 .samples = 4,
                                 .bits = 16,
                                 .photometric = PHOTOMETRIC_SEPARATED,
                                 .tiled = 1,
                                 .planar = 1,
                                 .compression = COMPRESSION_LZW},
                     p);
    f[8] = tiff_make((tiff_kind){.width = 32,
                                 .height = 32,
                                 .samples = 3,
                                 .bits = 8,
                                 .photometric = PHOTOMETRIC_RGB,
                                 .compression = COMPRESSION_JPEG},
                     p);
    f[9] = tiff_make((tiff_kind){.width = 20,
                                 .height = 16,
                                 .samples = 1,
                                 .bits = 8,
                                 .photometric = PHOTOMETRIC_PALETTE,
                                 .compression = COMPRESSION_PACKBITS},
                     p);
    f[10] = tiff_make((tiff_kind){.width = 20,
                                  .height = 16,
                                  .samples = 5,
                                  .bits = 32,
                                  .format = SAMPLEFORMAT_IEEEFP,
                                  .photometric = PHOTOMETRIC_MINISBLACK,
                                  .compression = COMPRESSION_ADOBE_DEFLATE,
                                  .tiled = 1},
                      p);
    f[11] = npy_make(NPY("<u2", "(5, 4, 3)"), 1, p, 120);
    free(p);
}

/* Channels that the header already shows to be the wrong ones are refused before samples are decoded: though
 * these are damaged, the channels are what is said. */
static void channels_first(void **state) {
    (void)state;
    file f[KINDS];
    mx_error e = {0};
    mx_image im;
    make_kinds(f);
    for (int k = 0; k < KINDS; k++) {
        bool tiff = f[k].size > 4 && (!memcmp(f[k].bytes, "II", 2) || !memcmp(f[k].bytes, "MM", 2));
        bool stored = !memcmp(f[k].bytes, "\x93NUMPY", 6); /* any number is a sample */
        size_t from = tiff ? 16 : f[k].size * 2 / 3, to = tiff ? 64 : f[k].size - 1;
        for (size_t i = from; !stored && i < to; i++) f[k].bytes[i] ^= 0x41;
        e = (mx_error){0};
        if (!tiff) assert_int_equal(mx_image_decode(&im, f[k].bytes, f[k].size, 7, &e), MX_ERR_DATA);
        if (!tiff && !strstr(e.text, "expected 7 channels, found")) fail_msg("kind %d: %s", k, e.text);
        free(f[k].bytes);
    }
    uint8_t grey[64 * 64] = {0}; /* one strip, whose first bytes are made others */
    for (int channels = 2; channels <= 4; channels += 2) {
        file t = tiff_make((tiff_kind){.width = 64,
                                       .height = 64,
                                       .samples = 1,
                                       .bits = 8,
                                       .photometric = PHOTOMETRIC_MINISBLACK,
                                       .compression = COMPRESSION_ADOBE_DEFLATE,
                                       .mode = "wl"},
                           grey);
        for (size_t i = 8; i < 16; i++) t.bytes[i] ^= 0x41;
        refused(t, 1, "TIFF: ");
        refused(t, channels, channels == 2 ? "expected 2 channels, found 1" : "expected 4 channels, found 1");
        free(t.bytes);
    }
}

/* An error with a message and no image, or a whole image whose samples may all be read. */
static bool survives(const uint8_t *bytes, size_t size) {
    static volatile unsigned sum;
    bool good = false;
    for (int channels = 1; channels <= 5; channels++) {
        mx_image im;
        mx_error e = {0};
        mx_status st = mx_image_decode(&im, bytes, size, channels, &e);
        assert_true((st == MX_OK) == (im.pixels != NULL));
        if (st == MX_ERR_MEMORY) fail_msg("damage taken for want of memory: %s", e.text); /* which ends a run */
        assert_true((st == MX_OK) == (*e.text == 0));
        for (size_t i = 0; !st && i < bytes_of(&im); i++) sum += ((uint8_t *)im.pixels)[i];
        good |= !st;
        mx_image_free(&im);
    }
    int w, h, c;
    mx_error e = {0};
    if (mx_image_probe(&w, &h, &c, bytes, size, &e) == MX_ERR_MEMORY)
        fail_msg("damage taken for want of memory: %s", e.text);
    return good;
}

/* Every length of every kind. None but a TIFF, whose directory may lie before its samples, survives it; and
 * exact copies, so that a sanitizer sees each byte too far. */
static void truncated(void **state) {
    (void)state;
    file f[KINDS];
    make_kinds(f);
    for (int k = 0; k < KINDS; k++) {
        assert_true(k == 7 ||
                    survives(f[k].bytes, f[k].size)); /* 7 is refused: CMYK of 16 bits, but for N=4 */
        for (size_t n = 0; n < f[k].size; n++) {
            uint8_t *copy = malloc(n + !n);
            memcpy(copy, f[k].bytes, n);
            if (survives(copy, n) && !(k == 5 && n + 1 == f[k].size))
                fail_msg("kind %d survives with %zu of %zu bytes", k, n, f[k].size);
            free(copy);
        }
        free(f[k].bytes);
    }
}

/* Bits turned at random. The seed is in the message of a failure; MX_SEED gives another. */
static void flipped(void **state) {
    (void)state;
    const char *given = getenv("MX_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1;
    mx_rng r = mx_rng_make(seed, MX_RNG_TEST, 9, 0);
    file f[KINDS];
    make_kinds(f);
    int good = 0;
    for (int k = 0; k < KINDS; k++) {
        uint8_t *copy = malloc(f[k].size);
        for (int t = 0; t < 400; t++) {
            memcpy(copy, f[k].bytes, f[k].size);
            size_t reach = t % 2 && f[k].size > 200 ? 200 : f[k].size; /* half of them in the header */
            for (uint64_t n = 1 + mx_rng_below(&r, 4); n; n--)
                copy[mx_rng_below(&r, reach)] ^= (uint8_t)(1u << mx_rng_below(&r, 8));
            good += survives(copy, f[k].size);
        }
        free(copy), free(f[k].bytes);
    }
    print_message("seed %llu: %d of %d damaged files still decode\n", (unsigned long long)seed, good,
                  KINDS * 400);
}

/* Good and damaged files from four threads at once give what they give alone. */
typedef struct {
    const file *f;
    uint32_t crc[KINDS];
} worker;

static void *decode_all(void *user) {
    worker *w = user;
    for (int k = 0; k < KINDS; k++)
        for (int cut = 0; cut < 2; cut++) {
            mx_image im;
            mx_error e = {0};
            if (!mx_image_decode(&im, w->f[k].bytes, w->f[k].size - (cut ? 7 : 0), k == 10 ? 5 : 3, &e))
                w->crc[k] = (uint32_t)crc32(w->crc[k], im.pixels, (uInt)bytes_of(&im));
            else
                w->crc[k] = (uint32_t)crc32(w->crc[k], (uint8_t *)e.text, (uInt)strlen(e.text));
            mx_image_free(&im);
        }
    return NULL;
}

static void threads(void **state) {
    (void)state;
    file f[KINDS];
    make_kinds(f);
    for (int round = 0; round < 20; round++) {
        worker w[4] = {{f, {0}}, {f, {0}}, {f, {0}}, {f, {0}}}, alone = {f, {0}};
        pthread_t thread[4];
        decode_all(&alone);
        for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, decode_all, &w[i]), 0);
        for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
        for (int i = 0; i < 4; i++) assert_memory_equal(w[i].crc, alone.crc, sizeof alone.crc);
    }
    for (int k = 0; k < KINDS; k++) free(f[k].bytes);
}

/* The libraries print nothing, whatever they are given. */
static void silence(void **state) {
    FILE *catch = tmpfile();
    assert_non_null(catch);
    fflush(stderr);
    int held = dup(2);
    dup2(fileno(catch), 2);
    file f[KINDS];
    make_kinds(f);
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < f[k].size; i += 3) {
            f[k].bytes[i] ^= 0x41;
            survives(f[k].bytes, f[k].size);
            survives(f[k].bytes, i);
            f[k].bytes[i] ^= 0x41;
        }
    fflush(stderr);
    dup2(held, 2);
    close(held);
    fseek(catch, 0, SEEK_END);
    assert_int_equal(ftell(catch), 0);
    fclose(catch);
    for (int k = 0; k < KINDS; k++) free(f[k].bytes);
    (void)state;
}

int main(void) {
    noise = mx_rng_make(2, MX_RNG_TEST, 1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_foreign), cmocka_unit_test(great_claims), cmocka_unit_test(truncated),
        cmocka_unit_test(channels_first),    cmocka_unit_test(flipped),      cmocka_unit_test(threads),
        cmocka_unit_test(silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
