/* Images to tokens, tokens to the decoder's two sequences (paper sections 3.2 and 3.3), pooling. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/parts.cuh"
#include "ops/cuda/vector.cuh"

/* ---- patch_rows ---- */

/* A patch is `channels` squares of p rows, each of `run` units. */
typedef struct {
    const int32_t *raster;
    const uint8_t *group;                           /* or NULL */
    int64_t batch, tokens, channels, height, width; /* width: units of an image row */
    int grid_w, p, run;
} patches;

/* Unit e of token i's patch. */
template <typename U>
static __device__ __forceinline__ U patch_unit(const U *images, patches a, int64_t i, int e) {
    const int64_t b = i / a.tokens, t = i % a.tokens;
    const int64_t source = a.group && a.group[t] ? a.batch - 1 - b : b;
    const int place = a.raster[t], line = e / a.run, channel = line / a.p;
    const int64_t row = (int64_t)(place / a.grid_w) * a.p + line % a.p,
                  column = (int64_t)(place % a.grid_w) * a.run + e % a.run;
    return images[((source * a.channels + channel) * a.height + row) * a.width + column];
}

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    patch_kernel(U *__restrict__ y, const U *__restrict__ images, patches a) {
    const int64_t units = a.channels * a.p * a.run, all = a.batch * a.tokens * units;
    for (int64_t i = mx_cuda_index(); i < all; i += mx_cuda_stride())
        y[i] = patch_unit(images, a, i / units, (int)(i % units));
}

template <typename U> static void patch(mx_ctx *c, mx_tensor y, mx_tensor images, patches a, int per_unit) {
    a.width /= per_unit, a.run /= per_unit;
    MX_LAUNCH(c, (mx_cuda_blocks(mx_count(y) / per_unit, MX_CUDA_BLOCK, MX_CUDA_GRID)), MX_CUDA_BLOCK, 0,
              (patch_kernel<U>), (U *)y.data, (const U *)images.data, a);
}

extern "C" void mx_cuda_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p) {
    const patches a = {lay->raster,   lay->group,    images.dim[0], lay->tokens, images.dim[1],
                       images.dim[2], images.dim[3], lay->grid_w,   p,           p};
#define PATCH(U, V) patch<U>(c, y, images, a, V)
    MX_BY_UNIT(mx_cuda_by_four(p, y.data, images.data, NULL, NULL), PATCH);
#undef PATCH
}

/* ---- add_position, unmix ---- */

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    position_kernel(U *x, const U *__restrict__ pos, const int32_t *raster, int64_t rows, int64_t tokens,
                    int64_t units, int bits) {
    MX_GROUP_ROWS(row, rows, bits) {
        const U *p = pos + (int64_t)raster[row % tokens] * units;
        MX_GROUP_UNITS(i, units, bits) x[row * units + i] = mx_plus(x[row * units + i], p[i]);
    }
}

extern "C" void mx_cuda_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay) {
    const int64_t rows = mx_rows(x), width = mx_width(x);
#define LAUNCH(U, V)                                                                                         \
    MX_LAUNCH(c, (mx_cuda_group_blocks(rows, mx_cuda_group_bits(width / V))), MX_CUDA_BLOCK, 0,              \
              (position_kernel<U>), (U *)x.data, (const U *)pos.data, lay->raster, rows,                     \
              (int64_t)lay->tokens, width / V, mx_cuda_group_bits(width / V))
    MX_BY_UNIT(mx_cuda_by_four(width, x.data, pos.data, NULL, NULL), LAUNCH);
#undef LAUNCH
}

/* Row b·L + t of z goes to that row of one half of y, and the token to that row of the other: the first half is
 * z's where the mask is 0. */
template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    unmix_kernel(U *__restrict__ y, const U *__restrict__ z, const U *__restrict__ token,
                 const U *__restrict__ pos, const int32_t *raster, const uint8_t *group, int64_t rows,
                 int64_t tokens, int64_t units, int bits) {
    MX_GROUP_ROWS(row, rows, bits) {
        const int64_t t = row % tokens, half = group[t] ? rows : 0;
        U *own = y + (row + half) * units, *other = y + (row + rows - half) * units;
        const U *p = pos + (int64_t)raster[t] * units, *from = z + row * units;
        MX_GROUP_UNITS(i, units, bits) {
            const U place = p[i];
            own[i] = mx_plus(from[i], place), other[i] = mx_plus(token[i], place);
        }
    }
}

extern "C" void mx_cuda_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos,
                              const mx_layout *lay) {
    const int64_t rows = mx_rows(z), width = mx_width(z);
#define LAUNCH(U, V)                                                                                         \
    MX_LAUNCH(c, (mx_cuda_group_blocks(rows, mx_cuda_group_bits(width / V))), MX_CUDA_BLOCK, 0,              \
              (unmix_kernel<U>), (U *)y.data, (const U *)z.data, (const U *)token.data, (const U *)pos.data, \
              lay->raster, lay->group, rows, (int64_t)lay->tokens, width / V, mx_cuda_group_bits(width / V))
    MX_BY_UNIT(mx_cuda_by_four(width, y.data, z.data, token.data, pos.data), LAUNCH);
#undef LAUNCH
}

/* ---- sums over rows: a block takes COLUMNS units and LANES rows at once ---- */

enum { COLUMNS = 32, LANES = MX_CUDA_BLOCK / COLUMNS };

