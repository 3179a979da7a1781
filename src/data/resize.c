/* Pillow's resize: separable, antialiased, horizontal pass first. Bytes go through Pillow's fixed-point
 * arithmetic and equal its result; 16-bit and float samples take the same weights in float. Source:
 * augment.md (a), "Pillow resize". */
#include "data/image_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MX_RESIZE_BITS 22 /* of a weight behind the point */

static double bilinear(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static double bicubic(double x) { /* a = -0.5 */
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

typedef struct {
    int out, taps;  /* samples of the result; most weights of one */
    int *first, *n; /* [out] first source sample and number of weights */
    double *weight; /* [out][taps] */
    int32_t *fixed; /* [out][taps] weight * 2^22, rounded half away from zero */
} axis;

static void axis_free(axis *a) {
    free(a->first), free(a->n), free(a->weight), free(a->fixed);
    memset(a, 0, sizeof *a);
}

static void weigh(axis *a, int i, int in, double scale, double stretch, double support,
                  double (*filter)(double)) {
    double centre = (i + 0.5) * scale, sum = 0, *w = a->weight + (size_t)i * (size_t)a->taps;
    int low = (int)(centre - support + 0.5), high = (int)(centre + support + 0.5);
    if (low < 0) low = 0;
    if (high > in) high = in;
    a->first[i] = low, a->n[i] = high - low;
    for (int j = 0; j < high - low; j++) sum += w[j] = filter((j + low - centre + 0.5) * (1 / stretch));
    for (int j = 0; j < high - low; j++) {
        if (sum != 0) w[j] /= sum;
        double k = w[j] * (1 << MX_RESIZE_BITS);
        a->fixed[(size_t)i * (size_t)a->taps + (size_t)j] = (int32_t)(k < 0 ? k - 0.5 : k + 0.5);
    }
}

static mx_status axis_make(axis *a, int in, int out, mx_filter which, mx_error *e) {
    double scale = (double)in / out, stretch = scale > 1 ? scale : 1;
    double support = (which == MX_FILTER_BICUBIC ? 2 : 1) * stretch;
    *a = (axis){.out = out, .taps = (int)ceil(support) * 2 + 1};
    size_t all = (size_t)out * (size_t)a->taps;
    a->first = malloc(sizeof(int) * (size_t)out), a->n = malloc(sizeof(int) * (size_t)out);
    a->weight = malloc(sizeof(double) * all), a->fixed = malloc(sizeof(int32_t) * all);
    if (!a->first || !a->n || !a->weight || !a->fixed) {
        axis_free(a);
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for resizing weights");
    }
    for (int i = 0; i < out; i++)
        weigh(a, i, in, scale, stretch, support, which == MX_FILTER_BICUBIC ? bicubic : bilinear);
    return MX_OK;
}

static uint8_t clip8(int32_t acc) {
    int32_t v = acc >> MX_RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

#define HALF (1 << (MX_RESIZE_BITS - 1))

/* ---- bytes ------------------------------------------------------------------------------------------------
 */

/* out [rows][a->out][c] ← in rows of `stride` samples */
static void across8(uint8_t *out, const uint8_t *in, size_t stride, int rows, int c, const axis *a) {
    for (int y = 0; y < rows; y++, in += stride)
        for (int x = 0; x < a->out; x++) {
            const uint8_t *p = in + (size_t)a->first[x] * (size_t)c;
            const int32_t *w = a->fixed + (size_t)x * (size_t)a->taps;
            if (c == 3) {
                int32_t r = HALF, g = HALF, b = HALF;
                for (int j = 0; j < a->n[x]; j++, p += 3)
                    r += p[0] * w[j], g += p[1] * w[j], b += p[2] * w[j];
                out[0] = clip8(r), out[1] = clip8(g), out[2] = clip8(b);
            } else
                for (int k = 0; k < c; k++) {
                    int32_t acc = HALF;
                    for (int j = 0; j < a->n[x]; j++) acc += p[j * c + k] * w[j];
                    out[k] = clip8(acc);
                }
            out += c;
        }
}

/* out [a->out][width] ← in [..][width]; samples of a row are independent, so the inner loop runs along it */
static void down8(uint8_t *out, const uint8_t *in, size_t stride, size_t width, const axis *a, int32_t *acc) {
    for (int y = 0; y < a->out; y++, out += width) {
        const int32_t *w = a->fixed + (size_t)y * (size_t)a->taps;
        for (size_t x = 0; x < width; x++) acc[x] = HALF;
        for (int j = 0; j < a->n[y]; j++) {
            const uint8_t *p = in + (size_t)(a->first[y] + j) * stride;
            int32_t k = w[j];
            for (size_t x = 0; x < width; x++) acc[x] += p[x] * k;
        }
        for (size_t x = 0; x < width; x++) out[x] = clip8(acc[x]);
    }
}

/* The box starts at `in`. horizontal/vertical: NULL when that side keeps its size. first_row: source row that
 * the vertical pass begins with. */
static mx_status resize8(mx_image *out, const uint8_t *in, size_t stride, mx_box box, const axis *horizontal,
                         const axis *vertical, mx_error *e) {
    int c = out->channels;
    size_t width = (size_t)out->width * (size_t)c;
    uint8_t *middle = NULL;
    int32_t *acc = NULL;
    if (horizontal && !vertical)
        across8(out->pixels, in, stride, box.height, c, horizontal);
    else if (vertical) {
        if (!(acc = malloc(sizeof *acc * width)))
            return mx_fail(e, MX_ERR_MEMORY, "out of memory while resizing");
        if (horizontal) {
            if (!(middle = malloc(width * (size_t)box.height)))
                mx_fail(e, MX_ERR_MEMORY, "out of memory while resizing");
            else
                across8(middle, in, stride, box.height, c, horizontal);
            in = middle, stride = width;
        }
        if (in) down8(out->pixels, in, stride, width, vertical, acc);
    } else
        for (int y = 0; y < out->height; y++)
            memcpy((uint8_t *)out->pixels + (size_t)y * width, in + (size_t)y * stride, width);
    free(acc);
    free(middle);
    return e->status;
}

/* ---- 16 bits and float
 * -------------------------------------------------------------------------------------- */

static float get(const mx_image *im, size_t i) {
    return im->type == MX_PIXEL_U16 ? (float)((const uint16_t *)im->pixels)[i]
                                    : ((const float *)im->pixels)[i];
}

static void put(mx_image *im, size_t i, float v) {
    if (im->type == MX_PIXEL_F32)
        ((float *)im->pixels)[i] = v;
    else
        ((uint16_t *)im->pixels)[i] = (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v + 0.5f);
}

static mx_status resize_wide(mx_image *out, const mx_image *in, mx_box box, const axis *h, const axis *v,
                             mx_error *e) {
    size_t c = (size_t)in->channels, width = (size_t)out->width * c;
    float *middle = malloc(sizeof *middle * width * (size_t)box.height), *row = malloc(sizeof *row * width);
    if (middle && row) {
        for (int y = 0; y < box.height; y++)
            for (size_t x = 0; x < width; x++) {
                size_t base = ((size_t)(box.top + y) * (size_t)in->width + (size_t)box.left) * c + x % c,
                       px = x / c;
                float sum = h ? 0 : get(in, base + px * c);
                for (int j = 0; h && j < h->n[px]; j++)
                    sum += (float)h->weight[px * (size_t)h->taps + (size_t)j] *
                           get(in, base + (size_t)(h->first[px] + j) * c);
                middle[(size_t)y * width + x] = sum;
            }
        for (int y = 0; y < out->height; y++) {
            for (size_t x = 0; x < width; x++) row[x] = v ? 0 : middle[(size_t)y * width + x];
            for (int j = 0; v && j < v->n[y]; j++) {
                float w = (float)v->weight[(size_t)y * (size_t)v->taps + (size_t)j];
                for (size_t x = 0; x < width; x++)
                    row[x] += w * middle[(size_t)(v->first[y] + j) * width + x];
            }
            for (size_t x = 0; x < width; x++) put(out, (size_t)y * width + x, row[x]);
        }
    } else
        mx_fail(e, MX_ERR_MEMORY, "out of memory while resizing");
    free(row);
    free(middle);
    return e->status;
}

mx_status mx_image_resize(mx_image *out, const mx_image *in, mx_box box, mx_filter filter, mx_error *e) {
    axis h = {0}, v = {0};
    if (box.left < 0 || box.top < 0 || box.width < 1 || box.height < 1 || box.left > in->width - box.width ||
        box.top > in->height - box.height)
        return mx_fail(e, MX_ERR_ARGUMENT, "a box of %dx%d at (%d,%d) is not inside an image of %dx%d",
                       box.width, box.height, box.left, box.top, in->width, in->height);
    if (out->channels != in->channels || out->type != in->type)
        return mx_fail(e, MX_ERR_ARGUMENT, "resizing cannot change channels or type");
    bool across = box.width != out->width, down = box.height != out->height;
    if (across && axis_make(&h, box.width, out->width, filter, e)) goto done;
    if (down && axis_make(&v, box.height, out->height, filter, e)) goto done;
    size_t stride = (size_t)in->width * (size_t)in->channels;
    if (in->type == MX_PIXEL_U8)
        resize8(out,
                (const uint8_t *)in->pixels + (size_t)box.top * stride +
                    (size_t)box.left * (size_t)in->channels,
                stride, box, across ? &h : NULL, down ? &v : NULL, e);
    else
        resize_wide(out, in, box, across ? &h : NULL, down ? &v : NULL, e);
done:
    axis_free(&h);
    axis_free(&v);
    return e->status;
}

/* ---- the random crop
 * ---------------------------------------------------------------------------------------- */

static mx_box fallback(int width, int height, double lo, double hi) {
    double q = (double)width / height;
    int w = width, h = height;
    if (q < lo)
        h = (int)rint(width / lo);
    else if (q > hi)
        w = (int)rint(height * hi);
    if (h > height) h = height;
    if (w > width) w = width;
    return (mx_box){(height - h) / 2, (width - w) / 2, h < 1 ? 1 : h, w < 1 ? 1 : w};
}

mx_box mx_crop_draw(mx_rng *r, int width, int height, double scale_lo, double scale_hi, double ratio_lo,
                    double ratio_hi) {
    double area = (double)width * height, log_lo = log(ratio_lo), log_hi = log(ratio_hi);
    for (int attempt = 0; attempt < 10; attempt++) {
        double target = area * (scale_lo + (scale_hi - scale_lo) * mx_rng_uniform(r));
        double ratio = exp(log_lo + (log_hi - log_lo) * mx_rng_uniform(r));
        double w = rint(sqrt(target * ratio)),
               h = rint(sqrt(target / ratio)); /* half to even, as Python rounds */
        if (!(w > 0 && w <= width && h > 0 && h <= height)) continue;
        int top = (int)mx_rng_below(r, (uint64_t)(height - (int)h + 1));
        int left = (int)mx_rng_below(r, (uint64_t)(width - (int)w + 1));
        return (mx_box){top, left, (int)h, (int)w};
    }
    return fallback(width, height, ratio_lo, ratio_hi);
}
