/* The samples of a TIFF, in strips or tiles, chunky or planar, become U8, U16 or F32. Depths up to 8 bits are scaled to
 * 0..255 (palette indices are not), 9 to 16 bits are kept as numbers, deeper and signed samples become float. libtiff
 * returns samples of 16, 24, 32 and 64 bits in the machine's byte order, and packs all others from the highest bit on.
 *
 * Blocks are zeroed first: libtiff may report success with fewer samples than requested, and old memory must not appear
 * in the picture. */
#include "data/decode_tiff.h"

#include <stdlib.h>
#include <string.h>

#define MX_TIFF_MAX_EDGE (1 << 20) /* of a tile; with fewer than 2^12 samples, products stay below 2^62 */

bool mx_tiff_absent(TIFF *t, uint32_t strile) {
    return !TIFFGetStrileByteCount(t, strile) && !TIFFGetStrileOffset(t, strile);
}

/* ---- one row ---- */

static unsigned bits_at(const unsigned char *p, uint64_t bit, unsigned n) {
    unsigned v = 0;
    if (8 % n == 0) return p[bit / 8] >> (8 - n - bit % 8) & ((1u << n) - 1);
    for (uint64_t end = bit + n; bit < end; bit++) v = v << 1 | (p[bit / 8] >> (7 - bit % 8) & 1u);
    return v;
}

/* Sample k of a row as float. */
static float number_at(const unsigned char *p, uint64_t k, unsigned bits, unsigned format) {
    union {
        uint8_t u1;
        int8_t i1;
        uint16_t u2;
        int16_t i2;
        uint32_t u4;
        int32_t i4;
        uint64_t u8;
        int64_t i8;
        float f4;
        double f8;
    } v = {0};
    memcpy(&v, p + k * (bits / 8), bits / 8); /* 24 bits: the low bytes, on a little-endian machine */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (bits == 24) v.u4 >>= 8;
#endif
    bool is_signed = format == SAMPLEFORMAT_INT, real = format == SAMPLEFORMAT_IEEEFP;
    switch (bits) {
    case 8: return is_signed ? v.i1 : v.u1;
    case 16: return real ? mx_half(v.u2) : is_signed ? v.i2 : v.u2;
    case 64: return real ? (float)v.f8 : is_signed ? (float)v.i8 : (float)v.u8;
    default: return real ? v.f4 : is_signed ? (float)v.i4 : (float)v.u4;
    }
}

/* Converts n samples of a row, and writes them `step` elements apart. */
static void unpack(void *to, size_t step, const unsigned char *from, size_t n, const mx_tiff_info *i) {
    unsigned bits = i->bits, top = (1u << (bits < 16 ? bits : 16)) - 1;
    bool scaled = i->photometric != PHOTOMETRIC_PALETTE && bits < 8;
    uint8_t *u8 = to;
    uint16_t *u16 = to;
    float *f32 = to;
    for (size_t k = 0; k < n; k++) {
        if (i->type == MX_PIXEL_F32)
            f32[k * step] = number_at(from, k, bits, i->format);
        else if (bits == 8)
            u8[k * step] = from[k];
        else if (bits == 16)
            memcpy(u16 + k * step, from + 2 * k, 2);
        else if (i->type == MX_PIXEL_U16)
            u16[k * step] = (uint16_t)bits_at(from, (uint64_t)k * bits, bits);
        else {
            unsigned v = bits_at(from, (uint64_t)k * bits, bits);
            u8[k * step] = (uint8_t)(scaled ? (v * 510 + top) / (2 * top) : v);
        }
    }
}

/* Converts cols pixels of a stored row to (y, x). plane >= 0: only that sample of each pixel. */
static void put_row(mx_image *im, const mx_tiff_info *i, const unsigned char *row, size_t y, size_t x,
                    size_t cols, int plane) {
    size_t size = mx_pixel_size(im->type), c = (size_t)im->channels;
    size_t at = (y * (size_t)im->width + x) * c + (plane < 0 ? 0 : (size_t)plane);
    unpack((char *)im->pixels + at * size, plane < 0 ? 1 : c, row, plane < 0 ? cols * c : cols, i);
}

