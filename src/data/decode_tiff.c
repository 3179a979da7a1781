/* TIFF by libtiff, from memory: strips and tiles, chunky and planar, 8 and 16 bits and float, any number of
 * samples; palettes looked up, MinIsWhite turned round, CMYK as Pillow converts it. What is stored in other
 * ways is refused by name. The first picture of the file counts. Source: augment.md (a), "Decode".
 *
 * libtiff's own handlers are global and print; each open file gets its own here, so threads do not meet.
 * Damage inside JPEG-compressed strips is only warned about by libtiff: such warnings are errors. */
#include "data/image_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#define MX_TIFF_MAX_CHANNELS 4096
#define MX_TIFF_MAX_RATIO    65536 /* Deflate reaches 1032, LZMA and Zstandard on flat images some thousands */

/* One allocation inside libtiff: it holds stored bytes, or a strip of a rare compression, never the picture.
 */
#define MX_TIFF_ALLOCATION(size) (((tmsize_t)64 << 20) + 16 * (tmsize_t)(size))

typedef struct {
    const unsigned char *bytes;
    toff_t size, at;
    char text[200]; /* libtiff's last complaint */
    bool damaged;   /* a JPEG strip lacks samples */
    bool cut;       /* something lies behind the end; libtiff may go on without it, say a palette's colours */
} memory_file;

typedef struct {
    uint32_t width, height;
    uint16_t samples, bits, format, photometric, planar, compression, ink, extras, *extra;
    mx_pixel type;
} tiff_info;

/* ---- libtiff reading from memory ---- */

static tmsize_t read_some(thandle_t h, void *out, tmsize_t n) {
    memory_file *f = h;
    toff_t left = f->at < f->size ? f->size - f->at : 0, take = n < 0              ? 0
                                                                : (toff_t)n < left ? (toff_t)n
                                                                                   : left;
    memcpy(out, f->bytes + f->at * (take > 0), (size_t)take);
    f->at += take;
    if ((tmsize_t)take != n) f->cut = true;
    return (tmsize_t)take;
}

static tmsize_t write_none(thandle_t h, void *data, tmsize_t n) { return (void)h, (void)data, (void)n, 0; }

static toff_t seek_to(thandle_t h, toff_t offset, int whence) {
    memory_file *f = h;
    f->at = offset + (whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->size : 0);
    return f->at;
}

static int close_none(thandle_t h) { return (void)h, 0; }
static toff_t size_of(thandle_t h) { return ((memory_file *)h)->size; }

/* Both keep libtiff's global, printing handlers from being called by returning 1. */
static int on_error(TIFF *t, void *user, const char *module, const char *format, va_list ap) {
    memory_file *f = user;
    (void)t, (void)module;
    vsnprintf(f->text, sizeof f->text, format, ap);
    return 1;
}

static int on_warning(TIFF *t, void *user, const char *module, const char *format, va_list ap) {
    memory_file *f = user;
    char text[200];
    (void)t;
    if (!module || strcmp(module, "JPEGLib")) return 1;
    vsnprintf(text, sizeof text, format, ap);
    bool harmless = strstr(text, "extraneous") || strstr(text, "Adobe") || strstr(text, "JFIF") ||
                    strstr(text, "Invalid SOS") || strstr(text, "ICC");
    if (harmless) return 1;
    memcpy(f->text, text, sizeof text);
    f->damaged = true;
    return 1;
}

static TIFF *open_memory(memory_file *f, mx_error *e) {
    TIFFOpenOptions *o = TIFFOpenOptionsAlloc();
    TIFF *t = NULL;
    if (o) {
        TIFFOpenOptionsSetErrorHandlerExtR(o, on_error, f);
        TIFFOpenOptionsSetWarningHandlerExtR(o, on_warning, f);
        TIFFOpenOptionsSetMaxSingleMemAlloc(o, MX_TIFF_ALLOCATION(f->size));
        t = TIFFClientOpenExt("memory", "rm", f, read_some, write_none, seek_to, close_none, size_of, NULL,
                              NULL, o);
        TIFFOpenOptionsFree(o);
    }
    if (!t) mx_fail(e, MX_ERR_FORMAT, "%s", *f->text ? f->text : "the header is damaged");
    return t;
}

