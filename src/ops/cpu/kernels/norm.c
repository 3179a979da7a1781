/* LayerNorm on a range of rows, forward and backward. Each row is read from memory once and stays in L1 for the second
 * pass of the variance. Sums are in double, since their error would spread to the whole row.
 * Backward: x̂ = (x - mean) rstd, g = dy γ:  dx = rstd (g - mean(g) - x̂ mean(g x̂)),  dγ += dy x̂,  dβ += dy. */
#include <math.h>

#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

static float row_mean(const float *x, int64_t n) {
    mx_wide a = {0};
    int64_t i = 0;
    for (; i + MX_VW <= n; i += MX_VW) mx_wide_add(&a, mx_load(x + i));
    if (i < n) mx_wide_add(&a, mx_load_part(x + i, n - i));
    return (float)(mx_wide_sum(&a) / (double)n);
}

static float row_variance(const float *x, float mean, int64_t n) {
    mx_wide a = {0};
    int64_t i = 0;
    for (; i + MX_VW <= n; i += MX_VW) mx_wide_add_square(&a, mx_load(x + i) - mean);
    double s = mx_wide_sum(&a);
    for (; i < n; i++) s += (double)(x[i] - mean) * (double)(x[i] - mean);
    return (float)(s / (double)n);
}

MX_INLINE void layernorm(void *y, const bool half, float *mean, float *rstd, const float *x,
                         const float *gamma, const float *beta, int64_t rows, int64_t width) {
    for (int64_t r = 0; r < rows; r++, x += width) {
        const float m = row_mean(x, width);
        const float s = 1.0f / sqrtf(row_variance(x, m, width) + MX_NORM_EPS);
        mean[r] = m;
        rstd[r] = s;
        for (int64_t i = 0; i < width; i += MX_VW) {
            const int64_t w = width - i;
            mx_vf v = (mx_load_n(x + i, w) - m) * s;
            mx_put(y, r * width + i, mx_fma(v, mx_load_n(gamma + i, w), mx_load_n(beta + i, w)), w, half);
        }
    }
}

void mx_k_layernorm(void *y, bool half, float *mean, float *rstd, const float *x, const float *gamma,
                    const float *beta, int64_t rows, int64_t width) {
    if (half)
        layernorm(y, true, mean, rstd, x, gamma, beta, rows, width);
    else
        layernorm(y, false, mean, rstd, x, gamma, beta, rows, width);
}

MX_INLINE void layernorm_back(float *dx, float *dgamma, float *dbeta, const void *dy, const bool half,
                              const float *x, const float *mean, const float *rstd, const float *gamma,
                              bool add, int64_t rows, int64_t width) {
    for (int64_t r = 0; r < rows; r++, x += width, dx += width) {
        const float m = mean[r], s = rstd[r];
        mx_wide g_sum = {0}, gx_sum = {0};
        for (int64_t i = 0; i < width; i += MX_VW) {
            const int64_t w = width - i;
            mx_vf d = mx_get(dy, r * width + i, w, half), g = d * mx_load_n(gamma + i, w);
            mx_vf normal = (mx_load_n(x + i, w) - m) * s; /* beyond the row g is 0 */
            mx_wide_add(&g_sum, g);
            mx_wide_add_product(&gx_sum, g, normal);
            mx_store_n(dgamma + i, mx_fma(d, normal, mx_load_n(dgamma + i, w)), w);
            mx_store_n(dbeta + i, mx_load_n(dbeta + i, w) + d, w);
        }
        const float a = (float)(mx_wide_sum(&g_sum) / (double)width),
                    b = (float)(mx_wide_sum(&gx_sum) / (double)width);
        for (int64_t i = 0; i < width; i += MX_VW) {
            const int64_t w = width - i;
            mx_vf g = mx_get(dy, r * width + i, w, half) * mx_load_n(gamma + i, w);
            mx_vf normal = (mx_load_n(x + i, w) - m) * s;
            mx_vf d = s * mx_fnma(normal, mx_set(b), g - a);
            if (add) d += mx_load_n(dx + i, w);
            mx_store_n(dx + i, d, w);
        }
    }
}

void mx_k_layernorm_back(float *dx, float *dgamma, float *dbeta, const void *dy, bool half, const float *x,
                         const float *mean, const float *rstd, const float *gamma, bool add, int64_t rows,
                         int64_t width) {
    if (half)
        layernorm_back(dx, dgamma, dbeta, dy, true, x, mean, rstd, gamma, add, rows, width);
    else
        layernorm_back(dx, dgamma, dbeta, dy, false, x, mean, rstd, gamma, add, rows, width);
}