/* The same for blocks that the file does not store: GDAL's value for missing data. */
static void put_nothing(mx_image *im, const mx_tiff_info *i, size_t y, size_t x, size_t cols, int plane) {
    size_t c = (size_t)im->channels, n = plane < 0 ? cols * c : cols, step = plane < 0 ? 1 : c;
    size_t at = (y * (size_t)im->width + x) * c + (plane < 0 ? 0 : (size_t)plane);
    double v = i->nodata, most = im->type == MX_PIXEL_U8 ? 255 : 65535;
    if (im->type != MX_PIXEL_F32 && !(v >= 0 && v <= most)) v = 0;
    for (size_t k = 0; k < n; k++, at += step) {
        if (im->type == MX_PIXEL_U8)
            ((uint8_t *)im->pixels)[at] = (uint8_t)v;
        else if (im->type == MX_PIXEL_U16)
            ((uint16_t *)im->pixels)[at] = (uint16_t)v;
        else
            ((float *)im->pixels)[at] = (float)v;
    }
}

/* ---- strips and tiles ---- */

static uint64_t row_bytes(const mx_tiff_info *i, uint64_t pixels) {
    return (pixels * (i->planar == PLANARCONFIG_SEPARATE ? 1 : i->samples) * i->bits + 7) / 8;
}

