/* Sums over a warp and a block, the same in every thread, in an order that depends on the block's size alone. */
#ifndef MX_OPS_CUDA_REDUCE_CUH
#define MX_OPS_CUDA_REDUCE_CUH

#define MX_FULL_WARP 0xffffffffu

template <typename T> static __device__ __forceinline__ T mx_warp_sum(T x) {
    for (int lanes = 16; lanes; lanes >>= 1) x += __shfl_xor_sync(MX_FULL_WARP, x, lanes);
    return x;
}

static __device__ __forceinline__ float mx_warp_max(float x) {
    for (int lanes = 16; lanes; lanes >>= 1) x = fmaxf(x, __shfl_xor_sync(MX_FULL_WARP, x, lanes));
    return x;
}

/* Over a block of whole warps, at most 1024 threads. room: shared memory for one T a warp, which is free again when
 * this returns. */
template <typename T> static __device__ __forceinline__ T mx_block_sum(T x, T *room) {
    const int warp = threadIdx.x / 32, warps = blockDim.x / 32;
    x = mx_warp_sum(x);
    if (threadIdx.x % 32 == 0) room[warp] = x;
    __syncthreads();
    T sum = 0;
    for (int i = 0; i < warps; i++) sum += room[i];
    __syncthreads();
    return sum;
}

#endif
