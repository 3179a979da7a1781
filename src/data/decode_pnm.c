/* PBM, PGM, PPM (plain and raw) and PFM, as Pillow reads them: bits become 0 and 255, samples of up to 8 bits are
 * scaled from 0..maxval to 0..255, larger ones to 0..65535 (Pillow does the latter for grey only, here colour too).
 * This is our own reader, since Debian's libnetpbm ends the process on damage, and the format is simple. Source:
 * netpbm's pbm(5), pgm(5), ppm(5), pfm(5). */
#include "data/image_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MX_PNM_MAX_EDGE  (1 << 30)
#define MX_PNM_MAX_TOKEN 10 /* characters of a number; Pillow's limit */

typedef struct {
    const unsigned char *bytes;
    size_t size, at;
} reading;

typedef struct {
    char kind; /* the magic's second character */
    int width, height, channels, greatest;
    bool plain, little;
    mx_pixel type;
    size_t data;
} pnm_header;

static bool white(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void skip_comment(reading *r) {
    while (r->at < r->size && r->bytes[r->at] != '\n' && r->bytes[r->at] != '\r') r->at++;
}

/* Reads the next word, without comments, and the white space after it. Returns its length; 0: none, or too long. */
static size_t word(reading *r, char text[MX_PNM_MAX_TOKEN + 1]) {
    size_t n = 0;
    *text = 0;
    for (; r->at < r->size; r->at++) {
        unsigned char c = r->bytes[r->at];
        if (c == '#')
            skip_comment(r);
        else if (!white(c)) {
            if (n == MX_PNM_MAX_TOKEN) return *text = 0;
            text[n++] = (char)c;
            continue;
        } else if (n)
            break;
        if (r->at == r->size) break;
    }
    if (r->at < r->size) r->at++;
    text[n] = 0;
    return n;
}

/* Reads a number from 0 to most; -1: there is none. */
static int number(reading *r, int most) {
    char text[MX_PNM_MAX_TOKEN + 1], *end;
    if (!word(r, text) || *text < '0' || *text > '9') return -1;
    long v = strtol(text, &end, 10);
    return *end || v > most ? -1 : (int)v;
}

bool mx_is_pnm(const unsigned char *b, size_t n) {
    if (n < 4 || b[0] != 'P' || !strchr("123456fF", b[1]) || !white(b[2])) return false;
    size_t at = 2;
    while (at < n && white(b[at])) at++;
    return at < n && (b[at] == '#' || (b[at] >= '0' && b[at] <= '9'));
}

static mx_status parse_scale(pnm_header *h, reading *r, mx_error *e) {
    char text[MX_PNM_MAX_TOKEN + 1], *end = text;
    double scale = word(r, text) ? strtod(text, &end) : 0;
    if (end == text || *end || scale == 0 || !isfinite(scale))
        return mx_fail(e, MX_ERR_FORMAT, "expected a finite scale that is not 0");
    h->little = scale < 0;
    h->type = MX_PIXEL_F32;
    return MX_OK;
}

static mx_status parse_header(pnm_header *h, const unsigned char *bytes, size_t size, mx_error *e) {
    reading r = {bytes, size, 3};
    char kind = (char)bytes[1];
    *h = (pnm_header){.kind = kind, .greatest = 1, .plain = kind >= '1' && kind <= '3'};
    h->channels = kind == '3' || kind == '6' || kind == 'F' ? 3 : 1;
    h->width = number(&r, MX_PNM_MAX_EDGE), h->height = number(&r, MX_PNM_MAX_EDGE);
    if (h->width < 1 || h->height < 1)
        return mx_fail(e, MX_ERR_FORMAT, "expected a width and a height, found %d and %d", h->width,
                       h->height);
    if (kind == 'f' || kind == 'F') {
        if (parse_scale(h, &r, e)) return e->status;
    } else if (kind != '1' && kind != '4') {
        h->greatest = number(&r, 65535);
        if (h->greatest < 1) return mx_fail(e, MX_ERR_FORMAT, "expected a greatest value from 1 to 65535");
    }
    if (h->greatest > 255) h->type = MX_PIXEL_U16;
    h->data = r.at;
    return MX_OK;
}

static size_t row_bytes(const pnm_header *h) {
    return h->kind == '4' ? ((size_t)h->width + 7) / 8
                          : (size_t)h->width * (size_t)h->channels * mx_pixel_size(h->type);
}

/* Stores v, scaled from 0..greatest to 0..255 or 0..65535 and rounded half to even, like Python. */
static void put(mx_image *im, size_t at, int v, int greatest) {
    int top = im->type == MX_PIXEL_U8 ? 255 : 65535;
    double scaled = greatest == top ? v : rint((double)v / greatest * top);
    if (scaled > top) scaled = top;
    if (im->type == MX_PIXEL_U8)
        ((uint8_t *)im->pixels)[at] = (uint8_t)scaled;
    else
        ((uint16_t *)im->pixels)[at] = (uint16_t)scaled;
}

/* Reads samples in text; PBM's digits need no space between them. */
static mx_status read_plain(mx_image *im, const pnm_header *h, reading *r, mx_error *e) {
    size_t n = (size_t)h->width * (size_t)h->height * (size_t)h->channels;
    for (size_t i = 0; i < n; i++) {
        int v = -1;
        if (h->kind != '1')
            v = number(r, h->greatest);
        else {
            for (; r->at < r->size && (white(r->bytes[r->at]) || r->bytes[r->at] == '#'); r->at++)
                if (r->bytes[r->at] == '#') {
                    skip_comment(r);
                    if (r->at == r->size) break;
                }
            if (r->at < r->size && (r->bytes[r->at] & ~1) == '0') v = '1' - r->bytes[r->at++];
        }
        if (v < 0)
            return mx_fail(e, MX_ERR_FORMAT, "sample %zu of %zu: expected a number from 0 to %d", i, n,
                           h->greatest);
        put(im, i, v, h->greatest);
    }
    return MX_OK;
}

static float real(const unsigned char *p, bool little) {
    uint32_t v = little ? p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24
                        : p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
    float f;
    memcpy(&f, &v, 4);
    return f;
}

static void read_row(mx_image *im, const pnm_header *h, size_t y, const unsigned char *p) {
    size_t n = (size_t)h->width * (size_t)h->channels, at = y * n;
    for (size_t i = 0; i < n; i++) {
        if (h->type == MX_PIXEL_F32)
            ((float *)im->pixels)[at + i] = real(p + 4 * i, h->little);
        else if (h->kind == '4')
            put(im, at + i, ~p[i / 8] >> (7 - i % 8) & 1, 1); /* ink is 1 */
        else
            put(im, at + i, h->type == MX_PIXEL_U8 ? p[i] : p[2 * i] << 8 | p[2 * i + 1], h->greatest);
    }
}

mx_status mx_decode_pnm(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    pnm_header h;
    if (parse_header(&h, bytes, size, e) || mx_channels_check(h.channels, h.channels, channels, e))
        return e->status;
    size_t left = size - h.data;
    /* Least size in text: a number takes two bytes, except the last; PBM's takes one. */
    uint64_t row = !h.plain        ? row_bytes(&h)
                   : h.kind == '1' ? (uint64_t)h.width
                                   : (uint64_t)h.width * (uint64_t)h.channels * 2;
    if (row > (left + 1) / (uint64_t)h.height || (!h.plain && row * (uint64_t)h.height > left))
        return mx_fail(e, MX_ERR_FORMAT, "cut off: %zu bytes cannot hold %dx%d pixels of %d samples", left,
                       h.width, h.height, h.channels);
    if (mx_image_make(im, h.width, h.height, h.channels, h.type, e)) return e->status;
    *colours = h.channels;
    reading r = {bytes, size, h.data};
    if (h.plain) return read_plain(im, &h, &r, e);
    for (size_t y = 0, rows = (size_t)h.height; y < rows; y++) /* PFM starts with the lowest row */
        read_row(im, &h, h.type == MX_PIXEL_F32 ? rows - 1 - y : y, bytes + h.data + y * row);
    return MX_OK;
}

mx_status mx_probe_pnm(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                       mx_error *e) {
    pnm_header h;
    if (parse_header(&h, bytes, size, e)) return e->status;
    *width = h.width, *height = h.height, *channels = h.channels;
    return MX_OK;
}

mx_needs mx_needs_pnm(const unsigned char *bytes, size_t size) {
    pnm_header h;
    mx_error ignored = {0};
    return (mx_needs){parse_header(&h, bytes, size, &ignored) ? 4 : (int)mx_pixel_size(h.type), 0};
}
