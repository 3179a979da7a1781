/* The attention of attention.c in bf16, with the processor's bf16 products (AVX512-BF16).
 *
 * The formulas are the same; products work on pairs of neighbours along the inner dimension (pairs.h). Probabilities
 * and dS become bf16 for the products that read them, as in PyTorch's autocast; softmax, δ and the bias gradient are
 * f32. Queries are read in place. Backward stores P and dS of two queries as pairs, the left operands of dV = Pᵀ dO
 * and dK = dSᵀ Q, and dS also row by row, the left operand of dQ = dS K. */
#include "ops/cpu/kernels/kernels.h"

#ifdef __AVX512BF16__
#include "ops/cpu/kernels/pairs.h"
#include "ops/cpu/kernels/softmax.h"

#define ROWS    MX_SOFTMAX_ROWS /* query rows whose logits are computed at a time */
#define QUERIES 196             /* per block in backward, which keeps their P and dS for dV and dK; even */
#define STRIP   8               /* rows of a micro-kernel: 16 sums in 32 registers */

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t round_up(int64_t n, int64_t m) { return (n + m - 1) / m * m; }
static inline int64_t half_of(int64_t n) { return (n + 1) / 2; }

/* Rows per block when n query rows are cut into nearly equal blocks of at most ROWS; even, since backward takes two
 * rows at a time. */
static int64_t block_rows(int64_t n) {
    const int64_t count = (n + ROWS - 1) / ROWS;
    return round_up((n + count - 1) / count, 2);
}

/* y [d/2][padded]: pairs of neighbours in a row of x [tokens, d], transposed, zero beyond the segment */
static void pack_columns(mx_pair *y, const uint16_t *x, int64_t ld, int64_t tokens, int64_t d,
                         int64_t padded) {
    for (int64_t t = 0; t < padded; t += 16)
        for (int64_t e = 0; e < d; e += 32) {
            __m512i r[16];
            for (int i = 0; i < 16; i++)
                r[i] = t + i < tokens ? mx_half32(x, (t + i) * ld + e, d - e, MX_READ_BF16)
                                      : _mm512_setzero_si512();
            mx_transpose16(r);
            const int64_t rows = min64(16, half_of(d - e));
            for (int64_t i = 0; i < rows; i++) _mm512_storeu_si512(y + (e / 2 + i) * padded + t, r[i]);
        }
}

/* y [tokens/2][dp]: pairs of neighbouring rows of x [tokens, d] */
static void pack_rows(mx_pair *y, const uint16_t *x, int64_t ld, int64_t tokens, int64_t d, int64_t dp) {
    for (int64_t t = 0; t < tokens; t += 2, y += dp)
        for (int64_t e = 0; e < dp; e += 32) {
            __m512i low, high, second = _mm512_setzero_si512();
            if (t + 1 < tokens) second = mx_half32(x, (t + 1) * ld + e, d - e, MX_READ_BF16);
            mx_interleave(&low, &high, mx_half32(x, t * ld + e, d - e, MX_READ_BF16), second);
            _mm512_storeu_si512(y + e, low);
            if (e + 16 < dp) _mm512_storeu_si512(y + e + 16, high);
        }
}

/* Rows of bf16 whose pairs can be read in place: x itself or, for odd d, a copy padded with a zero. *ld: stride. */
static const uint16_t *left_rows(const uint16_t *x, int64_t *ld, int64_t rows, int64_t d, uint16_t *copy) {
    if (d % 2 == 0) return x;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(copy + i * (d + 1), x + i * *ld, sizeof *x * (size_t)d);
        copy[i * (d + 1) + d] = 0;
    }
    *ld = d + 1;
    return copy;
}

/* A product and where its sums go: logits (softmax.h), an f32 tile, scaled bf16 rows, or a tile that gathers the sums
 * of all blocks of queries. */
typedef enum { LOGITS, TILE, SCALED, GATHERED } fate;
typedef struct {
    int64_t pairs;
    const uint16_t *a;
    int64_t a_row, a_col;
    const mx_pair *b;
    int64_t ldb;
    const mx_logit_rows *l; /* LOGITS */
    float *tile;            /* [.., ld]. TILE: overwritten; GATHERED: sums of the blocks so far */
    int64_t ld;
    bool first, last; /* GATHERED: whether this block is the first, the last; the last stores y */
    uint16_t *y;      /* SCALED, GATHERED: bf16 [.., y_row], width d */
    int64_t y_row, d;
    const float *factor; /* SCALED: one per row, or NULL */
} product;

