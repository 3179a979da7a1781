/* Mixes a batch with its reverse, see mixup.h. */
#include "data/mixup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool mx_mixup_on(const mx_mixup *m) {
    return m->probability > 0 && (m->mixup > 0 || m->cutmix > 0 || m->cutmix_minmax[1] > 0);
}

/* ---- draws ---- */

/* Gamma(shape, 1) by Marsaglia and Tsang, "A simple method for generating gamma variables", 2000. */
static double gamma_draw(double shape, mx_rng *r) {
    if (shape < 1) return gamma_draw(shape + 1, r) * pow(1 - mx_rng_uniform(r), 1 / shape);
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = mx_rng_normal(r), v = 1 + c * x, u = 1 - mx_rng_uniform(r);
        if (v <= 0) continue;
        v = v * v * v;
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

static double beta_draw(double alpha, mx_rng *r) {
    double a = gamma_draw(alpha, r), b = gamma_draw(alpha, r);
    return a + b > 0                 ? a / (a + b)
           : mx_rng_uniform(r) < 0.5 ? 0
                                     : 1; /* both underflow, so that 0 and 1 are left */
}

static int clip(int i, int n) { return i < 0 ? 0 : i > n ? n : i; }

/* Draws the box for a lambda, cut off at the edges, and sets lambda to the box's real area. */
static void draw_box(mx_mix_draw *d, const mx_mixup *m, int height, int width, mx_rng *r) {
    if (m->cutmix_minmax[1] > 0) {
        int side[2] = {height, width}, cut[2], start[2];
        for (int i = 0; i < 2; i++) {
            int low = (int)(side[i] * m->cutmix_minmax[0]), high = (int)(side[i] * m->cutmix_minmax[1]);
            cut[i] = low + (high > low ? (int)mx_rng_below(r, (uint64_t)(high - low)) : 0);
        }
        for (int i = 0; i < 2; i++)
            start[i] = side[i] > cut[i] ? (int)mx_rng_below(r, (uint64_t)(side[i] - cut[i])) : 0;
        d->top = start[0], d->bottom = start[0] + cut[0], d->left = start[1], d->right = start[1] + cut[1];
    } else {
        double share = sqrt(1 - d->lambda);
        int h = (int)(height * share), w = (int)(width * share);
        int y = (int)mx_rng_below(r, (uint64_t)height), x = (int)mx_rng_below(r, (uint64_t)width);
        d->top = clip(y - h / 2, height), d->bottom = clip(y + h / 2, height);
        d->left = clip(x - w / 2, width), d->right = clip(x + w / 2, width);
    }
    d->lambda = 1 - (double)(d->bottom - d->top) * (d->right - d->left) / ((double)height * width);
}

mx_mix_draw mx_mixup_draw(const mx_mixup *m, int height, int width, mx_rng *r) {
    mx_mix_draw d = {.lambda = 1};
    double cutmix = m->cutmix_minmax[1] > 0 ? 1 : m->cutmix;
    if (!mx_mixup_on(m) || mx_rng_uniform(r) >= m->probability) return d;
    d.cut = m->mixup > 0 && cutmix > 0 ? mx_rng_uniform(r) < m->switch_probability : cutmix > 0;
    d.lambda = beta_draw(d.cut ? cutmix : m->mixup, r);
    if (d.cut) draw_box(&d, m, height, width, r);
    return d;
}

/* ---- images and targets ---- */

/* Mixes `to` with partner, both unmixed before. */
static void mix_image(float *to, const float *partner, const mx_mix_draw *d, int channels, int height,
                      int width) {
    size_t n = (size_t)channels * (size_t)height * (size_t)width;
    float own = (float)d->lambda, other = (float)(1 - d->lambda);
    if (!d->cut) {
        if (d->lambda == 1) return;
        for (size_t i = 0; i < n; i++) to[i] = to[i] * own + partner[i] * other;
        return;
    }
    for (int c = 0; c < channels; c++)
        for (int y = d->top; y < d->bottom; y++) {
            size_t at = ((size_t)c * (size_t)height + (size_t)y) * (size_t)width + (size_t)d->left;
            memcpy(to + at, partner + at, sizeof *to * (size_t)(d->right - d->left));
        }
}

/* Smoothed targets: `on` for the right class, `off` for others; lambda times those of the own label, plus (1 - lambda)
 * times those of the partner's. */
static void put_targets(float *row, int classes, int own, int partner, double lambda, double smoothing) {
    double off = smoothing / classes, on = 1 - smoothing + off;
    for (int c = 0; c < classes; c++)
        row[c] = (float)(lambda * (c == own ? on : off) + (1 - lambda) * (c == partner ? on : off));
}

static mx_status check(const mx_mixup *m, const int32_t *labels, int batch, int classes, mx_error *e) {
    if (batch % 2 && mx_mixup_on(m))
        return mx_fail(e, MX_ERR_ARGUMENT, "mixup and cutmix need an even batch, found %d images", batch);
    for (int i = 0; i < batch; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return mx_fail(e, MX_ERR_DATA, "image %d of the batch has label %d, expected 0 to %d", i,
                           labels[i], classes - 1);
    return MX_OK;
}

mx_status mx_mixup_apply(const mx_mixup *m, float *images, const int32_t *labels, float *targets, int batch,
                         int channels, int height, int width, int classes, uint64_t seed, uint64_t step,
                         uint32_t micro, mx_error *e) {
    size_t n = (size_t)channels * (size_t)height * (size_t)width;
    mx_rng r = mx_rng_make(seed, MX_RNG_MIXUP, step, micro);
    mx_status s = check(m, labels, batch, classes, e);
    if (s) return s;
    bool on = mx_mixup_on(m);
    float *kept = on ? malloc(sizeof *kept * n) : NULL; /* image i before mixing */
    if (on && !kept) return mx_fail(e, MX_ERR_MEMORY, "out of memory for mixing images");
    mx_mix_draw a = {.lambda = 1}, b;
    if (m->mode == MX_MIXUP_BATCH) a = mx_mixup_draw(m, height, width, &r);
    for (int i = 0; i < (batch + 1) / 2; i++) {
        int j = batch - 1 - i;
        if (m->mode != MX_MIXUP_BATCH) a = mx_mixup_draw(m, height, width, &r);
        b = m->mode == MX_MIXUP_ELEM ? mx_mixup_draw(m, height, width, &r) : a;
        put_targets(targets + (size_t)i * (size_t)classes, classes, labels[i], labels[j], a.lambda,
                    m->smoothing);
        put_targets(targets + (size_t)j * (size_t)classes, classes, labels[j], labels[i], b.lambda,
                    m->smoothing);
        if (!on) continue;
        memcpy(kept, images + (size_t)i * n, sizeof *kept * n);
        mix_image(images + (size_t)i * n, images + (size_t)j * n, &a, channels, height, width);
        mix_image(images + (size_t)j * n, kept, &b, channels, height, width);
    }
    free(kept);
    return MX_OK;
}
