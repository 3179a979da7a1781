/* Losses of one row; gradient norm and AdamW (docs/TRAINING.md "Update") over a range, each in one pass over memory. */
#include <math.h>

#include "ops/cpu/kernels/kernels.h"
#include "ops/cpu/kernels/simd.h"

static double sum(const float *x, int64_t n) {
    mx_wide a = {0};
    for (int64_t i = 0; i < n; i += MX_VW) mx_wide_add(&a, mx_load_n(x + i, n - i));
    return mx_wide_sum(&a);
}

double mx_k_square_sum(const float *g, int64_t n) {
    mx_wide a = {0}, b = {0};
    int64_t i = 0;
    for (; i + 2 * MX_VW <= n; i += 2 * MX_VW) {
        mx_wide_add_square(&a, mx_load(g + i));
        mx_wide_add_square(&b, mx_load(g + i + MX_VW));
    }
    for (; i < n; i += MX_VW) mx_wide_add_square(&a, mx_load_n(g + i, n - i));
    return mx_wide_sum(&a) + mx_wide_sum(&b);
}

/* Normalises a target patch: unbiased variance, two passes (docs/MODEL.md "From pixels to the loss"). */
static void normalise_patch(float *t, int64_t n) {
    const float mean = (float)(sum(t, n) / (double)n);
    for (int64_t i = 0; i < n; i++) t[i] -= mean;
    const double variance = mx_k_square_sum(t, n) / (double)(n - 1);
    const float inverse = (float)(1.0 / sqrt(variance + (double)MX_TARGET_EPS));
    for (int64_t i = 0; i < n; i++) t[i] *= inverse;
}

double mx_k_pixel_row(float *dp, const float *p, float *t, int64_t n, bool normalise, float scale) {
    if (normalise) normalise_patch(t, n);
    mx_wide total = {0};
    for (int64_t i = 0; i < n; i += MX_VW) {
        mx_vf d = mx_load_n(p + i, n - i) - mx_load_n(t + i, n - i);
        mx_wide_add_square(&total, d);
        if (dp) mx_store_n(dp + i, scale * d, n - i);
    }
    return mx_wide_sum(&total);
}

/* -Σ t (x - L) with L = log Σ e^x;  gradient: (Σt) softmax(x) - t */
double mx_k_cross_entropy_row(float *dx, const float *x, const float *t, int64_t n, float scale) {
    float largest = x[0];
    for (int64_t i = 1; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    mx_wide e = {0}, targets = {0}, dot = {0};
    for (int64_t i = 0; i < n; i += MX_VW) {
        mx_vf z = mx_load_n(x + i, n - i) - largest, y = mx_load_n(t + i, n - i), p = mx_exp(z);
        for (int64_t j = n - i; j < MX_VW; j++) p[j] = 0;
        mx_wide_add(&e, p);
        mx_wide_add(&targets, y);
        mx_wide_add_product(&dot, y, z);
    }
    const double total = mx_wide_sum(&e), weight = mx_wide_sum(&targets), log_total = log(total);
    if (dx) {
        const float factor = (float)(weight / total);
        for (int64_t i = 0; i < n; i += MX_VW) {
            mx_vf y = mx_load_n(t + i, n - i), p = mx_exp(mx_load_n(x + i, n - i) - largest);
            mx_store_n(dx + i, scale * (p * factor - y), n - i);
        }
    }
    return weight * log_total - mx_wide_sum(&dot);
}

void mx_k_adamw(float *w, float *m, float *v, const float *g, int64_t n, const mx_adamw_now *a) {
    const double t = a->t, beta1 = a->beta1, beta2 = a->beta2;
    const float step = (float)(a->lr / (1.0 - pow(beta1, t)));
    const float root2 = (float)sqrt(1.0 - pow(beta2, t));
    const float shrink = (float)(1.0 - a->lr * a->weight_decay);
    const float b1 = (float)beta1, c1 = (float)(1.0 - beta1), b2 = (float)beta2, c2 = (float)(1.0 - beta2);
    const float scale = (float)a->grad_scale, eps = (float)a->eps;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const float grad = scale * g[i];
        const float mean = b1 * m[i] + c1 * grad;
        const float square = b2 * v[i] + c2 * grad * grad;
        m[i] = mean;
        v[i] = square;
        w[i] = shrink * w[i] - step * mean / (sqrtf(square) / root2 + eps);
    }
}
