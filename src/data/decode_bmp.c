/* BMP (Windows and OS/2 1.x), as Pillow reads it: 1, 4, 8, 16, 24 and 32 bits, RLE4 and RLE8, the usual bit fields;
 * alpha only if a mask names it. This is our own reader, since Debian has no C library for BMP alone. The header is
 * wingdi.h's BITMAPINFOHEADER or a successor; all numbers are little-endian. */
#include "data/image_internal.h"

#include <stdlib.h>
#include <string.h>

#define MX_BMP_FILE_HEADER 14
#define MX_BMP_MAX_EDGE    (1 << 30)
#define MX_BMP_MAX_RATIO   1024 /* most pixels per byte of RLE: runs reach 128, jumps more */
#define MX_BMP_MAX_PALETTE 65536

enum { RAW, RLE8, RLE4, FIELDS };

typedef struct {
    int width, height, bits, packing, channels;
    bool top_down;
    int shift[4];           /* bit position of red, green, blue, alpha in 16 and 32 bits; alpha -1: none */
    int width_of[3];        /* bits of red, green, blue */
    uint8_t colour[256][3]; /* an index without an entry is black */
    size_t data;            /* offset of the samples */
} bmp_header;

static uint32_t u32(const unsigned char *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static unsigned u16(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }

bool mx_is_bmp(const unsigned char *b, size_t n) {
    static const unsigned sizes[] = {12, 40, 52, 56, 64, 108, 124};
    if (n < MX_BMP_FILE_HEADER + 4 || b[0] != 'B' || b[1] != 'M') return false;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (u32(b + MX_BMP_FILE_HEADER) == sizes[i]) return true;
    return false;
}

/* Accepts the layouts that Pillow knows, and sets the positions of their channels. */
static mx_status parse_fields(bmp_header *h, const uint32_t mask[4], mx_error *e) {
    static const struct {
        int bits;
        uint32_t mask[4];
        int shift[4], width_of[3];
    } known[] = {
        {32, {0xff0000, 0xff00, 0xff, 0}, {16, 8, 0, -1}, {8, 8, 8}},
        {32, {0xff000000, 0xff0000, 0xff00, 0}, {24, 16, 8, -1}, {8, 8, 8}},
        {32, {0xff000000, 0xff00, 0xff, 0}, {24, 8, 0, -1}, {8, 8, 8}},
        {32, {0xff000000, 0xff0000, 0xff00, 0xff}, {24, 16, 8, 0}, {8, 8, 8}},
        {32, {0xff, 0xff00, 0xff0000, 0xff000000}, {0, 8, 16, 24}, {8, 8, 8}},
        {32, {0xff0000, 0xff00, 0xff, 0xff000000}, {16, 8, 0, 24}, {8, 8, 8}},
        {32, {0xff000000, 0xff00, 0xff, 0xff0000}, {24, 8, 0, 16}, {8, 8, 8}},
        {32, {0, 0, 0, 0}, {16, 8, 0, 24}, {8, 8, 8}},
        {24, {0xff0000, 0xff00, 0xff, 0}, {16, 8, 0, -1}, {8, 8, 8}},
        {16, {0xf800, 0x7e0, 0x1f, 0}, {11, 5, 0, -1}, {5, 6, 5}},
        {16, {0x7c00, 0x3e0, 0x1f, 0}, {10, 5, 0, -1}, {5, 5, 5}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].bits == h->bits &&
            !memcmp(known[i].mask, mask, (h->bits == 32 ? 4 : 3) * sizeof *mask)) {
            memcpy(h->shift, known[i].shift, sizeof h->shift);
            memcpy(h->width_of, known[i].width_of, sizeof h->width_of);
            return MX_OK;
        }
    return mx_fail(e, MX_ERR_UNSUPPORTED, "bit fields %08x %08x %08x %08x of %d bits", mask[0], mask[1],
                   mask[2], mask[3], h->bits);
}

static mx_status cut_off(mx_error *e) { return mx_fail(e, MX_ERR_FORMAT, "the file ends in its header"); }

/* Reads the masks in the header, or after a header of 40 bytes; without masks the depth implies the layout. *at: end of
 * what was read. */
static mx_status parse_layout(bmp_header *h, const unsigned char *b, size_t size, size_t *at, mx_error *e) {
    uint32_t mask[4] = {0xff0000, 0xff00, 0xff, 0};
    size_t header = *at - MX_BMP_FILE_HEADER, fields = MX_BMP_FILE_HEADER + 40;
    if (h->bits == 16) mask[0] = 0x7c00, mask[1] = 0x3e0, mask[2] = 0x1f;
    if (h->packing == FIELDS) {
        int masks = header >= 56 ? 4 : 3;
        if (header < 52) *at += 12;
        if (size < *at) return cut_off(e);
        for (int i = 0; i < masks; i++) mask[i] = u32(b + fields + 4 * i);
    }
    if (h->bits <= 8 && h->packing != FIELDS) return MX_OK;
    return parse_fields(h, mask, e);
}

static mx_status parse_palette(bmp_header *h, const unsigned char *b, size_t size, size_t at,
                               uint64_t colours, int each, mx_error *e) {
    if (colours > MX_BMP_MAX_PALETTE)
        return mx_fail(e, MX_ERR_FORMAT, "expected at most %d colours, found %llu", MX_BMP_MAX_PALETTE,
                       (unsigned long long)colours);
    for (size_t i = 0; i < colours && i < 256; i++, at += (size_t)each) {
        if (size < 3 || at > size - 3) return cut_off(e);
        for (int k = 0; k < 3; k++) h->colour[i][k] = b[at + (size_t)(2 - k)];
    }
    return MX_OK;
}

/* Reads the fields of a header of `header` bytes; OS/2's has 12 bytes and fewer fields. *colours 0: by depth. */
static void parse_numbers(bmp_header *h, const unsigned char *p, size_t header, uint32_t *colours) {
    int64_t height;
    uint32_t width, packing = 0;
    *colours = 0;
    if (header == 12)
        width = u16(p + 4), height = u16(p + 6), h->bits = (int)u16(p + 10);
    else {
        h->top_down = p[11] == 0xff;
        width = u32(p + 4), h->bits = (int)u16(p + 14), packing = u32(p + 16), *colours = u32(p + 32);
        height = h->top_down ? ((int64_t)1 << 32) - u32(p + 8) : u32(p + 8);
    }
    h->packing = packing < 16 ? (int)packing : 16;
    h->width = width <= MX_BMP_MAX_EDGE ? (int)width : 0;
    h->height = height <= MX_BMP_MAX_EDGE ? (int)height : 0;
}

static mx_status check_kind(const bmp_header *h, mx_error *e) {
    int b = h->bits, p = h->packing;
    if (h->width < 1 || h->height < 1)
        return mx_fail(e, MX_ERR_FORMAT, "expected a width and a height from 1 to %d", MX_BMP_MAX_EDGE);
    bool deep = b == 16 || b == 24 || b == 32;
    if ((p == RAW && (b == 1 || b == 4 || b == 8 || deep)) || (p == RLE8 && b == 8) ||
        (p == RLE4 && b == 4) || (p == FIELDS && deep))
        return MX_OK;
    return mx_fail(e, MX_ERR_UNSUPPORTED, "%d bits a pixel, compression %d", b, p);
}

static mx_status parse_header(bmp_header *h, const unsigned char *b, size_t size, mx_error *e) {
    uint32_t given;
    size_t header = u32(b + MX_BMP_FILE_HEADER), at = MX_BMP_FILE_HEADER + header; /* checked by mx_is_bmp */
    *h = (bmp_header){.shift = {0, 0, 0, -1}};
    if (size < at) return cut_off(e);
    parse_numbers(h, b + MX_BMP_FILE_HEADER, header, &given);
    if (check_kind(h, e) || parse_layout(h, b, size, &at, e)) return e->status;
    h->channels = h->shift[3] >= 0 ? 4 : 3;
    h->data = u32(b + 10);
    if (h->bits <= 8) {
        int each = header == 12 ? 3 : 4;
        uint64_t colours = given ? given : 1u << h->bits;
        if (h->data == at) h->data += 4 * colours; /* some writers do not count the palette in the offset */
        if (parse_palette(h, b, size, at, colours, each, e)) return e->status;
        at += colours * (size_t)each;
    }
    if (!h->data) h->data = at;
    return MX_OK;
}

/* ---- samples ---- */

static size_t row_bytes(const bmp_header *h) { return ((size_t)h->width * (size_t)h->bits + 7) / 8; }

static void read_row(const bmp_header *h, uint8_t *to, const unsigned char *p) {
    for (size_t x = 0, n = (size_t)h->width; x < n; x++, to += h->channels) {
        if (h->bits <= 8) {
            size_t bit = x * (size_t)h->bits;
            memcpy(to, h->colour[p[bit / 8] >> (8 - (size_t)h->bits - bit % 8) & ((1u << h->bits) - 1)], 3);
            continue;
        }
        uint32_t v = h->bits == 16 ? u16(p + 2 * x) : h->bits == 32 ? u32(p + 4 * x) : 0;
        if (h->bits == 24) v = p[3 * x] | (uint32_t)p[3 * x + 1] << 8 | (uint32_t)p[3 * x + 2] << 16;
        for (int k = 0; k < 3; k++) {
            uint32_t top = (1u << h->width_of[k]) - 1;
            to[k] = (uint8_t)((v >> h->shift[k] & top) * 255 / top);
        }
        if (h->channels == 4) to[3] = (uint8_t)(v >> h->shift[3]);
    }
}

static uint8_t *row_of(const bmp_header *h, mx_image *im, size_t y) {
    size_t row = h->top_down ? y : (size_t)h->height - 1 - y;
    return (uint8_t *)im->pixels + row * (size_t)h->width * (size_t)h->channels;
}

static mx_status read_raw(mx_image *im, const bmp_header *h, const unsigned char *bytes, size_t size,
                          mx_error *e) {
    size_t row = row_bytes(h), stride = (row + 3) & ~(size_t)3, rows = (size_t)h->height;
    if (h->data > size || rows > (size - h->data + stride - row) / stride)
        return mx_fail(e, MX_ERR_FORMAT, "cut off: expected %zu rows of %zu bytes, found %zu bytes", rows,
                       stride, h->data > size ? 0 : size - h->data);
    if (mx_image_make(im, h->width, h->height, h->channels, MX_PIXEL_U8, e)) return e->status;
    for (size_t y = 0; y < rows; y++) read_row(h, row_of(h, im, y), bytes + h->data + y * stride);
    return MX_OK;
}

typedef struct {
    uint8_t *index; /* [height,width], in the file's order of rows */
    size_t n, total, x, width;
} drawing;

static void append(drawing *d, unsigned index) { /* ignores pixels past the end */
    if (d->n < d->total) d->index[d->n++] = (uint8_t)index;
}

/* Draws count pixels of a run, up to the row's end; with 4 bits two indices alternate. */
static void draw_run(drawing *d, unsigned count, unsigned what, bool four) {
    size_t left = d->x < d->width ? d->width - d->x : 0;
    if (count > left) count = (unsigned)left;
    for (unsigned k = 0; k < count; k++) append(d, !four ? what : k & 1 ? what & 15 : what >> 4);
    d->x += count;
}

/* RLE: pairs of a count and the repeated value, or of 0 and a code. Code 0: fill up the row; 1: the end; 2: a jump; n:
 * n literal pixels, padded to an even offset in the file. Unusual files are read as in Pillow: of an odd number of
 * literal 4-bit pixels the last is dropped; a full row is not ended again; a jump also consumes the two bytes after its
 * two distances. *end: the file had the code for the end. */
static void draw_runs(drawing *d, const unsigned char *b, size_t size, size_t at, bool four, bool *end) {
    while (d->n < d->total && size - at >= 2) {
        unsigned count = b[at], what = b[at + 1];
        at += 2;
        if (count)
            draw_run(d, count, what, four);
        else if (what == 0) {
            while (d->n % d->width) append(d, 0);
            d->x = 0;
        } else if (what == 1) {
            *end = true;
            return;
        } else if (what == 2) {
            if (size - at < 4) return;
            size_t skip = b[at + 2] + b[at + 3] * d->width; /* the picture is zero already */
            d->n = skip < d->total - d->n ? d->n + skip : d->total;
            d->x = d->n % d->width;
            at += 4;
        } else {
            size_t bytes = four ? what / 2 : what;
            if (size - at < bytes) return;
            for (size_t k = 0; k < bytes; k++) {
                append(d, four ? b[at + k] >> 4 : b[at + k]);
                if (four) append(d, b[at + k] & 15);
            }
            d->x += what;
            at += bytes;
            at += at & 1 && at < size;
        }
    }
    *end = d->n == d->total;
}

static mx_status read_packed(mx_image *im, const bmp_header *h, const unsigned char *bytes, size_t size,
                             mx_error *e) {
    size_t n = (size_t)h->width * (size_t)h->height;
    if (h->data > size || n / MX_BMP_MAX_RATIO > size - h->data)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes cannot hold %dx%d pixels", size, h->width, h->height);
    if (mx_image_make(im, h->width, h->height, h->channels, MX_PIXEL_U8, e)) return e->status;
    drawing d = {.index = calloc(n, 1), .total = n, .width = (size_t)h->width}; /* jumps leave index 0 */
    bool end = false;
    if (!d.index) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for the picture", n);
    draw_runs(&d, bytes, size, h->data, h->packing == RLE4, &end);
    if (!end) mx_fail(e, MX_ERR_FORMAT, "cut off: expected %zu pixels, found %zu", n, d.n);
    for (size_t y = 0; end && y < (size_t)h->height; y++)
        for (size_t x = 0; x < d.width; x++)
            memcpy(row_of(h, im, y) + 3 * x, h->colour[d.index[y * d.width + x]], 3);
    free(d.index);
    return e->status;
}

mx_status mx_decode_bmp(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    bmp_header h;
    *colours = 3;
    if (parse_header(&h, bytes, size, e) || mx_channels_check(h.channels, 3, channels, e)) return e->status;
    return h.packing == RLE4 || h.packing == RLE8 ? read_packed(im, &h, bytes, size, e)
                                                  : read_raw(im, &h, bytes, size, e);
}

mx_status mx_probe_bmp(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                       mx_error *e) {
    bmp_header h;
    if (parse_header(&h, bytes, size, e)) return e->status;
    *width = h.width, *height = h.height, *channels = h.channels;
    return MX_OK;
}

/* Runs are drawn as indices first. */
mx_needs mx_needs_bmp(const unsigned char *bytes, size_t size) {
    bmp_header h;
    mx_error ignored = {0};
    bool runs = !parse_header(&h, bytes, size, &ignored) && (h.packing == RLE4 || h.packing == RLE8);
    return (mx_needs){1, runs ? (uint64_t)h.width * (uint64_t)h.height : 0};
}
