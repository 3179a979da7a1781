/* Operations on colours: look-up tables, and blends with a degenerate image. Arithmetic as in Pillow: tables in double,
 * blends in float32 with truncation. See docs/AUGMENT.md, "RandAugment". */
#include "data/augment_ops.h"

#include <string.h>

#include "base/clones.h"

typedef struct {
    uint8_t *p;
    size_t pixels, channels;
} view;

static view view_of(mx_image *im) {
    return (view){im->pixels, (size_t)im->width * (size_t)im->height, (size_t)im->channels};
}

static void apply_table(view v, size_t channel, const uint8_t table[256]) {
    uint8_t *p = v.p + channel;
    for (size_t i = 0; i < v.pixels; i++, p += v.channels) *p = table[*p];
}

/* One table for all channels. */
static void apply_everywhere(view v, const uint8_t table[256]) {
    for (size_t i = 0; i < v.pixels * v.channels; i++) v.p[i] = table[v.p[i]];
}

static void histogram(view v, size_t channel, int64_t count[256]) {
    memset(count, 0, 256 * sizeof *count);
    const uint8_t *p = v.p + channel;
    for (size_t i = 0; i < v.pixels; i++, p += v.channels) count[*p]++;
}

static uint8_t clip(double x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : (int)x); }

void mx_op_autocontrast(mx_image *im) {
    view v = view_of(im);
    for (size_t c = 0; c < v.channels; c++) {
        int64_t count[256];
        uint8_t table[256];
        int low = 0, high = 255;
        histogram(v, c, count);
        while (low < 255 && !count[low]) low++;
        while (high > 0 && !count[high]) high--;
        if (high <= low) continue;
        double scale = 255.0 / (high - low), offset = -low * scale;
        for (int i = 0; i < 256; i++) table[i] = clip((int)(i * scale + offset));
        apply_table(v, c, table);
    }
}

void mx_op_equalize(mx_image *im) {
    view v = view_of(im);
    for (size_t c = 0; c < v.channels; c++) {
        int64_t count[256], used = 0, last = 0;
        uint8_t table[256];
        histogram(v, c, count);
        for (int i = 0; i < 256; i++)
            if (count[i]) used++, last = count[i];
        int64_t step = ((int64_t)v.pixels - last) / 255;
        if (used <= 1 || !step) continue;
        int64_t n = step / 2;
        for (int i = 0; i < 256; n += count[i++]) table[i] = (uint8_t)(n / step < 255 ? n / step : 255);
        apply_table(v, c, table);
    }
}

void mx_op_invert(mx_image *im) {
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(255 - i);
    apply_everywhere(view_of(im), table);
}

void mx_op_posterize(mx_image *im, int bits) {
    uint8_t table[256];
    if (bits >= 8) return;
    int mask = ~((1 << (8 - (bits < 0 ? 0 : bits))) - 1);
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i & mask);
    apply_everywhere(view_of(im), table);
}

void mx_op_solarize(mx_image *im, int threshold) {
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i < threshold ? i : 255 - i);
    apply_everywhere(view_of(im), table);
}

void mx_op_solarize_add(mx_image *im, int add, int threshold) {
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i >= threshold ? i : i + add > 255 ? 255 : i + add);
    apply_everywhere(view_of(im), table);
}

/* ---- blends ---- */

/* From the degenerate image's value (factor 0) to the image's (factor 1) and beyond. */
static inline uint8_t blend(int degenerate, int value, float factor) {
    float t = (float)degenerate + factor * (float)(value - degenerate);
    return (uint8_t)(t <= 0 ? 0 : t >= 255 ? 255 : (int)t);
}

/* If the degenerate image is constant, the blend is a table. */
static void blend_constant(mx_image *im, int degenerate, float factor) {
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = blend(degenerate, i, factor);
    if (factor != 1.0f) apply_everywhere(view_of(im), table);
}

static inline int luma(const uint8_t *p) { return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16; }

void mx_op_color(mx_image *im, float factor) {
    view v = view_of(im);
    if (v.channels < 3 || factor == 1.0f) return; /* a grey image equals its degenerate */
    for (size_t i = 0; i < v.pixels; i++) {
        uint8_t *p = v.p + 3 * i;
        int grey = luma(p);
        for (int c = 0; c < 3; c++) p[c] = blend(grey, p[c], factor);
    }
}

void mx_op_contrast(mx_image *im, float factor) {
    view v = view_of(im);
    int64_t sum = 0;
    for (size_t i = 0; i < v.pixels; i++) sum += v.channels < 3 ? v.p[i] : luma(v.p + 3 * i);
    blend_constant(im, (int)((double)sum / (double)v.pixels + 0.5), factor);
}

void mx_op_brightness(mx_image *im, float factor) { blend_constant(im, 0, factor); }

/* One row of the 3x3 smoothing: the centre has weight 5/13, the others 1/13, as float32. Sums in Pillow's order. */
static inline float three(const uint8_t *p, ptrdiff_t step, float side, float centre) {
    return ((float)p[-step] * side + (float)p[0] * centre) + (float)p[step] * side;
}

void mx_op_sharpness(mx_image *im, mx_image *spare, float factor) {
    ptrdiff_t channels = im->channels, row = channels * im->width;
    const float one = (float)(1.0 / 13), five = (float)(5.0 / 13);
    if (factor == 1.0f) return;
    uint8_t *to = im->pixels, *from = spare->pixels;
    memcpy(from, to, (size_t)row * (size_t)im->height);
    if (im->width < 3 || im->height < 3) return; /* the image equals its degenerate */
    for (ptrdiff_t y = 1; y < im->height - 1; y++)
        for (ptrdiff_t x = channels; x < row - channels; x++) {
            const uint8_t *p = from + y * row + x;
            float sum = 0.5f + three(p + row, channels, one, one);
            sum += three(p, channels, one, five);
            sum += three(p - row, channels, one, one);
            int smooth = sum <= 0 ? 0 : sum >= 255 ? 255 : (int)sum;
            to[y * row + x] = blend(smooth, *p, factor);
        }
}
