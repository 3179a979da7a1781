/* Attention backward, in two phases of a block: strips of queries give dq and the table's gradient, strips of keys give
 * dk and dv. Both compute p = exp(logit - lse) and ds = p (dout·v - delta) anew, with delta = Σ dout out. */
#include <math.h>

#include "ops/cuda/attention.cuh"
#include "ops/cuda/attention_plain.cuh"

enum {
    TILES = 40 * 1024,  /* most bytes of two tiles */
    STAGE = MX_STEP + 8 /* floats of a row of a warp's ds; 8: rows lie in other banks */
};

/* Shared memory, as a warp sees it: of the block, and of its own head. Tiles hold keys and values, then queries and
 * dout. */
typedef struct {
    mx_bf16 *tiles;           /* [2][heads of the block][rows][W] */
    int *offset;              /* [padded] */
    float *biases, *all_sums; /* [heads of the block][entries], [warps][entries] */

    int head, team, teams;      /* of the block; this warp among those of its head */
    const mx_bf16 *one, *other; /* of the head [rows][W] */
    float *lse, *delta;         /* of the head [padded]; lse times log2 e, infinite past the segment's end */
    const float *bias;          /* of the head: bias[offset(query) - offset(key)] */
    float *stage;               /* of the warp [MX_STRIP][STAGE] */
    float *sums;                /* of the warp: the table's gradient, as bias */
} room;

template <int W> static __device__ __forceinline__ room divide(const mx_attend &a, unsigned char *shared) {
    const int warp = threadIdx.x / MX_CUDA_WARP, padded = mx_pad(a.max_segment), tile = a.rows * W;
    room r;
    r.head = warp & ((1 << a.group_log) - 1), r.team = warp >> a.group_log,
    r.teams = MX_ATTEND_WARPS >> a.group_log;
    r.tiles = (mx_bf16 *)shared;
    r.one = r.tiles + r.head * tile, r.other = r.one + (tile << a.group_log);
    r.offset = (int *)(r.tiles + (2 * tile << a.group_log));
    float *rest = (float *)(r.offset + padded);
    r.lse = rest + r.head * padded, rest += padded << a.group_log;
    r.delta = rest + r.head * padded, rest += padded << a.group_log;
    r.stage = rest + warp * MX_STRIP * STAGE, rest += MX_ATTEND_WARPS * MX_STRIP * STAGE;
    r.biases = rest, r.bias = rest + r.head * a.entries + mx_attend_base(a), rest += a.entries << a.group_log;
    r.all_sums = rest, r.sums = rest + warp * a.entries + mx_attend_base(a);
    return r;
}

/* What a warp works on: 16 rows of a head, one factor of each product in registers. */
template <int W> struct strip {
    uint32_t x[W / 16][4], y[W / 16][4]; /* queries and dout, or keys and values */
    float sum[W / 8][4];                 /* dq or dk */
    int row;                             /* of the segment */
};

template <int W> static __device__ __forceinline__ void clear(float (*sum)[4]) {
    MX_UNROLL
    for (int n = 0; n < W / 8; n++) sum[n][0] = sum[n][1] = sum[n][2] = sum[n][3] = 0;
}

/* Two factors of two neighbouring bf16 */
static __device__ __forceinline__ float pair_product(uint32_t x, uint32_t y, float sum) {
    sum = fmaf(__uint_as_float(x << 16), __uint_as_float(y << 16), sum);
    return fmaf(__uint_as_float(x & 0xffff0000u), __uint_as_float(y & 0xffff0000u), sum);
}

/* lse and delta of the strip's queries into shared memory. */
template <int W>
static __device__ __forceinline__ void row_numbers(const mx_attend &a, const mx_attend_block &p,
                                                   const room &r, const strip<W> *s, int b) {
    const int lane = threadIdx.x % MX_CUDA_WARP;
    const mx_bf16 *out = (const mx_bf16 *)a.out + mx_out_at(a, p, b) + r.head * a.d;
    const float *lse = a.lse + ((int64_t)b * a.heads + p.head + r.head) * a.tokens + p.first;
    uint32_t o[W / 16][4];
    mx_load_strip<W>(o, out, a.out_row, s->row, p.tokens, a.d, a.wide_in);
    MX_UNROLL
    for (int half = 0; half < 2; half++) {
        const int row = s->row + lane / 4 + 8 * half;
        float delta = 0;
        MX_UNROLL
        for (int k = 0; k < W / 16; k++)
            delta = pair_product(s->y[k][2 + half], o[k][2 + half],
                                 pair_product(s->y[k][half], o[k][half], delta));
        delta = mx_row_sum(delta);
        if (lane % 4) continue;
        r.lse[row] = row < p.tokens ? lse[row] * MX_LOG2_E : INFINITY;
        r.delta[row] = delta;
    }
    __syncwarp();
}

