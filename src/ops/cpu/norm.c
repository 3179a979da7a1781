/* LayerNorm over rows: threads take runs of rows; parameter gradients go through one partial sum a run. */
#include <string.h>

#include "ops/cpu/cpu.h"

#define FORWARD_FLOATS 16384 /* of one task */
#define PARTIALS       64

void mx_cpu_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t rows = mx_rows(x), width = mx_width(x);
    if (rows == 0) return;
    const mx_cut cut = mx_cut_even(rows, mx_max64(1, FORWARD_FLOATS / width), 1);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (cut.count > 1)
    for (int64_t t = 0; t < cut.count; t++) {
        const int64_t r = t * cut.size;
        k->layernorm(mx_f32(y) + r * width, mx_f32(mean) + r, mx_f32(rstd) + r, mx_f32(x) + r * width,
                     mx_f32(gamma), mx_f32(beta), mx_cut_length(cut, t), width);
    }
}

size_t mx_cpu_layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c, (void)rows;
    return sizeof(float) * (size_t)(2 * PARTIALS * mx_line_floats(width));
}

void mx_cpu_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t rows = mx_rows(x), width = mx_width(x), ld = mx_line_floats(width);
    if (rows == 0) return;
    const mx_cut cut = mx_cut_even(rows, mx_ceil_div(rows, PARTIALS), 1);
    float *partial = work; /* [count][2][ld] */
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (cut.count > 1)
    for (int64_t t = 0; t < cut.count; t++) {
        const int64_t r = t * cut.size;
        float *sums = partial + 2 * t * ld;
        memset(sums, 0, sizeof(float) * (size_t)(2 * ld));
        k->layernorm_back(mx_f32(dx) + r * width, sums, sums + ld, mx_f32(dy) + r * width,
                          mx_f32(x) + r * width, mx_f32(mean) + r, mx_f32(rstd) + r, mx_f32(gamma), add,
                          mx_cut_length(cut, t), width);
    }
    for (int64_t t = 1; t < cut.count; t++) k->add(partial, partial + 2 * t * ld, 2 * ld);
    k->add(mx_f32(dgamma), partial, width);
    k->add(mx_f32(dbeta), partial + ld, width);
}
