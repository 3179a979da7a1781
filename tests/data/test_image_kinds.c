/* Decoding the kinds of files that cameras, scanners, GIS programs and old tools write: TIFF of every depth,
 * its orientation and alpha, GIF, BMP, PNM, animated WebP, .npy of every type, EXIF's orientation. Each is
 * made here and compared with the original values (Pillow's, if Pillow reads the file). Also what is refused,
 * files cut at every length, and how. */
#include "image_encoders.h"

#include <math.h>

#include "data/image_internal.h"

static void check(file f, int width, int height, int channels, mx_pixel type, const void *want) {
    mx_error e = {0};
    mx_image im;
    int w, h, c;
    if (mx_image_decode(&im, f.bytes, f.size, channels, &e)) fail_msg("%s", e.text);
    assert_int_equal(im.width, width);
    assert_int_equal(im.height, height);
    assert_int_equal(im.type, type);
    assert_memory_equal(im.pixels, want, bytes_of(&im));
    if (mx_image_probe(&w, &h, &c, f.bytes, f.size, &e)) fail_msg("%s", e.text);
    assert_true(w == width && h == height);
    mx_image_free(&im);
}

/* A file that cannot be decoded at any shorter length, or, when the rest does not matter, gives the same. */
static void cut_everywhere(file f, int channels, size_t shortest) {
    for (size_t n = shortest; n < f.size; n++) {
        uint8_t *copy = malloc(n); /* what is read behind it is seen by the sanitizer */
        mx_image im;
        mx_error e = {0};
        memcpy(copy, f.bytes, n);
        mx_status st = mx_image_decode(&im, copy, n, channels, &e);
        assert_true((st == MX_OK) == (im.pixels != NULL) && (st == MX_OK) == !*e.text);
        mx_image_free(&im);
        free(copy);
    }
}

static file text_file(const char *text, size_t n) {
    file f = {0};
    file_put(&f, text, n);
    return f;
}
#define TEXT(t) text_file(t, sizeof(t) - 1)

/* ---- TIFF by hand: libtiff's encoders know no packed depths of odd kinds ---- */

typedef struct {
    unsigned width, height, samples, bits, format, photometric, extra, orientation;
    const uint16_t *map; /* [3 << bits] */
    bool map_file;       /* GDAL's no-data tag */
} raw_tiff;

static void put16(file *f, unsigned v) { file_put(f, (uint8_t[]){v & 255, v >> 8 & 255}, 2); }
static void put32(file *f, unsigned v) { put16(f, v & 65535), put16(f, v >> 16); }
static void entry(file *f, unsigned tag, unsigned type, unsigned count, unsigned value) {
    put16(f, tag), put16(f, type), put32(f, count), put32(f, value);
}

/* One strip behind the directory, little-endian, not compressed. */
static file raw_make(raw_tiff k, const void *samples, size_t bytes) {
    file f = {0};
    unsigned entries =
        10 + (k.format > 0) + (k.extra > 0) + (k.orientation > 0) + (k.map != NULL) + k.map_file;
    unsigned map_at = 8 + 2 + 12 * entries + 4, map_bytes = k.map ? 6u << k.bits : 0;
    file_put(&f, "II*\0\10\0\0\0", 8);
    put16(&f, entries);
    entry(&f, 256, 4, 1, k.width), entry(&f, 257, 4, 1, k.height);
    if (k.samples > 2) /* values behind the directory are not needed: libtiff takes one for all */
        entry(&f, 258, 3, 1, k.bits);
    else
        entry(&f, 258, 3, k.samples, k.bits | (k.samples > 1 ? k.bits << 16 : 0));
    entry(&f, 259, 3, 1, 1), entry(&f, 262, 3, 1, k.photometric);
    entry(&f, 273, 4, 1, map_at + map_bytes);
    if (k.orientation) entry(&f, 274, 3, 1, k.orientation);
    entry(&f, 277, 3, 1, k.samples), entry(&f, 278, 4, 1, k.height), entry(&f, 279, 4, 1, (unsigned)bytes);
    entry(&f, 284, 3, 1, 1);
    if (k.map) entry(&f, 320, 3, 3u << k.bits, map_at);
    if (k.extra) entry(&f, 338, 3, 1, k.extra);
    if (k.format) entry(&f, 339, 3, 1, k.format);
    if (k.map_file) entry(&f, 42113, 2, 3, '-' | '9' << 8);
    put32(&f, 0);
    for (unsigned i = 0; i < map_bytes / 2; i++) put16(&f, k.map[i]);
    file_put(&f, samples, bytes);
    return f;
}

