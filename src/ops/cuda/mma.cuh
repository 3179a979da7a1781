/* Instructions that CUDA C has no name for: matrix products of a warp, their operands, copies in the background. Under
 * nvcc they are PTX (the "PTX ISA" manual, "Warp Level Matrix Multiply-Accumulate"), elsewhere calls of the emulator. */
#ifndef MX_OPS_CUDA_MMA_CUH
#define MX_OPS_CUDA_MMA_CUH

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

/* Before a loop. MX_UNROLL: it runs over registers, whose numbers must be constants; MX_LOOP: it must stay a loop, or
 * its copies want too many registers at once. */
#ifdef __CUDACC__
#define MX_UNROLL _Pragma("unroll")
#define MX_LOOP   _Pragma("unroll 1")
#else
#define MX_UNROLL
#define MX_LOOP
#endif

/* d = a b + c of a warp: a [16,16], b [16,8], c and d [16,8]. Lane 4g + t holds
 *   a  rows g, g+8, g, g+8 at columns 2t, 2t+1 (first two) and 2t+8, 2t+9, the first column in the lower half
 *   b  column g at rows 2t, 2t+1 and 2t+8, 2t+9
 *   c, d  row g at columns 2t, 2t+1, row g+8 at the same columns */
static __device__ __forceinline__ void mx_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2],
                                                   const float c[4]) {
#ifdef __CUDACC__
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]),
          "f"(c[3]));
#else
    mx_host_mma_bf16(d, a, b, c);
#endif
}

/* Four matrices of 8 x 8 bf16 from shared memory, transposed: lane l gives the address of row l % 8 of matrix l / 8, 16
 * bytes, and receives in d[m] rows 2t and 2t+1 of column g of matrix m: a b operand of mx_mma_bf16 for every two. */
static __device__ __forceinline__ void mx_ldmatrix_trans(uint32_t d[4], const void *row) {
#ifdef __CUDACC__
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(at)
                 : "memory");
#else
    mx_host_ldmatrix_x4_trans(d, row);
#endif
}

/* Starts a copy of 16 bytes into shared memory, both addresses aligned to 16. mx_copy_wait ends this thread's copies;
 * other threads see them after a barrier. */
static __device__ __forceinline__ void mx_copy16(void *shared, const void *global) {
#ifdef __CUDACC__
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(global) : "memory");
#else
    mx_host_cp_async16(shared, global);
#endif
}

static __device__ __forceinline__ void mx_copy_wait(void) {
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;\n\tcp.async.wait_group 0;" ::: "memory");
#else
    mx_host_cp_async_commit();
    mx_host_cp_async_wait_group(0);
#endif
}

/* x, but the compiler does not see that: addresses that follow from it are computed here, and do not occupy registers
 * from before the loop on. */
static __device__ __forceinline__ int mx_here(int x) {
#ifdef __CUDACC__
    asm volatile("" : "+r"(x));
#endif
    return x;
}

/* 2^x, at most 2^-22 off in relative terms; 0 for -infinity */
static __device__ __forceinline__ float mx_exp2(float x) {
#ifdef __CUDACC__
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#else
    return exp2f(x);
#endif
}

#endif
