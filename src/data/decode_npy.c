/* .npy arrays [H,W] or [H,W,C] of u8, u16 or f4, little-endian, C order. The header is a Python literal of a
 * fixed form; only its three keys are looked for. Source: NumPy's description of the format, versions 1 to 3.
 */
#include "data/image_internal.h"

#include <stdlib.h>
#include <string.h>

bool mx_is_npy(const unsigned char *b, size_t n) { return n >= 10 && !memcmp(b, "\x93NUMPY", 6); }

typedef struct {
    int dim[3], ndim;
    mx_pixel type;
    size_t data; /* offset of the samples */
} npy_header;

/* The text behind 'key': in the header, or NULL. */
static const char *value_of(const char *text, const char *key) {
    const char *p = strstr(text, key);
    if (!p) return NULL;
    p += strlen(key);
    while (*p == ' ' || *p == ':') p++;
    return p;
}

static mx_status parse_shape(npy_header *h, const char *p, mx_error *e) {
    if (!p || *p++ != '(') return mx_fail(e, MX_ERR_FORMAT, "the header has no shape");
    for (h->ndim = 0; *p && *p != ')';) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || v < 1 || v > 1 << 20 || h->ndim == 3)
            return mx_fail(e, MX_ERR_FORMAT, "expected a shape (H, W) or (H, W, C) of 1 to 1048576 each");
        h->dim[h->ndim++] = (int)v;
        for (p = end; *p == ',' || *p == ' ';) p++;
    }
    if (h->ndim < 2) return mx_fail(e, MX_ERR_FORMAT, "expected 2 or 3 dimensions, found %d", h->ndim);
    if (h->ndim == 2) h->dim[2] = 1;
    return MX_OK;
}

static mx_status parse_header(npy_header *h, const unsigned char *b, size_t size, mx_error *e) {
    char text[4096];
    size_t start = b[6] == 1 ? 10 : 12, n = b[8] | (size_t)b[9] << 8;
    if (b[6] < 1 || b[6] > 3) return mx_fail(e, MX_ERR_FORMAT, "version %d is unknown", b[6]);
    if (b[6] > 1 && size >= 12) n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (size < start || n > size - start || n >= sizeof text)
        return mx_fail(e, MX_ERR_FORMAT, "the header is cut off or too long");
    memcpy(text, b + start, n);
    text[n] = 0;
    const char *descr = value_of(text, "'descr'"), *order = value_of(text, "'fortran_order'");
    if (!descr || !order) return mx_fail(e, MX_ERR_FORMAT, "the header lacks descr or fortran_order");
    if (strncmp(order, "False", 5)) return mx_fail(e, MX_ERR_FORMAT, "expected C order, found Fortran order");
    if (!strncmp(descr, "'|u1'", 5))
        h->type = MX_PIXEL_U8;
    else if (!strncmp(descr, "'<u2'", 5))
        h->type = MX_PIXEL_U16;
    else if (!strncmp(descr, "'<f4'", 5))
        h->type = MX_PIXEL_F32;
    else
        return mx_fail(e, MX_ERR_FORMAT, "expected type |u1, <u2 or <f4, found %.8s", descr);
    h->data = start + n;
    return parse_shape(h, value_of(text, "'shape'"), e);
}

mx_status mx_decode_npy(mx_image *im, bool *alpha, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    npy_header h = {0};
    (void)channels;
    *alpha = false;
    if (parse_header(&h, bytes, size, e) || mx_image_make(im, h.dim[1], h.dim[0], h.dim[2], h.type, e))
        return e->status;
    size_t want = (size_t)h.dim[0] * (size_t)h.dim[1] * (size_t)h.dim[2] * mx_pixel_size(h.type);
    if (size - h.data != want)
        return mx_fail(e, MX_ERR_FORMAT, "expected %zu bytes of samples, found %zu", want, size - h.data);
    memcpy(im->pixels, bytes + h.data, want);
    return MX_OK;
}

mx_status mx_probe_npy(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                       mx_error *e) {
    npy_header h = {0};
    if (parse_header(&h, bytes, size, e)) return e->status;
    *width = h.dim[1], *height = h.dim[0], *channels = h.dim[2];
    return MX_OK;
}