/* The warp's ds for 16 keys into columns [column, column + 16) of its stage. */
static __device__ __forceinline__ void put_on_stage(const room &r, const float (*ds)[4], int column) {
    const int lane = threadIdx.x % MX_CUDA_WARP, g = lane / 4, t = lane % 4;
    float *to = r.stage + g * STAGE + column + 2 * t;
    MX_UNROLL
    for (int n = 0; n < 2; n++) {
        *(float2 *)(to + 8 * n) = make_float2(ds[n][0], ds[n][1]);
        *(float2 *)(to + 8 * STAGE + 8 * n) = make_float2(ds[n][2], ds[n][3]);
    }
}

/* The table's gradient += the stage, row by row: the keys of one query belong to different entries, so no two lanes
 * meet. query, key: the stage's first, of the segment; rows, keys: that exist. */
static __device__ __forceinline__ void add_to_table(const room &r, int query, int key, int rows, int keys) {
    const int lane = threadIdx.x % MX_CUDA_WARP;
    const bool mine = lane < keys;
    float *sums = r.sums - (mine ? r.offset[key + lane] : 0);
    __syncwarp();
    MX_LOOP
    for (int i = 0; i < rows && i < MX_STRIP; i++) {
        if (mine) sums[r.offset[query + i]] += r.stage[i * STAGE + lane];
        __syncwarp();
    }
}

/* Queries by a step over 16 keys. j: in the tiles; from: of the segment */
template <int W>
static __device__ __forceinline__ void query_step(strip<W> *s, const mx_attend &a, const mx_attend_block &p,
                                                  const room &r, int j, int from) {
    const int lane = threadIdx.x % MX_CUDA_WARP, g = lane / 4, t = lane % 4, left = p.tokens - from,
              at = s->row + g;
    const float lse[2] = {r.lse[at], r.lse[at + 8]}, delta[2] = {r.delta[at], r.delta[at + 8]};
    const int row[2] = {a.table ? r.offset[at] : 0, a.table ? r.offset[at + 8] : 0};
    float ds[2][4];
    MX_UNROLL
    for (int n = 0; n < 2; n++) {
        float dp[4];
        const int key = 8 * n + 2 * t;
        mx_dot<W>(ds[n], s->x, r.one, j + 8 * n);
        mx_dot<W>(dp, s->y, r.other, j + 8 * n);
        int2 o = make_int2(0, 0);
        if (a.table) o = *(const int2 *)(r.offset + from + key);
        MX_UNROLL
        for (int e = 0; e < 4; e++) {
            const float add = a.table ? r.bias[row[e / 2] - (e % 2 ? o.y : o.x)] : 0,
                        x = fmaf(ds[n][e], a.scale_log2, add) - lse[e / 2];
            ds[n][e] = key + e % 2 < left ? mx_exp2(x) * (dp[e] - delta[e / 2]) : 0;
        }
    }
    mx_add_product<W>(s->sum, ds, r.one, j);
    if (!a.table) return;
    const int column = j % MX_STEP;
    put_on_stage(r, ds, column);
    if (column || left <= MX_STRIP || j + MX_STRIP >= a.rows)
        add_to_table(r, s->row, from - column, p.tokens - s->row,
                     left < MX_STRIP ? column + left : column + MX_STRIP);
}

