/* The epilogue of a product while its block is in cache (bias, GELU, residual), GELU's gradient, and plain elementwise
 * loops. GELU is the exact form x Φ(x), with gradient Φ(x) + x φ(x) (docs/MODEL.md "From pixels to the loss"). */
#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

MX_INLINE mx_vf gelu(mx_vf x) {
    mx_vf density;
    return x * mx_normal(x, &density);
}

MX_INLINE mx_vf gelu_slope(mx_vf x) {
    mx_vf density, phi = mx_normal(x, &density);
    return mx_fma(x, density, phi);
}

/* One register of the result, or its first w floats at the right edge. */
MX_INLINE void finish(const mx_epilogue *e, mx_vf v, int64_t at, int64_t j, float keep, int64_t w,
                      const bool half) {
    if (e->bias) v += mx_load_n(e->bias + j, w);
    if (e->h) {
        mx_put(e->h, at + j, v, w, half);
        v = gelu(half ? mx_round(v) : v);
    }
    if (e->r) v = mx_fma(mx_set(keep), v, mx_load_n(e->r + at + j, w));
    mx_put(e->y, at + j, v, w, half);
}

MX_INLINE void epilogue(const mx_epilogue *e, const float *t, int64_t ldt, int64_t m, int64_t n,
                        const bool half) {
    const mx_epilogue copy = *e; /* so the compiler knows that no store changes it */
    for (int64_t i = 0; i < m; i++) {
        const float *s = t + i * ldt;
        const float keep = copy.keep ? copy.keep[(copy.row0 + i) / copy.per_sample] : 1;
        int64_t j = 0;
        for (; j + MX_VW <= n; j += MX_VW) finish(&copy, mx_load(s + j), i * copy.ld, j, keep, MX_VW, half);
        if (j < n) finish(&copy, mx_load_part(s + j, n - j), i * copy.ld, j, keep, n - j, half);
    }
}

void mx_k_epilogue(const mx_epilogue *e, const float *t, int64_t ldt, int64_t m, int64_t n) {
    if (e->half)
        epilogue(e, t, ldt, m, n, true);
    else
        epilogue(e, t, ldt, m, n, false);
}

void mx_k_gelu(void *y, const void *h, bool half, int64_t n) {
    for (int64_t i = 0; i < n; i += MX_VW)
        if (half)
            mx_put(y, i, gelu(mx_get(h, i, n - i, true)), n - i, true);
        else
            mx_put(y, i, gelu(mx_get(h, i, n - i, false)), n - i, false);
}

MX_INLINE void gelu_back(void *dx, const void *h, int64_t ld, const float *t, int64_t ldt, int64_t m,
                         int64_t n, const bool half) {
    for (int64_t i = 0; i < m; i++) {
        int64_t j = 0;
        for (; j + MX_VW <= n; j += MX_VW)
            mx_put(dx, i * ld + j, mx_load(t + i * ldt + j) * gelu_slope(mx_get(h, i * ld + j, MX_VW, half)),
                   MX_VW, half);
        if (j == n) continue;
        mx_vf slope = gelu_slope(mx_get(h, i * ld + j, n - j, half));
        mx_put(dx, i * ld + j, mx_load_part(t + i * ldt + j, n - j) * slope, n - j, half);
    }
}

void mx_k_gelu_back(void *dx, const void *h, bool half, int64_t ld, const float *t, int64_t ldt, int64_t m,
                    int64_t n) {
    if (half)
        gelu_back(dx, h, ld, t, ldt, m, n, true);
    else
        gelu_back(dx, h, ld, t, ldt, m, n, false);
}

void mx_k_add(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

void mx_k_scale(float *y, const float *x, float s, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = s * x[i];
}

void mx_k_erf(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i += MX_VW) mx_store_n(y + i, mx_erf(mx_load_n(x + i, n - i)), n - i);
}

void mx_k_exp(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i += MX_VW) mx_store_n(y + i, mx_exp(mx_load_n(x + i, n - i)), n - i);
}