static mx_status read_tile(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im,
                           unsigned char *block, uint32_t x, uint32_t y, int plane, mx_error *e) {
    uint32_t w = 0, h = 0;
    uint16_t p = (uint16_t)(plane < 0 ? 0 : plane);
    TIFFGetField(t, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(t, TIFFTAG_TILELENGTH, &h);
    size_t bytes = (size_t)(row_bytes(i, w) * h), cols = i->width - x < w ? i->width - x : w;
    bool absent = mx_tiff_absent(t, TIFFComputeTile(t, x, y, 0, p));
    memset(block, 0, bytes);
    if (!absent && (TIFFReadTile(t, block, x, y, 0, p) != (tmsize_t)bytes || f->damaged))
        return mx_tiff_damaged(f, e);
    for (size_t r = 0; r < h && y + r < i->height; r++) {
        if (absent)
            put_nothing(im, i, y + r, x, cols, plane);
        else
            put_row(im, i, block + r * row_bytes(i, w), y + r, x, cols, plane);
    }
    return MX_OK;
}

static mx_status read_tiles(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im,
                            mx_error *e) {
    uint32_t w = 0, h = 0;
    int planes = i->planar == PLANARCONFIG_SEPARATE ? i->samples : 1;
    TIFFGetField(t, TIFFTAG_TILEWIDTH, &w);
    TIFFGetField(t, TIFFTAG_TILELENGTH, &h);
    if (!w || !h || w > MX_TIFF_MAX_EDGE || h > MX_TIFF_MAX_EDGE) return mx_tiff_damaged(f, e);
    uint64_t need = row_bytes(i, w) * h;
    tmsize_t bytes = TIFFTileSize(t);
    if (bytes <= 0 || (uint64_t)bytes != need || need > 8 * (uint64_t)MX_IMAGE_MAX_SAMPLES)
        return mx_tiff_damaged(f, e);
    unsigned char *block = malloc((size_t)bytes);
    if (!block) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a tile", (size_t)bytes);
    for (int p = 0; p < planes && !e->status; p++)
        for (uint64_t y = 0; y < i->height && !e->status; y += h)
            for (uint64_t x = 0; x < i->width && !e->status; x += w)
                read_tile(t, i, f, im, block, (uint32_t)x, (uint32_t)y, planes > 1 ? p : -1, e);
    free(block);
    return e->status;
}

/* Reads row by row, with memory for one row in addition to the picture. */
static mx_status read_rows(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im,
                           mx_error *e) {
    int planes = i->planar == PLANARCONFIG_SEPARATE ? i->samples : 1;
    size_t bytes = (size_t)row_bytes(i, i->width);
    unsigned char *row = malloc(bytes);
    if (!row) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a row", bytes);
    for (int p = 0; p < planes && !e->status; p++)
        for (uint32_t y = 0; y < i->height && !e->status; y++) {
            int plane = planes > 1 ? p : -1;
            memset(row, 0, bytes);
            if (mx_tiff_absent(t, TIFFComputeStrip(t, y, (uint16_t)p)))
                put_nothing(im, i, y, 0, i->width, plane);
            else if (TIFFReadScanline(t, row, y, (uint16_t)p) != 1 || f->damaged)
                mx_tiff_damaged(f, e);
            else
                put_row(im, i, row, y, 0, i->width, plane);
        }
    free(row);
    return e->status;
}

/* Decodes strips in place, if samples are stored as in the picture. per: rows per strip, which may exceed the
 * picture's. Some versions of libtiff cannot decode a strip at once if data follow its last row, so that strip is read
 * by rows. */
static mx_status read_in_place(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im,
                               uint32_t per, mx_error *e) {
    size_t row = (size_t)row_bytes(i, i->width);
    memset(im->pixels, 0, row * i->height);
    for (uint64_t y = 0; y < i->height && !e->status; y += per) {
        uint64_t rows = i->height - y < per ? i->height - y : per;
        uint32_t strip = TIFFComputeStrip(t, (uint32_t)y, 0);
        char *to = (char *)im->pixels + y * row;
        tmsize_t want = (tmsize_t)(row * rows);
        bool good = true, absent = mx_tiff_absent(t, strip);
        for (uint64_t r = 0; absent && r < rows; r++) put_nothing(im, i, y + r, 0, i->width, -1);
        if (!absent && (rows == per || per == UINT32_MAX))
            good = TIFFReadEncodedStrip(t, strip, to, want) == want;
        else
            for (uint64_t r = 0; !absent && good && r < rows; r++)
                good = TIFFReadScanline(t, to + r * row, (uint32_t)(y + r), 0) == 1;
        if (!good || f->damaged) mx_tiff_damaged(f, e);
    }
    return e->status;
}

/* YCbCr with subsampling, and TIFF 6.0's old-style JPEG: converted by libtiff, as in Pillow. */
static mx_status read_converted(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im,
                                mx_error *e) {
    size_t n = (size_t)i->width * i->height;
    uint32_t *raster = calloc(n, sizeof *raster);
    uint8_t *rgb = im->pixels;
    if (!raster) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu pixels", n);
    TIFFSetField(t, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); /* orientation is applied later */
    if (!TIFFReadRGBAImageOriented(t, i->width, i->height, raster, ORIENTATION_TOPLEFT, 1) || f->damaged)
        mx_tiff_damaged(f, e);
    for (size_t k = 0; k < n && !e->status; k++) {
        rgb[3 * k] = (uint8_t)TIFFGetR(raster[k]);
        rgb[3 * k + 1] = (uint8_t)TIFFGetG(raster[k]);
        rgb[3 * k + 2] = (uint8_t)TIFFGetB(raster[k]);
    }
    free(raster);
    return e->status;
}

mx_status mx_tiff_samples(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im,
                          mx_error *e) {
    uint32_t per = 0;
    if (i->converted) return read_converted(t, i, f, im, e);
    if (TIFFIsTiled(t)) return read_tiles(t, i, f, im, e);
    TIFFGetFieldDefaulted(t, TIFFTAG_ROWSPERSTRIP, &per);
    if (!per || (uint64_t)TIFFScanlineSize(t) != row_bytes(i, i->width)) return mx_tiff_damaged(f, e);
    bool real = i->format == SAMPLEFORMAT_IEEEFP, planar = i->planar == PLANARCONFIG_SEPARATE;
    bool as_stored = i->bits == 8 * mx_pixel_size(i->type) && (i->type != MX_PIXEL_F32 || real);
    return as_stored && (!planar || i->samples == 1) ? read_in_place(t, i, f, im, per, e)
                                                     : read_rows(t, i, f, im, e);
}
