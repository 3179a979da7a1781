/* Softmax of attention's rows, in powers of 2.
 *
 * Scale and bias tile include the factor log2 e, so the logits go straight into exp2. Columns beyond the segment have
 * bias MX_NO_LOGIT: their logits are never the largest and their probability is 0. */
#ifndef MX_OPS_CPU_SOFTMAX_H
#define MX_OPS_CPU_SOFTMAX_H

#include <math.h>

#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

MX_INLINE float mx_logit_scale(int64_t d) { return 1.0f / sqrtf((float)d); }

/* A block of query rows: logits s [m, padded] and the largest of each lane, top [m]. */
typedef struct {
    float *s;
    mx_vf *top;
    const float *bias;
    int64_t padded, bias_row;
    float unit; /* log2 e/√D */
} mx_logit_rows;

MX_INLINE mx_logit_rows mx_logit_rows_of(const mx_attention_task *t, int64_t first, float *s, mx_vf *top) {
    return (mx_logit_rows){.s = s,
                           .top = top,
                           .bias = t->bias + first * t->bias_row,
                           .padded = t->padded,
                           .bias_row = t->bias_row,
                           .unit = mx_logit_scale(t->d) * MX_LOG2_E};
}

MX_INLINE void mx_logit_begin(const mx_logit_rows *l, int64_t m) {
    for (int64_t i = 0; i < m; i++) l->top[i] = mx_set(MX_NO_LOGIT);
}

/* Logits of row i for one register of keys from j, with one rounding. Forward and backward must compute the same bits:
 * if a probability differed between them, the gradient of the whole row would be wrong. */
MX_INLINE void mx_logit_put(const mx_logit_rows *l, mx_vf dot, int64_t i, int64_t j) {
    const mx_vf v = mx_fma(dot, mx_set(l->unit), mx_load(l->bias + i * l->bias_row + j));
    mx_store(l->s + i * l->padded + j, v);
    l->top[i] = mx_max(v, l->top[i]);
}

/* row = 2^(row - largest); returns the sum, in double so that it is the same for every register width. */
MX_INLINE double mx_softmax_row(float *row, float largest, int64_t padded) {
    mx_wide sum = {0};
    int64_t j = 0;
    for (; j + MX_NR <= padded; j += MX_NR) {
        const mx_vf a = mx_exp2(mx_load(row + j) - largest), b = mx_exp2(mx_load(row + j + MX_VW) - largest);
        mx_store(row + j, a);
        mx_store(row + j + MX_VW, b);
        mx_wide_add(&sum, a), mx_wide_add(&sum, b);
    }
    if (j < padded) {
        const mx_vf a = mx_exp2(mx_load(row + j) - largest);
        mx_store(row + j, a);
        mx_wide_add(&sum, a);
    }
    return mx_wide_sum(&sum);
}

/* The same, stored as bf16 in p. *weight: the sum of the rounded values, so that the normalised weights sum to 1.
 * Returns the sum before rounding, for lse. f32 sums suffice, since rounding to bf16 is far coarser. */
#if defined(__AVX512BF16__)
MX_INLINE double mx_softmax_row_half(const float *row, float largest, int64_t padded, uint16_t *p,
                                     double *weight) {
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    mx_vf sum = {0}, other = {0};
    __m512 kept = _mm512_setzero_ps();
    int64_t j = 0;
    for (; j + MX_NR <= padded; j += MX_NR) {
        const mx_vf a = mx_exp2(mx_load(row + j) - largest), b = mx_exp2(mx_load(row + j + MX_VW) - largest);
        const __m512bh both = _mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
        _mm512_storeu_si512(p + j, (__m512i)both);
        kept = _mm512_dpbf16_ps(kept, both, ones);
        sum += a, other += b;
    }
    if (j < padded) {
        const mx_vf a = mx_exp2(mx_load(row + j) - largest);
        const mx_vh h = mx_narrow(a);
        *(mx_vhu *)(p + j) = (mx_vhu)h;
        kept = _mm512_add_ps(kept, (__m512)mx_widen(h));
        sum += a;
    }
    *weight = (double)mx_sum((mx_vf)kept);
    return (double)mx_sum(sum + other);
}
#endif

enum { MX_SOFTMAX_ROWS = 28 }; /* most rows per call */

/* Turns m rows of logits into probabilities that are not yet divided by their sum, in place or as bf16 in half
 * [m, padded] (only with bf16 instructions). inverse[i] = 1/Σ of the stored values;  lse[i] = log Σ e^logit. */
MX_INLINE void mx_softmax_rows(const mx_logit_rows *l, int64_t m, uint16_t *half, float *lse,
                               float *inverse) {
    enum { LANES = MX_VW / 2 };
    double sums[MX_SOFTMAX_ROWS + MX_VW], weights[MX_SOFTMAX_ROWS + MX_VW];
    float largest[MX_SOFTMAX_ROWS];
    (void)half;
    for (int64_t i = 0; i < m; i++) {
        float *row = l->s + i * l->padded;
        largest[i] = mx_largest(l->top[i]);
#if defined(__AVX512BF16__)
        if (half) {
            sums[i] = mx_softmax_row_half(row, largest[i], l->padded, half + i * l->padded, &weights[i]);
            continue;
        }
#endif
        weights[i] = sums[i] = mx_softmax_row(row, largest[i], l->padded);
    }
    for (int64_t i = m; i % LANES; i++) sums[i] = weights[i] = 1;
    for (int64_t i = 0; i < m; i += LANES) {
        mx_vd sum, weight;
        memcpy(&sum, sums + i, sizeof sum);
        memcpy(&weight, weights + i, sizeof weight);
        const mx_vd logs = mx_log2(sum), inverses = 1.0 / weight;
        for (int64_t e = 0; e < LANES && i + e < m; e++) {
            inverse[i + e] = (float)inverses[e];
            lse[i + e] = (float)(((double)largest[i + e] + logs[e]) * MX_LN_2);
        }
    }
}

#endif
