/* Attention inside one segment for one head of one image, forward and backward. It never stores all logits.
 *
 * First it packs keys and values (transposed where they are the right operand of a product over D). Then it takes
 * blocks of query rows: S = Q Kᵀ, softmax with bias, O = P V. Backward recomputes P = exp(S/√D + bias - lse) from the
 * saved lse (as FlashAttention, Dao et al. 2022); then dP = dO Vᵀ,  δ_i = dO_i·O_i,  dS = P ⊙ (dP - δ),
 * dQ = dS K/√D,  dK = dSᵀ Q/√D,  dV = Pᵀ dO,  dbias += dS. Any size works; with 49 to 196 tokens and D = 32 the tiles
 * fit L2, mostly L1. attention_pairs.c does the same with bf16 products, where the instruction set has them; softmax.h
 * serves both. */
#include "ops/cpu/kernels/micro.h"
#include "ops/cpu/kernels/softmax.h"
#include "ops/cpu/kernels/transpose.h"

#define ROWS_FORWARD  24 /* query rows per block: the tile of logits stays in L1 */
#define ROWS_BACKWARD 48 /* more, since each block reads and writes dK and dV once */

#define DEPTH 64 /* products that a register sums before they are added to the result */

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t round_up(int64_t n, int64_t m) { return (n + m - 1) / m * m; }

/* y [T, dp]: rows of x, zero-padded */
MX_INLINE void rows_as(float *y, const void *x, const mx_read how, int64_t ld, int64_t tokens, int64_t d,
                       int64_t dp) {
    for (int64_t t = 0; t < tokens; t++, y += dp)
        for (int64_t i = 0; i < dp; i += MX_VW)
            mx_store(y + i, mx_read_n(x, t * ld + i, d - i > 0 ? d - i : 0, how));
}

static void pack_rows(float *y, const void *x, bool half, int64_t ld, int64_t tokens, int64_t d, int64_t dp) {
    if (half)
        rows_as(y, x, MX_READ_BF16, ld, tokens, d, dp);
    else
        rows_as(y, x, MX_READ_F32, ld, tokens, d, dp);
}

/* y [d, padded]: x transposed, zero-padded */
MX_INLINE void columns_as(float *y, const void *x, const mx_read how, int64_t ld, int64_t tokens, int64_t d,
                          int64_t padded) {
    const int64_t even = d / 8 * 8;
    int64_t t = 0;
    for (; t + 8 <= tokens; t += 8)
        for (int64_t i = 0; i < even; i += 8)
            mx_transpose8(mx_read_at(x, t * ld + i, how), ld, how, y + i * padded + t, padded);
    for (; t < padded; t++)
        for (int64_t i = 0; i < even; i++) y[i * padded + t] = t < tokens ? mx_read1(x, t * ld + i, how) : 0;
    for (int64_t i = even; i < d; i++)
        for (t = 0; t < padded; t++) y[i * padded + t] = t < tokens ? mx_read1(x, t * ld + i, how) : 0;
}

static void pack_columns(float *y, const void *x, bool half, int64_t ld, int64_t tokens, int64_t d,
                         int64_t padded) {
    if (half)
        columns_as(y, x, MX_READ_BF16, ld, tokens, d, padded);
    else
        columns_as(y, x, MX_READ_F32, ld, tokens, d, padded);
}

/* c [m,n] = or += a b with inner length k. n must be a multiple of the register width. For each panel of MX_NR columns
 * it takes all strips of MX_MR rows. It adds sums of at most DEPTH products (micro.h says why). */
MX_INLINE void product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_col,
                       const float *b, int64_t ldb, float *c, int64_t ldc, bool add) {
    for (int64_t p = 0; p < k; p += DEPTH, a += DEPTH * a_col, b += DEPTH * ldb, add = true)
        for (int64_t j = 0; j < n; j += MX_NR)
            for (int64_t i = 0; i < m; i += MX_MR) {
                const int rows = (int)min64(MX_MR, m - i);
                const int64_t depth = min64(DEPTH, k - p);
                const float *left = a + i * a_row;
                float *to = c + i * ldc + j;
                if (n - j >= MX_NR)
                    mx_micro_rows(rows, 2, depth, left, a_row, a_col, b + j, ldb, to, ldc, add);
                else
                    mx_micro_rows(rows, 1, depth, left, a_row, a_col, b + j, ldb, to, ldc, add);
            }
}
/* The left operand is contiguous along k, or (product_columns) along its rows. */
static void product_rows(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                         int64_t ldb, float *c, int64_t ldc) {
    product(m, n, k, a, lda, 1, b, ldb, c, ldc, false);
}
static void product_columns(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                            int64_t ldb, float *c, int64_t ldc, bool add) {
    product(m, n, k, a, 1, lda, b, ldb, c, ldc, add);
}

static size_t scratch_floats(int64_t tokens, int64_t d, bool backward) {
    const int64_t padded = round_up(tokens, MX_VW), dp = round_up(d, MX_VW);
    if (!backward) return (size_t)(d * padded + tokens * dp + ROWS_FORWARD * (padded + 2 * dp));
    return (size_t)(2 * d * padded + 5 * tokens * dp + ROWS_BACKWARD * (2 * padded + dp));
}

