/* The pixel loss and the soft cross-entropy with their gradients: a block a row, sums of rows in double. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/vector.cuh"

enum { WARPS = MX_CUDA_BLOCK / 32, TOTAL_THREADS = 1024 };

/* loss[0] += share * Σ part */
static __global__ void __launch_bounds__(TOTAL_THREADS)
    total_kernel(float *loss, const double *part, int64_t parts, double share) {
    __shared__ double room[TOTAL_THREADS / 32];
    double sum = 0;
    for (int64_t i = threadIdx.x; i < parts; i += TOTAL_THREADS) sum += part[i];
    sum = mx_block_sum(sum, room);
    if (threadIdx.x == 0) loss[0] += (float)(sum * share);
}

/* ---- pixel_loss ---- */

typedef struct {
    float *dpred; /* NULL: only the loss. May be pred */
    double *row_loss;
    const float *pred, *images;
    const int32_t *image, *patch;
    int64_t rows, height, width; /* of an image, in pixels */
    int elements, channels, side;
    bool normalise;
    float slope; /* of the gradient: 2 scale / elements of all rows */
} pixels;

/* Element e of a row's patch, flattened (row, column, channel). */
static __device__ __forceinline__ float pixel(const pixels &a, int64_t row, int e) {
    const int across = (int)a.width / a.side, patch = a.patch[row], place = e / a.channels;
    const int64_t y = (int64_t)(patch / across) * a.side + place / a.side,
                  x = (int64_t)(patch % across) * a.side + place % a.side,
                  plane = (int64_t)a.image[row] * a.channels + e % a.channels;
    return a.images[(plane * a.height + y) * a.width + x];
}

/* STORED: the patch waits in shared memory between the passes. Else it is read again. */
template <bool STORED>
static __device__ __forceinline__ float again(const pixels &a, const float *patch, int64_t row, int e) {
    return STORED ? patch[e] : pixel(a, row, e);
}

/* target = (pixel - shift) * factor */
template <bool STORED>
static __device__ void normalisation(const pixels &a, float *patch, int64_t row, float *shift,
                                     float *factor) {
    __shared__ float room[WARPS];
    float sum = 0, square = 0;
    for (int e = threadIdx.x; e < a.elements; e += MX_CUDA_BLOCK) {
        const float x = pixel(a, row, e);
        if (STORED) patch[e] = x;
        sum += x;
    }
    *shift = 0, *factor = 1;
    if (!a.normalise) return;
    *shift = mx_block_sum(sum, room) / (float)a.elements;
    for (int e = threadIdx.x; e < a.elements; e += MX_CUDA_BLOCK) {
        const float d = again<STORED>(a, patch, row, e) - *shift;
        square += d * d;
    }
    *factor = 1 / sqrtf(mx_block_sum(square, room) / (float)(a.elements - 1) + MX_TARGET_EPS); /* unbiased */
}

/* A thread reads and writes the same elements of the patch in all passes. */
template <bool STORED> static __global__ void __launch_bounds__(MX_CUDA_BLOCK) pixel_kernel(pixels a) {
    __shared__ double room[WARPS];
    float *patch = NULL;
    if (STORED) {
        MX_SHARED_BYTES(bytes);
        patch = (float *)bytes;
    }
    for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
        float shift, factor, sum = 0;
        normalisation<STORED>(a, patch, row, &shift, &factor);
        for (int e = threadIdx.x; e < a.elements; e += MX_CUDA_BLOCK) {
            const float d = a.pred[row * a.elements + e] - (again<STORED>(a, patch, row, e) - shift) * factor;
            sum += d * d;
            if (a.dpred) a.dpred[row * a.elements + e] = d * a.slope;
        }
        const double total = mx_block_sum((double)sum, room);
        if (threadIdx.x == 0) a.row_loss[row] = total;
    }
}

extern "C" size_t mx_cuda_pixel_loss_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c, (void)width;
    return sizeof(double) * (size_t)rows;
}

extern "C" void mx_cuda_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred,
                                   mx_tensor images, const mx_targets *targets, float scale, void *work) {
    const int64_t rows = mx_rows(pred), width = mx_width(pred);
    const double share = (double)scale / (double)(rows * width);
    const pixels a = {mx_present(dpred) ? mx_f32(dpred) : NULL,
                      (double *)work,
                      mx_f32(pred),
                      mx_f32(images),
                      targets->image,
                      targets->patch,
                      rows,
                      images.dim[2],
                      images.dim[3],
                      (int)width,
                      (int)images.dim[1],
                      targets->side,
                      targets->normalise,
                      (float)(2 * share)};
    const size_t bytes = sizeof(float) * (size_t)width, most = 48 * 1024;
    const unsigned blocks = mx_cuda_blocks(rows, 1, MX_CUDA_GRID);
    if (bytes <= most)
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, bytes, (pixel_kernel<true>), a);
    else
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, (pixel_kernel<false>), a);
    MX_LAUNCH(c, (1), TOTAL_THREADS, 0, total_kernel, mx_f32(loss), (const double *)work, rows, share);
}

/* ---- soft_cross_entropy ---- */

static __device__ __forceinline__ float block_max(float x, float *room) {
    x = mx_warp_max(x);
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    for (int i = 0; i < WARPS; i++) x = fmaxf(x, room[i]);
    __syncthreads();
    return x;
}

/* The loss of a row. Logits less their largest keep their digits: log softmax(x) = (x - top) - log Σ exp(x - top). */
static __device__ double entropy_row(float *dlogits, const float *x, const float *t, int64_t width,
                                     float share) {
    __shared__ float room[WARPS];
    __shared__ double wide_room[WARPS];
    float top = -INFINITY, sum = 0, mass = 0;
    double loss = 0;
    for (int64_t i = threadIdx.x; i < width; i += MX_CUDA_BLOCK) top = fmaxf(top, x[i]);
    top = block_max(top, room);
    for (int64_t i = threadIdx.x; i < width; i += MX_CUDA_BLOCK) sum += expf(x[i] - top), mass += t[i];
    sum = mx_block_sum(sum, room), mass = mx_block_sum(mass, room);
    const float log_sum = logf(sum), factor = mass / sum;
    for (int64_t i = threadIdx.x; i < width; i += MX_CUDA_BLOCK) {
        const float above = x[i] - top;
        loss += (double)(t[i] * (log_sum - above));
        if (dlogits) dlogits[i] = (expf(above) * factor - t[i]) * share;
    }
    return mx_block_sum(loss, wide_room);
}

/* dlogits may be logits. part [blocks]: the loss of a block's rows */
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    entropy_kernel(double *part, float *dlogits, const float *logits, const float *targets, int64_t rows,
                   int64_t width, float share) {
    double loss = 0;
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x)
        loss += entropy_row(dlogits ? dlogits + row * width : NULL, logits + row * width,
                            targets + row * width, width, share);
    if (threadIdx.x == 0) part[blockIdx.x] = loss;
}

extern "C" void mx_cuda_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                                           mx_tensor targets, float scale) {
    const int64_t rows = mx_rows(logits), width = mx_width(logits);
    const double share = (double)scale / (double)rows;
    double *part = mx_cuda_of(c)->partials;
    const unsigned blocks = mx_cuda_blocks(rows, 1, MX_CUDA_PARTIALS);
    MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, entropy_kernel, part,
              mx_present(dlogits) ? mx_f32(dlogits) : NULL, mx_f32(logits), mx_f32(targets), rows, width,
              (float)share);
    MX_LAUNCH(c, (1), TOTAL_THREADS, 0, total_kernel, mx_f32(loss), part, (int64_t)blocks, share);
}
