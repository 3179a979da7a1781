/* TIFF by libtiff, from memory: the samples and size of the first picture in the file. Strips and tiles, chunky and
 * planar, 1 to 64 bits, integers and floats, any number of samples. An error names storage that is not supported.
 * Orientation is applied, as in Pillow. See docs/DATA.md, "Images".
 *
 * libtiff's default error handlers are global and print, so each open file gets its own, which threads do not share.
 * libtiff only warns about damage inside JPEG-compressed strips; such warnings are errors here. */
#include "data/decode_tiff.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MX_TIFF_MAX_CHANNELS 4096
#define MX_TIFF_GEO_KEYS     34735 /* GeoTIFF's */
#define MX_TIFF_GDAL_NODATA  42113

/* Limit of one allocation inside libtiff, which holds stored bytes, or a strip of a rare compression, but never the
 * picture. */
#define MX_TIFF_ALLOCATION(size) (((tmsize_t)64 << 20) + 16 * (tmsize_t)(size))

/* ---- libtiff reading from memory ---- */

static tmsize_t read_some(thandle_t h, void *out, tmsize_t n) {
    mx_tiff_memory *f = h;
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
    mx_tiff_memory *f = h;
    f->at = offset + (whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->size : 0);
    return f->at;
}

static int close_none(thandle_t h) { return (void)h, 0; }
static toff_t size_of(thandle_t h) { return ((mx_tiff_memory *)h)->size; }

/* Handlers of errors and warnings. They return 1, so that libtiff does not call its global handlers too. */
static int on_error(TIFF *t, void *user, const char *module, const char *format, va_list ap) {
    mx_tiff_memory *f = user;
    (void)t, (void)module;
    vsnprintf(f->text, sizeof f->text, format, ap);
    if (strstr(f->text, "beyond the")) f->limit = true;
    if (strstr(f->text, "(0 elements")) return 1; /* libtiff says the same of an empty directory */
    if (strstr(f->text, "emory") || strstr(f->text, "No space") || strstr(f->text, "allocate"))
        f->memory = true;
    return 1;
}

