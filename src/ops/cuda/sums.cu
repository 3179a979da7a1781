/* Column sums: first over PARTS groups of rows, then over the groups (parts.cuh). See sums.cuh. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/parts.cuh"
#include "ops/cuda/sums.cuh"

enum { PARTS = 128, ACROSS = 32, LANES = 8 }; /* a block: 32 threads across the columns, 8 rows at once */

/* W neighbouring elements, 1 or 2. */
template <int W> static __device__ __forceinline__ void load(float *to, const float *p) {
    const float2 x = W == 2 ? *(const float2 *)p : make_float2(*p, 0);
    to[0] = x.x, to[W - 1] = W == 2 ? x.y : x.x;
}
template <int W> static __device__ __forceinline__ void load(float *to, const mx_bf16 *p) {
    if (W == 1) {
        to[0] = mx_load(p);
        return;
    }
    const uint32_t bits = *(const uint32_t *)(const void *)p;
    to[0] = __uint_as_float(bits << 16), to[W - 1] = __uint_as_float(bits & 0xffff0000u);
}
template <int W> static __device__ __forceinline__ void store(float *p, const float *x) {
    for (int i = 0; i < W; i++) p[i] = x[i];
}
template <int W> static __device__ __forceinline__ void store(mx_bf16 *p, const float *x) {
    if (W == 1)
        mx_store(p, x[0]);
    else
        *(uint32_t *)(void *)p = mx_pack(x[0], x[W - 1]);
}

/* partial[part][column]: the sum over the rows of a part. copy: x in its type, or NULL */
template <typename X, typename Y, int W>
static __global__ void partial_kernel(float *partial, Y *copy, const X *x, int64_t rows, int64_t width) {
    __shared__ float room[LANES][W * ACROSS];
    const int across = threadIdx.x % ACROSS * W, lane = threadIdx.x / ACROSS;
    const int64_t column = (int64_t)blockIdx.x * W * ACROSS + across, part = blockIdx.y,
                  first = part * rows / PARTS, end = (part + 1) * rows / PARTS;
    float sum[W] = {}, value[W];
    if (column < width)
        for (int64_t row = first + lane; row < end; row += LANES) {
            load<W>(value, x + row * width + column);
            for (int i = 0; i < W; i++) sum[i] += value[i];
            if (copy) store<W>(copy + row * width + column, value);
        }
    for (int i = 0; i < W; i++) room[lane][across + i] = sum[i];
    __syncthreads();
    if (lane || column >= width) return;
    for (int i = 0; i < W; i++) {
        for (int k = 1; k < LANES; k++) sum[i] += room[k][across + i];
        partial[part * width + column + i] = sum[i];
    }
}

template <typename X, typename Y>
static void partial_sums(mx_ctx *c, float *partial, void *copy, const void *x, int64_t rows, int64_t width) {
    const bool pairs = width % 2 == 0 && ((uintptr_t)x | (uintptr_t)copy) % 8 == 0;
    const unsigned blocks = (unsigned)mx_cuda_ceil(width, (pairs ? 2 : 1) * ACROSS);
    if (pairs)
        MX_LAUNCH(c, (blocks, PARTS), ACROSS * LANES, 0, (partial_kernel<X, Y, 2>), partial, (Y *)copy,
                  (const X *)x, rows, width);
    else
        MX_LAUNCH(c, (blocks, PARTS), ACROSS * LANES, 0, (partial_kernel<X, Y, 1>), partial, (Y *)copy,
                  (const X *)x, rows, width);
}

size_t mx_cuda_column_sums_work(int64_t width) { return sizeof(float) * PARTS * (size_t)width; }

void mx_cuda_column_sums(mx_ctx *c, float *sum, void *copy, const void *x, mx_dtype type, int64_t rows,
                         int64_t width, float *work) {
    if (type == MX_BF16)
        partial_sums<mx_bf16, float>(c, work, copy, x, rows, width);
    else
        partial_sums<float, mx_bf16>(c, work, copy, x, rows, width);
    mx_cuda_add_parts(c, sum, NULL, work, PARTS, width);
}
