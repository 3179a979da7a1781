/* Decoding every kind of file in docs/DATA.md, "Images". The files are made here by the formats' own
 * libraries, and the result is compared with the original samples. Also what is refused, and how. Damaged
 * files: test_image_damage.c. */
#include "image_encoders.h"

/* Decodes f, which must work, and compares with want [H,W,channels]; the header must say the same size. */
static void check(file f, int width, int height, int channels, mx_pixel type, const void *want) {
    mx_error e = {0};
    mx_image im;
    int w, h, c;
    if (mx_image_decode(&im, f.bytes, f.size, channels, &e)) fail_msg("%s", e.text);
    assert_int_equal(im.width, width);
    assert_int_equal(im.height, height);
    assert_int_equal(im.channels, channels);
    assert_int_equal(im.type, type);
    assert_memory_equal(im.pixels, want, bytes_of(&im));
    if (mx_image_probe(&w, &h, &c, f.bytes, f.size, &e)) fail_msg("%s", e.text);
    assert_true(w == width && h == height && c > 0);
    mx_image_free(&im);
}

/* From samples [n,c] of 8 or 16 bits to grey and RGB by the rules of image.h, one formula a line. */
static void to_grey_and_rgb(void *grey, void *rgb, const void *in, size_t n, size_t c, int bits) {
    for (size_t i = 0; i < n; i++) {
        uint32_t v[3];
        for (size_t k = 0; k < 3; k++) {
            size_t at = i * c + (c < 3 ? 0 : k);
            v[k] = bits == 8 ? ((const uint8_t *)in)[at] : ((const uint16_t *)in)[at];
            if (bits == 8)
                ((uint8_t *)rgb)[3 * i + k] = (uint8_t)v[k];
            else
                ((uint16_t *)rgb)[3 * i + k] = (uint16_t)v[k];
        }
        uint32_t y = (19595u * v[0] + 38470u * v[1] + 7471u * v[2] + 32768u) >> 16;
        if (bits == 8)
            ((uint8_t *)grey)[i] = (uint8_t)y;
        else
            ((uint16_t *)grey)[i] = (uint16_t)y;
    }
}

/* A file of n pixels and c samples of `bits`: as grey, as RGB, and as it is. */
static void check_all(file f, int width, int height, int c, int bits, const void *samples) {
    size_t n = (size_t)width * (size_t)height;
    uint16_t *grey = malloc(2 * n), *rgb = malloc(6 * n);
    mx_pixel type = bits == 8 ? MX_PIXEL_U8 : MX_PIXEL_U16;
    to_grey_and_rgb(grey, rgb, samples, n, (size_t)c, bits);
    check(f, width, height, 1, type, grey);
    check(f, width, height, 3, type, rgb);
    check(f, width, height, c, type, c == 1 ? (void *)grey : c == 3 ? (void *)rgb : samples);
    refused(f, 7, "expected 7 channels, found");
    free(grey), free(rgb);
}

/* ---- PNG ---- */