static int on_warning(TIFF *t, void *user, const char *module, const char *format, va_list ap) {
    mx_tiff_memory *f = user;
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

/* Separates lack of memory from damage. libtiff shows the difference only in its messages, which begin with the name
 * given to TIFFClientOpenExt. */
static mx_status judge(const mx_tiff_memory *f, const mx_error *why, mx_error *e) {
    if (!why->status) return MX_OK;
    if (f->memory && !f->limit) return mx_fail(e, MX_ERR_MEMORY, "out of memory: %s", why->text);
    return mx_fail(e, why->status, "%s", why->text);
}

static TIFF *open_memory(mx_tiff_memory *f, mx_error *e) {
    TIFFOpenOptions *o = TIFFOpenOptionsAlloc();
    TIFF *t = NULL;
    f->memory = !o;
    if (o) {
        TIFFOpenOptionsSetErrorHandlerExtR(o, on_error, f);
        TIFFOpenOptionsSetWarningHandlerExtR(o, on_warning, f);
        TIFFOpenOptionsSetMaxSingleMemAlloc(o, MX_TIFF_ALLOCATION(f->size));
        t = TIFFClientOpenExt("TIFF", "rm", f, read_some, write_none, seek_to, close_none, size_of, NULL,
                              NULL, o);
        TIFFOpenOptionsFree(o);
    }
    if (!t) mx_fail(e, MX_ERR_FORMAT, "%s", *f->text ? f->text : "the header is damaged");
    return t;
}

mx_status mx_tiff_damaged(const mx_tiff_memory *f, mx_error *e) {
    return mx_fail(e, MX_ERR_FORMAT, "damaged or cut off: %s",
                   *f->text ? f->text
                            : "data lies past the end of the file, or strips or tiles are too small");
}

/* ---- contents of the file ---- */

static const char *name_of(uint16_t photometric) {
    static const char *const name[] = {"MinIsWhite", "MinIsBlack", "RGB", "palette", "mask", "CMYK", "YCbCr"};
    if (photometric < sizeof name / sizeof *name) return name[photometric];
    return photometric == PHOTOMETRIC_CIELAB || photometric == PHOTOMETRIC_ICCLAB ? "CIE Lab"
           : photometric == PHOTOMETRIC_CFA                                       ? "a camera's raw samples"
                                                                                  : "other colours";
}

static mx_status check_kind(const mx_tiff_info *i, mx_error *e) {
    uint16_t p = i->photometric, n = i->samples;
    bool plain = i->type != MX_PIXEL_F32, whole = plain && (i->bits == 8 || i->bits == 16);
    bool fine = i->converted || p == PHOTOMETRIC_MINISBLACK || p == PHOTOMETRIC_MINISWHITE ||
                (p == PHOTOMETRIC_RGB && n >= 3) ||
                (p == PHOTOMETRIC_PALETTE && plain && (n == 1 || (n == 2 && i->bits == 8))) ||
                (p == PHOTOMETRIC_SEPARATED && whole && n >= 4 && i->ink == INKSET_CMYK) ||
                (p == PHOTOMETRIC_YCBCR && plain && i->bits == 8 && (n == 1 || n == 3));
    if (fine) return MX_OK;
    return mx_fail(e, MX_ERR_UNSUPPORTED, "%s (photometric %u) of %u samples, %u bits, compression %u",
                   name_of(p), p, n, i->bits, i->compression);
}

/* Reads a tag that libtiff does not know, as text; "" if it is absent or not text. */
static bool has_tag(TIFF *t, uint32_t tag, char text[64]) {
    const TIFFField *field = TIFFFindField(t, tag, TIFF_ANY);
    uint32_t count = 0;
    const char *value = NULL;
    *text = 0;
    if (!field || !TIFFFieldPassCount(field) || TIFFFieldReadCount(field) != TIFF_VARIABLE2) return false;
    if (!TIFFGetField(t, tag, &count, &value)) return false;
    if (TIFFFieldDataType(field) == TIFF_ASCII && value && count < 64)
        memcpy(text, value, count), text[count] = 0;
    return true;
}

/* Sets the type that samples become. Signed 8-bit samples count as signed only in map files, since Pillow reads them as
 * unsigned. False: no type fits. */
static bool choose_type(mx_tiff_info *i, bool map) {
    unsigned bits = i->bits;
    bool wide = bits == 24 || bits == 32 || bits == 64;
    i->type = bits <= 8 ? MX_PIXEL_U8 : bits <= 16 ? MX_PIXEL_U16 : MX_PIXEL_F32;
    if (i->format == SAMPLEFORMAT_UINT || i->format == SAMPLEFORMAT_VOID) return (bits && bits <= 16) || wide;
    if (i->format == SAMPLEFORMAT_INT && bits == 8 && i->samples == 1 && !map) return true;
    i->type = MX_PIXEL_F32;
    if (i->format == SAMPLEFORMAT_INT) return bits == 8 || bits == 16 || bits == 32 || bits == 64;
    return i->format == SAMPLEFORMAT_IEEEFP && (bits == 16 || bits == 32 || bits == 64);
}

static void read_fields(TIFF *t, mx_tiff_info *i) {
    *i = (mx_tiff_info){0};
    TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &i->width);
    TIFFGetField(t, TIFFTAG_IMAGELENGTH, &i->height);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &i->samples);
    TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &i->bits);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &i->format);
    TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &i->planar);
    TIFFGetFieldDefaulted(t, TIFFTAG_COMPRESSION, &i->compression);
    TIFFGetFieldDefaulted(t, TIFFTAG_INKSET, &i->ink);
    TIFFGetFieldDefaulted(t, TIFFTAG_EXTRASAMPLES, &i->extras, &i->extra);
    TIFFGetFieldDefaulted(t, TIFFTAG_ORIENTATION, &i->orientation);
    if (!TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &i->photometric)) /* Pillow's guess for one sample */
        i->photometric = i->samples == 1 ? PHOTOMETRIC_MINISWHITE : PHOTOMETRIC_MINISBLACK;
}

static mx_status read_info(TIFF *t, mx_tiff_info *i, mx_error *e) {
    char text[64];
    read_fields(t, i);
    if (i->width > INT32_MAX || i->height > INT32_MAX || i->samples > MX_TIFF_MAX_CHANNELS)
        return mx_fail(e, MX_ERR_FORMAT, "expected at most %d samples, found %ux%u pixels of %u",
                       MX_TIFF_MAX_CHANNELS, i->width, i->height, i->samples);
    if (!TIFFIsCODECConfigured(i->compression))
        return mx_fail(e, MX_ERR_UNSUPPORTED, "compression %u is not built into libtiff", i->compression);
    bool map = has_tag(t, MX_TIFF_GEO_KEYS, text), nodata = has_tag(t, MX_TIFF_GDAL_NODATA, text);
    i->nodata = nodata ? strtod(text, NULL) : 0;
    if (!choose_type(i, map || nodata))
        return mx_fail(e, MX_ERR_UNSUPPORTED,
                       "expected samples of 1 to 16, 24, 32 or 64 bits unsigned, 8 to 64 signed or 16 to 64 "
                       "float, found %u bits, format %u",
                       i->bits, i->format);
    bool old = i->compression == COMPRESSION_OJPEG;
    bool direct = i->compression == COMPRESSION_JPEG && i->planar == PLANARCONFIG_CONTIG;
    if ((i->photometric == PHOTOMETRIC_YCBCR && i->bits == 8 && i->samples == 3 && !direct) || old)
        i->converted = true, i->samples = 3, i->bits = 8, i->type = MX_PIXEL_U8;
    return check_kind(i, e);
}

