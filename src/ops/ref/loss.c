/* Pixel loss and soft cross-entropy with their gradients: the reference. */
#include "ops/ref/ref.h"

#include <math.h>

/* Element e of the patch that prediction `row` reconstructs, flattened (row, column, channel). */
static double pixel(mx_tensor images, const mx_targets *t, int64_t row, int64_t e) {
    int64_t channels = images.dim[1], height = images.dim[2], width = images.dim[3], side = t->side,
            across = width / side;
    int64_t y = t->patch[row] / across * side + e / channels / side,
            x = t->patch[row] % across * side + e / channels % side;
    return (double)mx_f32(images)[((t->image[row] * channels + e % channels) * height + y) * width + x];
}

void mx_ref_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work) {
    (void)c, (void)work;
    int64_t rows = mx_rows(pred), w = mx_width(pred);
    double total = 0, share = (double)scale / (double)(rows * w);
    for (int64_t n = 0; n < rows; n++) {
        double mean = 0, var = 0, r = 1;
        if (targets->normalise) {
            for (int64_t e = 0; e < w; e++) mean += pixel(images, targets, n, e);
            mean /= (double)w;
            for (int64_t e = 0; e < w; e++) {
                double d = pixel(images, targets, n, e) - mean;
                var += d * d;
            }
            r = 1 / sqrt(var / (double)(w - 1) + (double)MX_TARGET_EPS); /* unbiased */
        }
        for (int64_t e = 0; e < w; e++) {
            double d = (double)mx_f32(pred)[n * w + e] - (pixel(images, targets, n, e) - mean) * r;
            total += d * d;
            if (mx_present(dpred)) mx_f32(dpred)[n * w + e] = (float)(2 * d * share);
        }
    }
    mx_f32(loss)[0] += (float)(total * share);
}

void mx_ref_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale) {
    (void)c;
    int64_t rows = mx_rows(logits), k = mx_width(logits);
    double total = 0, share = (double)scale / (double)rows;
    for (int64_t n = 0; n < rows; n++) {
        const float *x = mx_f32(logits) + n * k, *t = mx_f32(targets) + n * k;
        double top = -INFINITY, sum = 0, mass = 0;
        for (int64_t i = 0; i < k; i++) top = fmax(top, (double)x[i]);
        for (int64_t i = 0; i < k; i++) sum += exp((double)x[i] - top), mass += (double)t[i];
        double lse = top + log(sum);
        for (int64_t i = 0; i < k; i++) total += (double)t[i] * (lse - (double)x[i]);
        for (int64_t i = 0; i < k && mx_present(dlogits); i++)
            mx_f32(dlogits)[n * k + i] = (float)((exp((double)x[i] - lse) * mass - (double)t[i]) * share);
    }
    mx_f32(loss)[0] += (float)(total * share);
}
