/* LayerNorm over rows that threads hold in registers: x is read once and y written once.
 *
 * A team of one warp takes a row of up to 1024 elements, a team of a whole block a wider one; a thread holds up to
 * eight groups of four elements. Backward reads dy and x once, writes dx, and keeps the sums of dgamma and dbeta of
 * the rows it met; a block leaves one partial sum a column, which one more pass adds up. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/parts.cuh"
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/vector.cuh"

enum { WARPS = MX_CUDA_BLOCK / 32, WIDEST = 8 * 4 * MX_CUDA_BLOCK };

/* Over a team of TEAM warps: one, or the whole block. */
template <int TEAM> static __device__ __forceinline__ float team_sum(float x, float *room) {
    return TEAM == 1 ? mx_warp_sum(x) : mx_block_sum(x, room);
}

/* This thread's first element, and the step to its next ones. */
#define FIRST(TEAM) (4 * (int)(threadIdx.x % (32 * TEAM)))
#define STEP(TEAM)  (4 * 32 * TEAM)
/* This team's rows. */
#define TEAM_ROWS(row, rows, TEAM)                                                                           \
    for (int64_t row = (int64_t)blockIdx.x * (WARPS / TEAM) + threadIdx.x / (32 * TEAM); row < (rows);       \
         row += (int64_t)gridDim.x * (WARPS / TEAM))

/* ---- forward ---- */

typedef struct {
    void *y;
    float *mean, *rstd;
    const float *x, *gamma, *beta;
    int64_t rows;
    int width;
} forward;

template <typename T, int QUADS, int TEAM, bool FOUR>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK) forward_kernel(forward a) {
    __shared__ float room[WARPS];
    const int first = FIRST(TEAM);
    TEAM_ROWS(row, a.rows, TEAM) {
        float4 x[QUADS];
        float sum = 0, square = 0;
        for (int k = 0; k < QUADS; k++) {
            x[k] = mx_load_quad<FOUR>(a.x + row * a.width, first + k * STEP(TEAM), a.width);
            sum += mx_sum4(x[k]);
        }
        const float mean = team_sum<TEAM>(sum, room) / (float)a.width;
        for (int k = 0; k < QUADS; k++) {
            const float4 d = mx_inside<FOUR>(mx_normal(x[k], mean, 1), first + k * STEP(TEAM), a.width);
            square += mx_sum4(mx_times(d, d));
        }
        const float rstd = 1 / sqrtf(team_sum<TEAM>(square, room) / (float)a.width + MX_NORM_EPS);
        for (int k = 0; k < QUADS; k++) {
            const int at = first + k * STEP(TEAM);
            const float4 y = mx_times(mx_normal(x[k], mean, rstd), mx_load_quad<FOUR>(a.gamma, at, a.width));
            mx_store_quad<FOUR>((T *)a.y + row * a.width, mx_plus(y, mx_load_quad<FOUR>(a.beta, at, a.width)),
                                at, a.width);
        }
        if (first == 0) a.mean[row] = mean, a.rstd[row] = rstd;
    }
}

/* ---- backward ---- */

typedef struct {
    float *dx, *partial; /* partial [blocks][2 width]: of dgamma, then of dbeta */
    const void *dy;      /* may be dx */
    const float *x, *mean, *rstd, *gamma;
    int64_t rows;
    int width;
    bool add;
} backward;

/* Adds up the warps' sums in their order; the last warp's threads return the result. */
template <int QUADS>
static __device__ __forceinline__ void block_total(float4 (&sum)[QUADS], float4 room[QUADS][32]) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int turn = 0; turn < WARPS; turn++) {
        for (int k = 0; k < QUADS && warp == turn; k++) {
            if (turn > 0) sum[k] = mx_plus(room[k][lane], sum[k]);
            room[k][lane] = sum[k];
        }
        __syncthreads();
    }
}

template <typename T, int QUADS, int TEAM, bool FOUR>
static __global__ void __launch_bounds__(MX_CUDA_BLOCK) backward_kernel(backward a) {
    __shared__ float room[WARPS];
    __shared__ float4 wide_room[TEAM == 1 ? QUADS : 1][32];
    float4 dgamma[QUADS] = {}, dbeta[QUADS] = {};
    const int first = FIRST(TEAM);
    TEAM_ROWS(row, a.rows, TEAM) {
        const float mean = a.mean[row], rstd = a.rstd[row];
        float4 hat[QUADS], g[QUADS];
        float sum = 0, sum_hat = 0;
        for (int k = 0; k < QUADS; k++) {
            const int at = first + k * STEP(TEAM);
            const float4 d = mx_load_quad<FOUR>((const T *)a.dy + row * a.width, at, a.width);
            hat[k] = mx_inside<FOUR>(
                mx_normal(mx_load_quad<FOUR>(a.x + row * a.width, at, a.width), mean, rstd), at, a.width);
            g[k] = mx_times(d, mx_load_quad<FOUR>(a.gamma, at, a.width));
            sum += mx_sum4(g[k]), sum_hat += mx_sum4(mx_times(g[k], hat[k]));
            dgamma[k] = mx_plus(dgamma[k], mx_times(d, hat[k])), dbeta[k] = mx_plus(dbeta[k], d);
        }
        const float from = team_sum<TEAM>(sum, room) / (float)a.width,
                    slope = team_sum<TEAM>(sum_hat, room) / (float)a.width;
        for (int k = 0; k < QUADS; k++) {
            const int at = first + k * STEP(TEAM);
            float4 dx = mx_times(mx_plus(mx_normal(g[k], from, 1), mx_times(hat[k], -slope)), rstd);
            if (a.add) dx = mx_plus(mx_load_quad<FOUR>(a.dx + row * a.width, at, a.width), dx);
            mx_store_quad<FOUR>(a.dx + row * a.width, dx, at, a.width);
        }
    }
    if (TEAM == 1) block_total<QUADS>(dgamma, (float4(*)[32])wide_room);
    if (TEAM == 1) block_total<QUADS>(dbeta, (float4(*)[32])wide_room);
    if (TEAM == 1 && threadIdx.x < 32 * (WARPS - 1)) return;
    float *partial = a.partial + (int64_t)blockIdx.x * 2 * a.width;
    for (int k = 0; k < QUADS; k++) {
        mx_store_quad<FOUR>(partial, dgamma[k], first + k * STEP(TEAM), a.width);
        mx_store_quad<FOUR>(partial + a.width, dbeta[k], first + k * STEP(TEAM), a.width);
    }
}