static mx_status damaged(const memory_file *f, mx_error *e) {
    return mx_fail(e, MX_ERR_FORMAT, "damaged or cut off: %s",
                   *f->text ? f->text
                            : "data lies behind the end of the file, or strips or tiles are too small");
}

/* ---- what the file holds ---- */

static mx_status check_kind(const tiff_info *i, mx_error *e) {
    static const char *const name[] = {"MinIsWhite", "MinIsBlack", "RGB", "palette", "mask", "CMYK", "YCbCr"};
    uint16_t p = i->photometric;
    const char *what = p < sizeof name / sizeof *name ? name[p] : "other colours";
    bool jpeg = i->compression == COMPRESSION_JPEG, u8 = i->type == MX_PIXEL_U8;
    bool fine = p == PHOTOMETRIC_MINISBLACK || (p == PHOTOMETRIC_MINISWHITE && i->type != MX_PIXEL_F32) ||
                (p == PHOTOMETRIC_RGB && i->samples >= 3) ||
                (p == PHOTOMETRIC_PALETTE && u8 && i->samples == 1) ||
                (p == PHOTOMETRIC_SEPARATED && u8 && i->samples >= 4 && i->ink == INKSET_CMYK) ||
                (p == PHOTOMETRIC_YCBCR && jpeg && u8 && i->samples == 3);
    if (fine) return MX_OK;
    return mx_fail(e, MX_ERR_UNSUPPORTED, "%s (photometric %u) of %u samples, %u bits, compression %u", what,
                   p, i->samples, i->bits, i->compression);
}

static mx_status read_info(TIFF *t, tiff_info *i, mx_error *e) {
    *i = (tiff_info){.photometric = PHOTOMETRIC_MINISBLACK};
    TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &i->width);
    TIFFGetField(t, TIFFTAG_IMAGELENGTH, &i->height);
    TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &i->photometric);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &i->samples);
    TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &i->bits);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &i->format);
    TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &i->planar);
    TIFFGetFieldDefaulted(t, TIFFTAG_COMPRESSION, &i->compression);
    TIFFGetFieldDefaulted(t, TIFFTAG_INKSET, &i->ink);
    TIFFGetFieldDefaulted(t, TIFFTAG_EXTRASAMPLES, &i->extras, &i->extra);
    if (i->width > INT32_MAX || i->height > INT32_MAX || i->samples > MX_TIFF_MAX_CHANNELS)
        return mx_fail(e, MX_ERR_FORMAT, "expected at most %d samples, found %ux%u pixels of %u",
                       MX_TIFF_MAX_CHANNELS, i->width, i->height, i->samples);
    if (!TIFFIsCODECConfigured(i->compression))
        return mx_fail(e, MX_ERR_UNSUPPORTED, "compression %u is not built into libtiff", i->compression);
    bool plain = i->format == SAMPLEFORMAT_UINT || i->format == SAMPLEFORMAT_VOID;
    if (plain && i->bits == 8)
        i->type = MX_PIXEL_U8;
    else if (plain && i->bits == 16)
        i->type = MX_PIXEL_U16;
    else if (i->format == SAMPLEFORMAT_IEEEFP && i->bits == 32)
        i->type = MX_PIXEL_F32;
    else
        return mx_fail(e, MX_ERR_UNSUPPORTED,
                       "expected samples of 8 or 16 bits unsigned or 32 bits float, found %u bits, format %u",
                       i->bits, i->format);
    return check_kind(i, e);
}

/* How many of the samples are colour. Samples beyond RGB are extra by definition; beyond grey they may be
 * further bands, so only what is called alpha counts as such. */
static int colours_of(const tiff_info *i) {
    if (i->photometric == PHOTOMETRIC_RGB) return 3;
    bool alpha = i->extras == 1 && i->extra &&
                 (i->extra[0] == EXTRASAMPLE_ASSOCALPHA || i->extra[0] == EXTRASAMPLE_UNASSALPHA);
    return alpha && i->samples == 2 ? 1 : i->samples;
}

