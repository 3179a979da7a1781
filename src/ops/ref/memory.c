/* Filling, copying and moving rows: the reference. */
#include "ops/ref/ref.h"

#include <string.h>

void mx_ref_fill(mx_ctx *c, mx_tensor t, float value) {
    (void)c;
    for (int64_t i = 0; i < mx_count(t); i++) mx_f32(t)[i] = value;
}

void mx_ref_copy(mx_ctx *c, mx_tensor y, mx_tensor x) {
    (void)c;
    memcpy(y.data, x.data, mx_bytes(x));
}

void mx_ref_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep) {
    (void)c;
    int64_t each = mx_count(x) / x.dim[0];
    for (int64_t i = 0; i < mx_count(x); i++) mx_f32(y)[i] = mx_f32(keep)[i / each] * mx_f32(x)[i];
}

void mx_ref_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index) {
    (void)c;
    int64_t m = y.dim[1], l = x.dim[1], w = x.dim[2];
    for (int64_t b = 0; b < y.dim[0]; b++)
        for (int64_t j = 0; j < m; j++)
            memcpy(mx_at(y, (b * m + j) * w), mx_at(x, (b * l + index[j]) * w),
                   mx_dtype_size(x.type) * (size_t)w);
}

void mx_ref_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index) {
    (void)c;
    int64_t m = dy.dim[1], l = dx.dim[1], w = dx.dim[2];
    memset(dx.data, 0, mx_bytes(dx));
    for (int64_t b = 0; b < dy.dim[0]; b++)
        for (int64_t j = 0; j < m; j++)
            memcpy(mx_at(dx, (b * l + index[j]) * w), mx_at(dy, (b * m + j) * w),
                   mx_dtype_size(dx.type) * (size_t)w);
}
