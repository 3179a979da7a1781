/* A tensor is a view by value: an address, a shape and a type. Contiguous, row-major, never owns memory. */
#ifndef MX_OPS_TENSOR_H
#define MX_OPS_TENSOR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MX_MAX_DIM 5

/* MX_BF16: the upper half of an f32, rounded to nearest even; for activations and products in mixed precision. */
typedef enum { MX_F32, MX_BF16, MX_F64, MX_I32, MX_U8 } mx_dtype;

typedef struct {
    void *data; /* NULL means "absent" wherever a contract allows that */
    int64_t dim[MX_MAX_DIM];
    int ndim;
    mx_dtype type;
} mx_tensor;

#define MX_ABSENT ((mx_tensor){0})

/* bytes of one element */
static inline size_t mx_dtype_size(mx_dtype type) {
    static const size_t size[] = {sizeof(float), 2, 8, 4, 1};
    return size[type];
}

static inline int64_t mx_count(mx_tensor t) {
    int64_t n = 1;
    for (int i = 0; i < t.ndim; i++) n *= t.dim[i];
    return n;
}

/* the last dimension */
static inline int64_t mx_width(mx_tensor t) { return t.ndim ? t.dim[t.ndim - 1] : 1; }

/* all dimensions but the last, as one */
static inline int64_t mx_rows(mx_tensor t) { return mx_width(t) ? mx_count(t) / mx_width(t) : 0; }

static inline size_t mx_bytes(mx_tensor t) { return (size_t)mx_count(t) * mx_dtype_size(t.type); }

static inline float *mx_f32(mx_tensor t) {
    assert(t.type == MX_F32);
    return (float *)t.data;
}

static inline bool mx_present(mx_tensor t) { return t.data != NULL; }

/* Address of element i, for any type; NULL for an absent tensor. */
static inline void *mx_at(mx_tensor t, int64_t i) {
    return t.data ? (char *)t.data + (size_t)i * mx_dtype_size(t.type) : NULL;
}

/* A tensor over existing memory. Drops trailing dimensions of 0, as in mx_view(p, MX_F32, B, L, C, 0, 0). */
static inline mx_tensor mx_view(void *data, mx_dtype type, int64_t a, int64_t b, int64_t c, int64_t d,
                                int64_t e) {
    mx_tensor t = {data, {a, b, c, d, e}, 0, type};
    while (t.ndim < MX_MAX_DIM && t.dim[t.ndim] > 0) t.ndim++;
    return t;
}

/* The same elements in another shape of equal count. */
static inline mx_tensor mx_reshape(mx_tensor t, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e) {
    mx_tensor r = mx_view(t.data, t.type, a, b, c, d, e);
    assert(mx_count(r) == mx_count(t));
    return r;
}

/* Elements [first, first + count) as a 1-D tensor. */
static inline mx_tensor mx_slice(mx_tensor t, int64_t first, int64_t count) {
    assert(first >= 0 && count >= 0 && first + count <= mx_count(t));
    return mx_view((char *)t.data + (size_t)first * mx_dtype_size(t.type), t.type, count, 0, 0, 0, 0);
}

#endif
