/* The second half of a sum over rows: the first half left one partial sum a column and part in scratch memory. */
#ifndef MX_OPS_CUDA_PARTS_CUH
#define MX_OPS_CUDA_PARTS_CUH

#include "ops/cuda/state.cuh"

enum { MX_PARTS_COLUMNS = 32, MX_PARTS_LANES = 32 }; /* a block adds up 32 columns, 32 parts at once */

/* sum[i] += Σ_part partial[part][i] for i < width; the columns from width on belong to `second`. */
static __global__ void __launch_bounds__(MX_PARTS_COLUMNS *MX_PARTS_LANES)
    mx_parts_kernel(float *sum, float *second, const float *partial, int parts, int64_t width,
                    int64_t columns) {
    __shared__ float room[MX_PARTS_LANES][MX_PARTS_COLUMNS];
    const int at = threadIdx.x % MX_PARTS_COLUMNS, lane = threadIdx.x / MX_PARTS_COLUMNS;
    const int64_t column = (int64_t)blockIdx.x * MX_PARTS_COLUMNS + at;
    float total = 0;
    if (column < columns)
        for (int part = lane; part < parts; part += MX_PARTS_LANES) total += partial[part * columns + column];
    room[lane][at] = total;
    __syncthreads();
    if (lane || column >= columns) return;
    for (int i = 1; i < MX_PARTS_LANES; i++) total += room[i][at];
    if (column < width)
        sum[column] += total;
    else
        second[column - width] += total;
}

/* columns: width, or twice that with a second sum */
static inline void mx_cuda_add_parts(mx_ctx *c, float *sum, float *second, const float *partial, int parts,
                                     int64_t width) {
    const int64_t columns = second ? 2 * width : width;
    MX_LAUNCH(c, ((unsigned)mx_cuda_ceil(columns, MX_PARTS_COLUMNS)), MX_PARTS_COLUMNS * MX_PARTS_LANES, 0,
              mx_parts_kernel, sum, second, partial, parts, width, columns);
}

#endif