static void png_colours(void **state) {
    (void)state;
    const struct {
        int type, c;
    } types[] = {{PNG_COLOR_TYPE_GRAY, 1},
                 {PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                 {PNG_COLOR_TYPE_RGB, 3},
                 {PNG_COLOR_TYPE_RGB_ALPHA, 4}};
    for (size_t t = 0; t < COUNT(types); t++)
        for (int bits = 8; bits <= 16; bits += 8)
            for (int interlace = 0; interlace < 2; interlace++) {
                int c = types[t].c, w = 13, h = 11;
                size_t n = (size_t)(w * h * c), stride = (size_t)(w * c * bits / 8);
                uint8_t *rows = random_bytes(n * 2);
                uint16_t *wide = malloc(n * 2);
                for (size_t i = 0; i < n; i++) wide[i] = (uint16_t)(rows[2 * i] << 8 | rows[2 * i + 1]);
                png_kind k = {w, h, bits, types[t].type, interlace, 0, 0};
                file f = png_make(k, rows, stride);
                check_all(f, w, h, c, bits, bits == 8 ? (void *)rows : wide);
                free(f.bytes), free(wide), free(rows);
            }
}

/* 1, 2 and 4 bits: grey is scaled to 0..255, palettes are looked up; a tRNS chunk changes neither. */
static void png_small_depths(void **state) {
    (void)state;
    for (int bits = 1; bits <= 8; bits *= 2)
        for (int clear = 0; clear < 2; clear++)
            for (int palette = bits == 8; palette < 2; palette++) {
                int w = 13, h = 9, top = (1 << bits) - 1;
                size_t stride = (size_t)((w * bits + 7) / 8);
                uint8_t *rows = random_bytes(stride * (size_t)h), want[13 * 9 * 3];
                for (int i = 0; i < w * h; i++) {
                    int bit = i % w * bits,
                        v = rows[(size_t)(i / w) * stride + (size_t)bit / 8] >> (8 - bits - bit % 8) & top;
                    want[3 * i] = (uint8_t)(palette ? v : v * 255 / top);
                    want[3 * i + 1] = (uint8_t)(palette ? 255 - v : v * 255 / top);
                    want[3 * i + 2] = (uint8_t)(palette ? v / 2 : v * 255 / top);
                }
                png_kind k = {w,
                              h,
                              bits,
                              palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY,
                              clear,
                              palette ? top + 1 : 0,
                              palette && clear ? top : 0};
                file f = png_make(k, rows, stride);
                uint8_t grey[13 * 9], rgb[13 * 9 * 3];
                to_grey_and_rgb(grey, rgb, want, 13 * 9, 3, 8);
                check(f, w, h, 3, MX_PIXEL_U8, want);
                check(f, w, h, 1, MX_PIXEL_U8, grey);
                free(f.bytes), free(rows);
            }
}

/* ---- JPEG ---- */

/* Flat images at quality 100 come back to the sample where no colour space is changed. */
static void jpeg_flat(void **state) {
    (void)state;
    uint8_t grey[24 * 20], rgb[24 * 20 * 3], cmyk[24 * 20 * 4], want[24 * 20 * 4];
    for (int v = 0; v < 256; v += 15) {
        memset(grey, v, sizeof grey);
        file f = jpeg_make((jpeg_kind){24, 20, 1, 0, v & 1, 0, JCS_GRAYSCALE, JCS_GRAYSCALE}, grey);
        memset(want, v, sizeof want);
        check(f, 24, 20, 1, MX_PIXEL_U8, want);
        check(f, 24, 20, 3, MX_PIXEL_U8, want);
        refused(f, 4, "expected 4 channels, found 1");
        free(f.bytes);
        for (int i = 0; i < 24 * 20; i++) {
            rgb[3 * i] = (uint8_t)v, rgb[3 * i + 1] = (uint8_t)(255 - v), rgb[3 * i + 2] = (uint8_t)(v / 2);
            memcpy(cmyk + 4 * i, rgb + 3 * i, 3), cmyk[4 * i + 3] = (uint8_t)(200 - v / 2);
        }
        f = jpeg_make((jpeg_kind){24, 20, 3, 2, 0, 0, JCS_RGB, JCS_RGB}, rgb);
        check_all(f, 24, 20, 3, 8, rgb);
        free(f.bytes);
        /* Adobe: stored samples are 255 - ink, so white - C white/255 with white = stored K */
        f = jpeg_make((jpeg_kind){24, 20, 4, 0, v & 1, 0, JCS_CMYK, JCS_CMYK}, cmyk);
        for (int i = 0; i < 24 * 20; i++)
            for (int k = 0; k < 3; k++) {
                int white = cmyk[4 * i + 3], t = (255 - cmyk[4 * i + k]) * white + 128;
                want[3 * i + k] = (uint8_t)(white - (((t >> 8) + t) >> 8));
            }
        check(f, 24, 20, 3, MX_PIXEL_U8, want);
        for (int i = 0; i < 24 * 20 * 4; i++) want[i] = (uint8_t)(255 - cmyk[i]);
        check(f, 24, 20, 4, MX_PIXEL_U8, want); /* the ink itself */
        free(f.bytes);
    }
}

/* YCbCr and YCCK, every sampling, baseline and progressive: within the rounding of the colour space. */
static void jpeg_colour_spaces(void **state) {
    (void)state;
    uint8_t rgb[33 * 25 * 4];
    for (int four = 0; four < 2; four++)
        for (int t = 0; t < 8; t++) {
            int c = 3 + four;
            for (int i = 0; i < 33 * 25; i++)
                for (int k = 0; k < c; k++) rgb[c * i + k] = (uint8_t)(k == 3 ? 255 : 90 + 40 * k + i / 33);
            jpeg_kind kind = {33,
                              25,
                              c,
                              t & 1 ? 3 : 0,
                              t >> 1 & 1,
                              t >> 2 & 1 ? 2 : 1,
                              four ? JCS_CMYK : JCS_RGB,
                              four ? JCS_YCCK : JCS_YCbCr};
            file f = jpeg_make(kind, rgb);
            mx_image im;
            mx_error e = {0};
            if (mx_image_decode(&im, f.bytes, f.size, 3, &e)) fail_msg("%s", e.text);
            for (int i = 0; i < 33 * 25; i++) /* K = 0 (stored 255): R is the stored C */
                for (int k = 0; k < 3; k++)
                    assert_in_range(((uint8_t *)im.pixels)[3 * i + k] + 3 - rgb[c * i + k], 0, 6);
            mx_image_free(&im);
            free(f.bytes);
        }
}

/* Stray bytes before the end are harmless; a lost restart marker or a short scan is not. */
static void jpeg_warnings(void **state) {
    (void)state;
    uint8_t *rgb = random_bytes(48 * 48 * 3);
    file f = jpeg_make((jpeg_kind){48, 48, 3, 2, 0, 0, JCS_RGB, JCS_RGB}, rgb), g = {0};
    mx_image im;
    assert_int_equal(mx_image_decode(&im, f.bytes, f.size, 3, NULL), MX_OK);
    file_put(&g, f.bytes, f.size - 2);
    file_put(&g, "stray\xff\xd9tail", 11);
    check(g, 48, 48, 3, MX_PIXEL_U8, im.pixels);
    mx_image_free(&im);
    for (size_t i = f.size / 2; i < f.size; i++)
        if (f.bytes[i] == 0xff && f.bytes[i + 1] >= 0xd0 && f.bytes[i + 1] < 0xd8) {
            f.bytes[i + 1] ^= 4; /* another restart number */
            break;
        }
    refused(f, 3, "JPEG: ");
    g.size -= 11 + 300;
    refused(g, 3, "Premature end");
    g.at = g.size;
    file_put(&g, "\xff\xd9", 2);
    refused(g, 3, "premature end");
    free(f.bytes), free(g.bytes), free(rgb);
}

/* ---- TIFF ---- */

static void tiff_check(tiff_kind k, mx_pixel type, int channels) {
    size_t n = (size_t)(k.width * k.height * k.samples);
    uint8_t *samples = random_bytes(n * (size_t)(k.bits / 8));
    if (type == MX_PIXEL_F32) /* any bits but NaN's, which nothing promises to carry */
        for (size_t i = 0; i < n; i++) ((float *)(void *)samples)[i] = (float)mx_rng_normal(&noise);
    file f = tiff_make(k, samples);
    check(f, k.width, k.height, channels, type, samples);
    free(f.bytes), free(samples);
}

static void tiff_layouts(void **state) {
    (void)state;
    const struct {
        int bits, format;
        mx_pixel type;
    } depth[] = {{8, SAMPLEFORMAT_UINT, MX_PIXEL_U8},
                 {16, SAMPLEFORMAT_UINT, MX_PIXEL_U16},
                 {32, SAMPLEFORMAT_IEEEFP, MX_PIXEL_F32}};
    const int samples[] = {1, 2, 3, 4, 13},
              packing[] = {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE};
    const char *const modes[] = {"wl", "wb", "w8"};
    for (size_t d = 0; d < COUNT(depth); d++)
        for (size_t s = 0; s < COUNT(samples); s++)
            for (int layout = 0; layout < 8; layout++)
                for (size_t p = 0; p < COUNT(packing); p++) {
                    tiff_kind k = {37,
                                   21,
                                   samples[s],
                                   depth[d].bits,
                                   depth[d].format,
                                   samples[s] == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK,
                                   layout & 1,
                                   layout >> 1 & 1,
                                   packing[p],
                                   layout >> 2 & 1 ? 4 : 0,
                                   EXTRASAMPLE_UNSPECIFIED,
                                   modes[(s + p) % 3]};
                    tiff_check(k, depth[d].type, samples[s]);
                }
}

static void tiff_colours(void **state) {
    (void)state;
    enum { W = 19, H = 18, N = W * H };
    for (int bits = 8; bits <= 16; bits += 8)
        for (int planar = 0; planar < 2; planar++) {
            uint8_t *p = random_bytes(N * 5 * 2);
            tiff_kind k = {W,   H, 4, bits, 0, PHOTOMETRIC_RGB, planar, planar, 0, 0, EXTRASAMPLE_UNASSALPHA,
                           NULL};
            file f = tiff_make(k, p);
            check_all(f, W, H, 4, bits, p); /* RGBA */
            free(f.bytes);
            k.samples = 2, k.photometric = PHOTOMETRIC_MINISBLACK;
            f = tiff_make(k, p);
            check_all(f, W, H, 2, bits, p); /* grey and alpha */
            free(f.bytes);
            k.extra = EXTRASAMPLE_UNSPECIFIED; /* two bands: neither may be dropped unasked */
            f = tiff_make(k, p);
            refused(f, 1, "expected 1 channels, found 2");
            free(f.bytes);
            k.samples = 1, k.photometric = PHOTOMETRIC_MINISWHITE;
            f = tiff_make(k, p);
            for (int i = 0; bits == 8 && i < N * 2; i++) p[i] = (uint8_t)~p[i]; /* deeper ones are numbers */
            check_all(f, W, H, 1, bits, p);
            free(f.bytes), free(p);
        }
    uint8_t *p = random_bytes(N * 4), want[N * 3], grey[N];
    file f = tiff_make(
        (tiff_kind){.width = W, .height = H, .samples = 1, .bits = 8, .photometric = PHOTOMETRIC_PALETTE}, p);
    for (int i = 0; i < N; i++)
        want[3 * i] = p[i], want[3 * i + 1] = (uint8_t)(255 - p[i]), want[3 * i + 2] = p[i] / 2;
    to_grey_and_rgb(grey, want, want, N, 3, 8);
    check(f, W, H, 3, MX_PIXEL_U8, want);
    check(f, W, H, 1, MX_PIXEL_U8, grey);
    free(f.bytes);
    f = tiff_make(
        (tiff_kind){.width = W, .height = H, .samples = 4, .bits = 8, .photometric = PHOTOMETRIC_SEPARATED},
        p);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < 3; c++) {
            int white = 255 - p[4 * i + 3], t = p[4 * i + c] * white + 128;
            want[3 * i + c] = (uint8_t)(white - (((t >> 8) + t) >> 8));
        }
    check(f, W, H, 3, MX_PIXEL_U8, want);
    check(f, W, H, 4, MX_PIXEL_U8, p);
    free(f.bytes), free(p);
}