MX_INLINE void settle(const product *g, const fate what, mx_vf v, int64_t i, int64_t j) {
    if (what == LOGITS) {
        mx_logit_put(g->l, v, i, j);
        return;
    }
    if (what == TILE) {
        mx_store(g->tile + i * g->ld + j, v);
        return;
    }
    if (what == GATHERED && !g->first) v += mx_load(g->tile + i * g->ld + j);
    if (what == GATHERED && !g->last) {
        mx_store(g->tile + i * g->ld + j, v);
        return;
    }
    if (what == SCALED && g->factor) v *= g->factor[i];
    const int64_t n = g->d - j;
    const __mmask16 some = (__mmask16)(n >= 16 ? 0xffffu : n > 0 ? (1u << n) - 1u : 0u);
    _mm256_mask_storeu_epi16(g->y + i * g->y_row + j, some, (__m256i)mx_narrow(v));
}

MX_INLINE void strip(const product *g, const fate what, const int rows, const int regs, int64_t i,
                     int64_t j) {
    __m512 sum[STRIP][2];
    mx_pair_sums(sum, rows, regs, g->pairs, g->a + i * g->a_row, g->a_row, g->a_col, g->b + j, g->ldb);
    for (int r = 0; r < rows; r++)
        for (int e = 0; e < regs; e++) settle(g, what, (mx_vf)sum[r][e], i + r, j + e * MX_VW);
}

/* Cuts m rows into nearly equal strips: 49 rows are 7 strips of 7, not 6 of 8 and one of 1, which would cost half a
 * strip. */
#define STRIP_CASE(n)                                                                                        \
    case n: strip(g, what, n, regs, i, j); break
MX_INLINE void strips(const product *g, const fate what, const int regs, int64_t m, int64_t j) {
    const int64_t count = (m + STRIP - 1) / STRIP, least = m / count, higher = m % count;
    int64_t i = 0;
    for (int64_t k = 0; k < count; k++) {
        const int64_t rows = least + (k < higher);
        switch (rows) {
            STRIP_CASE(1);
            STRIP_CASE(2);
            STRIP_CASE(3);
            STRIP_CASE(4);
            STRIP_CASE(5);
            STRIP_CASE(6);
            STRIP_CASE(7);
        default: strip(g, what, STRIP, regs, i, j);
        }
        i += rows;
    }
}

/* m rows, n columns (whole registers) */
MX_INLINE void multiply(const product *g, const fate what, int64_t m, int64_t n) {
    int64_t j = 0;
    for (; j + MX_NR <= n; j += MX_NR) strips(g, what, 2, m, j);
    if (j < n) strips(g, what, 1, m, j);
}

/* Scratch. _t: transposed; the others, and values_t in forward, are by rows. */
typedef struct {
    mx_pair *keys_t, *values_t, *keys, *queries, *douts;
    mx_pair *p, *ds;   /* [QUERIES/2][padded] */
    uint16_t *ds_rows; /* [QUERIES][padded] */
    float *s, *dp, *dk, *dv;
    uint16_t *q_copy, *dout_copy; /* for left_rows */
    int64_t width;                /* D rounded up to whole registers */
    size_t words;                 /* size of all tiles, in floats */
} tiles;

static void *take(tiles *b, float *base, int64_t words) {
    float *at = base + b->words;
    b->words += (size_t)round_up(words, 16);
    return at;
}

static tiles carve(float *base, int64_t tokens, int64_t d, bool backward) {
    tiles b = {.width = round_up(d, MX_VW)};
    const int64_t padded = round_up(tokens, MX_VW), block = min64(round_up(tokens, 2), QUERIES),
                  rows = half_of(tokens) * b.width, copy = d % 2 ? half_of(tokens * (d + 1)) : 0;
    b.keys_t = take(&b, base, half_of(d) * padded);
    b.s = take(&b, base, ROWS * padded);
    b.q_copy = take(&b, base, copy);
    if (!backward) {
        b.values_t = take(&b, base, rows);
        b.p = take(&b, base, ROWS * padded / 2);
        return b;
    }
    b.values_t = take(&b, base, half_of(d) * padded);
    b.dout_copy = take(&b, base, copy);
    b.keys = take(&b, base, rows), b.queries = take(&b, base, rows), b.douts = take(&b, base, rows);
    b.p = take(&b, base, block / 2 * padded), b.ds = take(&b, base, block / 2 * padded);
    b.ds_rows = take(&b, base, block / 2 * padded);
    b.dp = take(&b, base, ROWS * padded);
    if (tokens > QUERIES) b.dk = take(&b, base, tokens * b.width), b.dv = take(&b, base, tokens * b.width);
    return b;
}

