/* The matrix product of gemm.c in bf16, with the processor's bf16 products (AVX512-BF16).
 *
 * The blocks and loops are the same, over pairs along k (pairs.h). The right operand's panels are [k/2][MX_NR] pairs. A
 * left operand in bf16 that is contiguous along k is read in place, a pair at a time; otherwise it is packed into rows
 * [m][k/2] or, for dW, into strips of 6 rows [k/2][6]. Packing rounds f32 operands. An odd k is padded with a zero. */
#include "ops/cpu/kernels/kernels.h"

#ifdef __AVX512BF16__
#include "ops/cpu/kernels/pairs.h"
#include "ops/cpu/kernels/transpose.h"

#define DEPTH 512 /* of a block of k; a column takes the memory of MX_KC floats */

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t pairs_of(int64_t k) { return (k + 1) / 2; }
static int64_t panel_size(int64_t k) { return pairs_of(k) * MX_NR + 16; }
static int64_t strip_size(int64_t k) { return pairs_of(k) * MX_MR + 16; }

/* 16 of a panel's columns, each contiguous along k; n <= 16 of them exist */
MX_INLINE void half_panel_transposed(mx_pair *d, const void *b, const mx_read how, int64_t ld, int64_t k,
                                     int64_t n) {
    for (int64_t p = 0; p < k; p += 32) {
        __m512i r[16];
        for (int i = 0; i < 16; i++)
            r[i] = i < n ? mx_half32(b, i * ld + p, k - p, how) : _mm512_setzero_si512();
        mx_transpose16(r);
        const int64_t rows = min64(16, pairs_of(k - p));
        for (int64_t i = 0; i < rows; i++) _mm512_storeu_si512(d + (p / 2 + i) * MX_NR, r[i]);
    }
}

MX_INLINE void pack_b_as(mx_pair *d, const mx_gemm_block *g, int64_t p0, int64_t k, const mx_read how) {
    const int64_t size = panel_size(k);
    if (g->b_col != 1) {
        for (int64_t j = 0; j < g->n; j += MX_NR, d += size)
            for (int64_t h = 0; h < MX_NR; h += 16)
                half_panel_transposed(d + h, mx_read_at(g->b, p0 + (j + h) * g->b_col, how), how, g->b_col, k,
                                      g->n - j - h);
        return;
    }
    for (int64_t p = 0; p < k; p += 2) {
        const void *b = mx_read_at(g->b, (p0 + p) * g->b_row, how);
        const int64_t next = p + 1 < k ? g->b_row : 0;
        mx_pair *to = d + p / 2 * MX_NR;
        for (int64_t j = 0; j < g->n; j += MX_NR, to += size) {
            __m512i low, high;
            mx_interleave(&low, &high, mx_half32(b, j, g->n - j, how),
                          next ? mx_half32(b, next + j, g->n - j, how) : _mm512_setzero_si512());
            _mm512_storeu_si512(to, low);
            _mm512_storeu_si512(to + 16, high);
        }
    }
}

/* Rows [i0, i0+m) contiguous along k: d [m][pairs] */
MX_INLINE void pack_rows(mx_pair *d, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k,
                         const mx_read how) {
    for (int64_t i = 0; i < m; i++, d += pairs_of(k)) {
        const void *a = mx_read_at(g->a, (i0 + i) * g->a_row + p0, how);
        for (int64_t p = 0; p < k; p += 32) {
            const int64_t rest = pairs_of(k - p);
            const __mmask16 some = (__mmask16)(rest >= 16 ? 0xffffu : (1u << rest) - 1u);
            _mm512_mask_storeu_epi32(d + p / 2, some, mx_half32(a, p, k - p, how));
        }
    }
}

/* 8 elements from i as bf16. some: mask of those that exist; the others become 0. */
MX_INLINE __m128i half8(const void *x, int64_t i, const mx_read how) {
    if (how == MX_READ_BF16) return _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)x + i));
    return (__m128i)_mm256_cvtneps_pbh(_mm256_loadu_ps((const float *)x + i));
}
MX_INLINE __m128i some_half8(const void *x, int64_t i, const __mmask8 some, const mx_read how) {
    if (how == MX_READ_BF16) return _mm_maskz_loadu_epi16(some, (const uint16_t *)x + i);
    return (__m128i)_mm256_cvtneps_pbh(_mm256_maskz_loadu_ps(some, (const float *)x + i));
}

MX_INLINE void store_strip(mx_pair *to, __m128i first, __m128i second) {
    _mm_storeu_si128((__m128i *)(void *)to, _mm_unpacklo_epi16(first, second));
    _mm_storeu_si128((__m128i *)(void *)(to + 4), _mm_unpackhi_epi16(first, second));
}

/* One pair along k for m rows, from the element rows `first` and `second`. Stores 8 pairs where 6 belong: the next
 * step overwrites the other two, and those of the last step fall into the padding. */
MX_INLINE void strip_step(mx_pair *to, int64_t size, const void *first, const void *second, int64_t m,
                          const mx_read how) {
    int64_t i = 0;
    for (; i + 8 <= m; i += MX_MR, to += size) store_strip(to, half8(first, i, how), half8(second, i, how));
    for (; i < m; i += MX_MR, to += size) {
        const __mmask8 some = (__mmask8)(m - i >= 8 ? 0xffu : (1u << (m - i)) - 1u);
        store_strip(to, some_half8(first, i, some, how), some_half8(second, i, some, how));
    }
}

