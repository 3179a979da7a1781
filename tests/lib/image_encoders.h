/* Makes image files of every kind that the decoders must read, in memory, with the formats' own libraries.
 * The tests' counterpart of src/data/decode_*.c. Include it once per test. */
#ifndef MX_TESTS_IMAGE_ENCODERS_H
#define MX_TESTS_IMAGE_ENCODERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>
#include <tiffio.h>
#include <webp/encode.h>

#include "data/image.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef struct {
    uint8_t *bytes;
    size_t size, at;
} file; /* free(bytes) */

static inline void file_put(file *f, const void *bytes, size_t n) {
    if (f->at + n > f->size) {
        f->bytes = realloc(f->bytes, f->at + n);
        assert_non_null(f->bytes);
        memset(f->bytes + f->size, 0, f->at + n - f->size);
        f->size = f->at + n;
    }
    memcpy(f->bytes + f->at, bytes, n);
    f->at += n;
}

/* ---- PNG ---- */

typedef struct {
    int width, height, depth, type, interlace, palette,
        clear; /* entries of palette and tRNS, from 255 down */
} png_kind;

static inline void png_put(png_structp png, png_bytep bytes, size_t n) {
    file_put(png_get_io_ptr(png), bytes, n);
}
static inline void png_flush_none(png_structp png) { (void)png; }

/* rows: packed as PNG stores them, 16 bits big-endian. Palette entry i is (i, 255-i, i/2). */
static inline file png_make(png_kind k, const uint8_t *rows, size_t stride) {
    file f = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[256];
    png_byte clear[256];
    png_bytep *row = malloc(sizeof *row * (size_t)k.height);
    if (!row || setjmp(png_jmpbuf(png))) fail_msg("cannot make a PNG file");
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i / 2)},
        clear[i] = (uint8_t)(255 - i);
    for (int y = 0; y < k.height; y++) row[y] = (png_bytep)rows + (size_t)y * stride;
    png_set_write_fn(png, &f, png_put, png_flush_none);
    png_set_IHDR(png, info, (uint32_t)k.width, (uint32_t)k.height, k.depth, k.type,
                 k.interlace ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    if (k.palette) png_set_PLTE(png, info, palette, k.palette);
    if (k.clear) png_set_tRNS(png, info, clear, k.clear, NULL);
    png_write_info(png, info);
    png_write_image(png, row);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    return f;
}

/* ---- JPEG ---- */

typedef struct {
    int width, height, components, restart, progressive, sampling; /* progressive: + 2: arithmetic codes */
    J_COLOR_SPACE given, stored;
} jpeg_kind;

static inline file jpeg_make(jpeg_kind k, const uint8_t *pixels) {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    file f = {0};
    unsigned long size = 0;
    c.err = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &f.bytes, &size);
    c.image_width = (JDIMENSION)k.width, c.image_height = (JDIMENSION)k.height;
    c.input_components = k.components, c.in_color_space = k.given;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, k.stored);
    jpeg_set_quality(&c, 100, TRUE);
    for (int i = 0; i < c.num_components; i++)
        c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = i ? 1 : k.sampling ? k.sampling : 1;
    if (k.sampling > 9) /* across and down */
        c.comp_info[0].h_samp_factor = k.sampling / 10, c.comp_info[0].v_samp_factor = k.sampling % 10;
    c.arith_code = k.progressive >> 1;
    if (k.progressive & 1) jpeg_simple_progression(&c);
    c.restart_interval = (unsigned)k.restart;
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = (JSAMPROW)pixels + (size_t)c.next_scanline * (size_t)(k.width * k.components);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    f.size = size;
    return f;
}

/* ---- TIFF ---- */

typedef struct {
    int width, height, samples, bits, format, photometric, planar, tiled, compression, rows, extra;
    const char *mode; /* "w", or "wb" for big-endian, "w8" for BigTIFF */
} tiff_kind;

