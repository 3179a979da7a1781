/* Work shared out over rows and over units, where a unit is one element or four.
 *
 * What moves rows is bound by memory: threads read and write 16 bytes at consecutive addresses where width and
 * addresses allow it, and one element otherwise. Each sum's order is the same both ways. */
#ifndef MX_OPS_CUDA_VECTOR_CUH
#define MX_OPS_CUDA_VECTOR_CUH

#include "ops/cuda/number.cuh"
#include "ops/cuda/state.cuh"

#define MX_CUDA_BLOCK 256  /* threads of a block */
#define MX_CUDA_GRID  8192 /* most blocks: kernels stride over the rest */

static inline bool mx_cuda_aligned(const void *p, size_t bytes) { return (uintptr_t)p % bytes == 0; }

/* True when rows of `width` f32 at these addresses (NULL: none) can be moved as float4. */
static inline bool mx_cuda_by_four(int64_t width, const void *a, const void *b, const void *c,
                                   const void *d) {
    return width % 4 == 0 && mx_cuda_aligned(a, 16) && mx_cuda_aligned(b, 16) && mx_cuda_aligned(c, 16) &&
           mx_cuda_aligned(d, 16);
}

/* Calls MACRO(float4, 4) or MACRO(float, 1): the type of a unit and its elements. */
#define MX_BY_UNIT(by_four, MACRO)                                                                           \
    do {                                                                                                     \
        if (by_four)                                                                                         \
            MACRO(float4, 4);                                                                                \
        else                                                                                                 \
            MACRO(float, 1);                                                                                 \
    } while (0)

/* A group of 2^bits threads takes a row of `units`. The most threads, at most a warp, of which an eighth idles. */
static inline int mx_cuda_group_bits(int64_t units) {
    int bits = 5;
    while (bits > 2 && mx_cuda_ceil(units, 1 << bits) * (1 << bits) * 8 > units * 9) bits--;
    return bits;
}

static inline unsigned mx_cuda_group_blocks(int64_t rows, int bits) {
    return mx_cuda_blocks(rows, MX_CUDA_BLOCK >> bits, MX_CUDA_GRID);
}

/* The rows of this thread's group, and the units of a row that are this thread's. */
#define MX_GROUP_ROWS(row, rows, bits)                                                                       \
    for (int64_t row = mx_cuda_index() >> (bits); row < (rows); row += mx_cuda_stride() >> (bits))
#define MX_GROUP_UNITS(i, units, bits)                                                                       \
    for (int64_t i = threadIdx.x & ((1u << (bits)) - 1); i < (units); i += 1 << (bits))

static __device__ __forceinline__ float mx_plus(float a, float b) { return a + b; }
static __device__ __forceinline__ float mx_times(float a, float b) { return a * b; }
static __device__ __forceinline__ float mx_over(float a, float b) { return a / b; }

static __device__ __forceinline__ float4 mx_plus(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
static __device__ __forceinline__ float4 mx_times(float4 a, float b) {
    return make_float4(a.x * b, a.y * b, a.z * b, a.w * b);
}
static __device__ __forceinline__ float4 mx_over(float4 a, float b) {
    return make_float4(a.x / b, a.y / b, a.z / b, a.w / b);
}

/* ---- quads: elements at .. at+3 of a row, 0 outside it. FOUR: the width is a multiple of 4 and addresses allow
 * mx_load4; the sums are the same without it. */

template <bool FOUR> static __device__ __forceinline__ float4 mx_inside(float4 x, int at, int width) {
    x.x = at < width ? x.x : 0;
    x.y = at + (FOUR ? 0 : 1) < width ? x.y : 0;
    x.z = at + (FOUR ? 0 : 2) < width ? x.z : 0;
    x.w = at + (FOUR ? 0 : 3) < width ? x.w : 0;
    return x;
}

template <bool FOUR, typename T>
static __device__ __forceinline__ float4 mx_load_quad(const T *row, int at, int width) {
    float4 x = make_float4(0, 0, 0, 0);
    if (FOUR) return at < width ? mx_load4(row + at) : x;
    if (at < width) x.x = mx_load(row + at);
    if (at + 1 < width) x.y = mx_load(row + at + 1);
    if (at + 2 < width) x.z = mx_load(row + at + 2);
    if (at + 3 < width) x.w = mx_load(row + at + 3);
    return x;
}

template <bool FOUR, typename T>
static __device__ __forceinline__ void mx_store_quad(T *row, float4 x, int at, int width) {
    if (FOUR) {
        if (at < width) mx_store4(row + at, x);
        return;
    }
    if (at < width) mx_store(row + at, x.x);
    if (at + 1 < width) mx_store(row + at + 1, x.y);
    if (at + 2 < width) mx_store(row + at + 2, x.z);
    if (at + 3 < width) mx_store(row + at + 3, x.w);
}

static __device__ __forceinline__ float mx_sum4(float4 x) { return (x.x + x.y) + (x.z + x.w); }
static __device__ __forceinline__ float4 mx_times(float4 a, float4 b) {
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
/* (x - shift) * factor */
static __device__ __forceinline__ float4 mx_normal(float4 x, float shift, float factor) {
    return make_float4((x.x - shift) * factor, (x.y - shift) * factor, (x.z - shift) * factor,
                       (x.w - shift) * factor);
}

#endif
