/* What follows a product while its block is in cache (bias, GELU, residual), GELU's gradient, and the plain
 * elementwise loops. GELU is the exact form x Φ(x); its gradient Φ(x) + x φ(x) (objective.md "Models"). */
#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

MX_INLINE mx_vf gelu(mx_vf x) {
    mx_vf density;
    return x * mx_normal(x, &density);
}

MX_INLINE mx_vf gelu_slope(mx_vf x) {
    mx_vf density, phi = mx_normal(x, &density);
    return phi + x * density;
}

void mx_k_epilogue(const mx_epilogue *e, const float *t, int64_t ldt, int64_t m, int64_t n) {
    for (int64_t i = 0; i < m; i++) {
        const float *s = t + i * ldt;
        const int64_t at = i * e->ld;
        const float keep = e->keep ? e->keep[(e->row0 + i) / e->per_sample] : 1;
        for (int64_t j = 0; j < n; j += MX_VW) {
            const int64_t w = n - j;
            mx_vf v = mx_load_n(s + j, w);
            if (e->bias) v += mx_load_n(e->bias + j, w);
            if (e->h) {
                mx_store_n(e->h + at + j, v, w);
                v = gelu(v);
            }
            if (e->r) v = mx_load_n(e->r + at + j, w) + keep * v;
            mx_store_n(e->y + at + j, v, w);
        }
    }
}

void mx_k_gelu_back(float *dx, const float *h, int64_t ld, const float *t, int64_t ldt, int64_t m,
                    int64_t n) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j += MX_VW) {
            mx_vf slope = gelu_slope(mx_load_n(h + i * ld + j, n - j));
            mx_store_n(dx + i * ld + j, mx_load_n(t + i * ldt + j, n - j) * slope, n - j);
        }
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