size_t mx_k_attention_scratch(int64_t tokens, int64_t d, bool backward) {
    const size_t floats = scratch_floats(tokens, d, backward);
#ifdef __AVX512BF16__
    const size_t pairs = mx_k_attention_pairs_scratch(tokens, d, backward);
    return floats > pairs ? floats : pairs;
#else
    return floats;
#endif
}

/* Logits of up to 6 queries and 2 registers of keys, from sums that are still in registers. */
MX_INLINE void logits_body(const int rows, const int regs, int64_t d, const float *q, int64_t ldq,
                           const float *keys, const mx_logit_rows *l, int64_t i, int64_t j) {
    mx_vf sum[MX_MR][2];
    mx_micro_sums(sum, rows, regs, d, q, ldq, 1, keys, l->padded);
    for (int r = 0; r < rows; r++)
        for (int e = 0; e < regs; e++) mx_logit_put(l, sum[r][e], i + r, j + e * MX_VW);
}

#define LOGITS_CASE(n)                                                                                       \
    case n: logits_body(n, regs, d, q, ldq, keys, l, i, j); break
MX_INLINE void logits_strip(int rows, const int regs, int64_t d, const float *q, int64_t ldq,
                            const float *keys, const mx_logit_rows *l, int64_t i, int64_t j) {
    switch (rows) {
        LOGITS_CASE(1);
        LOGITS_CASE(2);
        LOGITS_CASE(3);
        LOGITS_CASE(4);
        LOGITS_CASE(5);
    default: logits_body(MX_MR, regs, d, q, ldq, keys, l, i, j);
    }
}

/* Logits of m queries, and each row's largest. */
static void logits(int64_t m, int64_t d, const float *q, int64_t ldq, const float *keys,
                   const mx_logit_rows *l) {
    mx_logit_begin(l, m);
    for (int64_t j = 0; j < l->padded; j += MX_NR)
        for (int64_t i = 0; i < m; i += MX_MR) {
            const int rows = (int)min64(MX_MR, m - i);
            if (l->padded - j >= MX_NR)
                logits_strip(rows, 2, d, q + i * ldq, ldq, keys + j, l, i, j);
            else
                logits_strip(rows, 1, d, q + i * ldq, ldq, keys + j, l, i, j);
        }
}

/* Rows first, first + 1, ... of y = rows of x. */
static void store_rows(void *y, bool half, int64_t first, int64_t ld, const float *x, int64_t dp,
                       int64_t rows, int64_t d) {
    for (int64_t t = 0; t < rows; t++)
        for (int64_t i = 0; i < d; i += MX_VW) {
            const mx_vf v = mx_load(x + t * dp + i);
            if (half)
                mx_put(y, (first + t) * ld + i, v, d - i, true);
            else
                mx_put(y, (first + t) * ld + i, v, d - i, false);
        }
}

/* Queries i0..i0+m-1: in place if f32, else widened into `buffer` [m, dp]. *row: their stride. */
static const float *query_rows(const mx_attention_task *t, float *buffer, int64_t i0, int64_t m, int64_t dp,
                               int64_t *row) {
    *row = t->half ? dp : t->qkv_row;
    if (!t->half) return (const float *)t->q + i0 * t->qkv_row;
    pack_rows(buffer, (const uint16_t *)t->q + i0 * t->qkv_row, true, t->qkv_row, m, t->d, dp);
    return buffer;
}

void mx_k_attention(const mx_attention_task *t) {
#ifdef __AVX512BF16__
    if (t->half) {
        mx_k_attention_pairs(t);
        return;
    }
#endif
    const int64_t tokens = t->tokens, d = t->d, padded = t->padded, dp = round_up(d, MX_VW);
    float *keys = t->scratch, *values = keys + d * padded, *s = values + tokens * dp,
          *o = s + ROWS_FORWARD * padded, *buffer = o + ROWS_FORWARD * dp;
    pack_columns(keys, t->k, t->half, t->qkv_row, tokens, d, padded);
    pack_rows(values, t->v, t->half, t->qkv_row, tokens, d, dp);
    for (int64_t i0 = 0; i0 < tokens; i0 += ROWS_FORWARD) {
        const int64_t m = min64(ROWS_FORWARD, tokens - i0);
        mx_vf top[ROWS_FORWARD];
        float inverse[ROWS_FORWARD];
        int64_t row;
        const float *queries = query_rows(t, buffer, i0, m, dp, &row);
        const mx_logit_rows l = mx_logit_rows_of(t, i0, s, top);
        logits(m, d, queries, row, keys, &l);
        mx_softmax_rows(&l, m, NULL, t->lse + i0, inverse);
        product_rows(m, dp, tokens, s, padded, values, dp, o, dp);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < dp; j += MX_VW)
                mx_store(o + i * dp + j, mx_load(o + i * dp + j) * inverse[i]);
        store_rows(t->out, t->half, i0, t->out_row, o, dp, m, d);
    }
}

