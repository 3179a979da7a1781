/* LayerNorm: the reference. */
#include "ops/ref/ref.h"

#include <math.h>

void mx_ref_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta) {
    (void)c;
    int64_t w = mx_width(x);
    for (int64_t n = 0; n < mx_rows(x); n++) {
        const float *row = mx_f32(x) + n * w;
        double m = 0, v = 0;
        for (int64_t i = 0; i < w; i++) m += (double)row[i];
        m /= (double)w;
        for (int64_t i = 0; i < w; i++) v += ((double)row[i] - m) * ((double)row[i] - m);
        double r = 1 / sqrt(v / (double)w + (double)MX_NORM_EPS);
        mx_f32(mean)[n] = (float)m, mx_f32(rstd)[n] = (float)r;
        for (int64_t i = 0; i < w; i++)
            mx_ref_put(y, n * w + i,
                       ((double)row[i] - m) * r * (double)mx_f32(gamma)[i] + (double)mx_f32(beta)[i]);
    }
}

/* Sums of dgamma and dbeta in double. */
size_t mx_ref_layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c, (void)rows;
    return 2 * sizeof(double) * (size_t)width;
}

void mx_ref_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work) {
    (void)c;
    int64_t w = mx_width(x);
    double *sum_gamma = work, *sum_beta = sum_gamma + w;
    for (int64_t i = 0; i < 2 * w; i++) sum_gamma[i] = 0;
    for (int64_t n = 0; n < mx_rows(x); n++) {
        const float *row = mx_f32(x) + n * w;
        double m = (double)mx_f32(mean)[n], r = (double)mx_f32(rstd)[n], a = 0, b = 0;
        for (int64_t i = 0; i < w; i++) {
            double hat = ((double)row[i] - m) * r, d = mx_ref_get(dy, n * w + i),
                   g = d * (double)mx_f32(gamma)[i];
            a += g, b += g * hat;
            sum_gamma[i] += d * hat, sum_beta[i] += d;
        }
        for (int64_t i = 0; i < w; i++) {
            double hat = ((double)row[i] - m) * r, g = mx_ref_get(dy, n * w + i) * (double)mx_f32(gamma)[i];
            double value = r * (g - a / (double)w - hat * b / (double)w);
            mx_f32(dx)[n * w + i] = (float)(add ? (double)mx_f32(dx)[n * w + i] + value : value);
        }
    }
    for (int64_t i = 0; i < w; i++) {
        mx_f32(dgamma)[i] += (float)sum_gamma[i];
        mx_f32(dbeta)[i] += (float)sum_beta[i];
    }
}