/* Rows [i0, i0+m) of a left operand contiguous along its rows, as strips of 6. */
MX_INLINE void pack_strips(mx_pair *d, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k,
                           const mx_read how) {
    static const float zeros[MX_MC];
    for (int64_t p = 0; p < k; p += 2) {
        const void *first = mx_read_at(g->a, i0 + (p0 + p) * g->a_col, how),
                   *second = p + 1 < k ? mx_read_at(first, g->a_col, how) : zeros;
        strip_step(d + p / 2 * MX_MR, strip_size(k), first, second, m, how);
    }
}

static void pack_b(mx_pair *d, const mx_gemm_block *g, int64_t p0, int64_t k) {
    if (g->b_read == MX_READ_BF16)
        pack_b_as(d, g, p0, k, MX_READ_BF16);
    else
        pack_b_as(d, g, p0, k, MX_READ_ROUNDED);
}

static void pack_a(mx_pair *d, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k) {
    const bool half = g->a_read == MX_READ_BF16;
    if (g->a_col != 1 && half)
        pack_strips(d, g, i0, m, p0, k, MX_READ_BF16);
    else if (g->a_col != 1)
        pack_strips(d, g, i0, m, p0, k, MX_READ_ROUNDED);
    else if (half)
        pack_rows(d, g, i0, m, p0, k, MX_READ_BF16);
    else
        pack_rows(d, g, i0, m, p0, k, MX_READ_ROUNDED);
}

/* The right edge, with n < MX_NR columns: works on a buffer of the full width. */
static void micro_edge(int rows, int64_t n, int64_t k, const uint16_t *a, int64_t a_row, int64_t a_col,
                       const mx_pair *b, float *c, int64_t ldc, bool add) {
    float t[MX_MR * MX_NR];
    mx_pair_rows(rows, 2, pairs_of(k), a, a_row, a_col, b, MX_NR, t, MX_NR, false);
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = add ? c[i * ldc + j] + t[i * MX_NR + j] : t[i * MX_NR + j];
}

/* The left operand, with strides in elements of 16 bits: strips are `strip` apart, pair p of row i is at i*row +
 * p*step. */
typedef struct {
    const uint16_t *a;
    int64_t strip, row, step;
} left;

/* Rows [i0, i0+m) over one block of k. */
static void multiply(const mx_gemm_block *g, int64_t i0, int64_t m, int64_t k, left l, const mx_pair *b,
                     bool add) {
    for (int64_t j = 0; j < g->n; j += MX_NR, b += panel_size(k))
        for (int64_t i = 0; i < m; i += MX_MR) {
            const uint16_t *a = l.a + i / MX_MR * l.strip;
            float *c = g->c + (i0 + i) * g->ldc + j;
            const int rows = (int)min64(MX_MR, m - i);
            for (int r = 0; r < rows; r++) __builtin_prefetch(c + r * g->ldc, 1);
            if (j + MX_NR > g->n)
                micro_edge(rows, g->n - j, k, a, l.row, l.step, b, c, g->ldc, add);
            else if (l.step == 2)
                mx_pair_rows(rows, 2, pairs_of(k), a, l.row, 2, b, MX_NR, c, g->ldc, add);
            else
                mx_pair_rows(rows, 2, pairs_of(k), a, 2, 2 * MX_MR, b, MX_NR, c, g->ldc, add);
        }
}

mx_packing mx_k_packing_pairs(int64_t n, int64_t k) {
    return (mx_packing){(k + DEPTH - 1) / DEPTH, (n + MX_NR - 1) / MX_NR * panel_size(min64(k, DEPTH))};
}

void mx_k_pack_pairs(float *to, const mx_gemm_block *g, int64_t i) {
    pack_b((mx_pair *)(void *)to, g, i * DEPTH, min64(DEPTH, g->k - i * DEPTH));
}

void mx_k_gemm_pairs(const mx_gemm_block *g, mx_gemm_scratch *work) {
    const bool strips = g->a_col != 1;
    mx_pair *a = (mx_pair *)(void *)work->a;
    for (int64_t p = 0; p < g->k; p += DEPTH) {
        const int64_t k = min64(DEPTH, g->k - p);
        const bool in_place = !strips && g->a_read == MX_READ_BF16 && k % 2 == 0;
        const float *b = g->packed ? g->packed + p / DEPTH * g->packed_step : work->b;
        if (!g->packed) mx_k_pack_pairs(work->b, g, p / DEPTH);
        for (int64_t i = 0; i < g->m; i += MX_MC) {
            const int64_t m = min64(MX_MC, g->m - i);
            left l = {(const uint16_t *)a, 2 * strip_size(k), 2, 2 * MX_MR};
            if (!in_place) pack_a(a, g, i, m, p, k);
            if (g->row_sums) mx_k_row_sums(g->row_sums + i, g, i, m, p, k);
            if (in_place)
                l = (left){(const uint16_t *)g->a + i * g->a_row + p, MX_MR * g->a_row, g->a_row, 2};
            else if (!strips)
                l = (left){(const uint16_t *)a, 2 * MX_MR * pairs_of(k), 2 * pairs_of(k), 2};
            multiply(g, i, m, k, l, (const mx_pair *)(const void *)b, g->add || p > 0);
        }
    }
}
#endif
