/* Attention forward: softmax over keys in steps, with the largest logit so far (docs/developing/cuda.md). */
#include <math.h>

#include "ops/cuda/attention.cuh"
#include "ops/cuda/attention_plain.cuh"

enum { TILES = 80 * 1024 }; /* most bytes of keys and values in shared memory */

/* Shared memory, as a warp sees it: of the block, and of its own head. */
typedef struct {
    mx_bf16 *tiles; /* [2][heads of the block][rows][W] */
    int *offset;    /* [padded] */
    float *biases;  /* [heads of the block][entries] */

    int head, team, teams;        /* of the block; this warp among those of its head */
    const mx_bf16 *keys, *values; /* of the head [rows][W] */
    const float *bias;            /* of the head: bias[offset(query) - offset(key)] */
} room;

template <int W> static __device__ __forceinline__ room divide(const mx_attend &a, unsigned char *shared) {
    const int warp = threadIdx.x / MX_CUDA_WARP, tile = a.rows * W;
    room r;
    r.head = warp & ((1 << a.group_log) - 1), r.team = warp >> a.group_log;
    r.teams = MX_ATTEND_WARPS >> a.group_log;
    r.tiles = (mx_bf16 *)shared;
    r.keys = r.tiles + r.head * tile, r.values = r.keys + (tile << a.group_log);
    r.offset = (int *)(r.tiles + (2 * tile << a.group_log));
    r.biases = (float *)(r.offset + mx_pad(a.max_segment));
    r.bias = r.biases + r.head * a.entries + mx_attend_base(a);
    return r;
}

/* A warp's 16 queries. Logits are in units of log2 e. */
template <int W> struct strip {
    uint32_t q[W / 16][4];
    float out[W / 8][4], top[2], sum[2]; /* of rows g and g + 8; sum: this lane's part */
    int row;                             /* the first, of the segment */
};

template <int W>
static __device__ __forceinline__ void start(strip<W> *s, const mx_attend &a, const mx_attend_block &p,
                                             const room &r, int b) {
    const mx_bf16 *q = (const mx_bf16 *)a.qkv + mx_part_at(a, p, b, 0) + r.head * a.d;
    mx_load_strip<W>(s->q, q, a.qkv_row, s->row, p.tokens, a.d, a.wide_in);
    MX_UNROLL
    for (int n = 0; n < W / 8; n++) s->out[n][0] = s->out[n][1] = s->out[n][2] = s->out[n][3] = 0;
    s->top[0] = s->top[1] = -INFINITY;
    s->sum[0] = s->sum[1] = 0;
}

/* Logits of 8 N keys. j: the first in the tile; key: in the segment of `tokens` */
template <int W, int N>
static __device__ __forceinline__ void logits(float (*x)[4], const strip<W> *s, const mx_attend &a,
                                              const room &r, int j, int key, int tokens) {
    const int g = threadIdx.x % MX_CUDA_WARP / 4, t = threadIdx.x % 4, at = s->row + g;
    const int row[2] = {a.table ? r.offset[at] : 0, a.table ? r.offset[at + 8] : 0};
    MX_UNROLL
    for (int n = 0; n < N; n++) {
        const int first = key + 8 * n + 2 * t;
        mx_dot<W>(x[n], s->q, r.keys, j + 8 * n);
        int2 o = make_int2(0, 0);
        if (a.table) o = *(const int2 *)(r.offset + first);
        MX_UNROLL
        for (int e = 0; e < 4; e++) {
            const float bias = a.table ? r.bias[row[e / 2] - (e % 2 ? o.y : o.x)] : 0;
            x[n][e] = first + e % 2 < tokens ? fmaf(x[n][e], a.scale_log2, bias) : -INFINITY;
        }
    }
}