/* Keys by a step over 16 queries: the same transposed. */
template <int W>
static __device__ __forceinline__ void key_step(strip<W> *s, float (*dv)[4], const mx_attend &a,
                                                const room &r, int i, int from) {
    const int lane = threadIdx.x % MX_CUDA_WARP, g = lane / 4, t = lane % 4, at = s->row + g,
              query = from + 2 * t;
    const int row[2] = {a.table ? r.offset[at] : 0, a.table ? r.offset[at + 8] : 0};
    float x[2][4], ds[2][4];
    MX_UNROLL
    for (int n = 0; n < 2; n++) {
        mx_dot<W>(x[n], s->x, r.one, i + 8 * n);
        mx_dot<W>(ds[n], s->y, r.other, i + 8 * n);
        const float2 lse = *(const float2 *)(r.lse + query + 8 * n),
                     delta = *(const float2 *)(r.delta + query + 8 * n);
        int2 o = make_int2(0, 0);
        if (a.table) o = *(const int2 *)(r.offset + query + 8 * n);
        MX_UNROLL
        for (int e = 0; e < 4; e++) {
            const float add = a.table ? r.bias[(e % 2 ? o.y : o.x) - row[e / 2]] : 0;
            x[n][e] = mx_exp2(fmaf(x[n][e], a.scale_log2, add) - (e % 2 ? lse.y : lse.x));
            ds[n][e] = x[n][e] * (ds[n][e] - (e % 2 ? delta.y : delta.x));
        }
    }
    mx_add_product<W>(dv, x, r.other, i);
    mx_add_product<W>(s->sum, ds, r.one, i);
}

/* Fills the tiles with rows [from, from + count) of the segment: parts `part` and, after it, values or dout. */
template <int W>
static __device__ __forceinline__ void load(const mx_attend &a, const mx_attend_block &p, const room &r,
                                            int b, bool queries, int from, int count) {
    const mx_bf16 *qkv = (const mx_bf16 *)a.qkv + from * a.qkv_row;
    __syncthreads();
    mx_load_tile<W>(a, r.tiles, qkv + mx_part_at(a, p, b, queries ? 0 : 1), a.qkv_row, count);
    if (queries)
        mx_load_tile<W>(a, r.tiles + (a.rows * W << a.group_log),
                        (const mx_bf16 *)a.dout + from * a.out_row + mx_out_at(a, p, b), a.out_row, count);
    else
        mx_load_tile<W>(a, r.tiles + (a.rows * W << a.group_log), qkv + mx_part_at(a, p, b, 2), a.qkv_row,
                        count);
    mx_copy_wait();
    __syncthreads();
}

/* The strip's own rows of image b: queries and dout, or keys and values. */
template <int W>
static __device__ __forceinline__ void load_strips(strip<W> *s, const mx_attend &a, const mx_attend_block &p,
                                                   const room &r, int b, bool keys) {
    const mx_bf16 *x = (const mx_bf16 *)a.qkv + mx_part_at(a, p, b, keys ? 1 : 0) + r.head * a.d,
                  *y = keys ? x + a.out_row : (const mx_bf16 *)a.dout + mx_out_at(a, p, b) + r.head * a.d;
    mx_load_strip<W>(s->x, x, a.qkv_row, s->row, p.tokens, a.d, a.wide_in);
    mx_load_strip<W>(s->y, y, keys ? a.qkv_row : a.out_row, s->row, p.tokens, a.d, a.wide_in);
}

/* dq and the table's gradient. */
template <int W>
static __device__ __forceinline__ void by_queries(const mx_attend &a, const mx_attend_block &p, const room &r,
                                                  int b) {
    strip<W> s;
    for (int i = 0; i < p.tokens; i += r.teams * MX_STRIP) {
        s.row = i + r.team * MX_STRIP;
        load_strips<W>(&s, a, p, r, mx_here(b), false);
        clear<W>(s.sum);
        for (int from = 0; from < p.tokens; from += a.rows) {
            const int count = mx_attend_count(a, p, from);
            if (i == 0 || p.tokens > a.rows) load<W>(a, p, r, mx_here(b), false, from, count);
            if (s.row >= p.tokens) continue;
            if (from == 0) row_numbers<W>(a, p, r, &s, mx_here(b));
            MX_LOOP
            for (int j = 0; j < count; j += MX_STRIP) query_step<W>(&s, a, p, r, j, from + j);
        }
        if (s.row >= p.tokens) continue;
        const float factor[2] = {a.scale, a.scale};
        mx_store_strip<W>(a, (mx_bf16 *)a.dqkv + mx_part_at(a, p, mx_here(b), 0) + r.head * a.d, a.qkv_row,
                          s.row, p.tokens, s.sum, factor);
    }
}

