/* A tensor's elements, gathered through its strides, see pth.h. */
#include "io/pth_internal.h"

#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"

/* The bytes of t's storage. For a zip the last storage read is kept, for tensors that share it. */
static const unsigned char *storage(mx_pth *p, const mx_pth_tensor *t, mx_error *e) {
    if (!p->zip) return p->bytes + p->record[t->record].at;
    if (p->cached != t->record) {
        void *bytes = NULL;
        free(p->cache);
        p->cache = NULL, p->cached = -1;
        if (mx_pth_zip_read(p, t->record, SIZE_MAX - 1, &bytes, &p->cache_bytes, e)) {
            mx_fail_where(e, "tensor %.200s", t->name);
            return NULL;
        }
        p->cache = bytes, p->cached = t->record;
    }
    return p->cache;
}

static bool contiguous(const mx_pth_tensor *t) {
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != step) return false;
        step *= t->dim[i];
    }
    return true;
}

static void gather(unsigned char *out, const unsigned char *from, const mx_pth_tensor *t) {
    int64_t index[MX_PTH_MAX_DIM] = {0}, stride[MX_PTH_MAX_DIM], at = 0;
    size_t width = (size_t)t->width;
    for (int i = 0; i < t->ndim; i++) /* with a single row the stride may be anything and is not used */
        stride[i] = t->dim[i] == 1 ? 0 : t->stride[i];
    for (int64_t n = 0; n < t->count; n++, out += width) {
        memcpy(out, from + (size_t)at * width, width);
        for (int i = t->ndim - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < t->dim[i]) break;
            at -= stride[i] * t->dim[i];
            index[i] = 0;
        }
    }
}

/* Reverses the bytes of each number; a complex one is two. */
static void swap_bytes(unsigned char *b, const mx_pth_tensor *t) {
    size_t width = (size_t)t->width / (t->dtype[0] == 'C' ? 2 : 1);
    for (unsigned char *end = b + (size_t)t->count * (size_t)t->width; width > 1 && b < end; b += width)
        for (size_t i = 0; i < width / 2; i++) {
            unsigned char x = b[i];
            b[i] = b[width - 1 - i], b[width - 1 - i] = x;
        }
}

mx_status mx_pth_copy(mx_pth *p, const mx_pth_tensor *t, void *out, mx_error *e) {
    if (!t->count) return MX_OK;
    const unsigned char *from = storage(p, t, e);
    if (!from) return e->status;
    if (contiguous(t))
        memcpy(out, from + t->offset, (size_t)t->count * (size_t)t->width);
    else
        gather(out, from + t->offset, t);
    if (p->big_endian) swap_bytes(out, t);
    return MX_OK;
}

mx_status mx_pth_copy_f32(mx_pth *p, const mx_pth_tensor *t, float *out, int64_t count, mx_error *e) {
    mx_st_tensor plain = {.name = t->name, .dtype = t->dtype, .ndim = t->ndim};
    if (t->count != count)
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected %lld elements, found %lld", t->name,
                       (long long)count, (long long)t->count);
    if (!strcmp(t->dtype, "F32")) return mx_pth_copy(p, t, out, e);
    memcpy(plain.dim, t->dim, sizeof t->dim);
    plain.bytes =
        (size_t)count * (size_t)t->width; /* count floats exist, and no type is wider than 4 of them */
    void *bytes = malloc(plain.bytes + 1);
    if (!bytes) return mx_fail(e, MX_ERR_MEMORY, "out of memory for tensor %s", t->name);
    plain.data = bytes;
    if (!mx_pth_copy(p, t, bytes, e)) mx_st_copy_f32(&plain, out, count, e);
    free(bytes);
    return e->status;
}
