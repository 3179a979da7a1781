/* .npy arrays [H,W] or [H,W,C] of integers and floats, in any byte order, in C or Fortran order. u1 and u2 stay, bool
 * becomes 0 and 255 (as in Pillow), all other types become float. The header is a Python literal of a fixed form with
 * three keys. NumPy on Python 2 wrote an L after the shape's numbers. Source: NumPy's description of the format,
 * versions 1 to 3. */
#include "data/image_internal.h"

#include <ctype.h>
#include <string.h>

#define MX_NPY_MAX_HEADER 65536
#define MX_NPY_MAX_EDGE   (1 << 30)

typedef struct {
    int dim[3];
    mx_pixel type;
    char kind; /* NumPy's: b bool, u, i, f */
    int bytes; /* per stored sample */
    bool swapped, columns_first;
    size_t data; /* offset of the samples */
} npy_header;

/* Start of the value of 'key' (in any quotes) in the header [p, end); end if there is none. */
static const char *value_of(const char *p, const char *end, const char *key) {
    size_t n = strlen(key);
    for (; (size_t)(end - p) > n + 1; p++) {
        if ((*p != '\'' && *p != '"') || memcmp(p + 1, key, n) || p[n + 1] != *p) continue;
        for (p += n + 2; p < end && (isspace((unsigned char)*p) || *p == ':');) p++;
        return p;
    }
    return end;
}

static mx_status parse_shape(npy_header *h, const char *p, const char *end, mx_error *e) {
    int n = 0;
    if (p == end || *p++ != '(') return mx_fail(e, MX_ERR_FORMAT, "the header has no shape");
    while (p < end && *p != ')') {
        int64_t v = 0;
        const char *digits = p;
        while (p < end && isdigit((unsigned char)*p) && v <= MX_NPY_MAX_EDGE) v = v * 10 + (*p++ - '0');
        if (p == digits || v < 1 || v > MX_NPY_MAX_EDGE || n == 3)
            return mx_fail(e, MX_ERR_FORMAT, "expected a shape (H, W) or (H, W, C), found %.*s",
                           (int)(end - digits < 40 ? end - digits : 40), digits);
        h->dim[n++] = (int)v;
        if (p < end && *p == 'L') p++;
        while (p < end && (*p == ',' || *p == ' ')) p++;
    }
    if (p == end || n < 2) return mx_fail(e, MX_ERR_FORMAT, "expected 2 or 3 dimensions, found %d", n);
    if (n == 2) h->dim[2] = 1;
    return MX_OK;
}

/* '<u2': byte order (or none), kind, bytes. */
static mx_status parse_type(npy_header *h, const char *p, const char *end, mx_error *e) {
    const char *from = p;
    char order = '|', quote = p < end ? *p++ : 0;
    if (p < end && strchr("<>|=", *p)) order = *p++;
    bool known =
        (quote == '\'' || quote == '"') && end - p >= 3 && p[2] == quote && isdigit((unsigned char)p[1]);
    if (known) {
        h->kind = p[0], h->bytes = p[1] - '0';
        int b = h->bytes;
        bool power = b == 1 || b == 2 || b == 4 || b == 8;
        known = ((h->kind == 'u' || h->kind == 'i') && power) || (h->kind == 'b' && b == 1) ||
                (h->kind == 'f' && power && b > 1);
    }
    if (!known)
        return mx_fail(
            e, MX_ERR_UNSUPPORTED,
            "expected samples of bool, whole numbers of 1 to 8 bytes or floats of 2 to 8, found %.*s",
            (int)(end - from < 12 ? end - from : 12), from);
    h->type = h->bytes == 1 && h->kind != 'i'   ? MX_PIXEL_U8
              : h->bytes == 2 && h->kind == 'u' ? MX_PIXEL_U16
                                                : MX_PIXEL_F32;
    h->swapped = h->bytes > 1 && order == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<');
    return MX_OK;
}