template <int W>
static __device__ __forceinline__ void by_keys(const mx_attend &a, const mx_attend_block &p, const room &r,
                                               int b) {
    strip<W> s;
    float dv[W / 8][4];
    for (int j = 0; j < p.tokens; j += r.teams * MX_STRIP) {
        s.row = j + r.team * MX_STRIP;
        load_strips<W>(&s, a, p, r, mx_here(b), true);
        clear<W>(s.sum), clear<W>(dv);
        for (int from = 0; from < p.tokens; from += a.rows) {
            const int count = mx_attend_count(a, p, from);
            if (j == 0 || p.tokens > a.rows) load<W>(a, p, r, mx_here(b), true, from, count);
            if (s.row >= p.tokens) continue;
            MX_LOOP
            for (int i = 0; i < count; i += MX_STRIP) key_step<W>(&s, dv, a, r, i, from + i);
        }
        if (s.row >= p.tokens) continue;
        const float scale[2] = {a.scale, a.scale}, one[2] = {1, 1};
        mx_bf16 *to = (mx_bf16 *)a.dqkv + mx_part_at(a, p, mx_here(b), 1) + r.head * a.d;
        mx_store_strip<W>(a, to, a.qkv_row, s.row, p.tokens, s.sum, scale);
        mx_store_strip<W>(a, to + a.out_row, a.qkv_row, s.row, p.tokens, dv, one);
    }
}

/* Where the partial gradient of a head's column lies, [entries]. */
static __device__ __forceinline__ float *partial_of(const mx_attend &a, const mx_attend_block &p) {
    return a.partial + (((int64_t)p.run * a.segments + p.segment) * a.heads + p.head) * a.entries;
}

template <int W>
static __global__ void __launch_bounds__(MX_ATTEND_THREADS, W > 32 ? 2 : 4) backward_kernel(mx_attend a) {
    MX_SHARED_BYTES(shared);
    const mx_attend_block p = mx_attend_place(a, a.group_log);
    const room r = divide<W>(a, shared);
    const int heads = 1 << a.group_log;
    for (int i = threadIdx.x; i < MX_ATTEND_WARPS * a.entries; i += MX_ATTEND_THREADS) r.all_sums[i] = 0;
    if (p.tokens) mx_attend_bias(a, p, r.offset, r.biases);
    for (int b = p.image; b < p.images_end && p.tokens; b++) {
        by_queries<W>(a, p, r, b);
        by_keys<W>(a, p, r, b);
    }
    if (!a.table) return;
    __syncthreads();
    float *partial = partial_of(a, mx_attend_place(a, mx_here(a.group_log)));
    for (int i = threadIdx.x; i < a.entries << a.group_log; i += MX_ATTEND_THREADS) {
        float sum = 0;
        for (int w = i / a.entries; w < MX_ATTEND_WARPS; w += heads)
            sum += r.all_sums[w * a.entries + i % a.entries];
        partial[i] = sum;
    }
}

/* ---- without tensor cores: blocks of one warp ---- */

/* Shared memory: two own rows, sums for one or two gradients, weights of 32 rows of the other side. */
typedef struct {
    float *x, *y, *dx, *dy, *p, *ds;
} plain_room;

template <typename T>
static __device__ void plain_query(const mx_attend &a, const mx_attend_block &p, const plain_room &r, int b,
                                   int i) {
    const int lane = threadIdx.x;
    const int64_t wide = a.qkv_row, at = mx_out_at(a, p, b) + (int64_t)i * a.out_row;
    const T *qkv = (const T *)a.qkv, *keys = qkv + mx_part_at(a, p, b, 1),
            *values = qkv + mx_part_at(a, p, b, 2);
    const float lse = a.lse[((int64_t)b * a.heads + p.head) * a.tokens + p.first + i];
    mx_plain_copy(r.x, qkv + mx_part_at(a, p, b, 0) + i * wide, a.d);
    mx_plain_copy(r.y, (const T *)a.dout + at, a.d);
    for (int e = lane; e < a.d; e += MX_CUDA_WARP) r.dx[e] = 0;
    __syncwarp();
    const float delta = mx_plain_dot(r.y, (const T *)a.out + at, a.d);
    for (int from = 0; from < p.tokens; from += MX_CUDA_WARP) {
        const int j = from + lane, count = p.tokens - from < MX_CUDA_WARP ? p.tokens - from : MX_CUDA_WARP;
        float ds = 0;
        if (j < p.tokens) {
            const float x = mx_plain_dot(r.x, keys + j * wide, a.d) * a.scale + mx_plain_bias(a, p, i, j);
            ds = expf(x - lse) * (mx_plain_dot(r.y, values + j * wide, a.d) - delta);
            if (a.table)
                partial_of(a, p)[mx_plain_entry(a, p, i, j)] += ds; /* lanes have different entries */
        }
        r.ds[lane] = ds;
        __syncwarp();
        mx_plain_add(r.dx, 1, r.ds, keys + from * wide, wide, count, a.d);
        __syncwarp();
    }
    T *dq = (T *)a.dqkv + mx_part_at(a, p, b, 0) + i * wide;
    for (int e = lane; e < a.d; e += MX_CUDA_WARP) mx_store(dq + e, r.dx[e] * a.scale);
    __syncwarp();
}