size_t mx_k_attention_pairs_scratch(int64_t tokens, int64_t d, bool backward) {
    float none;
    return carve(&none, tokens, d, backward).words;
}

void mx_k_attention_pairs(const mx_attention_task *t) {
    const int64_t tokens = t->tokens, d = t->d, padded = t->padded;
    const tiles b = carve(t->scratch, tokens, d, false);
    uint16_t *p = (uint16_t *)b.p;
    int64_t row = t->qkv_row;
    const uint16_t *queries = left_rows(t->q, &row, tokens, d, b.q_copy);
    pack_columns(b.keys_t, t->k, t->qkv_row, tokens, d, padded);
    pack_rows(b.values_t, t->v, t->qkv_row, tokens, d, b.width);
    const int64_t most = block_rows(tokens);
    for (int64_t i0 = 0; i0 < tokens; i0 += most) {
        const int64_t m = min64(most, tokens - i0);
        mx_vf top[ROWS];
        float inverse[ROWS];
        const mx_logit_rows l = mx_logit_rows_of(t, i0, b.s, top);
        const product logits = {half_of(d), queries + i0 * row, row, 2, b.keys_t, padded, .l = &l};
        mx_logit_begin(&l, m);
        multiply(&logits, LOGITS, m, padded);
        mx_softmax_rows(&l, m, p, t->lse + i0, inverse);
        const product out = {half_of(tokens),
                             p,
                             padded,
                             2,
                             b.values_t,
                             b.width,
                             .d = d,
                             .factor = inverse,
                             .y = (uint16_t *)t->out + i0 * t->out_row,
                             .y_row = t->out_row};
        multiply(&out, SCALED, m, b.width);
    }
}

/* δ = x·y of one row */
static float inner(const uint16_t *x, const uint16_t *y, int64_t d) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t e = 0; e < d; e += 32)
        sum = _mm512_dpbf16_ps(sum, (__m512bh)mx_half32(x, e, d - e, MX_READ_BF16),
                               (__m512bh)mx_half32(y, e, d - e, MX_READ_BF16));
    return mx_sum((mx_vf)sum);
}

typedef struct {
    const float *s, *dp, *bias;
    float *dbias;
    float shift, delta; /* shift: lse times log2 e */
} query;

/* P of one query and 16 keys; *ds = dS/√D; dbias += dS */
MX_INLINE mx_vf probability(const query *q, int64_t j, float unit, float scale, mx_vf *ds) {
    const mx_vf p = mx_exp2(mx_fma(mx_load(q->s + j), mx_set(unit), mx_load(q->bias + j)) - q->shift),
                g = p * (mx_load(q->dp + j) - q->delta);
    if (q->dbias) mx_store(q->dbias + j, mx_load(q->dbias + j) + g);
    *ds = g * scale;
    return p;
}

/* P and dS of two queries (`both`: the second exists) as pairs, and dS as rows too. */
static void two_rows(const tiles *b, const query q[2], bool both, int64_t i, int64_t padded, float scale) {
    const float unit = scale * MX_LOG2_E;
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    mx_pair *p = b->p + i / 2 * padded, *ds = b->ds + i / 2 * padded;
    uint16_t *rows = b->ds_rows + i * padded;
    for (int64_t j = 0; j < padded; j += MX_VW) {
        mx_vf d0, d1 = {0}, p1 = {0};
        const mx_vf p0 = probability(&q[0], j, unit, scale, &d0);
        if (both) p1 = probability(&q[1], j, unit, scale, &d1);
        const __m512i pp = (__m512i)_mm512_cvtne2ps_pbh((__m512)p1, (__m512)p0),
                      dd = (__m512i)_mm512_cvtne2ps_pbh((__m512)d1, (__m512)d0);
        _mm512_storeu_si512(p + j, _mm512_permutexvar_epi16(order, pp));
        _mm512_storeu_si512(ds + j, _mm512_permutexvar_epi16(order, dd));
        _mm256_storeu_si256((__m256i *)(void *)(rows + j), _mm512_castsi512_si256(dd));
        if (both)
            _mm256_storeu_si256((__m256i *)(void *)(rows + padded + j), _mm512_extracti64x4_epi64(dd, 1));
    }
}