/* ---- launches ---- */

/* Calls MACRO(T, QUADS, TEAM, FOUR) for a width. */
#define BY_WIDTH(T, width, four, MACRO)                                                                      \
    do {                                                                                                     \
        if (four)                                                                                            \
            BY_QUADS(T, width, true, MACRO);                                                                 \
        else                                                                                                 \
            BY_QUADS(T, width, false, MACRO);                                                                \
    } while (0)
#define BY_QUADS(T, width, FOUR, MACRO)                                                                      \
    do {                                                                                                     \
        if ((width) <= 128)                                                                                  \
            MACRO(T, 1, 1, FOUR);                                                                            \
        else if ((width) <= 256)                                                                             \
            MACRO(T, 2, 1, FOUR);                                                                            \
        else if ((width) <= 512)                                                                             \
            MACRO(T, 4, 1, FOUR);                                                                            \
        else if ((width) <= 1024)                                                                            \
            MACRO(T, 8, 1, FOUR);                                                                            \
        else if ((width) <= 2048)                                                                            \
            MACRO(T, 2, WARPS, FOUR);                                                                        \
        else if ((width) <= 4096)                                                                            \
            MACRO(T, 4, WARPS, FOUR);                                                                        \
        else                                                                                                 \
            MACRO(T, 8, WARPS, FOUR);                                                                        \
    } while (0)

/* Rows that a block takes at once. */
static int64_t rows_at_once(int64_t width) { return width <= 1024 ? WARPS : 1; }

static bool fits(mx_ctx *c, const char *op, int64_t width) {
    if (width <= WIDEST) return true;
    mx_fail(&c->error, MX_ERR_UNSUPPORTED, "%s: rows of %lld elements; a GPU takes up to %d", op,
            (long long)width, WIDEST);
    return false;
}

extern "C" void mx_cuda_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x,
                                  mx_tensor gamma, mx_tensor beta) {
    const int64_t rows = mx_rows(x), width = mx_width(x);
    if (!fits(c, "layernorm", width)) return;
    const forward a = {y.data,        mx_f32(mean), mx_f32(rstd), mx_f32(x),
                       mx_f32(gamma), mx_f32(beta), rows,         (int)width};
    const bool four = mx_cuda_by_four(width, y.data, x.data, gamma.data, beta.data);
    const unsigned blocks = mx_cuda_blocks(rows, rows_at_once(width), MX_CUDA_GRID);
#define LAUNCH(T, QUADS, TEAM, FOUR)                                                                         \
    MX_LAUNCH(c, (blocks), MX_CUDA_BLOCK, 0, (forward_kernel<T, QUADS, TEAM, FOUR>), a)
    if (y.type == MX_BF16)
        BY_WIDTH(mx_bf16, width, four, LAUNCH);
    else
        BY_WIDTH(float, width, four, LAUNCH);
#undef LAUNCH
}

/* Blocks of backward: two rows a team at least, and partial sums of at most 2 MiB. */
static unsigned parts_of(int64_t rows, int64_t width) {
    return mx_cuda_blocks(rows, 2 * rows_at_once(width), mx_cuda_min(1024, mx_cuda_ceil(1 << 18, width)));
}

extern "C" size_t mx_cuda_layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c;
    return sizeof(float) * (size_t)(2 * width * parts_of(rows, width));
}

extern "C" void mx_cuda_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta,
                                       mx_tensor dy, mx_tensor x, mx_tensor mean, mx_tensor rstd,
                                       mx_tensor gamma, bool add, void *work) {
    const int64_t rows = mx_rows(x), width = mx_width(x);
    if (!fits(c, "layernorm_back", width)) return;
    const unsigned parts = parts_of(rows, width);
    float *partial = (float *)work;
    const backward a = {mx_f32(dx),   partial,       dy.data, mx_f32(x),  mx_f32(mean),
                        mx_f32(rstd), mx_f32(gamma), rows,    (int)width, add};
    const bool four =
        mx_cuda_by_four(width, dx.data, dy.data, x.data, gamma.data) && mx_cuda_aligned(work, 16);
#define LAUNCH(T, QUADS, TEAM, FOUR)                                                                         \
    MX_LAUNCH(c, (parts), MX_CUDA_BLOCK, 0, (backward_kernel<T, QUADS, TEAM, FOUR>), a)
    if (dy.type == MX_BF16)
        BY_WIDTH(mx_bf16, width, four, LAUNCH);
    else
        BY_WIDTH(float, width, four, LAUNCH);
#undef LAUNCH
    mx_cuda_add_parts(c, mx_f32(dgamma), mx_f32(dbeta), partial, (int)parts, width);
}
