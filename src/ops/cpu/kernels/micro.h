/* The micro-kernel of all f32 products, in linear layers and attention: up to 6 rows by 2 registers of sums.
 *
 * c[i*ldc + j] = or += Σ_p a[i*a_row + p*a_col] b[p*ldb + j] for i < rows, j < 2 (or 1) registers, p < k.
 * Elements of the left operand are broadcast, so it may be contiguous along rows or along k; the right one is read as
 * registers. After inlining, the number of rows and strides of 1 are constants, so 12 sums stay in registers. The sums
 * begin at 0, and c is added last: the error of a long sum grows with its number of blocks, not of products. */
#ifndef MX_OPS_CPU_MICRO_H
#define MX_OPS_CPU_MICRO_H

#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

/* The sums alone, for callers that use them while they are in registers. */
MX_INLINE void mx_micro_sums(mx_vf sum[MX_MR][2], const int rows, const int regs, int64_t k, const float *a,
                             int64_t a_row, int64_t a_col, const float *b, int64_t ldb) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < regs; j++) sum[i][j] = (mx_vf){0};
    for (int64_t p = 0; p < k; p++) {
        mx_vf column[2];
        for (int j = 0; j < regs; j++) column[j] = mx_load(b + p * ldb + j * MX_VW);
        for (int i = 0; i < rows; i++) {
            mx_vf s = mx_set(a[i * a_row + p * a_col]);
            for (int j = 0; j < regs; j++) sum[i][j] = mx_fma(s, column[j], sum[i][j]);
        }
    }
}

MX_INLINE void mx_micro_body(const int rows, const int regs, int64_t k, const float *a, int64_t a_row,
                             int64_t a_col, const float *b, int64_t ldb, float *c, int64_t ldc, bool add) {
    mx_vf sum[MX_MR][2];
    mx_micro_sums(sum, rows, regs, k, a, a_row, a_col, b, ldb);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < regs; j++) {
            float *to = c + i * ldc + j * MX_VW;
            mx_store(to, add ? mx_load(to) + sum[i][j] : sum[i][j]);
        }
}

#define MX_MICRO_CASE(n)                                                                                     \
    case n: mx_micro_body(n, regs, k, a, a_row, a_col, b, ldb, c, ldc, add); break
MX_INLINE void mx_micro_rows(int rows, const int regs, int64_t k, const float *a, int64_t a_row,
                             int64_t a_col, const float *b, int64_t ldb, float *c, int64_t ldc, bool add) {
    switch (rows) {
        MX_MICRO_CASE(1);
        MX_MICRO_CASE(2);
        MX_MICRO_CASE(3);
        MX_MICRO_CASE(4);
        MX_MICRO_CASE(5);
    default: mx_micro_body(MX_MR, regs, k, a, a_row, a_col, b, ldb, c, ldc, add);
    }
}

#endif