/* ---- samples ---- */

/* Copies rows x cols pixels of a block to (y, x); plane >= 0: that one sample of each pixel. What lies over
 * the edges is cut off. */
static void place(mx_image *im, const unsigned char *block, size_t block_cols, size_t y, size_t x,
                  size_t rows, int plane) {
    size_t size = mx_pixel_size(im->type), c = (size_t)im->channels, width = (size_t)im->width;
    size_t cols = width - x < block_cols ? width - x : block_cols;
    if (rows > (size_t)im->height - y) rows = (size_t)im->height - y;
    for (size_t r = 0; r < rows; r++) {
        unsigned char *to = (unsigned char *)im->pixels + ((y + r) * width + x) * c * size;
        if (plane < 0)
            memcpy(to, block + r * block_cols * c * size, cols * c * size);
        else
            for (size_t k = 0; k < cols; k++)
                memcpy(to + (k * c + (size_t)plane) * size, block + (r * block_cols + k) * size, size);
    }
}

static mx_status read_tiles(TIFF *t, const tiff_info *i, const memory_file *f, mx_image *im, mx_error *e) {
    uint32_t w = 0, h = 0, planes = i->planar == PLANARCONFIG_SEPARATE ? i->samples : 1;
    TIFFGetField(t, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(t, TIFFTAG_TILELENGTH, &h);
    /* products below 2^62: an edge is at most 2^20 here, samples at most 2^12 */
    if (!w || !h || w > 1 << 20 || h > 1 << 20) return damaged(f, e);
    uint64_t need = (uint64_t)w * h * (planes > 1 ? 1 : i->samples) * mx_pixel_size(i->type);
    tmsize_t bytes = TIFFTileSize(t);
    if (bytes <= 0 || (uint64_t)bytes != need || need > 4 * (uint64_t)MX_IMAGE_MAX_SAMPLES)
        return damaged(f, e);
    unsigned char *block = malloc((size_t)bytes);
    if (!block) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a tile", (size_t)bytes);
    for (uint32_t p = 0; p < planes && !e->status; p++)
        for (uint64_t y = 0; y < i->height && !e->status; y += h)
            for (uint64_t x = 0; x < i->width && !e->status; x += w) {
                if (TIFFReadTile(t, block, (uint32_t)x, (uint32_t)y, 0, (uint16_t)p) == bytes && !f->damaged)
                    place(im, block, w, y, x, h, planes > 1 ? (int)p : -1);
                else
                    damaged(f, e);
            }
    free(block);
    return e->status;
}

/* Strips of whole pixels are decoded in place. */
static mx_status read_strips(TIFF *t, const tiff_info *i, const memory_file *f, mx_image *im, mx_error *e) {
    uint32_t per = 0, planes = i->planar == PLANARCONFIG_SEPARATE ? i->samples : 1;
    uint64_t row = (uint64_t)i->width * (planes > 1 ? 1 : i->samples) * mx_pixel_size(i->type);
    unsigned char *block = NULL;
    TIFFGetFieldDefaulted(t, TIFFTAG_ROWSPERSTRIP, &per);
    if (per > i->height) per = i->height;
    if (!per || (uint64_t)TIFFScanlineSize(t) != row) return damaged(f, e);
    if (planes > 1 && !(block = malloc(row * per)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a strip", (size_t)(row * per));
    for (uint32_t p = 0; p < planes && !e->status; p++)
        for (uint64_t y = 0; y < i->height && !e->status; y += per) {
            uint64_t rows = i->height - y < per ? i->height - y : per;
            unsigned char *to = block ? block : (unsigned char *)im->pixels + y * row;
            uint32_t strip = TIFFComputeStrip(t, (uint32_t)y, (uint16_t)p);
            tmsize_t want = (tmsize_t)(row * rows);
            if (TIFFReadEncodedStrip(t, strip, to, want) != want || f->damaged)
                damaged(f, e);
            else if (block)
                place(im, block, i->width, y, 0, rows, (int)p);
        }
    free(block);
    return e->status;
}

/* ---- colours ---- */

/* Palette or CMYK to RGB of 8 bits; the palette's 16 bits are cut to 8 as Pillow does. */
static mx_status to_rgb(TIFF *t, const tiff_info *i, mx_image *im, mx_error *e) {
    uint16_t *map[3] = {NULL};
    mx_image out;
    bool palette = i->photometric == PHOTOMETRIC_PALETTE;
    if (palette && !TIFFGetField(t, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return mx_fail(e, MX_ERR_FORMAT, "expected a colour map, found none");
    if (mx_image_make(&out, im->width, im->height, 3, MX_PIXEL_U8, e)) return e->status;
    size_t n = (size_t)im->width * (size_t)im->height;
    const uint8_t *in = im->pixels;
    uint8_t *rgb = out.pixels;
    if (!palette) mx_cmyk_to_rgb(rgb, in, n, (size_t)im->channels, false);
    for (size_t k = 0; palette && k < n; k++)
        for (int c = 0; c < 3; c++) rgb[3 * k + (size_t)c] = (uint8_t)(map[c][in[k]] >> 8);
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

/* MinIsWhite: the colours only, not alpha. */
static void turn_round(mx_image *im, int colours) {
    size_t n = (size_t)im->width * (size_t)im->height, c = (size_t)im->channels;
    uint8_t *p8 = im->pixels;
    uint16_t *p16 = im->pixels;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < (size_t)colours; k++) {
            if (im->type == MX_PIXEL_U8)
                p8[i * c + k] = (uint8_t)~p8[i * c + k];
            else
                p16[i * c + k] = (uint16_t)~p16[i * c + k];
        }
}

/* Said before memory is asked for: the directory or the samples lie behind the end. */
static mx_status check_size(const tiff_info *i, const memory_file *f, mx_error *e) {
    uint64_t most = i->compression == COMPRESSION_NONE ? f->size : f->size * MX_TIFF_MAX_RATIO;
    uint64_t row = (uint64_t)i->width * i->samples * mx_pixel_size(i->type); /* below 2^46 */
    if (!f->cut && i->height && row <= most / i->height) return MX_OK;
    return mx_fail(e, MX_ERR_FORMAT, "%llu bytes cannot hold %ux%u pixels of %u samples",
                   (unsigned long long)f->size, i->width, i->height, i->samples);
}

static mx_status read_image(TIFF *t, const memory_file *f, mx_image *im, int *colours, int channels,
                            mx_error *e) {
    tiff_info i;
    if (read_info(t, &i, e) || check_size(&i, f, e)) return e->status;
    if (i.photometric == PHOTOMETRIC_YCBCR) TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    if (mx_image_make(im, (int)i.width, (int)i.height, i.samples, i.type, e)) return e->status;
    if (TIFFIsTiled(t) ? read_tiles(t, &i, f, im, e) : read_strips(t, &i, f, im, e)) return e->status;
    *colours = colours_of(&i);
    if (i.photometric == PHOTOMETRIC_MINISWHITE) turn_round(im, *colours);
    if (i.photometric == PHOTOMETRIC_PALETTE ||
        (i.photometric == PHOTOMETRIC_SEPARATED && (channels == 1 || channels == 3))) {
        *colours = 3;
        return to_rgb(t, &i, im, e);
    }
    return MX_OK;
}

mx_status mx_decode_tiff(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    memory_file f = {.bytes = bytes, .size = size};
    TIFF *t = open_memory(&f, e);
    if (!t) return e->status;
    if (!read_image(t, &f, im, colours, channels, e) && f.cut) damaged(&f, e);
    TIFFClose(t);
    return e->status;
}

mx_status mx_probe_tiff(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    memory_file f = {.bytes = bytes, .size = size};
    tiff_info i;
    TIFF *t = open_memory(&f, e);
    if (!t) return e->status;
    if (!read_info(t, &i, e))
        *width = (int)i.width, *height = (int)i.height,
        *channels = i.photometric == PHOTOMETRIC_PALETTE ? 3 : i.samples;
    if (!e->status && f.cut) damaged(&f, e);
    TIFFClose(t);
    return e->status;
}