/* Packed from the highest bit on, rows at whole bytes. */
static void tiff_packed(void **state) {
    (void)state;
    enum { W = 13, H = 5, N = W * H };
    for (unsigned bits = 1; bits < 16; bits++)
        for (unsigned white = 0; white < 2; white++) {
            size_t stride = (W * bits + 7) / 8;
            uint8_t *rows = random_bytes(stride * H), u8[N];
            uint16_t u16[N];
            unsigned top = (1u << bits) - 1;
            for (size_t i = 0; i < N; i++) {
                unsigned v = 0;
                for (size_t b = i % W * bits, end = b + bits; b < end; b++)
                    v = v << 1 | (rows[i / W * stride + b / 8] >> (7 - b % 8) & 1);
                u16[i] = (uint16_t)v;
                u8[i] = (uint8_t)(bits == 8 ? v : (v * 255.0 / top + 0.5));
                if (white) u8[i] = (uint8_t)(255 - u8[i]);
            }
            file f = raw_make((raw_tiff){W, H, 1, bits, 0, !white, .orientation = 1}, rows, stride * H);
            check(f, W, H, 1, bits <= 8 ? MX_PIXEL_U8 : MX_PIXEL_U16, bits <= 8 ? (void *)u8 : u16);
            cut_everywhere(f, 1, 8);
            free(f.bytes), free(rows);
        }
}

static void tiff_numbers(void **state) {
    (void)state;
    const int16_t i2[] = {-32768, -1, 0, 9, 32767, 5};
    const uint32_t u4[] = {0, 1, 70000, 4294967295u, 16777217, 3};
    const int32_t i4[] = {-2147483647 - 1, -70000, 0, 1, 2, 3};
    const double f8[] = {-1e300, 0.1, 2.5, -0.0, 1e-50, 7};
    const uint16_t f2[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0};
    const uint64_t u8[] = {0, 1, (uint64_t)1 << 63, 5, 6, 7};
    const int8_t i1[] = {-128, -1, 0, 1, 127, 3};
    const uint8_t three[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 4, 3, 2, 0, 0, 0};
    const struct {
        const void *p;
        size_t n;
        unsigned bits, format;
    } kind[] = {{i2, sizeof i2, 16, 2}, {u4, sizeof u4, 32, 1}, {i4, sizeof i4, 32, 2},
                {f8, sizeof f8, 64, 3}, {f2, sizeof f2, 16, 3}, {u8, sizeof u8, 64, 1},
                {i1, sizeof i1, 8, 2},  {three, 18, 24, 1}};
    for (size_t k = 0; k < COUNT(kind); k++) {
        float want[6];
        for (int i = 0; i < 6; i++)
            want[i] = k == 0   ? i2[i]
                      : k == 1 ? (float)u4[i]
                      : k == 2 ? (float)i4[i]
                      : k == 3 ? (float)f8[i]
                      : k == 4 ? (float[]){1, -2, 0x1p-24f, 65504, 0x1.554p-2f, 0}[i]
                      : k == 5 ? (float)u8[i]
                      : k == 6 ? i1[i]
                               : (float)(three[3 * i] | three[3 * i + 1] << 8 | three[3 * i + 2] << 16);
        /* 8 bits with a sign are numbers in a map's file, and Pillow's plain bytes elsewhere */
        raw_tiff r = {3, 2, 1, kind[k].bits, kind[k].format, 1, .orientation = 1, .map_file = k == 6};
        file f = raw_make(r, kind[k].p, kind[k].n);
        check(f, 3, 2, 1, MX_PIXEL_F32, want);
        cut_everywhere(f, 1, 8);
        free(f.bytes);
    }
    file f = raw_make((raw_tiff){3, 2, 1, 8, 2, 1, .orientation = 1}, i1, 6);
    check(f, 3, 2, 1, MX_PIXEL_U8, i1);
    free(f.bytes);
}

