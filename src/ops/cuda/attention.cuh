/* What attention's forward and backward share: the call, who does what, tiles and their products.
 *
 * A block works on one segment and a few heads, for a run of images, so that the bias table is fetched once. A warp
 * takes strips of 16 rows of the segment and goes through the other side, keys or queries, in steps of 16 or 32 that
 * lie in shared memory. Nothing of size tokens x tokens leaves the registers, and warps never add to the same number:
 * backward computes each probability twice, once for dq by queries, once for dk and dv by keys.
 *
 * bf16 heads of at most 64 elements run on tensor cores, padded with zeros to W = 16, 32 or 64; everything else, and
 * so all of f32, takes the plain kernels of attention_plain.cuh. */
#ifndef MX_OPS_CUDA_ATTENTION_CUH
#define MX_OPS_CUDA_ATTENTION_CUH

#include "ops/cuda/mma.cuh"
#include "ops/cuda/number.cuh"
#include "ops/cuda/reduce.cuh"
#include "ops/cuda/state.cuh"

#define MX_LOG2_E 1.4426950408889634f
#define MX_LN_2   0.6931471805599453f

enum {
    MX_STRIP = 16,       /* rows of a warp */
    MX_STEP = 32,        /* rows of the other side */
    MX_MOST_WIDTH = 64,  /* of a head on tensor cores */
    MX_ATTEND_WARPS = 4, /* of a block: few, so that some blocks of a processor load while others compute */
    MX_ATTEND_THREADS = MX_ATTEND_WARPS * MX_CUDA_WARP,
    MX_ATTEND_SHARED =
        99 * 1024, /* most shared memory of a block: what every GPU from compute capability 8.0 on has */
};

/* A call, passed to kernels by value. Forward has dout and dqkv NULL. */
typedef struct {
    const void *qkv, *dout;
    void *out, *dqkv;
    const float *table; /* NULL: no bias */
    float *lse, *partial;
    const int32_t *segment, *raster;
    int batch, tokens, heads, d;
    int qkv_row, out_row; /* elements from token to token */
    int grid_w, window_h, window_w, entries;
    int segments, max_segment; /* under any mask */
    int group_log;             /* log2 of a block's heads */
    int run, runs;             /* images of a block, runs of the batch */
    int rows;                  /* of a segment that lie in shared memory at once, a multiple of MX_STRIP */
    bool wide_in, wide_out;    /* rows are whole 16 bytes, aligned */
    float scale, scale_log2; /* 1/sqrt(d), and times log2 e */
} mx_attend;

/* ---- who does what ---- */

/* Blocks are numbered by head, segment, run, the head fastest: neighbours read the same rows of qkv. */
typedef struct {
    int head, segment, run; /* head: the block's first */
    int first, tokens;      /* of the segment */
    int image, images_end;
} mx_attend_block;

static __device__ __forceinline__ mx_attend_block mx_attend_place(const mx_attend &a, int group_log) {
    mx_attend_block p;
    const int groups = a.heads >> group_log, at = blockIdx.x / groups;
    p.head = (int)(blockIdx.x % groups) << group_log;
    p.segment = at % a.segments;
    p.run = at / a.segments;
    p.first = a.segment[p.segment];
    p.tokens = a.segment[p.segment + 1] - p.first;
    p.image = p.run * a.run;
    p.images_end = p.image + a.run < a.batch ? p.image + a.run : a.batch;
    return p;
}

/* Rows of the segment from `from` on that lie in a tile. */
static __device__ __forceinline__ int mx_attend_count(const mx_attend &a, const mx_attend_block &p,
                                                      int from) {
    return p.tokens - from < a.rows ? p.tokens - from : a.rows;
}

static __device__ __forceinline__ int mx_pad(int n) { return (n + MX_STRIP - 1) / MX_STRIP * MX_STRIP; }

/* The table's entry for query i and key j is base + offset(i) - offset(j). */
static __device__ __forceinline__ int mx_attend_offset(const mx_attend &a, int token) {
    const int raster = a.raster[token];
    return raster / a.grid_w * (2 * a.window_w - 1) + raster % a.grid_w;
}
static __device__ __forceinline__ int mx_attend_base(const mx_attend &a) {
    return (a.window_h - 1) * (2 * a.window_w - 1) + a.window_w - 1;
}