static mx_status parse_header(npy_header *h, const unsigned char *b, size_t size, mx_error *e) {
    *h = (npy_header){0};
    if (size < 12) return mx_fail(e, MX_ERR_FORMAT, "the file ends in its header");
    if (b[6] < 1 || b[6] > 3)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected version 1 to 3, found %d", b[6]);
    size_t start = b[6] == 1 ? 10 : 12, n = b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (n > size - start || n > MX_NPY_MAX_HEADER)
        return mx_fail(e, MX_ERR_FORMAT, "the header is cut off or longer than %d bytes", MX_NPY_MAX_HEADER);
    const char *text = (const char *)b + start, *end = text + n;
    h->data = start + n;
    const char *order = value_of(text, end, "fortran_order");
    h->columns_first = end - order >= 4 && !memcmp(order, "True", 4);
    if (!h->columns_first && (end - order < 5 || memcmp(order, "False", 5)))
        return mx_fail(e, MX_ERR_FORMAT, "expected fortran_order False or True in the header");
    if (parse_type(h, value_of(text, end, "descr"), end, e)) return e->status;
    return parse_shape(h, value_of(text, end, "shape"), end, e);
}

/* A stored sample's bits, in the machine's byte order. */
static uint64_t bits_of(const npy_header *h, const unsigned char *p) {
    uint64_t v = 0;
    bool big = (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) != h->swapped;
    for (int i = 0; i < h->bytes; i++) v = v << 8 | p[big ? i : h->bytes - 1 - i];
    return v;
}

static float number_of(const npy_header *h, uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float f;
    double d;
    if (h->kind == 'f' && h->bytes == 2) return mx_half((uint16_t)bits);
    if (h->kind == 'f' && h->bytes == 4) return memcpy(&f, &low, 4), f;
    if (h->kind == 'f') return memcpy(&d, &bits, 8), (float)d;
    if (h->kind == 'u') return (float)bits;
    int unused = 64 - 8 * h->bytes; /* shifts the sign bit to the top and back */
    return (float)((int64_t)(bits << unused) >> unused);
}

/* Converts sample by sample. In Fortran order (y, x, c) is at y + H (x + W c). */
static void convert(mx_image *im, const npy_header *h, const unsigned char *data) {
    size_t height = (size_t)im->height, width = (size_t)im->width, c = (size_t)im->channels;
    for (size_t i = 0; i < height * width * c; i++) {
        size_t pixel = i / c, y = pixel / width, x = pixel % width;
        size_t at = h->columns_first ? y + height * (x + width * (i % c)) : i;
        uint64_t bits = bits_of(h, data + at * (size_t)h->bytes);
        if (im->type == MX_PIXEL_U8)
            ((uint8_t *)im->pixels)[i] = (uint8_t)(h->kind != 'b' ? bits : bits ? 255 : 0);
        else if (im->type == MX_PIXEL_U16)
            ((uint16_t *)im->pixels)[i] = (uint16_t)bits;
        else
            ((float *)im->pixels)[i] = number_of(h, bits);
    }
}

mx_status mx_decode_npy(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    npy_header h;
    if (parse_header(&h, bytes, size, e)) return e->status;
    size_t each = (size_t)h.bytes;
    uint64_t have = (size - h.data) / each, pixels = (uint64_t)h.dim[0] * (uint64_t)h.dim[1];
    if (pixels > have || pixels * (uint64_t)h.dim[2] != have || (size - h.data) % each)
        return mx_fail(e, MX_ERR_FORMAT, "expected %dx%dx%d samples, found %llu", h.dim[0], h.dim[1],
                       h.dim[2], (unsigned long long)have);
    if (mx_channels_check(h.dim[2], h.dim[2], channels, e) ||
        mx_image_make(im, h.dim[1], h.dim[0], h.dim[2], h.type, e))
        return e->status;
    bool as_stored = !h.columns_first && !h.swapped && h.kind != 'b' && each == mx_pixel_size(h.type) &&
                     (h.type != MX_PIXEL_F32 || h.kind == 'f');
    if (as_stored)
        memcpy(im->pixels, bytes + h.data, size - h.data);
    else
        convert(im, &h, bytes + h.data);
    *colours = h.dim[2];
    return MX_OK;
}

mx_status mx_probe_npy(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                       mx_error *e) {
    npy_header h;
    if (parse_header(&h, bytes, size, e)) return e->status;
    *width = h.dim[1], *height = h.dim[0], *channels = h.dim[2];
    return MX_OK;
}

mx_needs mx_needs_npy(const unsigned char *bytes, size_t size) {
    npy_header h;
    mx_error ignored = {0};
    return (mx_needs){parse_header(&h, bytes, size, &ignored) ? 4 : (int)mx_pixel_size(h.type), 0};
}