static void tiff_orientations(void **state) {
    (void)state;
    const uint8_t in[] = {1, 2, 3, 4, 5, 6}; /* 3 wide, 2 high */
    const uint8_t out[9][6] = {{0},
                               {1, 2, 3, 4, 5, 6},
                               {3, 2, 1, 6, 5, 4},
                               {6, 5, 4, 3, 2, 1},
                               {4, 5, 6, 1, 2, 3},
                               {1, 4, 2, 5, 3, 6},
                               {4, 1, 5, 2, 6, 3},
                               {6, 3, 5, 2, 4, 1},
                               {3, 6, 2, 5, 1, 4}};
    for (unsigned o = 1; o <= 9; o++) {
        file f = raw_make((raw_tiff){3, 2, 1, 8, 0, 1, .orientation = o}, in, 6);
        bool tall = o >= 5 && o <= 8;
        check(f, tall ? 2 : 3, tall ? 3 : 2, 1, MX_PIXEL_U8, o < 9 ? out[o] : out[1]);
        free(f.bytes);
    }
}

static void tiff_alpha_and_palettes(void **state) {
    (void)state;
    const uint8_t la[] = {10, 20, 200, 100, 7, 0, 9, 255};
    const uint8_t divided[] = {127, 20, 255, 100, 0, 0, 9, 255}, grey[] = {127, 255, 0, 9};
    file f = raw_make((raw_tiff){4, 1, 2, 8, 0, 1, 1, 1, NULL, false}, la, 8);
    check(f, 4, 1, 2, MX_PIXEL_U8, divided);
    check(f, 4, 1, 1, MX_PIXEL_U8, grey);
    free(f.bytes);
    const uint16_t deep[] = {1000, 2000, 5, 0}, whole[] = {32767, 2000, 0, 0};
    f = raw_make((raw_tiff){2, 1, 2, 16, 0, 1, 1, 1, NULL, false}, deep, 8);
    check(f, 2, 1, 2, MX_PIXEL_U16, whole);
    free(f.bytes);
    const uint16_t map[] = {0, 0x1234, 0xff00, 0x80ff, 0, 0x2234, 0xfe00, 0x81ff, 0, 0x3234, 0xfd00, 0x82ff};
    const uint8_t packed[] = {0x1b},
                  colours[] = {0, 0, 0, 0x12, 0x22, 0x32, 0xff, 0xfe, 0xfd, 0x80, 0x81, 0x82};
    f = raw_make((raw_tiff){4, 1, 1, 2, 0, 3, .orientation = 1, .map = map}, packed, 1);
    check(f, 4, 1, 3, MX_PIXEL_U8, colours);
    cut_everywhere(f, 3, 8);
    free(f.bytes);
}

/* A strip of an LZW or Deflate file that is not stored is the no-data value or zero. */
static void tiff_fax_and_absent(void **state) {
    (void)state;
    enum { W = 40, H = 8 };
    uint8_t *rows = random_bytes(W / 8 * H), want[W * H];
    for (int i = 0; i < W * H; i++) want[i] = rows[i / 8] >> (7 - i % 8) & 1 ? 0 : 255;
    const int packing[] = {COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4,
                           COMPRESSION_PACKBITS};
    for (size_t p = 0; p < COUNT(packing); p++) {
        file f = {0};
        TIFF *t = TIFFClientOpen("memory", "w", &f, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size,
                                 NULL, NULL);
        TIFFSetField(t, TIFFTAG_IMAGEWIDTH, W), TIFFSetField(t, TIFFTAG_IMAGELENGTH, H);
        TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 1), TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISWHITE),
            TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, 3);
        TIFFSetField(t, TIFFTAG_COMPRESSION, packing[p]);
        for (uint32_t y = 0; y < H; y++) assert_int_equal(TIFFWriteScanline(t, rows + y * (W / 8), y, 0), 1);
        TIFFClose(t);
        check(f, W, H, 1, MX_PIXEL_U8, want);
        cut_everywhere(f, 1, 8);
        free(f.bytes);
    }
    free(rows);
    const uint8_t none[] = {0, 0, 0, 0, 0, 0};
    file f = raw_make((raw_tiff){3, 2, 1, 8, 0, 1, .orientation = 1}, none, 6);
    for (size_t i = 10; i + 12 <= f.size; i += 12) /* the strip lies nowhere */
        if (f.bytes[i] == 273 % 256 || f.bytes[i] == 279 % 256) memset(f.bytes + i + 8, 0, 4);
    check(f, 3, 2, 1, MX_PIXEL_U8, none);
    free(f.bytes);
}