/* The sum of the lanes' sums, in the first lane. */
template <typename U> static __device__ __forceinline__ U lane_sum(U sum, U room[LANES][COLUMNS]) {
    const int at = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS;
    room[lane][at] = sum;
    __syncthreads();
    if (lane == 0)
        for (int i = 1; i < LANES; i++) sum = mx_plus(sum, room[i][at]);
    __syncthreads();
    return sum;
}

/* ---- unmix_back ---- */

enum { PART_ROWS = 64, PARTS = 256 }; /* least rows of a part, most parts */

/* rows: of z */
static int parts_of(int64_t rows) { return (int)mx_cuda_blocks(rows, PART_ROWS, PARTS); }

/* dz, and partial[part][column] of dtoken. */
template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    unmix_back_kernel(U *__restrict__ dz, U *__restrict__ partial, const U *__restrict__ dy,
                      const uint8_t *group, int64_t rows, int64_t tokens, int64_t units) {
    __shared__ U room[LANES][COLUMNS];
    const int64_t i = (int64_t)blockIdx.x * COLUMNS + threadIdx.x % COLUMNS, part = blockIdx.y,
                  first = part * rows / gridDim.y, end = (part + 1) * rows / gridDim.y;
    U sum = {};
    if (i < units)
        for (int64_t row = first + threadIdx.x / COLUMNS; row < end; row += LANES) {
            const int64_t half = group[row % tokens] ? rows : 0;
            dz[row * units + i] = dy[(row + half) * units + i];
            sum = mx_plus(sum, dy[(row + rows - half) * units + i]);
        }
    sum = lane_sum(sum, room);
    if (threadIdx.x < COLUMNS && i < units) partial[part * units + i] = sum;
}

/* rows: of dy */
extern "C" size_t mx_cuda_unmix_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c;
    return sizeof(float) * (size_t)(parts_of(rows / 2) * width);
}

extern "C" void mx_cuda_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy,
                                   const mx_layout *lay, void *work) {
    const int64_t rows = mx_rows(dz), width = mx_width(dz);
    const int parts = parts_of(rows);
#define LAUNCH(U, V)                                                                                         \
    MX_LAUNCH(c, ((unsigned)mx_cuda_ceil(width / V, COLUMNS), (unsigned)parts), MX_CUDA_BLOCK, 0,            \
              (unmix_back_kernel<U>), (U *)dz.data, (U *)work, (const U *)dy.data, lay->group, rows,         \
              (int64_t)lay->tokens, width / V)
    MX_BY_UNIT(mx_cuda_by_four(width, dz.data, dy.data, work, NULL), LAUNCH);
#undef LAUNCH
    mx_cuda_add_parts(c, mx_f32(dtoken), NULL, (const float *)work, parts, width);
}

/* ---- pooling ---- */

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    mean_kernel(U *y, const U *x, int64_t batch, int64_t tokens, int64_t units) {
    __shared__ U room[LANES][COLUMNS];
    const int64_t i = (int64_t)blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
    for (int64_t b = blockIdx.y; b < batch; b += gridDim.y) {
        U sum = {};
        if (i < units)
            for (int64_t t = threadIdx.x / COLUMNS; t < tokens; t += LANES)
                sum = mx_plus(sum, x[(b * tokens + t) * units + i]);
        sum = lane_sum(sum, room);
        if (threadIdx.x < COLUMNS && i < units) y[b * units + i] = mx_over(sum, (float)tokens);
    }
}

extern "C" void mx_cuda_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x) {
    const int64_t batch = x.dim[0], tokens = x.dim[1], width = x.dim[2];
#define LAUNCH(U, V)                                                                                         \
    MX_LAUNCH(c, ((unsigned)mx_cuda_ceil(width / V, COLUMNS), mx_cuda_blocks(batch, 1, 65535)),              \
              MX_CUDA_BLOCK, 0, (mean_kernel<U>), (U *)y.data, (const U *)x.data, batch, tokens, width / V)
    MX_BY_UNIT(mx_cuda_by_four(width, y.data, x.data, NULL, NULL), LAUNCH);
#undef LAUNCH
}

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    mean_back_kernel(U *__restrict__ dx, const U *__restrict__ dy, int64_t images, int64_t tokens,
                     int64_t units, int bits) {
    for (int64_t b = blockIdx.y; b < images; b += gridDim.y) {
        const U *from = dy + b * units;
        U *to = dx + b * tokens * units;
        MX_GROUP_ROWS(row, tokens, bits)
        MX_GROUP_UNITS(i, units, bits) to[row * units + i] = mx_over(from[i], (float)tokens);
    }
}

extern "C" void mx_cuda_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy) {
    const int64_t images = dx.dim[0], tokens = dx.dim[1], width = dx.dim[2];
    const unsigned across = (unsigned)mx_cuda_min(images, 65535);
#define LAUNCH(U, V)                                                                                         \
    MX_LAUNCH(c, (mx_cuda_group_blocks(tokens, mx_cuda_group_bits(width / V)), across), MX_CUDA_BLOCK, 0,    \
              (mean_back_kernel<U>), (U *)dx.data, (const U *)dy.data, images, tokens, width / V,            \
              mx_cuda_group_bits(width / V))
    MX_BY_UNIT(mx_cuda_by_four(width, dx.data, dy.data, NULL, NULL), LAUNCH);
#undef LAUNCH
}
