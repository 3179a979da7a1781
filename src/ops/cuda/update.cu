/* Sum of squares, the numbers of an update, and AdamW. All that changes from step to step lies in device memory. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/vector.cuh"

/* ---- square_sum: a partial sum a block, then one pass ---- */

static __device__ __forceinline__ double square(float x) { return (double)x * (double)x; }

/* FOUR: g is aligned for mx_load4; the sum is the same without it. */
template <bool FOUR>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    square_kernel(double *part, const float *g, int64_t n) {
    __shared__ double room[MX_CUDA_BLOCK / 32];
    double sum = 0;
    int64_t q = mx_cuda_index();
    for (; q < n / 4; q += mx_cuda_stride()) {
        const float *p = g + 4 * q;
        const float4 x = FOUR ? mx_load4(p) : make_float4(p[0], p[1], p[2], p[3]);
        sum += (square(x.x) + square(x.y)) + (square(x.z) + square(x.w));
    }
    if (q == n / 4)
        for (int64_t i = 4 * q; i < n; i++) sum += square(g[i]);
    sum = mx_block_sum(sum, room);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(MX_CUDA_PARTIALS)
    total_kernel(double *sum, const double *part, int parts) {
    __shared__ double room[MX_CUDA_PARTIALS / 32];
    const double total = mx_block_sum((int)threadIdx.x < parts ? part[threadIdx.x] : 0, room);
    if (threadIdx.x == 0) sum[0] += total;
}

extern "C" void mx_cuda_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g) {
    const int64_t n = mx_count(g);
    double *part = mx_cuda_of(c)->partials;
    const unsigned blocks = mx_cuda_blocks(n, 4 * MX_CUDA_BLOCK, MX_CUDA_PARTIALS);
    if (mx_cuda_aligned(g.data, 16))
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, (square_kernel<true>), part, mx_f32(g), n);
    else
        MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, (square_kernel<false>), part, mx_f32(g), n);
    MX_LAUNCH(c, (1), MX_CUDA_PARTIALS, 0, total_kernel, (double *)sum.data, part, (int)blocks);
}

/* ---- update_begin: as mx_host_update_begin (host.c) ---- */

static __global__ void begin_kernel(double *u, double *log, int64_t log_rows, const float *loss,
                                    double clip) {
    if (threadIdx.x) return;
    const double norm = sqrt(u[MX_UPDATE_SQUARE]), scale = clip > 0 ? clip / (norm + 1e-6) : 1;
    const bool finite = isfinite(norm) && isfinite(loss[0]);
    u[MX_UPDATE_NORM] = norm;
    u[MX_UPDATE_LOSS] = (double)loss[0];
    u[MX_UPDATE_SCALE] = scale < 1 ? scale : 1;
    u[MX_UPDATE_FINITE] = finite;
    u[MX_UPDATE_COUNT] += finite;
    u[MX_UPDATE_SQUARE] = 0;
    if (!log) return;
    const int64_t row = (int64_t)u[MX_UPDATE_ROW];
    for (int i = 0; i < MX_UPDATE; i++) log[row * MX_UPDATE + i] = u[i];
    u[MX_UPDATE_ROW] = (double)((row + 1) % log_rows);
}

extern "C" void mx_cuda_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip) {
    MX_LAUNCH(c, (1), MX_CUDA_WARP, 0, begin_kernel, (double *)u.data, (double *)log.data,
              mx_present(log) ? mx_rows(log) : 1, mx_f32(loss), clip);
}

/* ---- adamw ---- */

/* What all elements share, from double. Decay is a difference, so that a small rate keeps its digits. */
typedef struct {
    float scale, b1, c1, b2, c2, step, root, eps, decay;
} factors;

static __device__ factors factors_of(const double *u, mx_adamw_args a) {
    const double lr = u[MX_UPDATE_LR] * a.lr_scale, t = u[MX_UPDATE_COUNT];
    factors f;
    f.scale = (float)u[MX_UPDATE_SCALE];
    f.b1 = (float)a.beta1, f.c1 = (float)(1 - a.beta1);
    f.b2 = (float)a.beta2, f.c2 = (float)(1 - a.beta2);
    f.step = (float)(lr / (1 - pow(a.beta1, t)));
    f.root = (float)(1 / sqrt(1 - pow(a.beta2, t)));
    f.eps = (float)a.eps, f.decay = (float)(lr * a.weight_decay);
    return f;
}

static __device__ __forceinline__ void adamw(float *w, float *m, float *v, float g, factors f) {
    const float grad = g * f.scale, m1 = f.b1 * *m + f.c1 * grad, v1 = f.b2 * *v + f.c2 * grad * grad;
    *m = m1, *v = v1;
    *w -= f.decay * *w + f.step * m1 / (sqrtf(v1) * f.root + f.eps);
}

template <typename U>
static __device__ __forceinline__ void update_unit(U *w, U *m, U *v, const U *g, int64_t i, factors f);

template <>
__device__ __forceinline__ void update_unit(float *w, float *m, float *v, const float *g, int64_t i,
                                            factors f) {
    adamw(w + i, m + i, v + i, g[i], f);
}

template <>
__device__ __forceinline__ void update_unit(float4 *w, float4 *m, float4 *v, const float4 *g, int64_t i,
                                            factors f) {
    float4 w1 = w[i], m1 = m[i], v1 = v[i];
    const float4 g1 = g[i];
    adamw(&w1.x, &m1.x, &v1.x, g1.x, f), adamw(&w1.y, &m1.y, &v1.y, g1.y, f);
    adamw(&w1.z, &m1.z, &v1.z, g1.z, f), adamw(&w1.w, &m1.w, &v1.w, g1.w, f);
    w[i] = w1, m[i] = m1, v[i] = v1;
}

template <typename U>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK)
    adamw_kernel(U *w, U *m, U *v, const U *g, const double *u, mx_adamw_args a, int64_t units) {
    __shared__ factors f;
    if (u[MX_UPDATE_FINITE] == 0) return;
    if (threadIdx.x == 0) f = factors_of(u, a);
    __syncthreads();
    for (int64_t i = mx_cuda_index(); i < units; i += mx_cuda_stride()) update_unit(w, m, v, g, i, f);
}

/* As many units as `count` elements from `first` hold. */
template <typename U>
static void update(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                   const mx_adamw_args *a, int64_t first, int64_t count) {
    const int64_t units = count / (int64_t)(sizeof(U) / sizeof(float));
    if (units == 0) return;
    MX_LAUNCH(c, (mx_cuda_blocks(units, MX_CUDA_BLOCK, 4096)), MX_CUDA_BLOCK, 0, (adamw_kernel<U>),
              (U *)mx_at(w, first), (U *)mx_at(m, first), (U *)mx_at(v, first), (const U *)mx_at(g, first),
              (const double *)u.data, *a, units);
}

extern "C" void mx_cuda_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                              const mx_adamw_args *a) {
    const int64_t n = mx_count(w), fours = mx_cuda_by_four(4, w.data, m.data, v.data, g.data) ? n / 4 * 4 : 0;
    update<float4>(c, w, m, v, g, u, a, 0, fours);
    update<float>(c, w, m, v, g, u, a, fours, n - fours);
}