/* Four pages of one size are four channels where those are asked for; grey is the first page. */
static void tiff_pages(void **state) {
    (void)state;
    enum { W = 5, H = 3, PAGES = 4 };
    uint16_t *planes = (uint16_t *)(void *)random_bytes(2 * W * H * PAGES), want[W * H * PAGES];
    for (int i = 0; i < W * H; i++)
        for (int p = 0; p < PAGES; p++) want[i * PAGES + p] = planes[p * W * H + i];
    for (int odd = 0; odd < 2; odd++) { /* the last page of another size */
        file f = {0};
        TIFF *t = TIFFClientOpen("memory", "w", &f, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size,
                                 NULL, NULL);
        for (int p = 0; p < PAGES; p++) {
            uint32_t rows = p == PAGES - 1 ? H - (uint32_t)odd : H;
            TIFFSetField(t, TIFFTAG_IMAGEWIDTH, W), TIFFSetField(t, TIFFTAG_IMAGELENGTH, rows);
            TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 16), TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 1);
            TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
            for (uint32_t y = 0; y < rows; y++)
                assert_int_equal(TIFFWriteScanline(t, planes + (p * H + (int)y) * W, y, 0), 1);
            TIFFWriteDirectory(t);
        }
        TIFFClose(t);
        mx_image im;
        mx_error e = {0};
        if (!odd) check(f, W, H, PAGES, MX_PIXEL_U16, want);
        if (!odd) check(f, W, H, 1, MX_PIXEL_U16, planes);
        if (!odd) cut_everywhere(f, PAGES, 8);
        assert_int_equal(mx_image_decode(&im, f.bytes, f.size, odd ? PAGES : PAGES + 1, &e),
                         odd ? MX_ERR_FORMAT : MX_ERR_DATA);
        assert_non_null(strstr(e.text, odd ? "page 4: expected 5x3" : "expected 5 channels, found 4"));
        free(f.bytes);
    }
    free(planes);
}

/* ---- GIF, BMP, PNM ---- */

/* 2 bits a pixel, codes of 3 bits: clear, pixels with clears between so that codes stay short, end. */
static file gif_make(int screen_w, int screen_h, int left, int top, int clear, bool interlaced) {
    file f = {0};
    const uint8_t pixels[] = {0, 1, 2, 3, 3, 2, 1, 0, 1, 1, 2, 2}; /* 3 wide, 4 high */
    uint8_t data[64] = {0};
    size_t bit = 0;
#define CODE(c)                                                                                              \
    for (int b = 0; b < 3; b++, bit++) data[bit / 8] |= (uint8_t)(((c) >> b & 1) << bit % 8)
    for (int i = 0; i < 12; i++) {
        if (i % 2 == 0) CODE(4);
        CODE(pixels[i]);
    }
    CODE(5);
#undef CODE
    file_put(&f, "GIF89a", 6);
    put16(&f, (unsigned)screen_w), put16(&f, (unsigned)screen_h);
    file_put(&f, "\x81\0\0\0\0\0\xff\0\0\0\xff\0\0\0\xff", 15);
    if (clear >= 0) file_put(&f, (uint8_t[]){0x21, 0xf9, 4, 1, 0, 0, (uint8_t)clear, 0}, 8);
    file_put(&f, "\x21\xfe\2hi\0,", 7);
    put16(&f, (unsigned)left), put16(&f, (unsigned)top), put16(&f, 3), put16(&f, 4);
    file_put(&f, (uint8_t[]){interlaced ? 0x40 : 0, 2, (uint8_t)((bit + 7) / 8)}, 3);
    file_put(&f, data, (bit + 7) / 8);
    file_put(&f, "\0;", 2);
    return f;
}

