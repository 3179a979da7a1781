/* bf16 products of AVX512-BF16: a register holds 16 sums, and each step adds a PAIR of products to each.
 *
 * A pair is two neighbours along the inner dimension, 2 x 16 bits in one word. vdpbf16ps adds the pair's second product
 * to a sum and then its first, each by one fused multiply-add to nearest even, with denormals as 0 in and out (measured
 * on Zen 4: 32 million sums equal that formula; tests/ops/test_ops_bf16.c checks it). Include it only where the
 * compiler has the instructions. */
#ifndef MX_OPS_CPU_PAIRS_H
#define MX_OPS_CPU_PAIRS_H

#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

typedef uint32_t mx_pair;
typedef int32_t mx_pair_unaligned __attribute__((aligned(2), may_alias));

/* 32 elements from i as bf16; elements i + n and later become 0. */
MX_INLINE __m512i mx_half32(const void *x, int64_t i, int64_t n, const mx_read how) {
    const __mmask32 some = n >= 32 ? 0xffffffffu : n > 0 ? (1u << n) - 1 : 0;
    if (how == MX_READ_BF16) return _mm512_maskz_loadu_epi16(some, (const uint16_t *)x + i);
    const float *f = (const float *)x + i;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)some, f),
                 high = _mm512_maskz_loadu_ps((__mmask16)(some >> 16), f + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Makes 32 pairs of two rows of 32 elements: `first` gives each pair's first element, `second` its second. */
MX_INLINE void mx_interleave(__m512i *low, __m512i *high, __m512i first, __m512i second) {
    const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39,
                                           7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    *low = _mm512_permutex2var_epi16(first, order, second);
    *high = _mm512_permutex2var_epi16(first, _mm512_add_epi16(order, _mm512_set1_epi16(16)), second);
}

/* Transposes 16 x 16 words in registers: pairs, pairs of pairs, then quarters twice. */
MX_INLINE void mx_transpose16(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + 2 + j]);
            r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + 2 + j]);
        }
    for (int i = 0; i < 8; i += 4) /* r[4 q + e]: rows 4q.., columns e, e + 4, e + 8, e + 12 */
        for (int e = 0; e < 4; e++) {
            t[2 * i + e] = _mm512_shuffle_i32x4(r[2 * i + e], r[2 * i + 4 + e], 0x88);
            t[2 * i + 4 + e] = _mm512_shuffle_i32x4(r[2 * i + e], r[2 * i + 4 + e], 0xdd);
        }
    for (int e = 0; e < 4; e++) {
        r[e] = _mm512_shuffle_i32x4(t[e], t[8 + e], 0x88);
        r[8 + e] = _mm512_shuffle_i32x4(t[e], t[8 + e], 0xdd);
        r[4 + e] = _mm512_shuffle_i32x4(t[4 + e], t[12 + e], 0x88);
        r[12 + e] = _mm512_shuffle_i32x4(t[4 + e], t[12 + e], 0xdd);
    }
}

/* micro.h's kernel over pairs: sum[i][j] = Σ_p a pair(i,p) · b pair(p,j). a's pairs are at a + i*a_row + p*a_col, so
 * rows of bf16 can be read in place; b's are at b + p*ldb. */
MX_INLINE void mx_pair_sums(__m512 sum[][2], const int rows, const int regs, int64_t pairs, const uint16_t *a,
                            int64_t a_row, int64_t a_col, const mx_pair *b, int64_t ldb) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < regs; j++) sum[i][j] = _mm512_setzero_ps();
    for (int64_t p = 0; p < pairs; p++) {
        __m512bh column[2];
        for (int j = 0; j < regs; j++) column[j] = (__m512bh)_mm512_loadu_si512(b + p * ldb + j * MX_VW);
        for (int i = 0; i < rows; i++) {
            const __m512bh s =
                (__m512bh)_mm512_set1_epi32(*(const mx_pair_unaligned *)(a + i * a_row + p * a_col));
            for (int j = 0; j < regs; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], s, column[j]);
        }
    }
}

/* c[i*ldc + j] = or += the sums */
MX_INLINE void mx_pair_body(const int rows, const int regs, int64_t pairs, const uint16_t *a, int64_t a_row,
                            int64_t a_col, const mx_pair *b, int64_t ldb, float *c, int64_t ldc, bool add) {
    __m512 sum[MX_MR][2];
    mx_pair_sums(sum, rows, regs, pairs, a, a_row, a_col, b, ldb);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < regs; j++) {
            float *to = c + i * ldc + j * MX_VW;
            const mx_vf v = (mx_vf)sum[i][j];
            mx_store(to, add ? mx_load(to) + v : v);
        }
}

#define MX_PAIR_CASE(n)                                                                                      \
    case n: mx_pair_body(n, regs, pairs, a, a_row, a_col, b, ldb, c, ldc, add); break
MX_INLINE void mx_pair_rows(int rows, const int regs, int64_t pairs, const uint16_t *a, int64_t a_row,
                            int64_t a_col, const mx_pair *b, int64_t ldb, float *c, int64_t ldc, bool add) {
    switch (rows) {
        MX_PAIR_CASE(1);
        MX_PAIR_CASE(2);
        MX_PAIR_CASE(3);
        MX_PAIR_CASE(4);
        MX_PAIR_CASE(5);
    default: mx_pair_body(MX_MR, regs, pairs, a, a_row, a_col, b, ldb, c, ldc, add);
    }
}

#endif