/* One step over 8 N keys, the first of which is j in the tiles, `key` in the segment. */
template <int W, int N>
static __device__ __forceinline__ void step(strip<W> *s, const mx_attend &a, const room &r, int j, int key,
                                            int tokens) {
    float x[N][4];
    logits<W, N>(x, s, a, r, j, key, tokens);
    MX_UNROLL
    for (int half = 0; half < 2; half++) {
        float top = s->top[half];
        MX_UNROLL
        for (int n = 0; n < N; n++) top = fmaxf(top, fmaxf(x[n][2 * half], x[n][2 * half + 1]));
        top = mx_row_max(top);
        const float factor = mx_exp2(s->top[half] - top);
        float sum = 0;
        MX_UNROLL
        for (int n = 0; n < N; n++) MX_UNROLL
        for (int e = 2 * half; e < 2 * half + 2; e++) sum += x[n][e] = mx_exp2(x[n][e] - top);
        s->sum[half] = fmaf(s->sum[half], factor, sum);
        s->top[half] = top;
        MX_UNROLL
        for (int n = 0; n < W / 8; n++) s->out[n][2 * half] *= factor, s->out[n][2 * half + 1] *= factor;
    }
    /* and what rounding left, as a second product: 16 bits of each probability */
    MX_UNROLL
    for (int n = 0; n < N; n += 2) {
        mx_add_product<W>(s->out, x + n, r.values, j + 8 * n);
        mx_rounded_off(x[n]), mx_rounded_off(x[n + 1]);
        mx_add_product<W>(s->out, x + n, r.values, j + 8 * n);
    }
}

template <int W>
static __device__ __forceinline__ void finish(const strip<W> *s, const mx_attend &a, const mx_attend_block &p,
                                              const room &r, int b) {
    const int lane = threadIdx.x % MX_CUDA_WARP;
    float *lse = a.lse + ((int64_t)b * a.heads + p.head + r.head) * a.tokens + p.first, factor[2];
    MX_UNROLL
    for (int half = 0; half < 2; half++) {
        const float sum = mx_row_sum(s->sum[half]);
        const int row = s->row + lane / 4 + 8 * half;
        factor[half] = 1 / sum;
        if (lane % 4 == 0 && row < p.tokens) lse[row] = fmaf(s->top[half], MX_LN_2, logf(sum));
    }
    mx_bf16 *out = (mx_bf16 *)a.out + mx_out_at(a, p, b) + r.head * a.d;
    mx_store_strip<W>(a, out, a.out_row, s->row, p.tokens, s->out, factor);
}

/* Fills the tiles with keys and values [from, from + count) of the segment. */
template <int W>
static __device__ __forceinline__ void load(const mx_attend &a, const mx_attend_block &p, const room &r,
                                            int b, int from, int count) {
    const mx_bf16 *keys = (const mx_bf16 *)a.qkv + mx_part_at(a, p, b, 1) + from * a.qkv_row;
    __syncthreads();
    mx_load_tile<W>(a, r.tiles, keys, a.qkv_row, count);
    mx_load_tile<W>(a, r.tiles + (a.rows * W << a.group_log), keys + a.out_row, a.qkv_row, count);
    mx_copy_wait();
    __syncthreads();
}

template <int W>
static __global__ void __launch_bounds__(MX_ATTEND_THREADS, W > 32 ? 3 : 5) forward_kernel(mx_attend a) {
    MX_SHARED_BYTES(shared);
    const mx_attend_block p = mx_attend_place(a, a.group_log);
    if (!p.tokens) return;
    const room r = divide<W>(a, shared);
    mx_attend_bias(a, p, r.offset, r.biases);
    for (int b = p.image; b < p.images_end; b++)
        for (int i = 0; i < p.tokens; i += r.teams * MX_STRIP) {
            strip<W> s;
            s.row = i + r.team * MX_STRIP;
            start<W>(&s, a, p, r, mx_here(b));
            for (int from = 0; from < p.tokens; from += a.rows) {
                const int count = mx_attend_count(a, p, from);
                if (i == 0 || p.tokens > a.rows) load<W>(a, p, r, mx_here(b), from, count);
                if (s.row >= p.tokens) continue;
                int j = 0;
                MX_LOOP
                for (; j + MX_STRIP < count; j += MX_STEP)
                    step<W, MX_STEP / 8>(&s, a, r, j, from + j, p.tokens);
                if (j < count) step<W, MX_STRIP / 8>(&s, a, r, j, from + j, p.tokens);
            }
            if (s.row < p.tokens) finish<W>(&s, a, p, r, mx_here(b));
        }
}

/* ---- without tensor cores ---- */

