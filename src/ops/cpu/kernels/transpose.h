/* 8 x 8 floats transposed in registers, for packing operands whose rows run the wrong way. */
#ifndef MX_OPS_CPU_TRANSPOSE_H
#define MX_OPS_CPU_TRANSPOSE_H

#include "ops/cpu/kernels/simd.h"

typedef float mx_v8 __attribute__((vector_size(32)));
typedef float mx_v8u __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t mx_i8 __attribute__((vector_size(32)));

/* d[p*ldd + j] = s[j*lds + p], 8 by 8, in registers: pairs, then pairs of pairs, then halves */
MX_INLINE void mx_transpose8(const float *s, int64_t lds, float *d, int64_t ldd) {
    mx_v8 r[8], t[8], u[8];
    for (int i = 0; i < 8; i++) r[i] = (mx_v8) * (const mx_v8u *)(s + i * lds);
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