static void gif(void **state) {
    (void)state;
    static const uint8_t map[4][3] = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {0, 0, 255}};
    const uint8_t rows[4][3] = {{0, 1, 2}, {3, 3, 2}, {1, 0, 1}, {1, 2, 2}};
    for (int kind = 0; kind < 8; kind++) {
        bool moved = kind & 1, interlaced = kind & 2, clear = kind & 4;
        int w = moved ? 5 : 3, h = moved ? 6 : 4, x0 = moved ? 2 : 0, y0 = moved ? 2 : 0;
        uint8_t want[6 * 5 * 3];
        for (int i = 0; i < w * h; i++) memcpy(want + 3 * i, map[clear ? 3 : 0], 3);
        for (int i = 0; i < 12; i++) { /* the 2nd stored row of an interlaced frame of 4 is row 2 */
            const int place[] = {0, interlaced ? 2 : 1, interlaced ? 1 : 2, 3};
            memcpy(want + 3 * ((y0 + place[i / 3]) * w + x0 + i % 3), map[rows[i / 3][i % 3]], 3);
        }
        file f =
            gif_make(kind & 1 ? 1 : 3, 4, x0, y0, clear ? 3 : -1, interlaced); /* a frame beyond its screen */
        check(f, w, h, 3, MX_PIXEL_U8, want);
        cut_everywhere(f, 3, 6);
        free(f.bytes);
    }
    file f = gif_make(65535, 65535, 0, 0, -1, false);
    refused(f, 3, "cannot hold 65535x65535 pixels");
    free(f.bytes);
}

/* Header of 40 bytes, palette of `colours` entries (i, 2i, 255-i), samples. */
static file bmp_make(int w, int h, unsigned bits, unsigned packing, unsigned colours, const void *p,
                     size_t n) {
    file f = {0};
    file_put(&f, "BM\0\0\0\0\0\0\0\0", 10);
    put32(&f, 54 + 4 * colours + (packing == 3 ? 12 : 0)), put32(&f, 40), put32(&f, (unsigned)w),
        put32(&f, (unsigned)h);
    put16(&f, 1), put16(&f, bits), put32(&f, packing), put32(&f, (unsigned)n), put32(&f, 0), put32(&f, 0);
    put32(&f, colours), put32(&f, 0);
    if (packing == 3) put32(&f, 0xf800), put32(&f, 0x7e0), put32(&f, 0x1f);
    for (unsigned i = 0; i < colours; i++)
        file_put(&f, (uint8_t[]){(uint8_t)(255 - i), (uint8_t)(2 * i), (uint8_t)i, 0}, 4);
    file_put(&f, p, n);
    return f;
}

static void bmp(void **state) {
    (void)state;
    const uint8_t deep[] = {1, 2, 3, 4,  5,  6,  0, 0,
                            7, 8, 9, 10, 11, 12, 0, 0}; /* 2 rows of 2, lowest first */
    const uint8_t up[] = {9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4},
                  down[] = {3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10};
    file f = bmp_make(2, 2, 24, 0, 0, deep, 16);
    check(f, 2, 2, 3, MX_PIXEL_U8, up);
    cut_everywhere(f, 3, 2);
    free(f.bytes);
    f = bmp_make(2, -2, 24, 0, 0, deep, 16);
    check(f, 2, 2, 3, MX_PIXEL_U8, down);
    free(f.bytes);
    const uint8_t nibbles[] = {0x12, 0x30, 0, 0}, three[] = {1, 2, 254, 2, 4, 253, 3, 6, 252};
    f = bmp_make(3, 1, 4, 0, 16, nibbles, 4);
    check(f, 3, 1, 3, MX_PIXEL_U8, three);
    free(f.bytes);
    const uint8_t few[] = {1, 7, 0, 0}, beyond[] = {1, 2, 254, 0, 0, 0};
    f = bmp_make(2, 1, 8, 0, 4, few, 4); /* an index that the palette lacks is black */
    check(f, 2, 1, 3, MX_PIXEL_U8, beyond);
    free(f.bytes);
    const uint8_t v16[] = {0xff, 0x7f, 0x21, 0x04}, r555[] = {255, 255, 255, 8, 8, 8},
                  r565[] = {123, 255, 255, 0, 133, 8};
    f = bmp_make(2, 1, 16, 0, 0, v16, 4);
    check(f, 2, 1, 3, MX_PIXEL_U8, r555);
    free(f.bytes);
    f = bmp_make(2, 1, 16, 3, 0, v16, 4);
    check(f, 2, 1, 3, MX_PIXEL_U8, r565);
    free(f.bytes);
    const uint8_t runs[] = {3, 1, 0, 0, 0, 3, 2, 3, 1, 0, 0, 1}; /* 1 1 1 below, 2 3 1 above */
    const uint8_t drawn[] = {2, 4, 253, 3, 6, 252, 1, 2, 254, 1, 2, 254, 1, 2, 254, 1, 2, 254};
    f = bmp_make(3, 2, 8, 1, 4, runs, sizeof runs);
    check(f, 3, 2, 3, MX_PIXEL_U8, drawn);
    cut_everywhere(f, 3, 2);
    free(f.bytes);
    f = bmp_make(30000, 30000, 8, 1, 4, runs, sizeof runs);
    refused(f, 3, "cannot hold 30000x30000 pixels");
    free(f.bytes);
    f = bmp_make(30000, 30000, 24, 0, 0, deep, 16);
    refused(f, 3, "cut off: expected 30000 rows");
    free(f.bytes);
}

