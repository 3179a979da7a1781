/* Picture families with the same structure at every size: escape-time fractals, Newton's method, a branching
 * tree, a fern. See synth_families.h. */
#include "data/synth_families.h"

/* z ← z² + c for one c near the edge of the Mandelbrot set, where Julia sets have most structure. Inside, the shade is
 * the orbit's least distance to 0. */
mx_colour mx_synth_julia(const mx_scene *s, double x, double y) {
    double angle = MX_TAU * s->u[0], r = 0.5 * (1 - cos(angle)),
           k = 1.02 + 0.06 * s->u[1]; /* the main cardioid */
    double cx = k * (r * cos(angle) + 0.25), cy = k * r * sin(angle), trap = 4;
    int n = 0;
    for (x *= 1.15, y *= 1.15; n < 60 && x * x + y * y < 64; n++) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy, x = t;
        trap = fmin(trap, x * x + y * y);
    }
    if (n == 60) return mx_shade(s->palette[0], 0.4 + 1.2 * sqrt(trap));
    double smooth = n + 1 - log2(0.5 * log2(x * x + y * y));
    return mx_synth_cycle(s, 0.5 + 0.16 * sqrt(smooth) + 0.2 * s->u[2]);
}

mx_colour mx_synth_mandelbrot(const mx_scene *s, double x, double y) {
    static const double places[8][3] = {{-0.75, 0.1, 0.25}, {0.285, 0.01, 0.12}, {-1.25, 0.05, 0.2},
                                        {-0.6, 0, 1.3},     {-0.16, 1.035, 0.1}, {0.36, 0.6, 0.15},
                                        {-1.77, 0, 0.06},   {-0.55, 0.62, 0.12}};
    const double *p = places[(int)(8 * s->u[0])];
    double cx = p[0] + x * p[2], cy = p[1] + y * p[2], a = 0, b = 0;
    int n = 0;
    for (; n < 80 && a * a + b * b < 64; n++) {
        double t = a * a - b * b + cx;
        b = 2 * a * b + cy, a = t;
    }
    if (n == 80) return mx_shade(s->palette[0], 0.5);
    return mx_synth_cycle(s, 0.16 * sqrt(n + 1 - log2(0.5 * log2(a * a + b * b))) + s->u[1]);
}

/* Coloured by the root of zⁿ = 1 that Newton's method finds, and by the number of steps. */
mx_colour mx_synth_newton(const mx_scene *s, double x, double y) {
    int degree = 3 + (int)(3 * s->u[0]), n = 0;
    for (x *= 1.3, y *= 1.3; n < 24; n++) {
        double re = 1, im = 0, t, d; /* w = zⁿ⁻¹; the step is z ← z − (zw − 1)/(nw) */
        for (int i = 1; i < degree; i++) t = re * x - im * y, im = re * y + im * x, re = t;
        d = degree * (re * re + im * im) + 1e-12;
        double nx = x * (degree - 1) / degree + re / d, ny = y * (degree - 1) / degree - im / d;
        bool done = fabs(nx - x) + fabs(ny - y) < 1e-3;
        x = nx, y = ny;
        if (done) break;
    }
    int root = (int)mx_floor(atan2(y, x) / MX_TAU * degree + degree + 0.5) % degree;
    return mx_shade(s->palette[root % 5], 1.25 * exp(-0.075 * n) + 0.15);
}

/* A branching tree before a sky: the nearest of a few generations of strokes. */
mx_colour mx_synth_tree(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[3], s->palette[4], 0.5 - 0.5 * y);
    double px = 0, py = 1, angle = -MX_TAU / 4, length = 0.75, spread = 0.3 + 0.4 * s->u[0], width = 0.07;
    for (int g = 0; g < 7; g++) { /* at each fork, follows the stroke nearer to the point */
        double dx = cos(angle), dy = sin(angle), t = (x - px) * dx + (y - py) * dy,
               side = (x - px) * dy - (y - py) * dx;
        double along = t < 0 ? 0 : t > length ? length : t;
        double far = mx_length(x - px - along * dx, y - py - along * dy);
        if (far < width) return mx_shade(s->palette[g < 3 ? 0 : 1], 0.7 + 0.3 * mx_clamp01(1 - far / width));
        px += dx * length, py += dy * length;
        angle += side > 0 ? -spread * (0.8 + s->u[g + 1] * 0.4) : spread * (0.8 + s->u[g + 9] * 0.4);
        length *= 0.66, width *= 0.68;
    }
    return mx_length(x - px, y - py) < 0.09
               ? mx_shade(s->palette[2], 0.8 + 0.2 * mx_synth_noise(s, 20 * x, 20 * y))
               : c;
}

/* A bent stem with pairs of leaflets, each with a toothed edge and a vein. */
mx_colour mx_synth_fern(const mx_scene *s, double x, double y) {
    mx_colour back = mx_synth_mix(s->palette[3], s->palette[4],
                                  0.5 + 0.4 * y + 0.5 * (mx_synth_noise(s, 2 * x, 2 * y) - 0.5));
    double t = (1 - y) / 2.1; /* 0 at the foot, 1 at the tip */
    double side = x - (s->u[0] - 0.5) * 1.4 * t * t, away = fabs(side);
    if (t < 0 || t > 1) return back;
    double reach = (0.6 + 0.4 * s->u[1]) * pow(1 - t, 0.8) * mx_step_up(0, 0.18, t),
           pairs = 6 + mx_floor(7 * s->u[2]);
    double along = t * pairs - away * (1.5 + 3 * s->u[3]) + (side > 0 ? 0.5 : 0),
           in = fabs(mx_wrap(along) - 0.5) * 2;
    double share = away / (reach + 1e-9),
           width = 0.95 * sqrt(mx_clamp01(1 - share * share)) * (0.86 + 0.14 * sin(60 * away));
    mx_colour leaf = mx_synth_mix(s->palette[1], s->palette[2], share);
    if (away < 0.022 * (1.3 - t)) return mx_shade(s->palette[0], 0.8);
    if (share < 1 && in < width)
        return mx_shade(leaf, in < 0.14 ? 0.62 : side > 0 ? 1.05 - 0.3 * in : 0.8 + 0.1 * in);
    return back;
}