/* offset [padded] of the segment's tokens, past them of its first; bias [heads of the block][entries] times log2 e */
static __device__ void mx_attend_bias(const mx_attend &a, const mx_attend_block &p, int *offset,
                                      float *bias) {
    const int heads = 1 << a.group_log;
    if (!a.table) return;
    for (int i = threadIdx.x; i < mx_pad(p.tokens); i += MX_ATTEND_THREADS)
        offset[i] = mx_attend_offset(a, p.first + (i < p.tokens ? i : 0));
    for (int i = threadIdx.x; i < a.entries << a.group_log; i += MX_ATTEND_THREADS)
        bias[(i & (heads - 1)) * a.entries + (i >> a.group_log)] =
            a.table[(int64_t)(i >> a.group_log) * a.heads + p.head + (i & (heads - 1))] * MX_LOG2_E;
}

/* Rows of one image and segment, of the block's first head: part 0, 1, 2 of qkv or dqkv; out or dout. */
static __device__ __forceinline__ int64_t mx_part_at(const mx_attend &a, const mx_attend_block &p, int image,
                                                     int part) {
    return ((((int64_t)image * a.tokens + p.first) * 3 + part) * a.heads + p.head) * a.d;
}
static __device__ __forceinline__ int64_t mx_out_at(const mx_attend &a, const mx_attend_block &p, int image) {
    return (((int64_t)image * a.tokens + p.first) * a.heads + p.head) * a.d;
}

/* ---- rows in global memory ---- */

static __device__ __forceinline__ uint32_t mx_bits(const mx_bf16 *p) {
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits;
}

/* Elements [first, first + 8) of a row of d, those past d being 0. */
static __device__ __forceinline__ uint4 mx_chunk(const mx_bf16 *row, int first, int d, bool wide) {
    if (wide) return first < d ? *(const uint4 *)(row + first) : make_uint4(0, 0, 0, 0);
    uint32_t word[4];
    MX_UNROLL
    for (int i = 0; i < 4; i++) {
        const int at = first + 2 * i;
        word[i] = at < d ? mx_bits(row + at) : 0;
        if (at + 1 < d) word[i] |= mx_bits(row + at + 1) << 16;
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
}

/* The a operand of rows [i, i + 16) of which `rows` exist. The order of a row's elements among the columns of the
 * product is free, as long as mx_dot takes the same: here a lane's elements are neighbours, 16 bytes of a row. */
template <int W>
static __device__ __forceinline__ void mx_load_strip(uint32_t (*a)[4], const mx_bf16 *from, int stride, int i,
                                                     int rows, int d, bool wide) {
    const int lane = threadIdx.x % MX_CUDA_WARP, g = lane / 4, t = lane % 4;
    MX_UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = i + g + 8 * half;
        const mx_bf16 *at = from + row * stride;
        MX_UNROLL
        for (int u = 0; u < (W + 31) / 32; u++) {
            uint4 v = make_uint4(0, 0, 0, 0);
            if (row < rows) v = mx_chunk(at, W == 16 ? t / 2 * 8 : (W / 32 * t + u) * 8, d, wide);
            if (W == 16) {
                a[0][half] = t & 1 ? v.z : v.x, a[0][2 + half] = t & 1 ? v.w : v.y;
            } else {
                a[2 * u][half] = v.x, a[2 * u][2 + half] = v.y;
                a[2 * u + 1][half] = v.z, a[2 * u + 1][2 + half] = v.w;
            }
        }
    }
}

/* ---- tiles in shared memory: rows of W elements ---- */

/* First element of a chunk of 8. The chunks of a row change places so that no two of 8 rows that are read at once lie in
 * the same banks; every 8 rows alike. */
template <int W> static __device__ __forceinline__ int mx_tile_at(int row, int chunk) {
    const int turn = W == 16 ? row >> 2 & 1 : W == 32 ? row >> 1 & 3 : row & 7;
    return (row * (W / 8) + (chunk ^ turn)) * 8;
}

/* Copies `count` rows for each of the block's heads, then zeros up to a whole strip. mx_copy_wait and a barrier end
 * it. */
template <int W>
static __device__ __forceinline__ void mx_load_tile(const mx_attend &a, mx_bf16 *tile, const mx_bf16 *from,
                                                    int stride, int count) {
    const int heads = 1 << a.group_log, end = mx_pad(count) * (W / 8) << a.group_log;
    MX_LOOP
    for (int i = threadIdx.x; i < end; i += MX_ATTEND_THREADS) {
        const int chunk = i % (W / 8), head = i / (W / 8) & (heads - 1), row = i / (W / 8) >> a.group_log;
        mx_bf16 *to = tile + head * a.rows * W + mx_tile_at<W>(row, chunk);
        const mx_bf16 *at = from + row * stride + head * a.d;
        if (row >= count || chunk * 8 >= a.d)
            *(uint4 *)to = make_uint4(0, 0, 0, 0);
        else if (a.wide_in)
            mx_copy16(to, at + chunk * 8);
        else
            *(uint4 *)to = mx_chunk(at, chunk * 8, a.d, false);
    }
}

