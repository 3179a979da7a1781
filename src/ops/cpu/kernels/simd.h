/* A register of floats, with exp and erf, for the instruction set that this file is compiled for.
 *
 * The compiler turns GCC's vector types into SSE2, AVX2 or AVX-512 code. exp and the normal distribution are our own
 * polynomial fits (minimax, by Lawson's algorithm). */
#ifndef MX_OPS_CPU_SIMD_H
#define MX_OPS_CPU_SIMD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define MX_VW 16
#elif defined(__AVX__)
#define MX_VW 8
#else
#define MX_VW 4
#endif
#define MX_NR (2 * MX_VW) /* columns of a micro-kernel */

typedef float mx_vf __attribute__((vector_size(4 * MX_VW)));
typedef int32_t mx_vi __attribute__((vector_size(4 * MX_VW)));
typedef float mx_vfu __attribute__((vector_size(4 * MX_VW), aligned(4), may_alias));
#define MX_INLINE static inline __attribute__((always_inline))

MX_INLINE mx_vf mx_load(const float *p) { return (mx_vf) * (const mx_vfu *)p; }
MX_INLINE void mx_store(float *p, mx_vf v) { *(mx_vfu *)p = (mx_vfu)v; }
MX_INLINE mx_vf mx_set(float s) { return s - (mx_vf){0}; }