/* p and ds of key j and 32 queries */
template <typename T>
static __device__ __forceinline__ void plain_weights(const mx_attend &a, const mx_attend_block &p,
                                                     const plain_room &r, int b, int i, int j) {
    const int lane = threadIdx.x;
    const int64_t wide = a.qkv_row;
    const T *query = (const T *)a.qkv + mx_part_at(a, p, b, 0) + i * wide;
    const int64_t at = mx_out_at(a, p, b) + (int64_t)i * a.out_row;
    const T *dout = (const T *)a.dout + at, *out = (const T *)a.out + at;
    r.p[lane] = r.ds[lane] = 0;
    if (i >= p.tokens) return;
    const float x = mx_plain_dot(r.x, query, a.d) * a.scale + mx_plain_bias(a, p, i, j),
                lse = a.lse[((int64_t)b * a.heads + p.head) * a.tokens + p.first + i];
    r.p[lane] = expf(x - lse);
    r.ds[lane] = r.p[lane] * (mx_plain_dot(r.y, dout, a.d) - mx_plain_dot(dout, out, a.d));
}

template <typename T>
static __device__ void plain_key(const mx_attend &a, const mx_attend_block &p, const plain_room &r, int b,
                                 int j) {
    const int lane = threadIdx.x;
    const int64_t wide = a.qkv_row, narrow = a.out_row;
    const T *qkv = (const T *)a.qkv, *dout = (const T *)a.dout + mx_out_at(a, p, b);
    mx_plain_copy(r.x, qkv + mx_part_at(a, p, b, 1) + j * wide, a.d);
    mx_plain_copy(r.y, qkv + mx_part_at(a, p, b, 2) + j * wide, a.d);
    for (int e = lane; e < a.d; e += MX_CUDA_WARP) r.dx[e] = r.dy[e] = 0;
    __syncwarp();
    for (int from = 0; from < p.tokens; from += MX_CUDA_WARP) {
        const int count = p.tokens - from < MX_CUDA_WARP ? p.tokens - from : MX_CUDA_WARP;
        plain_weights<T>(a, p, r, b, from + lane, j);
        __syncwarp();
        mx_plain_add(r.dx, 1, r.ds, qkv + mx_part_at(a, p, b, 0) + from * wide, wide, count, a.d);
        mx_plain_add(r.dy, 1, r.p, dout + from * narrow, narrow, count, a.d);
        __syncwarp();
    }
    T *to = (T *)a.dqkv + j * wide;
    for (int e = lane; e < a.d; e += MX_CUDA_WARP) {
        mx_store(to + mx_part_at(a, p, b, 1) + e, r.dx[e] * a.scale);
        mx_store(to + mx_part_at(a, p, b, 2) + e, r.dy[e]);
    }
    __syncwarp();
}

template <typename T> static __global__ void plain_kernel(mx_attend a) {
    MX_SHARED_BYTES(shared);
    const mx_attend_block p = mx_attend_place(a, 0);
    float *x = (float *)shared;
    const plain_room r = {x, x + a.d, x + 2 * a.d, x + 3 * a.d, x + 4 * a.d, x + 4 * a.d + MX_CUDA_WARP};
    for (int i = threadIdx.x; i < a.entries; i += MX_CUDA_WARP) partial_of(a, p)[i] = 0;
    __syncwarp();
    for (int b = p.image; b < p.images_end; b++)
        for (int i = 0; i < p.tokens; i++) plain_query<T>(a, p, r, b, i), plain_key<T>(a, p, r, b, i);
}

