/* Pillow's resize: separable, antialiased, horizontal pass first. Bytes use Pillow's fixed-point arithmetic and equal
 * its result; 16-bit and float samples use the same weights in float. Optimised for the loader's workers, each of which
 * resizes one photograph of about 500x375 to 224x224 at a time. See docs/AUGMENT.md, "The arithmetic of crop, resize
 * and normalisation".
 *
 * It reads the box in place. The result equals that of a cropped copy, since no weight reaches outside the box. */
#include "data/image_internal.h"
#include "data/resize.h"

#include "base/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MX_RESIZE_HALF (1 << (MX_RESIZE_BITS - 1))

static double bilinear(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static double bicubic(double x) { /* a = -0.5 */
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* ---- the weights of one axis ---- */

typedef mx_axis axis;

static void axis_free(axis *a) {
    free(a->real), free(a->fixed), free(a->n), free(a->first);
    *a = (axis){0};
}

static int clamp_edge(double x, int n) { return x < 0 ? 0 : x > n ? n : (int)x; }

/* Computes the normalised weights w of result i, and returns their number. */
static int weigh(double *w, int *first, int i, int in, double scale, double support,
                 double (*filter)(double)) {
    double centre = (i + 0.5) * scale, stretch = 1 / (scale > 1 ? scale : 1), sum = 0;
    int low = clamp_edge(centre - support + 0.5, in), high = clamp_edge(centre + support + 0.5, in);
    for (int j = 0; j < high - low; j++) sum += w[j] = filter((j + low - centre + 0.5) * stretch);
    for (int j = 0; j < high - low && sum != 0; j++) w[j] /= sum;
    *first = low;
    return high - low;
}

static mx_status axis_make(axis *a, int in, int out, mx_filter which, bool bytes, mx_error *e) {
    double (*filter)(double) = which == MX_FILTER_BICUBIC ? bicubic : bilinear;
    double scale = (double)in / out, support = (which == MX_FILTER_BICUBIC ? 2 : 1) * (scale > 1 ? scale : 1);
    double most = ceil(support) * 2 + 1;
    *a = (axis){.out = out, .taps = most < in ? (int)most : in};
    size_t taps = (size_t)a->taps, all = (size_t)out * taps; /* below 2^62: both are int */
    double *w = malloc(sizeof *w * taps);
    a->first = calloc((size_t)out, sizeof *a->first);
    a->n = calloc((size_t)out, sizeof *a->n);
    if (bytes)
        a->fixed = calloc(all, sizeof *a->fixed);
    else
        a->real = calloc(all, sizeof *a->real);
    if (!w || !a->first || !a->n || (!a->fixed && !a->real)) {
        axis_free(a);
        free(w);
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate weights to resize %d samples to %d", in, out);
    }
    for (int i = 0; i < out; i++) {
        a->n[i] = weigh(w, &a->first[i], i, in, scale, support, filter);
        for (int j = 0; j < a->n[i]; j++) {
            double k = w[j] * (1 << MX_RESIZE_BITS);
            if (bytes)
                a->fixed[(size_t)i * taps + (size_t)j] = (int32_t)(k < 0 ? k - 0.5 : k + 0.5);
            else
                a->real[(size_t)i * taps + (size_t)j] = (float)w[j];
        }
    }
    free(w);
    return MX_OK;
}

/* ---- bytes ---- */

static uint8_t clip8(int32_t acc) {
    int32_t v = acc >> MX_RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* turned [n][MX_LANES] = MX_LANES rows of n samples, transposed. Only `have` rows exist; the last is repeated. */
static void turn(uint8_t *restrict turned, const uint8_t *in, size_t stride, size_t n, int have) {
    for (int r = 0; r < MX_LANES; r++) {
        const uint8_t *row = in + (size_t)(r < have ? r : have - 1) * stride;
        for (size_t i = 0; i < n; i++) turned[i * MX_LANES + (size_t)r] = row[i];
    }
}

/* One result sample for MX_LANES rows; taps are c samples apart. */
static inline void lanes8(uint8_t *restrict out, const uint8_t *restrict p, size_t c, const int32_t *w,
                          int n) {
    int32_t acc[MX_LANES];
    for (int r = 0; r < MX_LANES; r++) acc[r] = MX_RESIZE_HALF;
    for (int j = 0; j < n; j++, p += c * MX_LANES)
        for (int r = 0; r < MX_LANES; r++) acc[r] += p[r] * w[j];
    for (int r = 0; r < MX_LANES; r++) out[r] = clip8(acc[r]);
}

/* Horizontal pass: out [rows][a->out][c] from in, with rows `stride` samples apart. The taps of one row are too few to
 * fill a vector, so MX_LANES rows are transposed and computed together. turned: scratch [n samples][MX_LANES]. */
MX_CLONES static void across8(uint8_t *out, const uint8_t *in, size_t stride, int rows, size_t n, size_t c,
                              const axis *a, uint8_t *turned) {
    size_t width = (size_t)a->out * c;
    for (int y = 0; y < rows; y += MX_LANES) {
        int have = rows - y < MX_LANES ? rows - y : MX_LANES;
        turn(turned, in + (size_t)y * stride, stride, n, have);
        for (size_t x = 0; x < width; x++) {
            uint8_t lane[MX_LANES];
            size_t i = x / c, k = x % c;
            lanes8(lane, turned + ((size_t)a->first[i] * c + k) * MX_LANES, c, a->fixed + i * (size_t)a->taps,
                   a->n[i]);
            for (int r = 0; r < have; r++) out[(size_t)(y + r) * width + x] = lane[r];
        }
    }
}

/* Vertical pass: out [a->out][width] from in, with rows `stride` samples apart. Samples of a row are independent, so
 * the inner loops run along the row, for any number of channels; acc [width] stays in L1. */
MX_CLONES static void down8(uint8_t *restrict out, const uint8_t *restrict in, size_t stride, size_t width,
                            const axis *a, int32_t *restrict acc) {
    for (int y = 0; y < a->out; y++, out += width) {
        const int32_t *w = a->fixed + (size_t)y * (size_t)a->taps;
        for (size_t x = 0; x < width; x++) acc[x] = MX_RESIZE_HALF;
        for (int j = 0; j < a->n[y]; j++) {
            const uint8_t *p = in + (size_t)(a->first[y] + j) * stride;
            int32_t k = w[j];
            for (size_t x = 0; x < width; x++) acc[x] += p[x] * k;
        }
        for (size_t x = 0; x < width; x++) out[x] = clip8(acc[x]);
    }
}

static mx_status resize8(mx_image *out, const uint8_t *in, size_t stride, mx_box box, const axis *h,
                         const axis *v, mx_error *e) {
    size_t c = (size_t)out->channels, width = (size_t)out->width * c, n = (size_t)box.width * c;
    uint8_t *middle = NULL, *turned = NULL;
    int32_t *acc = NULL;
    mx_status st = MX_OK;
    if ((h->out && !(turned = malloc(n * MX_LANES))) ||
        (h->out && v->out && !(middle = malloc(width * (size_t)box.height))) ||
        (v->out && !(acc = malloc(sizeof *acc * width)))) {
        st = mx_fail(e, MX_ERR_MEMORY, "cannot allocate memory to resize to %dx%d", out->width, out->height);
        goto done;
    }
    if (h->out && !(c == 3 && mx_resize_rgb_across(middle ? middle : out->pixels, in, stride, box.height,
                                                   box.width, h)))
        across8(middle ? middle : out->pixels, in, stride, box.height, n, c, h, turned);
    if (middle) in = middle, stride = width;
    if (v->out && !mx_resize_down(out->pixels, in, stride, width, v))
        down8(out->pixels, in, stride, width, v, acc);
done:
    free(acc), free(turned), free(middle);
    return st;
}

/* ---- 16 bits and float ---- */

/* Row y of the source in float: the row itself, or a converted copy in `line`. */
static const float *float_row(float *line, const mx_image *in, mx_box box, int y) {
    size_t c = (size_t)in->channels,
           start = ((size_t)(box.top + y) * (size_t)in->width + (size_t)box.left) * c;
    if (in->type == MX_PIXEL_F32) return (const float *)in->pixels + start;
    const uint16_t *p = (const uint16_t *)in->pixels + start;
    for (size_t x = 0; x < (size_t)box.width * c; x++) line[x] = p[x];
    return line;
}

static void row_wide(float *restrict out, const float *restrict in, size_t c, const axis *a) {
    for (int x = 0; x < a->out; x++, out += c) {
        const float *p = in + (size_t)a->first[x] * c, *w = a->real + (size_t)x * (size_t)a->taps;
        for (size_t k = 0; k < c; k++) {
            float sum = 0;
            for (int j = 0; j < a->n[x]; j++) sum += w[j] * p[(size_t)j * c + k];
            out[k] = sum;
        }
    }
}

static void store_row(mx_image *out, int y, const float *row) {
    size_t width = (size_t)out->width * (size_t)out->channels;
    if (out->type == MX_PIXEL_F32) {
        memcpy((float *)out->pixels + (size_t)y * width, row, width * sizeof *row);
        return;
    }
    uint16_t *to = (uint16_t *)out->pixels + (size_t)y * width;
    for (size_t x = 0; x < width; x++)
        to[x] = (uint16_t)(row[x] < 0 ? 0 : row[x] > 65535 ? 65535 : row[x] + 0.5f);
}

static void down_wide(mx_image *out, const float *middle, size_t width, const axis *a, float *restrict acc) {
    for (int y = 0; y < out->height; y++) {
        if (!a->out) {
            store_row(out, y, middle + (size_t)y * width);
            continue;
        }
        memset(acc, 0, sizeof *acc * width);
        for (int j = 0; j < a->n[y]; j++) {
            const float *p = middle + (size_t)(a->first[y] + j) * width;
            float w = a->real[(size_t)y * (size_t)a->taps + (size_t)j];
            for (size_t x = 0; x < width; x++) acc[x] += w * p[x];
        }
        store_row(out, y, acc);
    }
}

static mx_status resize_wide(mx_image *out, const mx_image *in, mx_box box, const axis *h, const axis *v,
                             mx_error *e) {
    size_t c = (size_t)in->channels, width = (size_t)out->width * c;
    float *middle = malloc(sizeof *middle * width * (size_t)box.height);
    float *line = malloc(sizeof *line * (size_t)box.width * c), *acc = malloc(sizeof *acc * width);
    mx_status st = MX_OK;
    if (middle && line && acc) {
        for (int y = 0; y < box.height; y++) {
            const float *from = float_row(line, in, box, y);
            float *to = middle + (size_t)y * width;
            if (h->out)
                row_wide(to, from, c, h);
            else
                memcpy(to, from, sizeof *to * width);
        }
        down_wide(out, middle, width, v, acc);
    } else
        st = mx_fail(e, MX_ERR_MEMORY, "cannot allocate memory to resize to %dx%d", out->width, out->height);
    free(acc), free(line), free(middle);
    return st;
}

/* ---- entry points ---- */

static mx_status check(const mx_image *out, const mx_image *in, mx_box b, mx_error *e) {
    if (b.left < 0 || b.top < 0 || b.width < 1 || b.height < 1 || b.width > in->width ||
        b.height > in->height || b.left > in->width - b.width || b.top > in->height - b.height)
        return mx_fail(e, MX_ERR_ARGUMENT, "expected a box inside %dx%d, found %dx%d at %d,%d", in->width,
                       in->height, b.width, b.height, b.left, b.top);
    if (out->channels != in->channels || out->type != in->type || !out->pixels)
        return mx_fail(e, MX_ERR_ARGUMENT, "resize: expected equal channels and type");
    return MX_OK;
}

static void copy_box(mx_image *out, const char *in, size_t stride, size_t row) {
    for (int y = 0; y < out->height; y++)
        memcpy((char *)out->pixels + (size_t)y * row, in + (size_t)y * stride, row);
}

mx_status mx_image_resize(mx_image *out, const mx_image *in, mx_box box, mx_filter filter, mx_error *e) {
    axis h = {0}, v = {0};
    mx_status st = check(out, in, box, e);
    if (st) return st;
    bool bytes = in->type == MX_PIXEL_U8, across = box.width != out->width, down = box.height != out->height;
    size_t pixel = (size_t)in->channels * mx_pixel_size(in->type), stride = (size_t)in->width * pixel;
    const char *from = (const char *)in->pixels + (size_t)box.top * stride + (size_t)box.left * pixel;
    if (across) st = axis_make(&h, box.width, out->width, filter, bytes, e);
    if (!st && down) st = axis_make(&v, box.height, out->height, filter, bytes, e);
    if (st) goto done;
    if (!across && !down)
        copy_box(out, from, stride, (size_t)out->width * pixel);
    else if (bytes)
        st = resize8(out, (const uint8_t *)from, stride, box, &h, &v, e);
    else
        st = resize_wide(out, in, box, &h, &v, e);
done:
    axis_free(&v);
    axis_free(&h);
    return st;
}
