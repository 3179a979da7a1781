/* Column sums: first over MX_PARTS groups of rows, then over the groups. See sums.cuh. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/sums.cuh"

enum { PARTS = 128, COLUMNS = 32, LANES = 8 }; /* a block sums 32 columns, 8 rows at once */

/* partial[part][column]: the sum over the rows of a part */
template <typename T>
static __global__ void partial_kernel(float *partial, const T *x, int64_t rows, int64_t width) {
    __shared__ float room[LANES][COLUMNS];
    const int lane = threadIdx.x / COLUMNS;
    const int64_t column = (int64_t)blockIdx.x * COLUMNS + threadIdx.x % COLUMNS, part = blockIdx.y,
                  first = part * rows / PARTS, end = (part + 1) * rows / PARTS;
    float sum = 0;
    if (column < width)
        for (int64_t row = first + lane; row < end; row += LANES) sum += mx_load(x + row * width + column);
    room[lane][threadIdx.x % COLUMNS] = sum;
    __syncthreads();
    if (lane || column >= width) return;
    for (int i = 1; i < LANES; i++) sum += room[i][threadIdx.x];
    partial[part * width + column] = sum;
}

static __global__ void total_kernel(float *sum, const float *partial, int64_t width) {
    const int64_t column = mx_cuda_index();
    if (column >= width) return;
    float total = 0;
    for (int part = 0; part < PARTS; part++) total += partial[part * width + column];
    sum[column] += total;
}

size_t mx_cuda_column_sums_work(int64_t width) { return sizeof(float) * PARTS * (size_t)width; }

void mx_cuda_column_sums(mx_ctx *c, float *sum, mx_tensor x, float *work) {
    const int64_t rows = mx_rows(x), width = mx_width(x);
#define LAUNCH(T)                                                                                            \
    MX_LAUNCH(c, ((unsigned)mx_cuda_ceil(width, COLUMNS), PARTS), COLUMNS *LANES, 0, (partial_kernel<T>),    \
              work, (const T *)x.data, rows, width)
    MX_BY_TYPE(x.type, LAUNCH);
#undef LAUNCH
    MX_LAUNCH(c, ((unsigned)mx_cuda_ceil(width, 128)), 128, 0, total_kernel, sum, work, width);
}