/* ---- the table's gradient: the partial sums in order ---- */

enum { COLUMNS = 32, LANES = 8 }; /* a block takes 32 entries; 8 warps share the partial sums */

static __global__ void table_kernel(mx_attend a, float *dtable) {
    __shared__ float room[LANES][COLUMNS];
    const int column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS,
              entry = blockIdx.x * COLUMNS + column, head = blockIdx.y;
    float sum = 0;
    if (entry < a.entries)
        for (int part = lane; part < a.runs * a.segments; part += LANES)
            sum += a.partial[((int64_t)part * a.heads + head) * a.entries + entry];
    room[lane][column] = sum;
    __syncthreads();
    if (lane || entry >= a.entries) return;
    for (int i = 1; i < LANES; i++) sum += room[i][column];
    dtable[(int64_t)entry * a.heads + head] += sum;
}

/* ---- the host's side ---- */

static size_t bytes_on_cores(const mx_attend *a, int width) {
    const int padded = (a->max_segment + MX_STRIP - 1) / MX_STRIP * MX_STRIP;
    return mx_attend_tiles_bytes(a, width) +
           sizeof(float) *
               (size_t)(padded + (2 * padded << a->group_log) + MX_ATTEND_WARPS * MX_STRIP * STAGE +
                        (a->entries << a->group_log) + MX_ATTEND_WARPS * a->entries);
}

static void backward_on_cores(mx_ctx *c, const mx_attend &a, int width) {
    const unsigned blocks = mx_attend_blocks(a, a.group_log);
    const size_t bytes = bytes_on_cores(&a, width);
    if (width == 16) MX_LAUNCH(c, (blocks), MX_ATTEND_THREADS, bytes, (backward_kernel<16>), a);
    if (width == 32) MX_LAUNCH(c, (blocks), MX_ATTEND_THREADS, bytes, (backward_kernel<32>), a);
    if (width == 64) MX_LAUNCH(c, (blocks), MX_ATTEND_THREADS, bytes, (backward_kernel<64>), a);
}

static void backward_plain(mx_ctx *c, const mx_attend &a, mx_dtype type) {
    const size_t bytes = sizeof(float) * (size_t)(4 * a.d + 2 * MX_CUDA_WARP);
#define LAUNCH(T) MX_LAUNCH(c, (mx_attend_blocks(a, 0)), MX_CUDA_WARP, bytes, (plain_kernel<T>), a)
    MX_BY_TYPE(type, LAUNCH);
#undef LAUNCH
}

/* The table's partial gradients. */
extern "C" size_t mx_cuda_attention_back_work(const mx_ctx *c, const mx_layout *lay, int64_t batch,
                                              int64_t heads, int64_t d, bool biased) {
    (void)c, (void)d;
    if (!biased) return 0;
    return sizeof(float) * (size_t)(mx_cuda_ceil(batch, mx_attend_run(lay, batch, heads)) *
                                    lay->max_segments * heads * mx_attend_entries(lay));
}

extern "C" void mx_cuda_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout,
                                       mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                                       const mx_layout *lay, void *work) {
    mx_attend a = mx_attend_make(qkv, table, out, lse, lay);
    const int width = mx_attend_width(&a, qkv.type);
    if (!a.batch) return;
    a.dqkv = dqkv.data, a.dout = dout.data, a.partial = (float *)work;
    a.wide_in = a.wide_in && mx_attend_aligned(a.out) && mx_attend_aligned(a.dout);
    a.wide_out = a.d % 8 == 0 && mx_attend_aligned(a.dqkv);
    if (width) a.rows = mx_attend_rows(&a, width, TILES);
    if (width && bytes_on_cores(&a, width) <= MX_ATTEND_SHARED)
        backward_on_cores(c, a, width);
    else
        backward_plain(c, a, qkv.type);
    if (a.table)
        MX_LAUNCH(c, ((unsigned)mx_cuda_ceil(a.entries, COLUMNS), (unsigned)a.heads), COLUMNS * LANES, 0,
                  table_kernel, a, (float *)dtable.data);
}
