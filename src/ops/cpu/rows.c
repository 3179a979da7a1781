/* Moves of whole rows: bound by memory, so one pass each and nothing clever. */
#include <string.h>

#include "ops/cpu/cpu.h"

#define CHUNK 65536 /* elements of one task in flat loops */

void mx_cpu_fill(mx_ctx *c, mx_tensor t, float value) {
    float *y = mx_f32(t);
    const mx_cut cut = mx_cut_even(mx_max64(mx_count(t), 1), CHUNK, 16);
    const int64_t n = mx_count(t);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (cut.count > 1)
    for (int64_t k = 0; k < cut.count; k++)
        for (int64_t i = k * cut.size; i < mx_min64(n, (k + 1) * cut.size); i++) y[i] = value;
}

void mx_cpu_copy(mx_ctx *c, mx_tensor y, mx_tensor x) {
    const int64_t n = mx_count(x);
    if (n == 0) return;
    const mx_cut cut = mx_cut_even(n, CHUNK, 16);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (cut.count > 1)
    for (int64_t k = 0; k < cut.count; k++)
        memcpy(mx_f32(y) + k * cut.size, mx_f32(x) + k * cut.size,
               sizeof(float) * (size_t)mx_cut_length(cut, k));
}

void mx_cpu_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t samples = mx_count(keep), n = samples ? mx_count(x) / samples : 0;
    if (n == 0) return;
    const mx_cut cut = mx_cut_even(n, CHUNK, 16);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (samples * cut.count > 1)
    for (int64_t t = 0; t < samples * cut.count; t++) {
        const int64_t b = t / cut.count, piece = t % cut.count, at = b * n + piece * cut.size;
        k->scale(mx_f32(y) + at, mx_f32(x) + at, mx_f32(keep)[b], mx_cut_length(cut, piece));
    }
}

void mx_cpu_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index) {
    const int64_t batch = x.dim[0], from = x.dim[1], to = y.dim[1], width = x.dim[2];
    if (batch == 0 || to == 0) return;
    const mx_cut cut = mx_cut_even(to, 64, 1);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (batch * cut.count > 1)
    for (int64_t t = 0; t < batch * cut.count; t++) {
        const int64_t b = t / cut.count, j0 = t % cut.count * cut.size, j1 = mx_min64(to, j0 + cut.size);
        for (int64_t j = j0; j < j1; j++)
            memcpy(mx_f32(y) + (b * to + j) * width, mx_f32(x) + (b * from + index[j]) * width,
                   sizeof(float) * (size_t)width);
    }
}

void mx_cpu_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index) {
    const int64_t batch = dx.dim[0], to = dx.dim[1], from = dy.dim[1], width = dx.dim[2];
    if (batch == 0) return;
    if (from < to) mx_cpu_fill(c, dx, 0);
    if (from == 0) return;
    const mx_cut cut = mx_cut_even(from, 64, 1);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (batch * cut.count > 1)
    for (int64_t t = 0; t < batch * cut.count; t++) {
        const int64_t b = t / cut.count, j0 = t % cut.count * cut.size, j1 = mx_min64(from, j0 + cut.size);
        for (int64_t j = j0; j < j1; j++)
            memcpy(mx_f32(dx) + (b * to + index[j]) * width, mx_f32(dy) + (b * from + j) * width,
                   sizeof(float) * (size_t)width);
    }
}

void mx_cpu_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t batch = x.dim[0], tokens = x.dim[1], width = x.dim[2];
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (batch > 1)
    for (int64_t b = 0; b < batch; b++) {
        float *sum = mx_f32(y) + b * width;
        memset(sum, 0, sizeof(float) * (size_t)width);
        for (int64_t t = 0; t < tokens; t++) k->add(sum, mx_f32(x) + (b * tokens + t) * width, width);
        k->scale(sum, sum, 1.0f / (float)tokens, width);
    }
}

void mx_cpu_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t batch = dx.dim[0], tokens = dx.dim[1], width = dx.dim[2];
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (batch > 1)
    for (int64_t b = 0; b < batch; b++)
        for (int64_t t = 0; t < tokens; t++)
            k->scale(mx_f32(dx) + (b * tokens + t) * width, mx_f32(dy) + b * width, 1.0f / (float)tokens,
                     width);
}