/* sum = strip · rows [j, j + 8) of the tile: products of rows with rows */
template <int W>
static __device__ __forceinline__ void mx_dot(float sum[4], const uint32_t (*a)[4], const mx_bf16 *tile,
                                              int j) {
    const int lane = threadIdx.x % MX_CUDA_WARP, g = lane / 4, t = lane % 4;
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    if (W == 16) {
        const uint2 v = *(const uint2 *)(tile + j * W + mx_tile_at<W>(g, t / 2) + t % 2 * 4);
        const uint32_t b[2] = {v.x, v.y};
        mx_mma_bf16(sum, a[0], b, sum);
    } else {
        MX_UNROLL
        for (int u = 0; u < (W + 31) / 32; u++) {
            const uint4 v = *(const uint4 *)(tile + j * W + mx_tile_at<W>(g, W / 32 * t + u));
            const uint32_t low[2] = {v.x, v.y}, high[2] = {v.z, v.w};
            mx_mma_bf16(sum, a[2 * u], low, sum);
            mx_mma_bf16(sum, a[2 * u + 1], high, sum);
        }
    }
}

/* sum [16,W] += x [16,16] times rows [j, j + 16) of the tile. x: two neighbouring results of mx_dot. */
template <int W>
static __device__ __forceinline__ void mx_add_product(float (*sum)[4], const float (*x)[4],
                                                      const mx_bf16 *tile, int j) {
    const int lane = threadIdx.x % MX_CUDA_WARP;
    const uint32_t a[4] = {mx_pack(x[0][0], x[0][1]), mx_pack(x[0][2], x[0][3]), mx_pack(x[1][0], x[1][1]),
                           mx_pack(x[1][2], x[1][3])};
    const int at = mx_tile_at<W>(lane % 16, lane / 16); /* chunks c and c + 1 are c ^ 0 and c ^ 1 of a row */
    MX_UNROLL
    for (int chunk = 0; chunk < W / 8; chunk += 2) {
        uint32_t b[4];
        mx_ldmatrix_trans(b, tile + j * W + (at ^ chunk * 8));
        mx_mma_bf16(sum[chunk], a, b, sum[chunk]);
        mx_mma_bf16(sum[chunk + 1], a, b + 2, sum[chunk + 1]);
    }
}

/* ---- results ---- */

/* Four words of each of four lanes change places: lane t's word m goes to lane m's place t. */
static __device__ __forceinline__ uint4 mx_turn(const uint32_t word[4]) {
    const int t = threadIdx.x % 4;
    const bool upper = t & 2, odd = t & 1;
    const uint32_t x = __shfl_xor_sync(MX_FULL_WARP, upper ? word[0] : word[2], 2),
                   y = __shfl_xor_sync(MX_FULL_WARP, upper ? word[1] : word[3], 2);
    const uint32_t a = upper ? x : word[0], b = upper ? y : word[1], c = upper ? word[2] : x,
                   d = upper ? word[3] : y;
    const uint32_t v = __shfl_xor_sync(MX_FULL_WARP, odd ? a : b, 1),
                   w = __shfl_xor_sync(MX_FULL_WARP, odd ? c : d, 1);
    return odd ? make_uint4(v, b, w, d) : make_uint4(a, v, c, w);
}

/* Rows [i, i + 16) of `rows` = sum [16,W] times factor, one factor for each of a lane's two rows. */
template <int W>
static __device__ __forceinline__ void mx_store_strip(const mx_attend &a, mx_bf16 *to, int stride, int i,
                                                      int rows, const float (*sum)[4],
                                                      const float factor[2]) {
    const int lane = threadIdx.x % MX_CUDA_WARP, g = lane / 4, t = lane % 4;
    MX_UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = i + g + 8 * half;
        mx_bf16 *at = to + row * stride;
        MX_UNROLL
        for (int n = 0; n < W / 8; n += 4) {
            if (W > 16 && a.wide_out) {
                uint32_t word[4];
                MX_UNROLL
                for (int m = 0; m < 4; m++)
                    word[m] =
                        mx_pack(sum[n + m][2 * half] * factor[half], sum[n + m][2 * half + 1] * factor[half]);
                const uint4 v = mx_turn(word);
                if (row < rows && (n + t) * 8 < a.d) *(uint4 *)(at + (n + t) * 8) = v;
                continue;
            }
            MX_UNROLL
            for (int m = n; m < n + 4 && m < W / 8; m++) MX_UNROLL
            for (int e = 0; e < 2; e++)
                if (row < rows && m * 8 + 2 * t + e < a.d)
                    mx_store(at + m * 8 + 2 * t + e, sum[m][2 * half + e] * factor[half]);
        }
    }
}

