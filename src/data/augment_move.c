/* Operations that move pixels: affine maps with Pillow's bicubic filter (a = -1, results truncated, no antialiasing).
 * See docs/AUGMENT.md, "RandAugment". Shears and translations move pixels along one axis only. On the other axis the
 * fraction is exactly 0, so one tap is read instead of four. */
#include "data/augment_ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static inline double cubic(double p0, double p1, double p2, double p3, double t) {
    return p1 + t * ((p2 - p0) + t * ((2 * (p0 - p1) + p2 - p3) + t * (p1 - p0 - p2 + p3)));
}

static inline int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

typedef struct {
    const uint8_t *pixels;
    int width, height, channels;
} source;

/* Channel c of row y (clamped here), between columns x (clamped before, as offsets), at fraction t. */
static inline double across(const source *s, int y, const int x[4], int c, double t) {
    const uint8_t *p = s->pixels + (size_t)clamp(y, s->height) * (size_t)s->width * (size_t)s->channels + c;
    return t == 0 ? p[x[1]] : cubic(p[x[0]], p[x[1]], p[x[2]], p[x[3]], t);
}

/* floor for numbers above -1; without SSE 4.1, the C library's is a function call. */
static inline int floor_small(double t) {
    int i = (int)t;
    return t < i ? i - 1 : i;
}

/* Interpolates rows y0-1 to y0+2 at column offset x, for points that fall on a column. */
static inline void down(uint8_t *out, const source *s, int x, int y0, double ty) {
    const uint8_t *row[4];
    for (int i = 0; i < 4; i++)
        row[i] =
            s->pixels + (size_t)clamp(y0 - 1 + i, s->height) * (size_t)s->width * (size_t)s->channels + x;
    for (int c = 0; c < s->channels; c++) {
        double v = cubic(row[0][c], row[1][c], row[2][c], row[3][c], ty);
        out[c] = (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int)v);
    }
}

/* Interpolates without clamping, if all 16 taps are inside. Callers pass channels as a constant. */
static inline void inside(uint8_t *out, const source *s, int x0, int y0, double tx, double ty,
                          const int channels) {
    const size_t stride = (size_t)s->width * (size_t)channels;
    const uint8_t *p = s->pixels + (size_t)(y0 - 1) * stride + (size_t)(x0 - 1) * (size_t)channels;
    for (int c = 0; c < channels; c++) {
        double row[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t *q = p + (size_t)i * stride + c;
            row[i] = cubic(q[0], q[channels], q[2 * channels], q[3 * channels], tx);
        }
        double v = cubic(row[0], row[1], row[2], row[3], ty);
        out[c] = (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int)v);
    }
}

/* The pixel at (X, Y); pixel centres are at halves. */
static inline void sample(uint8_t *out, const source *s, double X, double Y) {
    int x0 = floor_small(X - 0.5), y0 = floor_small(Y - 0.5), x[4];
    double tx = X - 0.5 - x0, ty = Y - 0.5 - y0;
    if (s->channels == 3 && tx != 0 && ty != 0 && x0 >= 1 && x0 + 2 < s->width && y0 >= 1 &&
        y0 + 2 < s->height) {
        inside(out, s, x0, y0, tx, ty, 3);
        return;
    }
    for (int i = 0; i < 4; i++) x[i] = clamp(x0 - 1 + i, s->width) * s->channels;
    if (tx == 0 && ty != 0) {
        down(out, s, x[1], y0, ty);
        return;
    }
    for (int c = 0; c < s->channels; c++) {
        double v = ty == 0 ? across(s, y0, x, c, tx)
                           : cubic(across(s, y0 - 1, x, c, tx), across(s, y0, x, c, tx),
                                   across(s, y0 + 1, x, c, tx), across(s, y0 + 2, x, c, tx), ty);
        out[c] = (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int)v);
    }
}

void mx_op_affine(mx_image *out, const mx_image *in, const double m[6], const uint8_t *fill) {
    const source s = {in->pixels, in->width, in->height, in->channels};
    uint8_t *to = out->pixels;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++, to += s.channels) {
            double X = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
            double Y = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
            if (X < 0 || X >= s.width || Y < 0 || Y >= s.height)
                for (int c = 0; c < s.channels; c++) to[c] = fill[c];
            else
                sample(to, &s, X, Y);
        }
}

/* Python's round(x, 15): the nearest number with 15 decimals, correctly rounded. */
static double round15(double x) {
    char text[32];
    snprintf(text, sizeof text, "%.15f", x);
    return strtod(text, NULL);
}

bool mx_op_rotation(double m[6], double degrees, int width, int height) {
    double turn = fmod(degrees, 360), t;
    if (turn < 0) turn += 360;
    if (turn == 0) return false;
    t = -turn * M_PI / 180;
    double cx = width / 2.0, cy = height / 2.0;
    m[0] = m[4] = round15(cos(t)), m[1] = round15(sin(t)), m[3] = round15(-sin(t));
    m[2] = m[0] * -cx + m[1] * -cy + cx;
    m[5] = m[3] * -cx + m[4] * -cy + cy;
    return true;
}
