/* Sums over the rows of a matrix, in an order that depends on its shape alone. */
#ifndef MX_OPS_CUDA_SUMS_CUH
#define MX_OPS_CUDA_SUMS_CUH

#include "ops/cuda/state.cuh"

/* Bytes of scratch memory for a matrix of `width` columns. */
size_t mx_cuda_column_sums_work(int64_t width);
/* sum [C] += Σ_rows x.  x [...,C], f32 or bf16. */
void mx_cuda_column_sums(mx_ctx *c, float *sum, mx_tensor x, float *work);

#endif