static inline tmsize_t tiff_read(thandle_t h, void *out, tmsize_t n) {
    file *f = h;
    size_t take = f->at >= f->size ? 0 : f->size - f->at < (size_t)n ? f->size - f->at : (size_t)n;
    if (take) memcpy(out, f->bytes + f->at, take);
    f->at += take;
    return (tmsize_t)take;
}
static inline tmsize_t tiff_write(thandle_t h, void *bytes, tmsize_t n) {
    return file_put(h, bytes, (size_t)n), n;
}
static inline toff_t tiff_seek(thandle_t h, toff_t offset, int whence) {
    file *f = h;
    return f->at = (size_t)offset + (whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->size : 0);
}
static inline int tiff_close(thandle_t h) { return (void)h, 0; }
static inline toff_t tiff_size(thandle_t h) { return ((file *)h)->size; }

/* Block (x, y) of plane p, tile or strip, from pixels [H,W,samples]; 0 outside the picture. */
static inline void tiff_block(uint8_t *block, const uint8_t *pixels, const tiff_kind *k, int x0, int y0,
                              int w, int h, int plane) {
    size_t size = (size_t)k->bits / 8, s = (size_t)k->samples, n = plane < 0 ? s : 1;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, block += n * size) {
            memset(block, 0, n * size);
            if (x0 + x >= k->width || y0 + y >= k->height) continue;
            size_t at = ((size_t)(y0 + y) * (size_t)k->width + (size_t)(x0 + x)) * s;
            memcpy(block, pixels + (at + (plane < 0 ? 0 : (size_t)plane)) * size, n * size);
        }
}

static inline void tiff_tags(TIFF *t, const tiff_kind *k) {
    TIFFSetField(t, TIFFTAG_IMAGEWIDTH, k->width);
    TIFFSetField(t, TIFFTAG_IMAGELENGTH, k->height);
    TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, k->samples);
    TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, k->bits);
    TIFFSetField(t, TIFFTAG_SAMPLEFORMAT, k->format ? k->format : SAMPLEFORMAT_UINT);
    TIFFSetField(t, TIFFTAG_PHOTOMETRIC, k->photometric);
    TIFFSetField(t, TIFFTAG_PLANARCONFIG, k->planar ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    TIFFSetField(t, TIFFTAG_COMPRESSION, k->compression ? k->compression : COMPRESSION_NONE);
    if (k->tiled) TIFFSetField(t, TIFFTAG_TILEWIDTH, 16), TIFFSetField(t, TIFFTAG_TILELENGTH, 16);
    if (!k->tiled) TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, k->rows ? k->rows : k->height);
    int colours = k->photometric == PHOTOMETRIC_RGB ? 3 : k->photometric == PHOTOMETRIC_SEPARATED ? 4 : 1;
    uint16_t extra[64];
    for (int i = 0; i < 64; i++) extra[i] = (uint16_t)k->extra;
    if (k->samples > colours) TIFFSetField(t, TIFFTAG_EXTRASAMPLES, k->samples - colours, extra);
    if (k->compression == COMPRESSION_JPEG) TIFFSetField(t, TIFFTAG_JPEGQUALITY, 100);
    if (k->photometric != PHOTOMETRIC_PALETTE) return;
    uint16_t map[3][256]; /* entry i is (i, 255-i, i/2), with low bytes that must be cut */
    for (int i = 0; i < 256; i++)
        map[0][i] = (uint16_t)(i << 8 | 0x55), map[1][i] = (uint16_t)((255 - i) << 8 | 0xff),
        map[2][i] = (uint16_t)(i / 2 << 8);
    TIFFSetField(t, TIFFTAG_COLORMAP, map[0], map[1], map[2]);
}