static void tiff_refusals(void **state) {
    (void)state;
    uint8_t *p = random_bytes(16 * 16 * 8 * 4);
    const struct {
        tiff_kind k;
        const char *says;
    } bad[] = {
        {{16, 16, 1, 32, SAMPLEFORMAT_COMPLEXINT, PHOTOMETRIC_MINISBLACK, .mode = "w"},
         "found 32 bits, format 5"},
        {{16, 16, 1, 64, SAMPLEFORMAT_COMPLEXIEEEFP, PHOTOMETRIC_MINISBLACK, .mode = "w"},
         "found 64 bits, format 6"},
        {{16, 16, 3, 8, 0, PHOTOMETRIC_CIELAB, .mode = "w"}, "CIE Lab (photometric 8)"},
        {{16, 16, 1, 8, 0, PHOTOMETRIC_MASK, .mode = "w"}, "mask (photometric 4)"},
        {{16, 16, 1, 16, 0, PHOTOMETRIC_CFA, .mode = "w"}, "a camera's raw samples (photometric 32803)"},
        {{16, 16, 4, 32, SAMPLEFORMAT_IEEEFP, PHOTOMETRIC_SEPARATED, .mode = "w"}, "CMYK (photometric 5)"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        file f = tiff_make(bad[i].k, p);
        refused(f, bad[i].k.samples, bad[i].says);
        free(f.bytes);
    }
    free(p);
}

/* JPEG inside TIFF: libtiff only warns when its scan is cut. */
static void tiff_jpeg(void **state) {
    (void)state;
    enum { W = 64, H = 64 };
    uint8_t *p = random_bytes(W * H);
    tiff_kind k = {.width = W,
                   .height = H,
                   .samples = 1,
                   .bits = 8,
                   .photometric = PHOTOMETRIC_MINISBLACK,
                   .compression = COMPRESSION_JPEG};
    file f = tiff_make(k, p);
    mx_image im;
    mx_error e = {0};
    if (mx_image_decode(&im, f.bytes, f.size, 1, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < W * H; i++) assert_in_range(((uint8_t *)im.pixels)[i] + 4 - p[i], 0, 8);
    mx_image_free(&im);
    /* an end marker in the middle of the scan, which noise makes long */
    memcpy(f.bytes + W * H / 2, "\xff\xd9", 2);
    refused(f, 1, "damaged or cut off");
    free(f.bytes), free(p);
}

/* ---- WebP and .npy ---- */

static void webp(void **state) {
    (void)state;
    enum { W = 23, H = 17 };
    uint8_t *rgba = random_bytes(W * H * 4);
    file f = webp_make(rgba, W, H, 4);
    check_all(f, W, H, 4, 8, rgba);
    free(f.bytes);
    f = webp_make(rgba, W, H, 3);
    check_all(f, W, H, 3, 8, rgba);
    for (size_t n = 12; n + 1 < f.size; n++) { /* the last byte may be padding */
        file cut = {f.bytes, n, 0};
        refused(cut, 3, "WebP: ");
    }
    free(f.bytes), free(rgba);
    uint8_t animated[] = "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0";
    refused((file){animated, sizeof animated - 1, 0}, 3, "animation");
}

static void npy(void **state) {
    (void)state;
    uint8_t *p = random_bytes(5 * 4 * 3 * 4);
    float grey[20];
    const struct {
        const char *header;
        int version, channels;
        mx_pixel type;
        size_t bytes;
    } good[] = {
        {NPY("|u1", "(5, 4)"), 1, 1, MX_PIXEL_U8, 20},     {NPY("|u1", "(5, 4, 3)"), 1, 3, MX_PIXEL_U8, 60},
        {NPY("<u2", "(5, 4, 2)"), 2, 2, MX_PIXEL_U16, 80}, {NPY("<f4", "(5, 4, 1)"), 3, 1, MX_PIXEL_F32, 80},
        {NPY("<f4", "(5,4,3)"), 1, 3, MX_PIXEL_F32, 240},  {NPY("<u2", "(5, 4)"), 1, 1, MX_PIXEL_U16, 40}};
    for (size_t i = 0; i < COUNT(good); i++) {
        file f = npy_make(good[i].header, good[i].version, p, good[i].bytes);
        check(f, 4, 5, good[i].channels, good[i].type, p);
        for (size_t n = 6; n < f.size; n++) refused((file){f.bytes, n, 0}, good[i].channels, ".npy: ");
        free(f.bytes);
    }
    float *v = (float *)(void *)p; /* float grey: the same weights, no rounding */
    for (int i = 0; i < 60; i++) v[i] = (float)mx_rng_normal(&noise);
    for (int i = 0; i < 20; i++)
        grey[i] = (19595.0f * v[3 * i] + 38470.0f * v[3 * i + 1] + 7471.0f * v[3 * i + 2]) / 65536.0f;
    file f = npy_make(NPY("<f4", "(5, 4, 3)"), 1, p, 240);
    check(f, 4, 5, 1, MX_PIXEL_F32, grey);
    free(f.bytes);
    const struct {
        const char *header;
        int version;
        const char *says;
    } bad[] = {
        {NPY("<c8", "(5, 4)"), 1, "floats of 2 to 8, found '<c8'"},
        {NPY("<f16", "(5, 4)"), 1, "floats of 2 to 8, found '<f16'"},
        {NPY("<i3", "(5, 4)"), 1, "floats of 2 to 8, found '<i3'"},
        {NPY("|u1", "(20,)"), 1, "2 or 3 dimensions, found 1"},
        {NPY("|u1", "(1, 2, 3, 4)"), 1, "(H, W) or (H, W, C)"},
        {NPY("|u1", "(0, 4)"), 1, "(H, W) or (H, W, C)"},
        {NPY("|u1", "(-5, 4)"), 1, "(H, W) or (H, W, C)"},
        {NPY("|u1", "(5, 4"), 1, "found"},
        {NPY("|u1", "(5, 5)"), 1, "expected 5x5x1 samples, found 20"},
        {NPY("|u1", "(1073741824, 1073741824, 1073741824)"), 1, "found 20"},
        {NPY("|u1", "(99999999999999999999, 4)"), 1, "(H, W) or (H, W, C)"},
        {NPY("|u1", "(5, 4)"), 4, "version 1 to 3, found 4"},
        {"{'descr': '|u1', 'fortran_order': None, 'shape': (5, 4), }\n", 1, "fortran_order False or True"},
        {"{}", 1, "fortran_order False or True"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        f = npy_make(bad[i].header, bad[i].version, p, 20);
        refused(f, 1, bad[i].says);
        free(f.bytes);
    }
    free(p);
}

int main(void) {
    noise = mx_rng_make(2, MX_RNG_TEST, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_colours),   cmocka_unit_test(png_small_depths),
        cmocka_unit_test(jpeg_flat),     cmocka_unit_test(jpeg_colour_spaces),
        cmocka_unit_test(jpeg_warnings), cmocka_unit_test(tiff_layouts),
        cmocka_unit_test(tiff_colours),  cmocka_unit_test(tiff_refusals),
        cmocka_unit_test(tiff_jpeg),     cmocka_unit_test(webp),
        cmocka_unit_test(npy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