/* The most bytes that one stored byte can expand to. */
static uint64_t most_ratio(const mx_tiff_info *i, bool absent) {
    switch (i->compression) {
    case COMPRESSION_NONE: return absent ? 4096 : 1;
    case COMPRESSION_PACKBITS: return absent ? 4096 : 64;
    case COMPRESSION_LZW:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_JPEG:
    case COMPRESSION_OJPEG: return 8192; /* Deflate reaches 1032, LZW 2731, JPEG some thousands */
    default: return 65536; /* a CCITT line may take one bit; LZMA and Zstandard reach some thousands */
    }
}

/* Fails if the directory or the samples extend past the end of the file. Called before memory is allocated. */
static mx_status check_size(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_error *e) {
    bool absent = false;
    uint32_t striles = TIFFIsTiled(t) ? TIFFNumberOfTiles(t) : TIFFNumberOfStrips(t);
    for (uint32_t s = 0; s < striles && s < f->size && !absent; s++) absent = mx_tiff_absent(t, s);
    uint64_t most = f->size * most_ratio(i, absent);
    uint64_t row = ((uint64_t)i->width * i->samples * i->bits + 7) / 8; /* below 2^50 */
    if (i->converted) row /= 4; /* colours may be stored for every 16th pixel only */
    if (!f->cut && i->height && row <= most / i->height) return MX_OK;
    return mx_fail(e, MX_ERR_FORMAT, "%llu bytes cannot hold %ux%u pixels of %u samples",
                   (unsigned long long)f->size, i->width, i->height, i->samples);
}

static mx_status read_image(TIFF *t, const mx_tiff_memory *f, mx_image *im, int *colours, int channels,
                            mx_error *e) {
    mx_tiff_info i;
    if (read_info(t, &i, e) || check_size(t, &i, f, e)) return e->status;
    if (i.photometric == PHOTOMETRIC_YCBCR && !i.converted)
        TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    if (mx_image_make(im, (int)i.width, (int)i.height, i.samples, i.type, e)) return e->status;
    if (mx_tiff_samples(t, &i, f, im, e) || mx_tiff_colours(t, &i, im, colours, channels, e))
        return e->status;
    return mx_image_turn(im, i.orientation, e);
}

/* Appends the colour channels of page to those of im, without alpha. */
static mx_status join(mx_image *im, int *colours, const mx_image *page, int more, mx_error *e) {
    mx_image out;
    size_t size = mx_pixel_size(im->type), n = (size_t)im->width * (size_t)im->height;
    if (mx_image_make(&out, im->width, im->height, *colours + more, im->type, e)) return e->status;
    size_t a = size * (size_t)*colours, b = size * (size_t)more, from = size * (size_t)im->channels,
           beside = size * (size_t)page->channels;
    for (size_t i = 0; i < n; i++) {
        char *to = (char *)out.pixels + i * (a + b);
        memcpy(to, (const char *)im->pixels + i * from, a);
        memcpy(to + a, (const char *)page->pixels + i * beside, b);
    }
    mx_image_free(im);
    *im = out, *colours += more;
    return MX_OK;
}

/* True if pages are channels, and fewer than wanted have been read. */
static bool wants_page(int have, int channels) { return channels > 1 && channels != 3 && have < channels; }

/* Stacks (microscopes, satellites): if the caller wants neither grey nor RGB but more channels than the first page has,
 * pages are channels. */
static mx_status read_pages(TIFF *t, const mx_tiff_memory *f, mx_image *im, int *colours, int channels,
                            mx_error *e) {
    for (int number = 2; wants_page(im->channels, channels); number++) {
        mx_image page = {0};
        int more = 0;
        if (!TIFFReadDirectory(t)) return MX_OK; /* mx_image_convert reports missing channels */
        if (!read_image(t, f, &page, &more, channels, e) &&
            (page.width != im->width || page.height != im->height || page.type != im->type))
            mx_fail(e, MX_ERR_FORMAT, "page %d: expected %dx%d samples like those of page 1, found %dx%d%s",
                    number, im->width, im->height, page.width, page.height,
                    page.type != im->type ? " of another type" : "");
        if (!e->status) join(im, colours, &page, more, e);
        mx_image_free(&page);
        if (e->status) return e->status;
    }
    return MX_OK;
}

