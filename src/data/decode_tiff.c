/* TIFF by libtiff, from memory: strips and tiles, chunky and planar, 8 and 16 bits and float, any number of
 * samples; palette looked up, MinIsWhite turned round, CMYK as Pillow converts it. What is stored in other
 * ways is refused by name. */
#include "data/image_internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#define MX_TIFF_MAX_SAMPLES 512

typedef struct {
    const unsigned char *bytes;
    toff_t size, at;
} memory_file;

typedef struct {
    uint32_t width, height;
    uint16_t samples, bits, format, photometric, planar, extras, *extra;
    mx_pixel type;
} tiff_info;

bool mx_is_tiff(const unsigned char *b, size_t n) {
    return n >= 8 && (!memcmp(b, "II*\0", 4) || !memcmp(b, "MM\0*", 4) || !memcmp(b, "II+\0", 4) ||
                      !memcmp(b, "MM\0+", 4));
}

static tmsize_t read_some(thandle_t h, void *out, tmsize_t n) {
    memory_file *f = h;
    toff_t left = f->at < f->size ? f->size - f->at : 0, take = (toff_t)n < left ? (toff_t)n : left;
    memcpy(out, f->bytes + f->at, (size_t)take);
    f->at += take;
    return (tmsize_t)take;
}

static tmsize_t write_none(thandle_t h, void *data, tmsize_t n) {
    (void)h, (void)data, (void)n;
    return 0;
}

static toff_t seek_to(thandle_t h, toff_t offset, int whence) {
    memory_file *f = h;
    toff_t base = whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->size : 0;
    f->at = base + offset;
    return f->at;
}

static int close_none(thandle_t h) { return (void)h, 0; }
static toff_t size_of(thandle_t h) { return ((memory_file *)h)->size; }

static int map_memory(thandle_t h, void **base, toff_t *size) {
    memory_file *f = h;
    *base = (void *)f->bytes, *size = f->size;
    return 1;
}

static void unmap_none(thandle_t h, void *base, toff_t size) { (void)h, (void)base, (void)size; }

/* libtiff keeps its handlers in globals; they are turned off once, before any thread can be decoding. */
__attribute__((constructor)) static void silence(void) {
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
}

static TIFF *open_memory(memory_file *f) {
    return TIFFClientOpen("memory", "rm", f, read_some, write_none, seek_to, close_none, size_of, map_memory,
                          unmap_none);
}

static mx_status read_info(TIFF *t, tiff_info *i, mx_error *e) {
    memset(i, 0, sizeof *i);
    TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &i->width);
    TIFFGetField(t, TIFFTAG_IMAGELENGTH, &i->height);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &i->samples);
    TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &i->bits);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &i->format);
    TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &i->planar);
    TIFFGetFieldDefaulted(t, TIFFTAG_EXTRASAMPLES, &i->extras, &i->extra);
    if (!TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &i->photometric)) i->photometric = PHOTOMETRIC_MINISBLACK;
    if (!i->samples || i->samples > MX_TIFF_MAX_SAMPLES || i->width > INT32_MAX || i->height > INT32_MAX)
        return mx_fail(e, MX_ERR_FORMAT, "%ux%u pixels of %u samples are not possible", i->width, i->height,
                       i->samples);
    if (i->format == SAMPLEFORMAT_UINT && i->bits == 8)
        i->type = MX_PIXEL_U8;
    else if (i->format == SAMPLEFORMAT_UINT && i->bits == 16)
        i->type = MX_PIXEL_U16;
    else if (i->format == SAMPLEFORMAT_IEEEFP && i->bits == 32)
        i->type = MX_PIXEL_F32;
    else
        return mx_fail(
            e, MX_ERR_UNSUPPORTED,
            "samples of %u bits and sample format %u: expected 8 or 16 bits unsigned, or 32 bits float",
            i->bits, i->format);
    return MX_OK;
}

/* Copies a block of `rows` x `cols` pixels of `depth` samples to (y, x); plane >= 0: one sample of each
 * pixel. */
