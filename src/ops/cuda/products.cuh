/* Matrix products by cuBLASLt, with plans kept by shape. */
#ifndef MX_OPS_CUDA_PRODUCTS_CUH
#define MX_OPS_CUDA_PRODUCTS_CUH

#include "ops/cuda/state.cuh"

mx_cuda_plans *mx_cuda_plans_make(void);
void mx_cuda_plans_free(mx_cuda_plans *p);

#endif
