/* Images to tokens and tokens to the decoder's two sequences (objective.md "Pretraining" 2 and 4). */
#include <string.h>

#include "ops/cpu/cpu.h"

#define TOKENS 32 /* tokens of one task */

void mx_cpu_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p) {
    const int64_t batch = images.dim[0], channels = images.dim[1], height = images.dim[2],
                  width = images.dim[3];
    const int64_t tokens = lay->tokens, size = channels * p * p, runs = mx_ceil_div(tokens, TOKENS);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (batch * runs > 1)
    for (int64_t task = 0; task < batch * runs; task++) {
        const int64_t b = task / runs, t0 = task % runs * TOKENS, t1 = mx_min64(tokens, t0 + TOKENS);
        for (int64_t t = t0; t < t1; t++) {
            const int64_t source = lay->group && lay->group[t] ? batch - 1 - b : b;
            const int64_t row = lay->raster[t] / lay->grid_w * p, column = lay->raster[t] % lay->grid_w * p;
            float *to = mx_f32(y) + (b * tokens + t) * size;
            for (int64_t ch = 0; ch < channels; ch++) {
                const float *from =
                    mx_f32(images) + ((source * channels + ch) * height + row) * width + column;
                for (int r = 0; r < p; r++, to += p, from += width)
                    for (int s = 0; s < p; s++) to[s] = from[s];
            }
        }
    }
}

void mx_cpu_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t width = mx_width(x), tokens = lay->tokens, rows = mx_rows(x),
                  runs = mx_ceil_div(rows, TOKENS);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (runs > 1)
    for (int64_t task = 0; task < runs; task++)
        for (int64_t r = task * TOKENS; r < mx_min64(rows, (task + 1) * TOKENS); r++)
            k->add(mx_f32(x) + r * width, mx_f32(pos) + lay->raster[r % tokens] * width, width);
}

/* Sequence s < B of an image is its own, the others its pair's: which rows does the mask token replace? */
static bool replaced(const mx_layout *lay, int64_t s, int64_t batch, int64_t t) {
    return (lay->group[t] != 0) == (s < batch);
}

void mx_cpu_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t batch = z.dim[0], tokens = lay->tokens, width = mx_width(z), rows = 2 * batch * tokens;
    const int64_t runs = mx_ceil_div(rows, TOKENS);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (runs > 1)
    for (int64_t task = 0; task < runs; task++)
        for (int64_t r = task * TOKENS; r < mx_min64(rows, (task + 1) * TOKENS); r++) {
            const int64_t s = r / tokens, t = r % tokens;
            const float *from =
                replaced(lay, s, batch, t) ? mx_f32(token) : mx_f32(z) + (s % batch * tokens + t) * width;
            float *to = mx_f32(y) + r * width;
            memcpy(to, from, sizeof(float) * (size_t)width);
            k->add(to, mx_f32(pos) + lay->raster[t] * width, width);
        }
}

/* One partial sum of dtoken a run of tokens. */
size_t mx_cpu_unmix_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c;
    return sizeof(float) * (size_t)(mx_ceil_div(rows, TOKENS) * mx_line_floats(width));
}

void mx_cpu_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t batch = dz.dim[0], tokens = lay->tokens, width = mx_width(dz), rows = 2 * batch * tokens;
    const int64_t runs = mx_ceil_div(rows, TOKENS), ld = mx_line_floats(width);
    float *partial = work;
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (runs > 1)
    for (int64_t task = 0; task < runs; task++) {
        float *sum = partial + task * ld;
        memset(sum, 0, sizeof(float) * (size_t)width);
        for (int64_t r = task * TOKENS; r < mx_min64(rows, (task + 1) * TOKENS); r++) {
            const int64_t s = r / tokens, t = r % tokens;
            const float *from = mx_f32(dy) + r * width;
            if (replaced(lay, s, batch, t))
                k->add(sum, from, width);
            else
                memcpy(mx_f32(dz) + (s % batch * tokens + t) * width, from, sizeof(float) * (size_t)width);
        }
    }
    for (int64_t task = 1; task < runs; task++) k->add(partial, partial + task * ld, width);
    if (runs) k->add(mx_f32(dtoken), partial, width);
}
