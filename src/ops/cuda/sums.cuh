/* Sums over the rows of a matrix, in an order that depends on its shape alone. */
#ifndef MX_OPS_CUDA_SUMS_CUH
#define MX_OPS_CUDA_SUMS_CUH

#include "ops/cuda/state.cuh"

/* Bytes of scratch memory for a matrix of `width` columns. */
size_t mx_cuda_column_sums_work(int64_t width);
/* sum [width] += Σ_rows x; copy = x in the other of the types f32 and bf16, or NULL.  x [rows,width] */
void mx_cuda_column_sums(mx_ctx *c, float *sum, void *copy, const void *x, mx_dtype type, int64_t rows,
                         int64_t width, float *work);

#endif