/* Checks the number of channels by the directories alone, before samples are decoded: those of the first page, or of as
 * many pages as read_pages would join. Decoding reports all other errors. */
static mx_status check_channels(TIFF *t, int channels, mx_error *e) {
    mx_tiff_info i;
    mx_error later = {0};
    if (read_info(t, &i, e)) return e->status;
    int colours = mx_tiff_colour_count(&i, channels),
        have = mx_tiff_becomes_rgb(&i, channels) ? 3 : i.samples;
    bool readable = true;
    while (readable && wants_page(have, channels) && TIFFReadDirectory(t)) {
        readable = !read_info(t, &i, &later);
        have = colours += readable ? mx_tiff_colour_count(&i, channels) : 0;
    }
    if (readable && mx_channels_check(have, colours, channels, e)) return e->status;
    return TIFFCurrentDirectory(t) == 0 || TIFFSetDirectory(t, 0)
               ? MX_OK
               : mx_fail(e, MX_ERR_FORMAT, "the first directory cannot be read again");
}

mx_status mx_decode_tiff(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    mx_tiff_memory f = {.bytes = bytes, .size = size};
    mx_error why = {0};
    TIFF *t = open_memory(&f, &why);
    if (t && !check_channels(t, channels, &why) && !read_image(t, &f, im, colours, channels, &why) &&
        !read_pages(t, &f, im, colours, channels, &why) && f.cut)
        mx_tiff_damaged(&f, &why);
    if (t) TIFFClose(t);
    return judge(&f, &why, e);
}

mx_status mx_probe_tiff(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    mx_tiff_memory f = {.bytes = bytes, .size = size};
    mx_tiff_info i;
    mx_error why = {0};
    TIFF *t = open_memory(&f, &why);
    if (t && !read_info(t, &i, &why)) {
        bool turned = mx_orientation_swaps(i.orientation);
        *width = (int)(turned ? i.height : i.width), *height = (int)(turned ? i.width : i.height);
        *channels = i.photometric == PHOTOMETRIC_PALETTE ? 3 : i.samples;
    }
    if (!why.status && f.cut) mx_tiff_damaged(&f, &why);
    if (t) TIFFClose(t);
    return judge(&f, &why, e);
}

/* The most that libtiff and the reader hold of a strip or tile: as stored, and unpacked. A strip that claims more
 * bytes than the file has is damaged. */
static uint64_t strile_bytes(TIFF *t, const mx_tiff_info *i, uint64_t size) {
    uint32_t count = TIFFIsTiled(t) ? TIFFNumberOfTiles(t) : TIFFNumberOfStrips(t);
    uint64_t most = 0;
    for (uint32_t s = 0; s < count && s < size; s++) {
        uint64_t stored = TIFFGetStrileByteCount(t, s);
        if (stored > most && stored <= size) most = stored;
    }
    tmsize_t block = TIFFIsTiled(t) ? TIFFTileSize(t) : i->converted ? TIFFStripSize(t) : TIFFScanlineSize(t);
    return most + (block > 0 ? (uint64_t)block : 0);
}

/* Of the first page. Colours and a turn take a copy. Pages that become channels are counted where the wanted
 * channels are known. */
mx_needs mx_needs_tiff(const unsigned char *bytes, size_t size) {
    mx_tiff_memory f = {.bytes = bytes, .size = size};
    mx_tiff_info i;
    mx_error why = {0};
    mx_needs needs = {4, 0};
    TIFF *t = open_memory(&f, &why);
    if (t && !read_info(t, &i, &why)) {
        uint64_t pixels = (uint64_t)i.width * i.height, copy = 0;
        needs.depth = (int)mx_pixel_size(i.type);
        if (i.orientation > 1) copy = pixels * i.samples * (uint64_t)needs.depth;
        if (mx_tiff_becomes_rgb(&i, 3) && copy < 3 * pixels) copy = 3 * pixels;
        if (i.converted && copy < 4 * pixels) copy = 4 * pixels;
        needs.beside = strile_bytes(t, &i, size) + copy;
    }
    if (t) TIFFClose(t);
    return needs;
}

/* TIFFGetVersion returns "LIBTIFF, Version 4.3.0" and lines on copyright. */
const char *mx_version_tiff(void) {
    static _Thread_local char text[24];
    const char *all = TIFFGetVersion(), *number = strstr(all, "Version ");
    number = number ? number + strlen("Version ") : all;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(number, "\n;"), number);
    return text;
}