/* Over the four lanes that share a row. */
static __device__ __forceinline__ float mx_row_sum(float x) {
    x += __shfl_xor_sync(MX_FULL_WARP, x, 1);
    return x + __shfl_xor_sync(MX_FULL_WARP, x, 2);
}
static __device__ __forceinline__ float mx_row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(MX_FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(MX_FULL_WARP, x, 2));
}

/* ---- the host's side ---- */

/* Heads of a block: so many that segments of few strips occupy four warps. */
static inline int mx_attend_group_log(const mx_layout *lay, int64_t heads) {
    int log = lay->max_segment <= MX_STRIP ? 2 : lay->max_segment <= 4 * MX_STRIP ? 1 : 0;
    while (heads % (1 << log)) log--;
    return log;
}

/* Images of a block of a biased call: enough blocks for any GPU, few partial gradients. */
static inline int64_t mx_attend_run(const mx_layout *lay, int64_t batch, int64_t heads) {
    const int64_t blocks = batch * lay->max_segments * (heads >> mx_attend_group_log(lay, heads)),
                  run = blocks / 2048;
    return run < 1 ? 1 : run < 16 ? run : 16;
}

static inline int mx_attend_entries(const mx_layout *lay) {
    return (2 * lay->window_h - 1) * (2 * lay->window_w - 1);
}

static inline unsigned mx_attend_blocks(const mx_attend &a, int group_log) {
    return (unsigned)(a.runs * a.segments * (a.heads >> group_log));
}

static inline bool mx_attend_aligned(const void *p) { return (uintptr_t)p % 16 == 0; }

static inline mx_attend mx_attend_make(mx_tensor qkv, mx_tensor table, mx_tensor out, mx_tensor lse,
                                       const mx_layout *lay) {
    mx_attend a = {};
    a.qkv = qkv.data, a.out = out.data, a.table = (const float *)table.data, a.lse = (float *)lse.data;
    a.segment = lay->segment, a.raster = lay->raster;
    a.batch = (int)qkv.dim[0], a.tokens = (int)qkv.dim[1], a.heads = (int)qkv.dim[3], a.d = (int)qkv.dim[4];
    a.qkv_row = 3 * a.heads * a.d, a.out_row = a.heads * a.d;
    a.grid_w = lay->grid_w, a.window_h = lay->window_h, a.window_w = lay->window_w;
    a.entries = a.table ? mx_attend_entries(lay) : 0;
    a.segments = lay->max_segments, a.max_segment = lay->max_segment;
    a.group_log = mx_attend_group_log(lay, a.heads);
    a.run = a.table ? (int)mx_attend_run(lay, a.batch, a.heads) : 1;
    a.runs = (int)mx_cuda_ceil(a.batch, a.run);
    a.scale = (float)(1 / sqrt((double)a.d)), a.scale_log2 = a.scale * MX_LOG2_E;
    a.wide_in = a.d % 8 == 0 && mx_attend_aligned(qkv.data);
    return a;
}

/* The padded width of a head on tensor cores; 0: none. A segment's elements are counted in 32 bits there. */
static inline int mx_attend_width(const mx_attend *a, mx_dtype type) {
    const bool fits = a->d <= MX_MOST_WIDTH && (int64_t)a->qkv_row * (a->max_segment + MX_STRIP) < INT32_MAX;
    return type != MX_BF16 || !fits ? 0 : a->d > 32 ? 64 : a->d > 16 ? 32 : 16;
}

/* Rows of a segment in two tiles of at most `bytes` together, in equal parts. */
static inline int mx_attend_rows(const mx_attend *a, int width, int64_t bytes) {
    const int64_t most = bytes / (2 * (int)sizeof(mx_bf16) * width << a->group_log) / MX_STRIP * MX_STRIP;
    const int64_t parts = mx_cuda_ceil(a->max_segment, most);
    return (int)(mx_cuda_ceil(mx_cuda_ceil(a->max_segment, parts), MX_STRIP) * MX_STRIP);
}

static inline size_t mx_attend_tiles_bytes(const mx_attend *a, int width) {
    return (size_t)(2 * a->rows * width) * sizeof(mx_bf16) << a->group_log;
}

#endif
