/* .npy arrays [H,W] or [H,W,C] of u8, u16 or f4, little-endian, C order. The header is a Python literal of a
 * fixed form; only its three keys are looked for. Source: NumPy's description of the format, versions 1 to 3.
 */
#include "data/image_internal.h"

#include <ctype.h>
#include <string.h>

#define MX_NPY_MAX_HEADER 4096
#define MX_NPY_MAX_EDGE   (1 << 30)

typedef struct {
    int dim[3];
    mx_pixel type;
    size_t data; /* offset of the samples */
} npy_header;

/* The text behind 'key': in the header, or "". */
static const char *value_of(const char *text, const char *key) {
    const char *p = strstr(text, key);
    if (!p) return "";
    p += strlen(key);
    while (*p == ' ' || *p == ':') p++;
    return p;
}

static mx_status parse_shape(npy_header *h, const char *p, mx_error *e) {
    int n = 0;
    if (*p++ != '(') return mx_fail(e, MX_ERR_FORMAT, "the header has no shape");
    while (*p && *p != ')') {
        int64_t v = 0;
        const char *digits = p;
        while (isdigit((unsigned char)*p) && v <= MX_NPY_MAX_EDGE) v = v * 10 + (*p++ - '0');
        if (p == digits || v < 1 || v > MX_NPY_MAX_EDGE || n == 3)
            return mx_fail(e, MX_ERR_FORMAT, "expected a shape (H, W) or (H, W, C), found %.40s", digits);
        h->dim[n++] = (int)v;
        while (*p == ',' || *p == ' ') p++;
    }
    if (*p != ')' || n < 2) return mx_fail(e, MX_ERR_FORMAT, "expected 2 or 3 dimensions, found %d", n);
    if (n == 2) h->dim[2] = 1;
    return MX_OK;
}

static mx_status parse_type(npy_header *h, const char *descr, mx_error *e) {
    if (!strncmp(descr, "'|u1'", 5))
        h->type = MX_PIXEL_U8;
    else if (!strncmp(descr, "'<u2'", 5))
        h->type = MX_PIXEL_U16;
    else if (!strncmp(descr, "'<f4'", 5))
        h->type = MX_PIXEL_F32;
    else
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected samples of type |u1, <u2 or <f4, found %.8s", descr);
    return MX_OK;
}

static mx_status parse_header(npy_header *h, const unsigned char *b, size_t size, mx_error *e) {
    char text[MX_NPY_MAX_HEADER];
    if (size < 12) return mx_fail(e, MX_ERR_FORMAT, "the file ends in its header");
    if (b[6] < 1 || b[6] > 3)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected version 1 to 3, found %d", b[6]);
    size_t start = b[6] == 1 ? 10 : 12, n = b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (n > size - start || n >= sizeof text)
        return mx_fail(e, MX_ERR_FORMAT, "the header is cut off or longer than %d bytes", MX_NPY_MAX_HEADER);
    memcpy(text, b + start, n);
    text[n] = 0;
    h->data = start + n;
    if (strncmp(value_of(text, "'fortran_order'"), "False", 5))
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected C order (fortran_order False)");
    if (parse_type(h, value_of(text, "'descr'"), e)) return e->status;
    return parse_shape(h, value_of(text, "'shape'"), e);
}

mx_status mx_decode_npy(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    npy_header h;
    (void)channels;
    if (parse_header(&h, bytes, size, e)) return e->status;
    uint64_t have = (size - h.data) / mx_pixel_size(h.type), pixels = (uint64_t)h.dim[0] * (uint64_t)h.dim[1];
    if (pixels > have || pixels * (uint64_t)h.dim[2] != have || (size - h.data) % mx_pixel_size(h.type))
        return mx_fail(e, MX_ERR_FORMAT, "expected %dx%dx%d samples, found %llu", h.dim[0], h.dim[1],
                       h.dim[2], (unsigned long long)have);
    if (mx_image_make(im, h.dim[1], h.dim[0], h.dim[2], h.type, e)) return e->status;
    memcpy(im->pixels, bytes + h.data, size - h.data);
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