static inline file tiff_make(tiff_kind k, const void *pixels) {
    file f = {0};
    TIFF *t = TIFFClientOpen("memory", k.mode ? k.mode : "w", &f, tiff_read, tiff_write, tiff_seek,
                             tiff_close, tiff_size, NULL, NULL);
    assert_non_null(t);
    tiff_tags(t, &k);
    int w = k.tiled ? 16 : k.width, h = k.tiled ? 16 : k.rows ? k.rows : k.height;
    size_t bytes = (size_t)(w * h * k.samples * k.bits / 8) + 16;
    uint8_t *block = malloc(bytes);
    for (int p = k.planar ? 0 : -1; p < (k.planar ? k.samples : 0); p++)
        for (int y = 0; y < k.height; y += h)
            for (int x = 0; x < k.width; x += w) {
                int rows = k.tiled || y + h <= k.height ? h : k.height - y;
                tiff_block(block, pixels, &k, x, y, w, rows, p);
                tmsize_t n = (tmsize_t)(w * rows * (p < 0 ? k.samples : 1) * k.bits / 8);
                uint16_t plane = p < 0 ? 0 : (uint16_t)p;
                tmsize_t put =
                    k.tiled ? TIFFWriteEncodedTile(t, TIFFComputeTile(t, (uint32_t)x, (uint32_t)y, 0, plane),
                                                   block, n)
                            : TIFFWriteEncodedStrip(t, TIFFComputeStrip(t, (uint32_t)y, plane), block, n);
                assert_int_equal(put, n);
            }
    free(block);
    TIFFClose(t);
    return f;
}

/* ---- WebP and .npy ---- */

static inline file webp_make(const uint8_t *rgba, int width, int height, int channels) {
    file f = {0};
    WebPConfig config;
    WebPPicture p;
    WebPMemoryWriter w;
    assert_true(WebPConfigInit(&config) && WebPPictureInit(&p) && WebPConfigLosslessPreset(&config, 6));
    config.exact = 1; /* keep the colours of clear pixels */
    WebPMemoryWriterInit(&w);
    p.use_argb = 1, p.width = width, p.height = height, p.writer = WebPMemoryWrite, p.custom_ptr = &w;
    assert_true(channels == 4 ? WebPPictureImportRGBA(&p, rgba, 4 * width)
                              : WebPPictureImportRGB(&p, rgba, 3 * width));
    assert_true(WebPEncode(&config, &p));
    file_put(&f, w.mem, w.size);
    WebPMemoryWriterClear(&w);
    WebPPictureFree(&p);
    return f;
}

static inline file npy_make(const char *header, int version, const void *samples, size_t bytes) {
    file f = {0};
    size_t n = strlen(header);
    uint8_t head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0, (uint8_t)n, (uint8_t)(n >> 8),
                        0,    0};
    file_put(&f, head, version == 1 ? 10 : 12);
    file_put(&f, header, n);
    if (bytes) file_put(&f, samples, bytes);
    return f;
}

#define NPY(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }    \n"

/* ---- common checks ---- */

static mx_rng noise;

static inline uint8_t *random_bytes(size_t n) {
    uint8_t *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)mx_rng_u32(&noise);
    return p;
}

static inline size_t bytes_of(const mx_image *im) {
    size_t sample = im->type == MX_PIXEL_U8 ? 1 : im->type == MX_PIXEL_U16 ? 2 : 4;
    return (size_t)im->width * (size_t)im->height * (size_t)im->channels * sample;
}

/* f must be refused with a message that contains `says`. */
static inline void refused(file f, int channels, const char *says) {
    mx_error e = {0};
    mx_image im = {.width = 1};
    mx_status st = mx_image_decode(&im, f.bytes, f.size, channels, &e);
    assert_int_not_equal(st, MX_OK);
    assert_int_equal(st, e.status);
    assert_null(im.pixels);
    if (!strstr(e.text, says)) fail_msg("expected '%s' in: %s", says, e.text);
    assert_int_equal(mx_image_decode(&im, f.bytes, f.size, channels, NULL), st);
}

#endif
