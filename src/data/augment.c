/* The random crop of pretraining, and the conversion of pixels to the model's input. The caller draws the flip. See
 * docs/AUGMENT.md, "The arithmetic of crop, resize and normalisation". */
#include "data/image_internal.h"

#include <math.h>

#define MX_CROP_TRIES 10 /* as torchvision */

/* Rounds half to even, as Python's round; rint does so in the default rounding mode. */
static int round_clamped(double x, int most) { return x < 1 ? 1 : x > most ? most : (int)rint(x); }

static mx_box centred(int width, int height, double ratio_lo, double ratio_hi) {
    double q = (double)width / height;
    int w = width, h = height;
    if (q < ratio_lo)
        h = round_clamped(width / ratio_lo, height);
    else if (q > ratio_hi)
        w = round_clamped(height * ratio_hi, width);
    return (mx_box){.top = (height - h) / 2, .left = (width - w) / 2, .height = h, .width = w};
}

mx_box mx_crop_draw(mx_rng *r, int width, int height, double scale_lo, double scale_hi, double ratio_lo,
                    double ratio_hi) {
    double area = (double)width * height, log_lo = log(ratio_lo), log_hi = log(ratio_hi);
    for (int i = 0; i < MX_CROP_TRIES; i++) {
        double target = area * (scale_lo + (scale_hi - scale_lo) * mx_rng_uniform(r));
        double ratio = exp(log_lo + (log_hi - log_lo) * mx_rng_uniform(r));
        double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio));
        if (!(w > 0 && w <= width && h > 0 && h <= height)) continue;
        mx_box box = {.height = (int)h, .width = (int)w};
        box.top = (int)mx_rng_below(r, (uint64_t)(height - box.height) + 1);
        box.left = (int)mx_rng_below(r, (uint64_t)(width - box.width) + 1);
        return box;
    }
    return centred(width, height, ratio_lo, ratio_hi);
}

mx_box mx_crop_draw_once(mx_rng *r, int width, int height, double scale_lo, double scale_hi, double ratio_lo,
                         double ratio_hi) {
    double log_lo = log(ratio_lo), log_hi = log(ratio_hi);
    double target = (double)width * height * (scale_lo + (scale_hi - scale_lo) * mx_rng_uniform(r));
    double ratio = exp(log_lo + (log_hi - log_lo) * mx_rng_uniform(r));
    mx_box box = {.height = round_clamped(sqrt(target / ratio), height),
                  .width = round_clamped(sqrt(target * ratio), width)};
    box.top = (int)mx_rng_below(r, (uint64_t)(height - box.height) + 1);
    box.left = (int)mx_rng_below(r, (uint64_t)(width - box.width) + 1);
    return box;
}

/* One channel of one row. step: distance of neighbouring samples, negative when mirrored. table: the result for each of
 * the 256 values. */
static void row8(float *chw, const uint8_t *p, ptrdiff_t step, int width, const float *table) {
    for (int x = 0; x < width; x++, p += step) chw[x] = table[*p];
}

static void row16(float *chw, const uint16_t *p, ptrdiff_t step, int width, float range, float mean,
                  float std) {
    for (int x = 0; x < width; x++, p += step) chw[x] = ((float)*p / range - mean) / std;
}

static void row_float(float *chw, const float *p, ptrdiff_t step, int width, float range, float mean,
                      float std) {
    for (int x = 0; x < width; x++, p += step) chw[x] = (*p / range - mean) / std;
}

void mx_image_to_tensor(float *chw, const mx_image *im, bool flip, float range, const float *mean,
                        const float *std) {
    size_t w = (size_t)im->width, h = (size_t)im->height, c = (size_t)im->channels;
    ptrdiff_t step = flip ? -(ptrdiff_t)c : (ptrdiff_t)c;
    for (size_t k = 0; k < c; k++) {
        float table[256];
        for (int v = 0; im->type == MX_PIXEL_U8 && v < 256; v++)
            table[v] = ((float)v / range - mean[k]) / std[k];
        for (size_t y = 0; y < h; y++) {
            size_t at = (y * w + (flip ? w - 1 : 0)) * c + k;
            float *to = chw + (k * h + y) * w;
            if (im->type == MX_PIXEL_U8)
                row8(to, (const uint8_t *)im->pixels + at, step, im->width, table);
            else if (im->type == MX_PIXEL_U16)
                row16(to, (const uint16_t *)im->pixels + at, step, im->width, range, mean[k], std[k]);
            else
                row_float(to, (const float *)im->pixels + at, step, im->width, range, mean[k], std[k]);
        }
    }
}