/* Shared memory of a warp: the query, its output, the probabilities of 32 keys. */
template <typename T>
static __device__ void plain_row(const mx_attend &a, const mx_attend_block &p, int b, int i, float *query) {
    const int lane = threadIdx.x % MX_CUDA_WARP;
    const int64_t stride = a.qkv_row;
    const T *qkv = (const T *)a.qkv, *keys = qkv + mx_part_at(a, p, b, 1),
            *values = qkv + mx_part_at(a, p, b, 2);
    float *sums = query + a.d, *weight = sums + a.d, top = -INFINITY, total = 0;
    mx_plain_copy(query, qkv + mx_part_at(a, p, b, 0) + i * stride, a.d);
    for (int e = lane; e < a.d; e += MX_CUDA_WARP) sums[e] = 0;
    __syncwarp();
    for (int from = 0; from < p.tokens; from += MX_CUDA_WARP) {
        const int j = from + lane, count = p.tokens - from < MX_CUDA_WARP ? p.tokens - from : MX_CUDA_WARP;
        float x = -INFINITY;
        if (j < p.tokens)
            x = mx_plain_dot(query, keys + j * stride, a.d) * a.scale + mx_plain_bias(a, p, i, j);
        const float before = top;
        top = fmaxf(top, mx_warp_max(x));
        weight[lane] = x = j < p.tokens ? expf(x - top) : 0;
        total = total * expf(before - top) + mx_warp_sum(x);
        __syncwarp();
        mx_plain_add(sums, expf(before - top), weight, values + from * stride, stride, count, a.d);
        __syncwarp();
    }
    T *out = (T *)a.out + mx_out_at(a, p, b) + (int64_t)i * a.out_row;
    for (int e = lane; e < a.d; e += MX_CUDA_WARP) mx_store(out + e, sums[e] / total);
    if (lane == 0) a.lse[((int64_t)b * a.heads + p.head) * a.tokens + p.first + i] = top + logf(total);
    __syncwarp();
}

template <typename T> static __global__ void plain_kernel(mx_attend a) {
    MX_SHARED_BYTES(shared);
    const mx_attend_block p = mx_attend_place(a, 0);
    const int warp = threadIdx.x / MX_CUDA_WARP;
    float *mine = (float *)shared + warp * (2 * a.d + MX_CUDA_WARP);
    for (int b = p.image; b < p.images_end; b++)
        for (int i = warp; i < p.tokens; i += MX_PLAIN_WARPS) plain_row<T>(a, p, b, i, mine);
}

/* ---- the host's side ---- */

static size_t bytes_on_cores(const mx_attend *a, int width) {
    return mx_attend_tiles_bytes(a, width) +
           sizeof(float) * (size_t)(a->max_segment + MX_STRIP + (a->entries << a->group_log));
}

static void forward_on_cores(mx_ctx *c, const mx_attend &a, int width) {
    const unsigned blocks = mx_attend_blocks(a, a.group_log);
    const size_t bytes = bytes_on_cores(&a, width);
    if (width == 16) MX_LAUNCH(c, (blocks), MX_ATTEND_THREADS, bytes, (forward_kernel<16>), a);
    if (width == 32) MX_LAUNCH(c, (blocks), MX_ATTEND_THREADS, bytes, (forward_kernel<32>), a);
    if (width == 64) MX_LAUNCH(c, (blocks), MX_ATTEND_THREADS, bytes, (forward_kernel<64>), a);
}

static void forward_plain(mx_ctx *c, const mx_attend &a, mx_dtype type) {
    const size_t bytes = sizeof(float) * (size_t)(MX_PLAIN_WARPS * (2 * a.d + MX_CUDA_WARP));
#define LAUNCH(T)                                                                                            \
    MX_LAUNCH(c, (mx_attend_blocks(a, 0)), MX_PLAIN_WARPS *MX_CUDA_WARP, bytes, (plain_kernel<T>), a)
    MX_BY_TYPE(type, LAUNCH);
#undef LAUNCH
}

extern "C" size_t mx_cuda_attention_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads,
                                         int64_t d, bool biased) {
    (void)c, (void)lay, (void)batch, (void)heads, (void)d, (void)biased;
    return 0;
}

extern "C" void mx_cuda_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                                  const mx_layout *lay, void *work) {
    (void)work;
    mx_attend a = mx_attend_make(qkv, table, out, lse, lay);
    const int width = mx_attend_width(&a, qkv.type);
    if (!a.batch) return;
    if (width) a.rows = mx_attend_rows(&a, width, TILES);
    a.wide_out = a.d % 8 == 0 && mx_attend_aligned(a.out);
    if (width && bytes_on_cores(&a, width) <= MX_ATTEND_SHARED)
        forward_on_cores(c, a, width);
    else
        forward_plain(c, a, qkv.type);
}
