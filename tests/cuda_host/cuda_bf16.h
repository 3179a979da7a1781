/* The part of cuda_bf16.h that src/ops/cuda uses: bf16 is the upper half of an f32. No arithmetic and no implicit
 * conversions: the kernels compute in f32. */
#ifndef MX_HOST_CUDA_BF16_H
#define MX_HOST_CUDA_BF16_H

#include "kernel_language.h"

struct __nv_bfloat16 {
  private:
    unsigned short bits;
    friend __nv_bfloat16 __ushort_as_bfloat16(unsigned short u);
    friend unsigned short __bfloat16_as_ushort(__nv_bfloat16 h);
} __align__(2);

struct __nv_bfloat162 {
    __nv_bfloat16 x, y; /* x in the lower half of a 32-bit register */
} __align__(4);

inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) {
    __nv_bfloat16 h;
    h.bits = u;
    return h;
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }

static inline float __bfloat162float(__nv_bfloat16 h) {
    return __uint_as_float((unsigned)__bfloat16_as_ushort(h) << 16);
}
/* to the nearest, ties to even; any NaN becomes 0x7fff, as on the device */
static inline __nv_bfloat16 __float2bfloat16_rn(float x) {
    unsigned u = __float_as_uint(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return __ushort_as_bfloat16(0x7fff);
    return __ushort_as_bfloat16((unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16));
}
static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
    return __nv_bfloat162{__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
static inline float2 __bfloat1622float2(__nv_bfloat162 h) {
    return make_float2(__bfloat162float(h.x), __bfloat162float(h.y));
}

#endif
