/* The pixel loss and the soft cross-entropy with their gradients: a block a row, sums of rows in double. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/vector.cuh"

enum { WARPS = MX_CUDA_BLOCK / 32, TOTAL_THREADS = 1024 };
#define STORED_BYTES (47 * 1024) /* most of a patch in shared memory, beside the sums: a side of 62 in colour */

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

/* Reads a row's patch along the lines of the image. The sum of what this thread read. */
template <bool STORED, bool FOUR>
static __device__ __forceinline__ float read_patch(const pixels &a, float *patch, int64_t row) {
    const int run = (a.side + 3) / 4, quads = a.channels * a.side * run, across = (int)a.width / a.side;
    const int64_t top = (int64_t)(a.patch[row] / across) * a.side,
                  left = (int64_t)(a.patch[row] % across) * a.side;
    float sum = 0;
    for (int q = threadIdx.x; q < quads; q += MX_CUDA_BLOCK) {
        const int line = q / run, s = q % run * 4, channel = line / a.side, r = line % a.side;
        const int64_t plane = (int64_t)a.image[row] * a.channels + channel;
        const float4 x =
            mx_load_quad<FOUR>(a.images + (plane * a.height + top + r) * a.width + left, s, a.side);
        sum += mx_sum4(x);
        if (!STORED) continue;
        float *to = patch + (r * a.side + s) * a.channels + channel;
        to[0] = x.x;
        if (FOUR || s + 1 < a.side) to[a.channels] = x.y;
        if (FOUR || s + 2 < a.side) to[2 * a.channels] = x.z;
        if (FOUR || s + 3 < a.side) to[3 * a.channels] = x.w;
    }
    return sum;
}

/* target = (pixel - shift) * factor. All threads leave with the whole patch stored. */
template <bool STORED, bool FOUR>
static __device__ __forceinline__ void normalisation(const pixels &a, float *patch, int64_t row, float *shift,
                                                     float *factor) {
    __shared__ float room[WARPS];
    float square = 0;
    const float mean = mx_block_sum(read_patch<STORED, FOUR>(a, patch, row), room) / (float)a.elements;
    *shift = 0, *factor = 1;
    if (!a.normalise) return;
    for (int e = threadIdx.x; e < a.elements; e += MX_CUDA_BLOCK) {
        const float d = again<STORED>(a, patch, row, e) - mean;
        square += d * d;
    }
    *shift = mean;
    *factor = 1 / sqrtf(mx_block_sum(square, room) / (float)(a.elements - 1) + MX_TARGET_EPS); /* unbiased */
}

template <bool STORED, bool FOUR>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK) pixel_kernel(pixels a) {
    __shared__ double room[WARPS];
    float *patch = NULL;
    if (STORED) {
        MX_SHARED_BYTES(bytes);
        patch = (float *)bytes;
    }
    for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
        float shift, factor, sum = 0;
        normalisation<STORED, FOUR>(a, patch, row, &shift, &factor);
        for (int e = 4 * (int)threadIdx.x; e < a.elements; e += 4 * MX_CUDA_BLOCK) {
            float t[4];
            for (int i = 0; i < 4; i++)
                t[i] =
                    FOUR || e + i < a.elements ? (again<STORED>(a, patch, row, e + i) - shift) * -factor : 0;
            const float4 d = mx_plus(mx_load_quad<FOUR>(a.pred + row * a.elements, e, a.elements),
                                     make_float4(t[0], t[1], t[2], t[3]));
            sum += mx_sum4(mx_times(d, d));
            if (a.dpred) mx_store_quad<FOUR>(a.dpred + row * a.elements, mx_times(d, a.slope), e, a.elements);
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
    const size_t bytes = sizeof(float) * (size_t)width;
    const bool stored = bytes <= STORED_BYTES,
               four = targets->side % 4 == 0 && images.dim[3] % 4 == 0 &&
                      mx_cuda_by_four(width, pred.data, dpred.data, images.data, NULL);
    const unsigned blocks = mx_cuda_blocks(rows, 1, MX_CUDA_GRID);
    if (stored && four)
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, bytes, (pixel_kernel<true, true>), a);
    else if (stored)
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, bytes, (pixel_kernel<true, false>), a);
    else
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, (pixel_kernel<false, false>), a);
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