static void place(mx_image *im, const unsigned char *block, uint32_t block_cols, uint32_t y, uint32_t x,
                  uint32_t rows, uint32_t cols, int plane) {
    size_t size = mx_pixel_size(im->type), c = (size_t)im->channels;
    for (uint32_t r = 0; r < rows && y + r < (uint32_t)im->height; r++) {
        unsigned char *to =
            (unsigned char *)im->pixels + ((size_t)(y + r) * (size_t)im->width + x) * c * size;
        uint32_t n = x + cols > (uint32_t)im->width ? (uint32_t)im->width - x : cols;
        if (plane < 0)
            memcpy(to, block + (size_t)r * block_cols * c * size, n * c * size);
        else
            for (uint32_t k = 0; k < n; k++)
                memcpy(to + (k * c + (size_t)plane) * size, block + ((size_t)r * block_cols + k) * size,
                       size);
    }
}

static mx_status damaged(mx_error *e) { return mx_fail(e, MX_ERR_FORMAT, "the data is damaged or cut off"); }

static mx_status read_tiles(TIFF *t, const tiff_info *i, mx_image *im, mx_error *e) {
    uint32_t w = 0, h = 0, planes = i->planar == PLANARCONFIG_SEPARATE ? i->samples : 1;
    TIFFGetField(t, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(t, TIFFTAG_TILELENGTH, &h);
    uint64_t need = (uint64_t)w * h * (planes > 1 ? 1 : i->samples) * (i->bits / 8);
    tmsize_t bytes = TIFFTileSize(t);
    if (!w || !h || bytes <= 0 || need > (uint64_t)bytes || need > (uint64_t)MX_IMAGE_MAX_SAMPLES)
        return damaged(e);
    unsigned char *block = malloc((size_t)bytes);
    if (!block) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a tile");
    for (uint32_t p = 0; p < planes && !e->status; p++)
        for (uint64_t y = 0; y < i->height && !e->status; y += h)
            for (uint64_t x = 0; x < i->width; x += w) {
                if (TIFFReadTile(t, block, (uint32_t)x, (uint32_t)y, 0, (uint16_t)p) < (tmsize_t)need) {
                    damaged(e);
                    break;
                }
                place(im, block, w, (uint32_t)y, (uint32_t)x, h, w, planes > 1 ? (int)p : -1);
            }
    free(block);
    return e->status;
}

static mx_status read_strips(TIFF *t, const tiff_info *i, mx_image *im, mx_error *e) {
    uint32_t per = 0, planes = i->planar == PLANARCONFIG_SEPARATE ? i->samples : 1;
    TIFFGetFieldDefaulted(t, TIFFTAG_ROWSPERSTRIP, &per);
    if (!per) return damaged(e);
    if (per > i->height) per = i->height;
    uint64_t row = (uint64_t)i->width * (planes > 1 ? 1 : i->samples) * (i->bits / 8);
    tmsize_t bytes = TIFFStripSize(t);
    if (bytes <= 0 || row * per > (uint64_t)bytes || (uint64_t)bytes > 8u * (uint64_t)MX_IMAGE_MAX_SAMPLES)
        return damaged(e);
    unsigned char *block = malloc((size_t)bytes);
    if (!block) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a strip");
    for (uint32_t p = 0; p < planes && !e->status; p++)
        for (uint32_t y = 0; y < i->height; y += per) {
            uint32_t rows = i->height - y < per ? i->height - y : per;
            if (TIFFReadEncodedStrip(t, TIFFComputeStrip(t, y, (uint16_t)p), block, (tmsize_t)(row * rows)) <
                (tmsize_t)(row * rows)) {
                damaged(e);
                break;
            }
            place(im, block, i->width, y, 0, rows, i->width, planes > 1 ? (int)p : -1);
        }
    free(block);
    return e->status;
}

/* One-sample palette images become RGB of 8 bits (colour maps hold 16). */
static mx_status look_up(TIFF *t, mx_image *im, mx_error *e) {
    uint16_t *map[3] = {NULL};
    mx_image out;
    if (im->channels != 1 || im->type != MX_PIXEL_U8 ||
        !TIFFGetField(t, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return mx_fail(e, MX_ERR_UNSUPPORTED, "a palette that is not of 8 bits");
    if (mx_image_make(&out, im->width, im->height, 3, MX_PIXEL_U8, e)) return e->status;
    size_t n = (size_t)im->width * (size_t)im->height;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            ((uint8_t *)out.pixels)[3 * i + (size_t)k] = (uint8_t)(map[k][((uint8_t *)im->pixels)[i]] >> 8);
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

static void turn_round(mx_image *im) {
    size_t n = (size_t)im->width * (size_t)im->height * (size_t)im->channels;
    for (size_t i = 0; i < n; i++) {
        if (im->type == MX_PIXEL_U8)
            ((uint8_t *)im->pixels)[i] = (uint8_t)(255 - ((uint8_t *)im->pixels)[i]);
        else if (im->type == MX_PIXEL_U16)
            ((uint16_t *)im->pixels)[i] = (uint16_t)(65535 - ((uint16_t *)im->pixels)[i]);
    }
}

/* CMYK (not inverted in TIFF) in place to RGB: R = K' - C K'/255, K' = 255 - K (augment.md a). */
static mx_status from_cmyk(mx_image *im, mx_error *e) {
    mx_image out;
    if (im->type != MX_PIXEL_U8) return mx_fail(e, MX_ERR_UNSUPPORTED, "CMYK that is not of 8 bits");
    if (mx_image_make(&out, im->width, im->height, 3, MX_PIXEL_U8, e)) return e->status;
    const uint8_t *p = im->pixels;
    uint8_t *q = out.pixels;
    for (size_t i = 0; i < (size_t)im->width * (size_t)im->height; i++, p += im->channels, q += 3)
        for (int k = 0; k < 3; k++) {
            int white = 255 - p[3], m = p[k] * white + 128, v = white - (((m >> 8) + m) >> 8);
            q[k] = (uint8_t)(v < 0 ? 0 : v);
        }
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

static mx_status read_pixels(TIFF *t, mx_image *im, bool *alpha, int channels, mx_error *e) {
    tiff_info i;
    if (read_info(t, &i, e)) return e->status;
    if (i.photometric == PHOTOMETRIC_YCBCR) { /* JPEG inside TIFF: libtiff converts */
        uint16_t compression = 0;
        TIFFGetField(t, TIFFTAG_COMPRESSION, &compression);
        if (compression != COMPRESSION_JPEG)
            return mx_fail(e, MX_ERR_UNSUPPORTED, "YCbCr samples without JPEG compression");
        TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    } else if (i.photometric > PHOTOMETRIC_PALETTE && i.photometric != PHOTOMETRIC_SEPARATED)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "photometric interpretation %u", i.photometric);
    if (mx_image_make(im, (int)i.width, (int)i.height, i.samples, i.type, e)) return e->status;
    if (TIFFIsTiled(t) ? read_tiles(t, &i, im, e) : read_strips(t, &i, im, e)) return e->status;
    if (i.photometric == PHOTOMETRIC_PALETTE) return look_up(t, im, e);
    if (i.photometric == PHOTOMETRIC_SEPARATED && i.samples >= 4 && channels != i.samples)
        return from_cmyk(im, e);
    if (i.photometric == PHOTOMETRIC_MINISWHITE) turn_round(im);
    int colours = i.photometric == PHOTOMETRIC_RGB || i.photometric == PHOTOMETRIC_YCBCR ? 3 : 1;
    *alpha = i.samples == colours + 1 && i.extras == 1 && i.extra[0] != EXTRASAMPLE_UNSPECIFIED;
    return MX_OK;
}

mx_status mx_decode_tiff(mx_image *im, bool *alpha, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    memory_file f = {bytes, size, 0};
    *alpha = false;
    TIFF *t = open_memory(&f);
    if (!t) return mx_fail(e, MX_ERR_FORMAT, "the header is damaged");
    read_pixels(t, im, alpha, channels, e);
    TIFFClose(t);
    return e->status;
}

mx_status mx_probe_tiff(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    memory_file f = {bytes, size, 0};
    tiff_info i;
    TIFF *t = open_memory(&f);
    if (!t) return mx_fail(e, MX_ERR_FORMAT, "the header is damaged");
    if (!read_info(t, &i, e)) *width = (int)i.width, *height = (int)i.height, *channels = i.samples;
    TIFFClose(t);
    return e->status;
}