/* P and dS of queries [i0, i0 + m). first: the block's first query. */
static void probabilities(const mx_attention_task *t, const tiles *b, int64_t i0, int64_t m, int64_t first) {
    const int64_t padded = t->padded;
    for (int64_t i = 0; i < m; i += 2) {
        query q[2] = {{0}};
        for (int64_t e = 0; e < 2 && i + e < m; e++) {
            const int64_t at = i0 + i + e;
            q[e] = (query){.s = b->s + (i + e) * padded,
                           .dp = b->dp + (i + e) * padded,
                           .bias = t->bias + at * t->bias_row,
                           .dbias = t->dbias ? t->dbias + at * padded : NULL,
                           .shift = t->lse[at] * MX_LOG2_E,
                           .delta = inner((const uint16_t *)t->dout + at * t->out_row,
                                          (const uint16_t *)t->out + at * t->out_row, t->d)};
        }
        two_rows(b, q, i + 1 < m, i0 + i - first, padded, mx_logit_scale(t->d));
    }
}

/* dQ of the block's queries, and their part of dK and dV of all keys. */
static void gradients(const mx_attention_task *t, const tiles *b, int64_t i0, int64_t m) {
    const int64_t padded = t->padded, below = i0 / 2 * b->width;
    const bool first = i0 == 0, last = i0 + m == t->tokens;
    const product dq = {half_of(t->tokens),
                        b->ds_rows,
                        padded,
                        2,
                        b->keys,
                        b->width,
                        .d = t->d,
                        .y = (uint16_t *)t->dq + i0 * t->qkv_row,
                        .y_row = t->qkv_row},
                  dk = {half_of(m),
                        (const uint16_t *)b->ds,
                        2,
                        2 * padded,
                        b->queries + below,
                        b->width,
                        .tile = b->dk,
                        .ld = b->width,
                        .first = first,
                        .last = last,
                        .d = t->d,
                        .y = t->dk,
                        .y_row = t->qkv_row},
                  dv = {half_of(m),
                        (const uint16_t *)b->p,
                        2,
                        2 * padded,
                        b->douts + below,
                        b->width,
                        .tile = b->dv,
                        .ld = b->width,
                        .first = first,
                        .last = last,
                        .d = t->d,
                        .y = t->dv,
                        .y_row = t->qkv_row};
    multiply(&dq, SCALED, m, b->width);
    multiply(&dk, GATHERED, t->tokens, b->width);
    multiply(&dv, GATHERED, t->tokens, b->width);
}

void mx_k_attention_pairs_back(const mx_attention_task *t) {
    const int64_t tokens = t->tokens, d = t->d, padded = t->padded;
    const tiles b = carve(t->scratch, tokens, d, true);
    int64_t q_row = t->qkv_row, dout_row = t->out_row;
    const uint16_t *queries = left_rows(t->q, &q_row, tokens, d, b.q_copy),
                   *douts = left_rows(t->dout, &dout_row, tokens, d, b.dout_copy);
    pack_columns(b.keys_t, t->k, t->qkv_row, tokens, d, padded);
    pack_columns(b.values_t, t->v, t->qkv_row, tokens, d, padded);
    pack_rows(b.keys, t->k, t->qkv_row, tokens, d, b.width);
    pack_rows(b.queries, t->q, t->qkv_row, tokens, d, b.width);
    pack_rows(b.douts, t->dout, t->out_row, tokens, d, b.width);
    for (int64_t first = 0; first < tokens; first += QUERIES) {
        const int64_t end = min64(tokens, first + QUERIES), most = block_rows(end - first);
        for (int64_t i0 = first; i0 < end; i0 += most) {
            const int64_t m = min64(most, end - i0);
            const product s = {half_of(d), queries + i0 * q_row, q_row,       2, b.keys_t,
                               padded,     .tile = b.s,          .ld = padded},
                          dp = {half_of(d), douts + i0 * dout_row, dout_row,    2, b.values_t,
                                padded,     .tile = b.dp,          .ld = padded};
            multiply(&s, TILE, m, padded);
            multiply(&dp, TILE, m, padded);
            probabilities(t, &b, i0, m, first);
        }
        gradients(t, &b, first, end - first);
    }
}
#endif