static void pnm(void **state) {
    (void)state;
    const uint8_t grey[] = {0, 128, 255, 51}, bits[] = {0, 255, 255, 0}, colour[] = {1, 2, 3, 4, 5, 6};
    const uint16_t deep[] = {0, 65535, 32800, 64};
    const float real[] = {1.5f, -2, 0.25f, 8};
    const struct {
        file f;
        int w, h, c;
        mx_pixel type;
        const void *want;
    } good[] = {
        {TEXT("P2 2 2 # grey\n 5 0 2\n5 #last\n1 "), 2, 2, 1, MX_PIXEL_U8, (uint8_t[]){0, 102, 255, 51}},
        {TEXT("P5\n2 2\n255\n\0\200\377\63"), 2, 2, 1, MX_PIXEL_U8, grey},
        {TEXT("P1\n2 2\n10 0 1"), 2, 2, 1, MX_PIXEL_U8, bits},
        {TEXT("P4 2 2\n\x80\x40"), 2, 2, 1, MX_PIXEL_U8, bits},
        {TEXT("P6 2 1 255\n\1\2\3\4\5\6"), 2, 1, 3, MX_PIXEL_U8, colour},
        {TEXT("P3 2 1 255 1 2 3 4 5 6"), 2, 1, 3, MX_PIXEL_U8, colour},
        {TEXT("P5 2 2 65535\n\0\0\377\377\200\40\0\100"), 2, 2, 1, MX_PIXEL_U16, deep},
        {TEXT("P5 2 1 1023\n\3\377\0\1"), 2, 1, 1, MX_PIXEL_U16, (uint16_t[]){65535, 64}},
        {TEXT("Pf 2 2 -1.0\n\0\0\x80\x3e\0\0\0\x41\0\0\xc0\x3f\0\0\0\xc0"), 2, 2, 1, MX_PIXEL_F32, real}};
    for (size_t i = 0; i < COUNT(good); i++) {
        file f = good[i].f;
        check(f, good[i].w, good[i].h, good[i].c, good[i].type, good[i].want);
        cut_everywhere(f, good[i].c, 2);
        free(f.bytes);
    }
    const struct {
        file f;
        const char *says;
    } bad[] = {{TEXT("P5 1000000 1000 255\nxx"), "cut off: 2 bytes cannot hold"},
               {TEXT("P2 1000000 1000 255\n1 2"), "cut off: 3 bytes cannot hold"},
               {TEXT("P5 2 2 0\nabcd"), "greatest value from 1 to 65535"},
               {TEXT("P5 2 2 65536\nabcdefgh"), "greatest value from 1 to 65535"},
               {TEXT("P5 0 2 255\nabcd"), "expected a width and a height"},
               {TEXT("P2 2 2 5\n1 2 3 6"), "sample 3 of 4: expected a number from 0 to 5"},
               {TEXT("P1 2 2 1 0 1 2 "), "expected a number from 0 to 1"},
               {TEXT("Pf 2 2 hhhhhhhhhhhhhhhhhhh\nxxxxxxxxxxxxxxxx"), "finite scale"},
               {TEXT("Pf 2 2 inf\nxxxxxxxxxxxxxxxx"), "finite scale"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        refused(bad[i].f, 1, bad[i].says);
        free(bad[i].f.bytes);
    }
}

/* ---- .npy ---- */

static void npy_types(void **state) {
    (void)state;
    const struct {
        const char *header;
        mx_pixel type;
        size_t n;
        const void *in, *want;
    } kind[] = {
        {NPY("|b1", "(1, 3)"), MX_PIXEL_U8, 3, "\0\1\1", "\0\377\377"},
        {NPY(">u2", "(1, 2)"), MX_PIXEL_U16, 4, "\1\2\3\4", "\2\1\4\3"},
        {NPY("<i2", "(1, 2)"), MX_PIXEL_F32, 4, "\377\377\5\0", (float[]){-1, 5}},
        {NPY(">i4", "(1, 2)"), MX_PIXEL_F32, 8, "\377\377\377\376\0\1\0\0", (float[]){-2, 65536}},
        {NPY("|i1", "(1, 2)"), MX_PIXEL_F32, 2, "\200\177", (float[]){-128, 127}},
        {NPY("<u4", "(1, 1)"), MX_PIXEL_F32, 4, "\377\377\377\377", (float[]){4294967295.0f}},
        {NPY("<i8", "(1, 1)"), MX_PIXEL_F32, 8, "\375\377\377\377\377\377\377\377", (float[]){-3}},
        {NPY(">f4", "(1, 1)"), MX_PIXEL_F32, 4, "\x3f\xc0\0\0", (float[]){1.5f}},
        {NPY("<f8", "(1, 1)"), MX_PIXEL_F32, 8, "\0\0\0\0\0\0\4\xc0", (float[]){-2.5f}},
        {NPY("<f2", "(1, 2)"), MX_PIXEL_F32, 4, "\0\x3c\0\xfc", (float[]){1, -INFINITY}},
        {NPY("|u1", "(1L, 3L)"), MX_PIXEL_U8, 3, "abc", "abc"},
        {"{\"shape\": (2, 3), \"fortran_order\": True, \"descr\": \"|u1\"}\n", MX_PIXEL_U8, 6, "adbecf",
         "abcdef"},
        {"{'descr': '<u2', 'fortran_order': True, 'shape': (1L, 2L, 2L), }\n", MX_PIXEL_U16, 8, "aabbccdd",
         "aaccbbdd"},
    };
    for (size_t i = 0; i < COUNT(kind); i++)
        for (int version = 1; version <= 3; version++) {
            file f = npy_make(kind[i].header, version, kind[i].in, kind[i].n);
            int w, h, c;
            assert_int_equal(mx_image_probe(&w, &h, &c, f.bytes, f.size, NULL), MX_OK);
            check(f, w, h, c, kind[i].type, kind[i].want);
            cut_everywhere(f, c, 6);
            free(f.bytes);
        }
}

/* ---- animated WebP, EXIF ---- */

static void animated_webp(void **state) {
    (void)state;
    uint8_t *rgb = random_bytes(4 * 2 * 4), want[8 * 6 * 3] = {0};
    for (int i = 0; i < 8; i++) rgb[4 * i + 3] = 255;
    file still = webp_make(rgb, 4, 2, 4), f = {0}; /* lossless: RIFF, size, WEBP, VP8L chunk */
    mx_image im;
    assert_int_equal(mx_image_decode(&im, still.bytes, still.size, 3, NULL), MX_OK);
    size_t n = still.size - 12;
    file_put(&f, "RIFF", 4), put32(&f, (unsigned)(4 + 18 + 14 + 2 * (24 + n))), file_put(&f, "WEBPVP8X", 8);
    put32(&f, 10), put32(&f, 2), file_put(&f, "\7\0\0\5\0\0", 6);
    file_put(&f, "ANIM", 4), put32(&f, 6), put32(&f, 0xffffffff), put16(&f, 0);
    for (int k = 0; k < 2; k++) { /* at 2 (k + 1), 2; the second does not count */
        file_put(&f, "ANMF", 4), put32(&f, (unsigned)(16 + n));
        file_put(&f, (uint8_t[]){(uint8_t)(k + 1), 0, 0, 1, 0, 0, 3, 0, 0, 1, 0, 0, 9, 0, 0, 0}, 16);
        file_put(&f, still.bytes + 12, n);
    }
    for (int y = 0; y < 2; y++) memcpy(want + 3 * ((y + 2) * 8 + 2), (uint8_t *)im.pixels + 12 * y, 12);
    check(f, 8, 6, 3, MX_PIXEL_U8, want);
    cut_everywhere(f, 3, 12);
    memset(f.bytes + 24, 0xff, 2), memset(f.bytes + 27, 0xff, 2); /* a canvas of 65536 x 65536 */
    refused(f, 3, "");
    mx_image_free(&im);
    free(f.bytes), free(still.bytes), free(rgb);
}

/* Turned on request only; whatever is damaged turns nothing. */
static void exif(void **state) {
    (void)state;
    for (int big = 0; big < 2; big++)
        for (unsigned o = 0; o <= 9; o++) {
            uint8_t grey[3 * 2] = {0, 50, 100, 150, 200, 250};
            file j = jpeg_make((jpeg_kind){3, 2, 1, 0, 0, 0, JCS_GRAYSCALE, JCS_GRAYSCALE}, grey), f = {0};
            mx_image plain, turned;
            file_put(&f, j.bytes, 2);
            file_put(&f,
                     big ? "\xff\xe1\0\x22"
                           "Exif\0\0MM\0*\0\0\0\10\0\1"
                         : "\xff\xe1\0\x22"
                           "Exif\0\0II*\0\10\0\0\0\1\0",
                     20);
            uint8_t little[12] = {0x12, 1, 3, 0, 1, 0, 0, 0, (uint8_t)o},
                    large[12] = {1, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)o};
            file_put(&f, big ? large : little, 12);
            file_put(&f, "\0\0\0\0", 4);
            file_put(&f, j.bytes + 2, j.size - 2);
            assert_int_equal(mx_exif_orientation(f.bytes, f.size), o >= 1 && o <= 8 ? o : 1);
            assert_int_equal(mx_image_decode(&plain, f.bytes, f.size, 1, NULL), MX_OK);
            assert_int_equal(mx_image_decode_turned(&turned, f.bytes, f.size, 1, NULL), MX_OK);
            assert_true(plain.width == 3 && turned.width == (o >= 5 && o <= 8 ? 2 : 3));
            assert_int_equal(mx_image_turn(&plain, (int)o, NULL), MX_OK);
            assert_memory_equal(plain.pixels, turned.pixels, 6);
            for (size_t n = 0; n < 40; n++) {
                int got = mx_exif_orientation(f.bytes, n);
                assert_true(got == 1 || got == (int)o);
            }
            mx_image_free(&plain), mx_image_free(&turned);
            free(f.bytes), free(j.bytes);
        }
}

