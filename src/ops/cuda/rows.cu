/* Filling, copying, scaling and moving rows. Bound by memory: each byte moves once. */
#include <string.h>

#include "ops/cuda/number.cuh"
#include "ops/cuda/vector.cuh"

/* ---- fill, copy ---- */

/* pattern: 16 bytes of values */
template <typename T>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    fill_kernel(T *p, T value, uint4 pattern, int64_t n, bool aligned) {
    const int64_t per = 16 / sizeof(T), quads = aligned ? n / per : 0;
    for (int64_t i = mx_cuda_index(); i < quads; i += mx_cuda_stride()) ((uint4 *)p)[i] = pattern;
    for (int64_t i = quads * per + mx_cuda_index(); i < n; i += mx_cuda_stride()) p[i] = value;
}

/* bits: of the value, as a number of type T */
template <typename T> static void fill(mx_ctx *c, mx_tensor t, const void *bits) {
    const int64_t n = mx_count(t), per = 16 / sizeof(T);
    T value, many[16 / sizeof(T)];
    uint4 pattern;
    memcpy(&value, bits, sizeof value);
    for (int i = 0; i < (int)per; i++) many[i] = value;
    memcpy(&pattern, many, sizeof pattern);
    const unsigned blocks = mx_cuda_blocks(n, MX_CUDA_BLOCK * per, MX_CUDA_GRID);
    MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, (fill_kernel<T>), (T *)t.data, value, pattern, n,
              mx_cuda_aligned(t.data, 16));
}

extern "C" void mx_cuda_fill(mx_ctx *c, mx_tensor t, float value) {
    const double wide = (double)value;
    const mx_bf16 half = __float2bfloat16_rn(value);
    const uint8_t byte = t.type == MX_U8 ? (uint8_t)value : 0;
    const int32_t whole = t.type == MX_I32 ? (int32_t)value : 0;
    switch (t.type) {
    case MX_F32: fill<uint32_t>(c, t, &value); break;
    case MX_BF16: fill<uint16_t>(c, t, &half); break;
    case MX_F64: fill<uint64_t>(c, t, &wide); break;
    case MX_I32: fill<uint32_t>(c, t, &whole); break;
    case MX_U8: fill<uint8_t>(c, t, &byte); break;
    }
}

extern "C" void mx_cuda_copy(mx_ctx *c, mx_tensor y, mx_tensor x) {
    if (y.data == x.data) return;
    mx_cuda_check(
        c, cudaMemcpyAsync(y.data, x.data, mx_bytes(x), cudaMemcpyDeviceToDevice, mx_cuda_of(c)->stream),
        "copy");
}

/* ---- scale_samples ---- */

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    scale_kernel(U *y, const U *x, const float *keep, int64_t samples, int64_t units) {
    for (int64_t b = blockIdx.y; b < samples; b += gridDim.y) {
        const float factor = keep[b];
        for (int64_t i = mx_cuda_index(); i < units; i += mx_cuda_stride())
            y[b * units + i] = mx_times(x[b * units + i], factor);
    }
}

extern "C" void mx_cuda_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep) {
    const int64_t samples = x.dim[0], each = mx_count(x) / samples;
#define LAUNCH(U, V)                                                                                         \
    MX_LAUNCH(                                                                                               \
        c, (mx_cuda_blocks(each / V, 4 * MX_CUDA_BLOCK, MX_CUDA_GRID), mx_cuda_blocks(samples, 1, 65535)),   \
        MX_CUDA_BLOCK, 0, (scale_kernel<U>), (U *)y.data, (const U *)x.data, mx_f32(keep), samples,          \
        each / V)
    MX_BY_UNIT(mx_cuda_by_four(each, y.data, x.data, NULL, NULL), LAUNCH);
#undef LAUNCH
}

/* ---- gather_rows, scatter_rows: rows are bytes ---- */

/* b and j of few[b,j,:], which pairs with all[b,index[j],:] */
typedef struct {
    const int32_t *index;
    int64_t rows, few, all, units; /* rows: batch * few */
    int bits;
} pairs;

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    move_kernel(U *__restrict__ to, const U *__restrict__ from, pairs p, bool scatter) {
    MX_GROUP_ROWS(row, p.rows, p.bits) {
        const int64_t other = row / p.few * p.all + p.index[row % p.few];
        U *t = to + (scatter ? other : row) * p.units;
        const U *f = from + (scatter ? row : other) * p.units;
        MX_GROUP_UNITS(i, p.units, p.bits) t[i] = f[i];
    }
}

template <typename U>
static void move(mx_ctx *c, void *to, const void *from, pairs p, size_t bytes, bool scatter) {
    p.units = (int64_t)(bytes / sizeof(U)), p.bits = mx_cuda_group_bits(p.units);
    MX_LAUNCH(c, (mx_cuda_group_blocks(p.rows, p.bits)), MX_CUDA_BLOCK, 0, (move_kernel<U>), (U *)to,
              (const U *)from, p, scatter);
}

/* bytes: of a row */
static void move_rows(mx_ctx *c, void *to, const void *from, pairs p, size_t bytes, bool scatter) {
    const uintptr_t together = (uintptr_t)to | (uintptr_t)from | (uintptr_t)bytes;
    if (together % 16 == 0)
        move<uint4>(c, to, from, p, bytes, scatter);
    else if (together % 4 == 0)
        move<uint32_t>(c, to, from, p, bytes, scatter);
    else
        move<uint16_t>(c, to, from, p, bytes, scatter);
}

extern "C" void mx_cuda_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index) {
    const pairs p = {index, y.dim[0] * y.dim[1], y.dim[1], x.dim[1], 0, 0};
    move_rows(c, y.data, x.data, p, mx_dtype_size(x.type) * (size_t)x.dim[2], false);
}

/* Indices are distinct: as many as rows leave none to become 0. */
extern "C" void mx_cuda_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index) {
    const pairs p = {index, dy.dim[0] * dy.dim[1], dy.dim[1], dx.dim[1], 0, 0};
    if (p.few < p.all &&
        !mx_cuda_check(c, cudaMemsetAsync(dx.data, 0, mx_bytes(dx), mx_cuda_of(c)->stream), "scatter_rows"))
        return;
    move_rows(c, dx.data, dy.data, p, mx_dtype_size(dx.type) * (size_t)dx.dim[2], true);
}
