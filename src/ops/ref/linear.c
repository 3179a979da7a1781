/* Linear layers with their epilogues: the reference. */
#include "ops/ref/ref.h"

#include <math.h>

static double gelu(double x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); }

static double gelu_slope(double x) {
    return 0.5 * (1 + erf(x * M_SQRT1_2)) + x * exp(-0.5 * x * x) * 0.39894228040143267794; /* 1/sqrt(2π) */
}

void mx_ref_linear(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep, void *work) {
    (void)c, (void)work;
    int64_t rows = mx_rows(x), in = mx_width(x), out = mx_width(y);
    bool half = x.type == MX_BF16;
    for (int64_t n = 0; n < rows; n++)
        for (int64_t o = 0; o < out; o++) {
            double sum = mx_present(b) ? (double)mx_f32(b)[o] : 0;
            for (int64_t i = 0; i < in; i++)
                sum += mx_ref_get(x, n * in + i) * mx_ref_operand(w, o * in + i, half);
            if (mx_present(keep)) sum *= (double)mx_f32(keep)[n / (rows / mx_count(keep))];
            if (mx_present(r)) sum += (double)mx_f32(r)[n * out + o];
            if (mx_present(h)) {
                mx_ref_put(h, n * out + o, sum);
                sum = gelu(mx_ref_get(h, n * out + o));
            }
            mx_ref_put(y, n * out + o, sum);
        }
}

void mx_ref_gelu(mx_ctx *c, mx_tensor y, mx_tensor h) {
    (void)c;
    for (int64_t i = 0; i < mx_count(h); i++) mx_ref_put(y, i, gelu(mx_ref_get(h, i)));
}

/* dw [O,I] += dyᵀ x, db [O] += Σ_rows dy */
static void parameters(mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x) {
    int64_t rows = mx_rows(x), in = mx_width(x), out = mx_width(dy);
    bool half = x.type == MX_BF16;
    for (int64_t o = 0; o < out; o++) {
        double bias = 0;
        for (int64_t n = 0; n < rows; n++) bias += mx_ref_get(dy, n * out + o);
        if (mx_present(db)) mx_f32(db)[o] += (float)bias;
        for (int64_t i = 0; i < in; i++) {
            double sum = 0;
            for (int64_t n = 0; n < rows; n++)
                sum += mx_ref_operand(dy, n * out + o, half) * mx_ref_get(x, n * in + i);
            mx_f32(dw)[o * in + i] += (float)sum;
        }
    }
}

void mx_ref_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                        mx_tensor h, mx_tensor w, void *work) {
    (void)c, (void)work;
    int64_t rows = mx_rows(x), in = mx_width(x), out = mx_width(dy);
    bool half = x.type == MX_BF16;
    parameters(dw, db, dy, x);
    if (!mx_present(dx)) return;
    for (int64_t n = 0; n < rows; n++)
        for (int64_t i = 0; i < in; i++) {
            double sum = 0;
            for (int64_t o = 0; o < out; o++)
                sum += mx_ref_operand(dy, n * out + o, half) * mx_ref_operand(w, o * in + i, half);
            if (mx_present(h)) sum *= gelu_slope(mx_ref_get(h, n * in + i));
            mx_ref_put(dx, n * in + i, sum);
        }
}