/* the first n < MX_VW floats, the others 0 */
MX_INLINE mx_vf mx_load_part(const float *p, int64_t n) {
    mx_vf v = {0};
    for (int64_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
MX_INLINE void mx_store_part(float *p, mx_vf v, int64_t n) {
    for (int64_t i = 0; i < n; i++) p[i] = v[i];
}
MX_INLINE mx_vf mx_load_n(const float *p, int64_t n) { return n >= MX_VW ? mx_load(p) : mx_load_part(p, n); }
MX_INLINE void mx_store_n(float *p, mx_vf v, int64_t n) {
    if (n >= MX_VW)
        mx_store(p, v);
    else
        mx_store_part(p, v, n);
}

/* For each lane m ? a : b; m is the result of a comparison. */
MX_INLINE mx_vf mx_select(mx_vi m, mx_vf a, mx_vf b) { return (mx_vf)((m & (mx_vi)a) | (~m & (mx_vi)b)); }

/* bf16 is the upper half of an f32. Rounding is to nearest even; NaN stays NaN. AVX512-BF16 rounds denormals to 0, as
 * its products do. */
typedef uint32_t mx_vu __attribute__((vector_size(4 * MX_VW)));
typedef uint16_t mx_vh __attribute__((vector_size(2 * MX_VW)));
typedef uint16_t mx_vhu __attribute__((vector_size(2 * MX_VW), aligned(2), may_alias));
MX_INLINE mx_vf mx_widen(mx_vh h) { return (mx_vf)(__builtin_convertvector(h, mx_vu) << 16); }
#if defined(__AVX512BF16__)
MX_INLINE mx_vh mx_narrow(mx_vf v) { return (mx_vh)_mm512_cvtneps_pbh((__m512)v); }
MX_INLINE mx_vf mx_round(mx_vf v) { return mx_widen(mx_narrow(v)); }
#else
MX_INLINE mx_vu mx_round_bits(mx_vf v) {
    mx_vu bits = (mx_vu)v, rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (mx_vu)mx_select(v != v, (mx_vf)(bits | 0x400000), (mx_vf)rounded);
}
MX_INLINE mx_vf mx_round(mx_vf v) { return (mx_vf)(mx_round_bits(v) & 0xffff0000u); }
MX_INLINE mx_vh mx_narrow(mx_vf v) { return __builtin_convertvector(mx_round_bits(v) >> 16, mx_vh); }
#endif

MX_INLINE float mx_widen1(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
MX_INLINE float mx_round1(float x) { return mx_round(mx_set(x))[0]; }

/* n elements from i (at most a register) of an activation that is f32 or, with half, bf16. */
MX_INLINE mx_vf mx_get(const void *p, int64_t i, int64_t n, const bool half) {
    if (!half) return mx_load_n((const float *)p + i, n);
    const uint16_t *h = (const uint16_t *)p + i;
    if (n >= MX_VW) return mx_widen((mx_vh) * (const mx_vhu *)h);
    mx_vf v = {0};
    for (int64_t j = 0; j < n; j++) v[j] = mx_widen1(h[j]);
    return v;
}
MX_INLINE void mx_put(void *p, int64_t i, mx_vf v, int64_t n, const bool half) {
    if (!half) {
        mx_store_n((float *)p + i, v, n);
        return;
    }
    uint16_t *to = (uint16_t *)p + i;
    const mx_vh h = mx_narrow(v);
    if (n >= MX_VW)
        *(mx_vhu *)to = (mx_vhu)h;
    else
        for (int64_t j = 0; j < n; j++) to[j] = h[j];
}
/* The larger, the smaller; b where either is NaN. With intrinsics, since GCC 12 does not turn the comparison into one
 * operation. */
#if defined(__AVX512F__)
MX_INLINE mx_vf mx_max(mx_vf a, mx_vf b) { return (mx_vf)_mm512_max_ps((__m512)a, (__m512)b); }
MX_INLINE mx_vf mx_min(mx_vf a, mx_vf b) { return (mx_vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(__AVX__)
MX_INLINE mx_vf mx_max(mx_vf a, mx_vf b) { return (mx_vf)_mm256_max_ps((__m256)a, (__m256)b); }
MX_INLINE mx_vf mx_min(mx_vf a, mx_vf b) { return (mx_vf)_mm256_min_ps((__m256)a, (__m256)b); }
#elif defined(__SSE2__)
MX_INLINE mx_vf mx_max(mx_vf a, mx_vf b) { return (mx_vf)_mm_max_ps((__m128)a, (__m128)b); }
MX_INLINE mx_vf mx_min(mx_vf a, mx_vf b) { return (mx_vf)_mm_min_ps((__m128)a, (__m128)b); }
#else
MX_INLINE mx_vf mx_max(mx_vf a, mx_vf b) { return mx_select(a > b, a, b); }
MX_INLINE mx_vf mx_min(mx_vf a, mx_vf b) { return mx_select(a < b, a, b); }
#endif

/* a b + c, and c - a b, with one rounding where the instruction set has it. Code calls it explicitly: with
 * -ffp-contract=fast the compiler contracts differently from place to place and between optimisation levels, so each
 * build would compute different numbers. */
#if defined(__AVX512F__)
MX_INLINE mx_vf mx_fma(mx_vf a, mx_vf b, mx_vf c) {
    return (mx_vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#elif defined(__AVX__) && defined(__FMA__)
MX_INLINE mx_vf mx_fma(mx_vf a, mx_vf b, mx_vf c) {
    return (mx_vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
#elif defined(__FP_FAST_FMAF) /* not x86: the compiler turns the loop into one operation */
MX_INLINE mx_vf mx_fma(mx_vf a, mx_vf b, mx_vf c) {
    for (int i = 0; i < MX_VW; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
}
#else
MX_INLINE mx_vf mx_fma(mx_vf a, mx_vf b, mx_vf c) { return a * b + c; }
#endif
MX_INLINE mx_vf mx_fnma(mx_vf a, mx_vf b, mx_vf c) { return mx_fma(-a, b, c); }

/* Combines all lanes of v by op: the upper half with the lower half, until one lane is left. */
#if MX_VW == 16
#define MX_FOLD(v, op)                                                                                       \
    (v = op(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)),         \
     v = op(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)),         \
     v = op(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)),         \
     v = op(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)), v[0])
#elif MX_VW == 8
#define MX_FOLD(v, op)                                                                                       \
    (v = op(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3)),                                       \
     v = op(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5)),                                       \
     v = op(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)), v[0])
#else
#define MX_FOLD(v, op)                                                                                       \
    (v = op(v, __builtin_shufflevector(v, v, 2, 3, 0, 1)),                                                   \
     v = op(v, __builtin_shufflevector(v, v, 1, 0, 3, 2)), v[0])
#endif
MX_INLINE mx_vf mx_plus(mx_vf a, mx_vf b) { return a + b; }
MX_INLINE float mx_sum(mx_vf v) { return MX_FOLD(v, mx_plus); }
MX_INLINE float mx_largest(mx_vf v) { return MX_FOLD(v, mx_max); }

/* The halves of a register as doubles, for sums that must be exact to f32. They are two registers, since GCC keeps a
 * vector wider than a register in memory. */
typedef double mx_vd __attribute__((vector_size(4 * MX_VW)));
#if MX_VW == 16
#define MX_LOW(v)  __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
#define MX_HIGH(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)
#elif MX_VW == 8
#define MX_LOW(v)  __builtin_shufflevector(v, v, 0, 1, 2, 3)
#define MX_HIGH(v) __builtin_shufflevector(v, v, 4, 5, 6, 7)
#else
#define MX_LOW(v)  __builtin_shufflevector(v, v, 0, 1)
#define MX_HIGH(v) __builtin_shufflevector(v, v, 2, 3)
#endif
typedef struct {
    mx_vd low, high;
} mx_wide;
MX_INLINE void mx_wide_add(mx_wide *a, mx_vf v) {
    a->low += __builtin_convertvector(MX_LOW(v), mx_vd);
    a->high += __builtin_convertvector(MX_HIGH(v), mx_vd);
}
MX_INLINE void mx_wide_add_product(mx_wide *a, mx_vf u, mx_vf v) {
    a->low += __builtin_convertvector(MX_LOW(u), mx_vd) * __builtin_convertvector(MX_LOW(v), mx_vd);
    a->high += __builtin_convertvector(MX_HIGH(u), mx_vd) * __builtin_convertvector(MX_HIGH(v), mx_vd);
}
MX_INLINE void mx_wide_add_square(mx_wide *a, mx_vf v) { mx_wide_add_product(a, v, v); }
#if MX_VW == 16 /* a, b, c, d: the order within each four */
#define MX_LANES(a, b, c, d) a, b, c, d, 4 + a, 4 + b, 4 + c, 4 + d
#elif MX_VW == 8
#define MX_LANES(a, b, c, d) a, b, c, d
#else
#define MX_LANES(a, b, c, d) a, b
#endif
MX_INLINE double mx_wide_sum(const mx_wide *a) {
    mx_vd v = a->low + a->high;
#if MX_VW == 16
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
#endif
#if MX_VW >= 8
    v += __builtin_shufflevector(v, v, MX_LANES(2, 3, 0, 1));
#endif
    v += __builtin_shufflevector(v, v, MX_LANES(1, 0, 3, 2));
    return v[0];
}

/* e^x, relative error below 2e-7 for x in [-87, 88]; 2^-126 below, e^88 above; NaN stays NaN. x = n ln 2 + r,
 * |r| <= ln 2 / 2; 2^n is built in the exponent and multiplied, which keeps NaN. */
MX_INLINE mx_vf mx_exp(mx_vf x) {
    const mx_vf round = mx_set(12582912.0f); /* 1.5 * 2^23 */
    x = mx_min(mx_set(88.0f), mx_max(mx_set(-87.3f), x));
    mx_vf shifted = mx_fma(x, mx_set(1.44269504f), round);
    mx_vf n = shifted - round;
    mx_vf r = x - n * 0.693359375f; /* exact: 9 bits times at most 8 */
    r = mx_fma(n, mx_set(2.12194440e-4f), r);
    mx_vf p = mx_fma(r, mx_set(0.0013814229751005769f), mx_set(0.0083689009770751f));
    p = mx_fma(r, p, mx_set(0.04166840761899948f));
    p = mx_fma(r, p, mx_set(0.1666651964187622f));
    p = mx_fma(r, p, mx_set(0.4999999403953552f));
    p = 1.0f + mx_fma(r * r, p, r);
    mx_vu bits = (mx_vu)shifted << 23; /* the low bits of shifted hold n */
    return p * (mx_vf)(bits + 0x3f800000u);
}

/* 2^t, relative error below 1e-7, for softmax; NaN stays NaN. AVX-512 has instructions to split t: our fit of
 * 2^(t - floor t) on [0, 1), times 2^floor t, for any t. Elsewhere t is split at the nearest integer, with a fit on
 * [-½, ½]; 2^-126 below t = -126, 2^127 above 127. */
#if defined(__AVX512F__)
MX_INLINE mx_vf mx_exp2(mx_vf t) {
    const mx_vf r = (mx_vf)_mm512_reduce_ps((__m512)t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    mx_vf p = mx_fma(r, mx_set(2.1612914861179888e-4f), mx_set(0.0012467845808714628f));
    p = mx_fma(r, p, mx_set(0.009675451554358006f));
    p = mx_fma(r, p, mx_set(0.055485282093286514f));
    p = mx_fma(r, p, mx_set(0.2402293086051941f));
    p = mx_fma(r, p, mx_set(0.6931470632553101f));
    return (mx_vf)_mm512_scalef_ps((__m512)mx_fma(r, p, mx_set(1.0f)), (__m512)t);
}
#else
MX_INLINE mx_vf mx_exp2(mx_vf t) {
    const mx_vf round = mx_set(12582912.0f); /* 1.5 * 2^23: the low bits of shifted hold n */
    t = mx_min(mx_set(127.0f), mx_max(mx_set(-126.0f), t));
    const mx_vf shifted = t + round, r = t - (shifted - round);
    mx_vf p = mx_fma(r, mx_set(1.5353361959569156e-4f), mx_set(0.0013398873852565885f));
    p = mx_fma(r, p, mx_set(0.00961843691766262f));
    p = mx_fma(r, p, mx_set(0.055503323674201965f));
    p = mx_fma(r, p, mx_set(0.24022647738456726f));
    p = mx_fma(r, p, mx_set(0.6931471824645996f));
    p = mx_fma(r, p, mx_set(1.0f));
    return p * (mx_vf)(((mx_vu)shifted << 23) + 0x3f800000u);
}
#endif

/* log2 x of doubles, x > 0 and normal; error below 1e-11; NaN stays NaN. With x = m 2^e, m in [√½, √2), and
 * s = (m-1)/(m+1): log m = 2 (s + s³/3 + s⁵/5 + …). */
typedef int64_t mx_vl __attribute__((vector_size(4 * MX_VW)));
MX_INLINE mx_vd mx_log2(mx_vd x) {
    const mx_vl bits = (mx_vl)x, e = (bits - 0x3fe6a09e667f3bcd) >> 52;
    const mx_vd exponent = (mx_vd)(e + 0x4338000000000000) - 6755399441055744.0; /* 1.5 * 2^52 */
    const mx_vd m = (mx_vd)(bits - (e << 52)), s = (m - 1) / (m + 1), z = s * s;
    mx_vd p = z / 13 + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    p = p * z + 1;
    return exponent + 2.8853900817779268 * s * p + (x - x); /* 2/ln 2 */
}

MX_INLINE mx_vf mx_abs(mx_vf x) { return (mx_vf)((mx_vi)x & 0x7fffffff); }

/* Returns e v R(v), so that erf(t) = (1 - e) + e v R(v). e must be e^(-t²).
 * erfc(t) = e^(-t²) (1 - v R(v)), v = 0.52 t/(1 + 0.52 t), t >= 0, R of degree 5: absolute error below 4e-9 before
 * rounding. In v and not in 1 - v, nothing cancels near 0. */
MX_INLINE mx_vf mx_erf_rest(mx_vf t, mx_vf e) {
    mx_vf s = 0.52f * mx_min(mx_set(16.0f), t), v = s / (1.0f + s); /* 16: for t = infinity */
    mx_vf p = mx_fnma(v, mx_set(0.1118670254945755f), mx_set(0.05917051061987877f));
    p = mx_fma(v, p, mx_set(0.2818259000778198f));
    p = mx_fma(v, p, mx_set(0.1241096779704094f));
    p = mx_fma(v, p, mx_set(-1.528298020362854f));
    p = mx_fma(v, p, mx_set(2.1699604988098145f));
    return v * p * e;
}

MX_INLINE mx_vf mx_erf(mx_vf x) {
    mx_vf t = mx_abs(x);
    mx_vf e = mx_exp(-t * t), y = (1.0f - e) + mx_erf_rest(t, e);
    return mx_select(x < 0.0f, -y, y);
}

/* Φ(x), the normal distribution, and its density through *density; both share one exponential. */
MX_INLINE mx_vf mx_normal(mx_vf x, mx_vf *density) {
    mx_vf e = mx_exp2(x * x * (-0.5f * 1.44269504f));
    mx_vf q = 0.5f * (e - mx_erf_rest(mx_abs(x) * 0.707106781f, e));
    *density = e * 0.398942280f;
    return mx_select(x < 0.0f, q, 1.0f - q);
}

#endif