static void decoders_are_named(void **state) {
    (void)state;
    static const char *const library[] = {"libjpeg", "libpng", "libwebp", "libtiff", "giflib"};
    char all[MX_DECODERS], text[200];
    mx_image_decoders(~0u, all, sizeof all);
    for (int i = 0; i < 5; i++) {
        const char *at = strstr(all, library[i]);
        if (!at || at[strlen(library[i])] != ' ' || !strchr("0123456789", at[strlen(library[i]) + 1]))
            fail_msg("%s without a version in: %s", library[i], all);
    }
    assert_true(strlen(all) + 1 < sizeof all);
    mx_image_decoders(0, text, sizeof text);
    assert_string_equal(text, "");
    assert_false(mx_image_decoders_differ(all, all, text, sizeof text));
    assert_false(mx_image_decoders_differ("", all, text, sizeof text)); /* an older state */
    assert_false(mx_image_decoders_differ("libpng 1; giflib 2", "libwebp 1; giflib 2", text, sizeof text));
    assert_true(mx_image_decoders_differ("libpng 1; giflib 2", "libpng 1; giflib 23", text, sizeof text));
    assert_string_equal(text, "giflib 2, here 23");
}

int main(void) {
    noise = mx_rng_make(3, MX_RNG_TEST, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_are_named),
        cmocka_unit_test(tiff_packed),
        cmocka_unit_test(tiff_numbers),
        cmocka_unit_test(tiff_orientations),
        cmocka_unit_test(tiff_alpha_and_palettes),
        cmocka_unit_test(tiff_fax_and_absent),
        cmocka_unit_test(tiff_pages),
        cmocka_unit_test(gif),
        cmocka_unit_test(bmp),
        cmocka_unit_test(pnm),
        cmocka_unit_test(npy_types),
        cmocka_unit_test(animated_webp),
        cmocka_unit_test(exif),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
