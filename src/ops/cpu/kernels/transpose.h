/* Reads operands of products (mx_read), and transposes 8 x 8 elements in registers to pack an operand that is
 * contiguous along the other dimension. */
#ifndef MX_OPS_CPU_TRANSPOSE_H
#define MX_OPS_CPU_TRANSPOSE_H

#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

typedef float mx_v8 __attribute__((vector_size(32)));
typedef float mx_v8u __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t mx_i8 __attribute__((vector_size(32)));

typedef uint32_t mx_u8 __attribute__((vector_size(32)));
typedef uint16_t mx_h8 __attribute__((vector_size(16)));
typedef uint16_t mx_h8u __attribute__((vector_size(16), aligned(2), may_alias));

/* element i of an operand */
MX_INLINE float mx_read1(const void *p, int64_t i, const mx_read how) {
    if (how == MX_READ_BF16) return mx_widen1(((const uint16_t *)p)[i]);
    const float x = ((const float *)p)[i];
    return how == MX_READ_ROUNDED ? mx_round1(x) : x;
}

/* 8 elements from i. By pointer, since without AVX the ABI for returning 32 bytes is not stable. */
MX_INLINE void mx_read8(mx_v8 *to, const void *p, int64_t i, const mx_read how) {
    if (how == MX_READ_BF16) {
        const mx_h8 h = (mx_h8) * (const mx_h8u *)((const uint16_t *)p + i);
        *to = (mx_v8)(__builtin_convertvector(h, mx_u8) << 16);
        return;
    }
    const mx_v8 v = (mx_v8) * (const mx_v8u *)((const float *)p + i);
    if (how != MX_READ_ROUNDED) {
        *to = v;
        return;
    }
    const mx_u8 bits = (mx_u8)v, rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u,
                odd = (mx_u8)(v != v); /* NaN */
    *to = (mx_v8)((odd & (bits | 0x400000)) | (~odd & rounded));
}

/* n elements from i, at most a register */
MX_INLINE mx_vf mx_read_n(const void *p, int64_t i, int64_t n, const mx_read how) {
    mx_vf v = mx_get(p, i, n, how == MX_READ_BF16);
    return how == MX_READ_ROUNDED ? mx_round(v) : v;
}

/* address of element i */
MX_INLINE const void *mx_read_at(const void *p, int64_t i, mx_read how) {
    return (const char *)p + i * (how == MX_READ_BF16 ? 2 : 4);
}

/* d[p*ldd + j] = s[j*lds + p], 8 by 8, in registers: pairs, then pairs of pairs, then halves */
MX_INLINE void mx_transpose8(const void *s, int64_t lds, const mx_read how, float *d, int64_t ldd) {
    mx_v8 r[8], t[8], u[8];
    for (int i = 0; i < 8; i++) mx_read8(&r[i], s, i * lds, how);
    for (int i = 0; i < 8; i += 2) {
        t[i] = __builtin_shuffle(r[i], r[i + 1], (mx_i8){0, 8, 2, 10, 4, 12, 6, 14});
        t[i + 1] = __builtin_shuffle(r[i], r[i + 1], (mx_i8){1, 9, 3, 11, 5, 13, 7, 15});
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            u[i + j] = __builtin_shuffle(t[i + j], t[i + 2 + j], (mx_i8){0, 1, 8, 9, 4, 5, 12, 13});
            u[i + 2 + j] = __builtin_shuffle(t[i + j], t[i + 2 + j], (mx_i8){2, 3, 10, 11, 6, 7, 14, 15});
        }
    for (int i = 0; i < 4; i++) {
        *(mx_v8u *)(d + i * ldd) =
            (mx_v8u)__builtin_shuffle(u[i], u[4 + i], (mx_i8){0, 1, 2, 3, 8, 9, 10, 11});
        *(mx_v8u *)(d + (4 + i) * ldd) =
            (mx_v8u)__builtin_shuffle(u[i], u[4 + i], (mx_i8){4, 5, 6, 7, 12, 13, 14, 15});
    }
}

#endif