/* Σ_i x[i] y[first + i], i < n */
static float dot(const float *x, const void *y, bool half, int64_t first, int64_t n) {
    mx_vf s = {0};
    for (int64_t i = 0; i < n; i += MX_VW)
        s = mx_fma(mx_load_n(x + i, n - i),
                   half ? mx_get(y, first + i, n - i, true) : mx_get(y, first + i, n - i, false), s);
    return mx_sum(s);
}

/* Turns s from q·k into P and dp from dP into dS/√D; dbias += dS. Columns beyond the segment become 0. */
static void softmax_row_back(float *s, float *dp, const float *bias, float *dbias, float scale, float lse,
                             float delta, int64_t padded) {
    const mx_vf unit = mx_set(scale * MX_LOG2_E);
    const double exact =
        (double)lse / MX_LN_2; /* as a sum of two floats: rounding it to one would change every P */
    const float shift = (float)exact, rest = (float)(exact - (double)shift);
    for (int64_t j = 0; j < padded; j += MX_VW) {
        mx_vf p = mx_exp2(mx_fma(mx_load(s + j), unit, mx_load(bias + j)) - shift - rest),
              g = p * (mx_load(dp + j) - delta);
        mx_store(s + j, p);
        mx_store(dp + j, g * scale);
        if (dbias) mx_store(dbias + j, mx_load(dbias + j) + g);
    }
}

typedef struct {
    float *keys_t, *values_t, *keys, *queries, *douts, *dk, *dv, *s, *ds, *dq;
    int64_t dp;
} back_tiles;

static back_tiles carve(const mx_attention_task *t) {
    back_tiles b;
    const int64_t wide = t->d * t->padded;
    b.dp = round_up(t->d, MX_VW);
    const int64_t tall = t->tokens * b.dp;
    b.keys_t = t->scratch;
    b.values_t = b.keys_t + wide;
    b.keys = b.values_t + wide;
    b.queries = b.keys + tall;
    b.douts = b.queries + tall;
    b.dk = b.douts + tall;
    b.dv = b.dk + tall;
    b.s = b.dv + tall;
    b.ds = b.s + ROWS_BACKWARD * t->padded;
    b.dq = b.ds + ROWS_BACKWARD * t->padded;
    return b;
}

static void back_block(const mx_attention_task *t, const back_tiles *b, int64_t i0, int64_t m, float scale) {
    const int64_t tokens = t->tokens, d = t->d, padded = t->padded, dp = b->dp;
    product_rows(m, padded, d, b->queries + i0 * dp, dp, b->keys_t, padded, b->s, padded);
    product_rows(m, padded, d, b->douts + i0 * dp, dp, b->values_t, padded, b->ds, padded);
    for (int64_t i = 0; i < m; i++) {
        const int64_t at = (i0 + i) * padded;
        const float delta = dot(b->douts + (i0 + i) * dp, t->out, t->half, (i0 + i) * t->out_row, d);
        softmax_row_back(b->s + i * padded, b->ds + i * padded, t->bias + (i0 + i) * t->bias_row,
                         t->dbias ? t->dbias + at : NULL, scale, t->lse[i0 + i], delta, padded);
    }
    product_rows(m, dp, tokens, b->ds, padded, b->keys, dp, b->dq, dp);
    store_rows(t->dq, t->half, i0, t->qkv_row, b->dq, dp, m, d);
    product_columns(tokens, dp, m, b->s, padded, b->douts + i0 * dp, dp, b->dv, dp, i0 > 0);
    product_columns(tokens, dp, m, b->ds, padded, b->queries + i0 * dp, dp, b->dk, dp, i0 > 0);
}

void mx_k_attention_back(const mx_attention_task *t) {
#ifdef __AVX512BF16__
    if (t->half) {
        mx_k_attention_pairs_back(t);
        return;
    }
#endif
    const back_tiles b = carve(t);
    const float scale = mx_logit_scale(t->d);
    pack_columns(b.keys_t, t->k, t->half, t->qkv_row, t->tokens, t->d, t->padded);
    pack_columns(b.values_t, t->v, t->half, t->qkv_row, t->tokens, t->d, t->padded);
    pack_rows(b.keys, t->k, t->half, t->qkv_row, t->tokens, t->d, b.dp);
    pack_rows(b.queries, t->q, t->half, t->qkv_row, t->tokens, t->d, b.dp);
    pack_rows(b.douts, t->dout, t->half, t->out_row, t->tokens, t->d, b.dp);
    for (int64_t i0 = 0; i0 < t->tokens; i0 += ROWS_BACKWARD)
        back_block(t, &b, i0, min64(ROWS_BACKWARD, t->tokens - i0), scale);
    store_rows(t->dk, t->half, 0, t->qkv_row, b.dk, b.dp, t->tokens, t->d);
    store_rows(t->dv, t->half, 0, t->qkv_row, b.dv, b.dp, t->tokens, t->d);
}
