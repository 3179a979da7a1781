/* Losses, gradient norm and optimiser: the threads around kernels/loss.c. */
#include <string.h>

#include "ops/cpu/cpu.h"

/* A loss a row, and one thread's target patch. */
size_t mx_cpu_pixel_loss_work(const mx_ctx *c, int64_t rows, int64_t width) {
    return sizeof(double) * (size_t)mx_round_up(rows, 8) +
           sizeof(float) * (size_t)(c->threads * mx_line_floats(width));
}

/* The patch of one row of a prediction, flattened (row, column, channel). */
static void load_patch(float *to, mx_tensor images, const mx_targets *targets, int64_t row) {
    const int64_t channels = images.dim[1], height = images.dim[2], width = images.dim[3],
                  side = targets->side;
    const int64_t across = width / side, patch = targets->patch[row];
    const int64_t top = patch / across * side, left = patch % across * side;
    for (int64_t ch = 0; ch < channels; ch++) {
        const float *from =
            mx_f32(images) + ((targets->image[row] * channels + ch) * height + top) * width + left;
        for (int64_t r = 0; r < side; r++)
            for (int64_t s = 0; s < side; s++) to[(r * side + s) * channels + ch] = from[r * width + s];
    }
}

void mx_cpu_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t rows = mx_rows(pred), width = mx_width(pred);
    const double share = (double)scale / (double)(rows * width);
    double *row_loss = work, total = 0;
    float *patches = (float *)(row_loss + mx_round_up(rows, 8));
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (rows > 1)
    for (int64_t r = 0; r < rows; r++) {
        float *patch = patches + mx_cpu_thread() * mx_line_floats(width);
        load_patch(patch, images, targets, r);
        row_loss[r] =
            k->pixel_row(mx_present(dpred) ? mx_f32(dpred) + r * width : NULL, mx_f32(pred) + r * width,
                         patch, width, targets->normalise, (float)(2 * share));
    }
    for (int64_t r = 0; r < rows; r++) total += row_loss[r];
    mx_f32(loss)[0] += (float)(total * share);
}

/* A batch of logits is small: one thread, and so one order. */
void mx_cpu_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t rows = mx_rows(logits), width = mx_width(logits);
    const double share = (double)scale / (double)rows;
    double total = 0;
    for (int64_t r = 0; r < rows; r++)
        total += k->cross_entropy_row(mx_present(dlogits) ? mx_f32(dlogits) + r * width : NULL,
                                      mx_f32(logits) + r * width, mx_f32(targets) + r * width, width,
                                      (float)share);
    mx_f32(loss)[0] += (float)(total * share);
}

#define NORM_PARTIALS 256

void mx_cpu_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t n = mx_count(g);
    if (n == 0) return;
    const mx_cut cut = mx_cut_even(n, mx_max64(mx_ceil_div(n, NORM_PARTIALS), 4096), 64);
    double partial[NORM_PARTIALS], total = 0;
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (cut.count > 1)
    for (int64_t t = 0; t < cut.count; t++)
        partial[t] = k->square_sum(mx_f32(g) + t * cut.size, mx_cut_length(cut, t));
    for (int64_t t = 0; t < cut.count; t++) total += partial[t];
    *(double *)sum.data += total;
}

void mx_cpu_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, const mx_adamw_args *a) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t n = mx_count(w);
    if (n == 0) return;
    const mx_cut cut = mx_cut_even(n, 65536, 64);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (cut.count > 1)
    for (int64_t t = 0; t < cut.count; t++) {
        const int64_t i = t * cut.size;
        k->adamw(mx_f32(w) + i, mx_f32(m) + i, mx_f32(v) + i, mx_f32(g) + i, mx_cut_length(cut, t), a);
    }
}
