/* Attention without tensor cores: f32, and bf16 heads of more than MX_MOST_WIDTH elements. A warp computes one row at a
 * time from global memory; it is here for exact comparisons, not for speed. */
#ifndef MX_OPS_CUDA_ATTENTION_PLAIN_CUH
#define MX_OPS_CUDA_ATTENTION_PLAIN_CUH

#include "ops/cuda/attention.cuh"

enum { MX_PLAIN_WARPS = 4 };

/* Four sums: less rounding, and the processor need not wait for each. */
template <typename S, typename T>
static __device__ __forceinline__ float mx_plain_dot(const S *own, const T *row, int d) {
    float sum[4] = {0, 0, 0, 0};
    int e = 0;
    for (; e + 4 <= d; e += 4) {
        MX_UNROLL
        for (int i = 0; i < 4; i++) sum[i] = fmaf(mx_load(own + e + i), mx_load(row + e + i), sum[i]);
    }
    for (; e < d; e++) sum[0] = fmaf(mx_load(own + e), mx_load(row + e), sum[0]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Spread over the lanes; the warp must meet before they read it. */
template <typename T> static __device__ __forceinline__ void mx_plain_copy(float *to, const T *row, int d) {
    for (int e = threadIdx.x % MX_CUDA_WARP; e < d; e += MX_CUDA_WARP) to[e] = mx_load(row + e);
}

/* to = to * factor + Σ_k weight[k] row[k] */
template <typename T>
static __device__ __forceinline__ void mx_plain_add(float *to, float factor, const float *weight,
                                                    const T *rows, int64_t stride, int count, int d) {
    for (int e = threadIdx.x % MX_CUDA_WARP; e < d; e += MX_CUDA_WARP) {
        float sum = 0;
        for (int k = 0; k < count; k++) sum = fmaf(weight[k], mx_load(rows + k * stride + e), sum);
        to[e] = fmaf(to[e], factor, sum);
    }
}

/* The table's entry for query i and key j of the segment. */
static __device__ __forceinline__ int mx_plain_entry(const mx_attend &a, const mx_attend_block &p, int i,
                                                     int j) {
    return mx_attend_base(a) + mx_attend_offset(a, p.first + i) - mx_attend_offset(a, p.first + j);
}
static __device__ __forceinline__ float mx_plain_bias(const mx_attend &a, const mx_attend_block &p, int i,
                                                      int j) {
    return a.table ? a.table[(int64_t)mx_plain_entry(a, p, i, j) * a.heads + p.head] : 0;
}

#endif
