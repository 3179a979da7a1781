/* Sixteen picture families, see synth_families.h. Each is meant to have edges, shading and middle-sized
 * structure that can be guessed from its surroundings: what a masked autoencoder is to learn. */
#include "data/synth_families.h"

#include <math.h>

#define TAU 6.283185307179586

static double clamp01(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
static double step_up(double a, double b, double v) {
    double t = clamp01((v - a) / (b - a));
    return t * t * (3 - 2 * t);
}
static mx_colour shade(mx_colour c, double k) { return (mx_colour){c.r * k, c.g * k, c.b * k}; }
static double wrap(double v) { return v - floor(v); }

static double lattice(uint32_t salt, int x, int y) {
    uint32_t h = salt ^ (uint32_t)x * 0x9E3779B1u ^ (uint32_t)y * 0x85EBCA77u;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    return (h ^ h >> 15) * (1.0 / 4294967296.0);
}

double mx_synth_noise(const mx_scene *s, double x, double y) {
    int ix = (int)floor(x), iy = (int)floor(y);
    double fx = step_up(0, 1, x - ix), fy = step_up(0, 1, y - iy);
    double a = lattice(s->salt, ix, iy), b = lattice(s->salt, ix + 1, iy);
    double c = lattice(s->salt, ix, iy + 1), d = lattice(s->salt, ix + 1, iy + 1);
    return (a + (b - a) * fx) * (1 - fy) + (c + (d - c) * fx) * fy;
}

double mx_synth_fbm(const mx_scene *s, double x, double y, int octaves) {
    double sum = 0, weight = 0, k = 1;
    for (int i = 0; i < octaves; i++, k *= 0.5, x = 2 * x + 17.3, y = 2 * y - 9.1)
        sum += k * mx_synth_noise(s, x, y), weight += k;
    return sum / weight;
}

mx_colour mx_synth_mix(mx_colour a, mx_colour b, double t) {
    t = clamp01(t);
    return (mx_colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

mx_colour mx_synth_palette(const mx_scene *s, double t) {
    double v = clamp01(t) * 3.999;
    int i = (int)v;
    return mx_synth_mix(s->palette[i], s->palette[i + 1], v - i);
}

/* ---- fractals ---------------------------------------------------------------------------------------------
 */

static mx_colour julia(const mx_scene *s, double x, double y) {
    double angle = TAU * s->u[0], cx = 0.7885 * cos(angle), cy = 0.7885 * sin(angle);
    int n = 0;
    for (x *= 1.4, y *= 1.4; n < 60 && x * x + y * y < 16; n++) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy, x = t;
    }
    double smooth = n < 60 ? n + 1 - log2(log2(x * x + y * y + 1e-9) * 0.5 + 1e-9) : 60;
    return mx_synth_palette(s, sqrt(clamp01(smooth / 40)));
}

static mx_colour mandelbrot(const mx_scene *s, double x, double y) {
    static const double places[4][3] = {
        {-0.75, 0.1, 0.35}, {0.285, 0.01, 0.2}, {-1.25, 0.05, 0.25}, {-0.6, 0, 1.4}};
    const double *p = places[(int)(4 * s->u[0])];
    double cx = p[0] + x * p[2], cy = p[1] + y * p[2], a = 0, b = 0;
    int n = 0;
    for (; n < 80 && a * a + b * b < 16; n++) {
        double t = a * a - b * b + cx;
        b = 2 * a * b + cy, a = t;
    }
    return n == 80 ? s->palette[0] : mx_synth_palette(s, wrap(sqrt(n) * 0.18 + s->u[1]));
}

/* A branching tree: the nearest of a few generations of strokes, before a sky. */
static mx_colour tree(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[3], s->palette[4], 0.5 - 0.5 * y);
    double px = 0, py = 1, angle = -TAU / 4, length = 0.75, spread = 0.3 + 0.4 * s->u[0], width = 0.07;
    for (int g = 0; g < 7; g++) { /* at each fork the stroke nearer to the point is followed */
        double dx = cos(angle), dy = sin(angle), t = (x - px) * dx + (y - py) * dy,
               side = (x - px) * dy - (y - py) * dx;
        double along = t < 0 ? 0 : t > length ? length : t;
        double far = hypot(x - px - along * dx, y - py - along * dy);
        if (far < width) return shade(s->palette[g < 3 ? 0 : 1], 0.7 + 0.3 * clamp01(1 - far / width));
        px += dx * length, py += dy * length;
        angle += side > 0 ? -spread * (0.8 + s->u[g + 1] * 0.4) : spread * (0.8 + s->u[g + 9] * 0.4);
        length *= 0.66, width *= 0.68;
    }
    return hypot(x - px, y - py) < 0.09 ? shade(s->palette[2], 0.8 + 0.2 * mx_synth_noise(s, 20 * x, 20 * y))
                                        : c;
}

/* ---- textures ---------------------------------------------------------------------------------------------
 */

static mx_colour clouds(const mx_scene *s, double x, double y) {
    double v = mx_synth_fbm(s, 2.2 * x + 5, 2.2 * y, 4);
    return mx_synth_palette(s, (v - 0.2) * 1.7);
}

static mx_colour marble(const mx_scene *s, double x, double y) {
    double v = 0.5 + 0.5 * sin(7 * x + 7 * mx_synth_fbm(s, 2 * x, 2 * y, 4) * (1 + s->u[0]));
    return mx_synth_mix(s->palette[0], s->palette[1], pow(v, 0.6));
}

static mx_colour wood(const mx_scene *s, double x, double y) {
    double r = hypot(x + 1.5 * s->u[0], 0.35 * y + s->u[1]) * 9 + 1.2 * mx_synth_fbm(s, 1.5 * x, 4 * y, 3),
           ring = wrap(r);
    return mx_synth_mix(s->palette[0], s->palette[1], step_up(0, 0.8, ring) * (1 - step_up(0.85, 1, ring)));
}

static mx_colour cells(const mx_scene *s, double x, double y) {
    double px = 3 * x + 10, py = 3 * y + 10, first = 9, second = 9, tone = 0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++) {
            int cx = (int)floor(px) + i, cy = (int)floor(py) + j;
            double d = hypot(cx + lattice(s->salt, cx, cy) - px, cy + lattice(s->salt + 1, cx, cy) - py);
            if (d < first)
                second = first, first = d, tone = lattice(s->salt + 2, cx, cy);
            else if (d < second)
                second = d;
        }
    return shade(mx_synth_palette(s, tone), step_up(0.02, 0.12, second - first) * (1.1 - 0.5 * first));
}

static mx_colour bricks(const mx_scene *s, double x, double y) {
    double rows = 3.5 * (y + 4), columns = 1.8 * (x + 4) + (((int)floor(rows)) % 2) * 0.5;
    double fx = wrap(columns), fy = wrap(rows), edge = fmin(fmin(fx, 1 - fx) * 2, fmin(fy, 1 - fy));
    mx_colour stone =
        mx_synth_mix(s->palette[0], s->palette[1], lattice(s->salt, (int)floor(columns), (int)floor(rows)));
    double grain = 0.85 + 0.3 * mx_synth_noise(s, 12 * x, 12 * y);
    return mx_synth_mix(s->palette[4], shade(stone, grain), step_up(0.04, 0.1, edge));
}

static mx_colour waves(const mx_scene *s, double x, double y) {
    double v = 0;
    for (int i = 0; i < 3; i++)
        v += sin((5 + 5 * s->u[4 * i + 2]) *
                 hypot(x - 2.4 * s->u[4 * i] + 1.2, y - 2.4 * s->u[4 * i + 1] + 1.2) * (1 + 0.4 * s->level));
    return mx_synth_palette(s, 0.5 + v / 6);
}

static mx_colour spiral(const mx_scene *s, double x, double y) {
    double r = hypot(x, y) + 1e-6, arms = 2 + floor(4 * s->u[0]), turn = 3 + 5 * s->u[1];
    double v = wrap((atan2(y, x) * arms + turn * log(r) * (s->u[2] < 0.5 ? 1 : -1)) / TAU);
    return shade(
        mx_synth_mix(s->palette[0], s->palette[1], step_up(0.35, 0.5, v) * (1 - step_up(0.85, 1, v))),
        1.1 - 0.35 * r);
}

static mx_colour checker(const mx_scene *s, double x, double y) { /* a floor that runs to the horizon */
    double horizon = -0.5 + 0.4 * s->u[0];
    if (y < horizon) return mx_synth_mix(s->palette[3], s->palette[4], clamp01((y + 1) / (horizon + 1)));
    double depth = 0.6 / (y - horizon + 0.08), u = x * depth * 2 + 8 * s->u[1], v = depth * 3;
    bool odd = ((int)floor(u) + (int)floor(v)) & 1;
    return mx_synth_mix(s->palette[odd ? 0 : 1], s->palette[3], clamp01(depth / 9));
}

static mx_colour truchet(const mx_scene *s, double x, double y) {
    double px = 2.2 * x + 9, py = 2.2 * y + 9, fx = wrap(px), fy = wrap(py);
    if (lattice(s->salt, (int)floor(px), (int)floor(py)) < 0.5) fx = 1 - fx;
    double d = fmin(fabs(hypot(fx, fy) - 0.5), fabs(hypot(1 - fx, 1 - fy) - 0.5));
    return mx_synth_mix(s->palette[1], s->palette[0], step_up(0.1, 0.15, d));
}

/* ---- shapes and scenes
 * --------------------------------------------------------------------------------------- */

static mx_colour balls(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[3], s->palette[4], 0.5 + 0.5 * y);
    double lx = 1.2 * s->u[40] - 0.6, ly = -0.4 - 0.4 * s->u[41];
    for (int i = 0; i < 5; i++) {
        double r = 0.2 + 0.3 * s->u[4 * i + 2], dx = (x - 1.8 * s->u[4 * i] + 0.9) / r,
               dy = (y - 1.8 * s->u[4 * i + 1] + 0.9) / r;
        double d = dx * dx + dy * dy;
        if (d < 1) {
            double z = sqrt(1 - d), light = clamp01(dx * lx + dy * ly + z * 0.75), spot = pow(light, 24);
            c = mx_synth_mix(shade(s->palette[i % 3], 0.25 + 0.85 * light), (mx_colour){1, 1, 1}, 0.7 * spot);
        } else if (d < 1.5)
            c = shade(c, 1 - 0.25 * (1.5 - d)); /* a soft shadow around it */
    }
    return c;
}

static mx_colour polygons(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[4], s->palette[3], 0.5 + 0.3 * x);
    for (int i = 0; i < 5; i++) {
        double dx = x - 1.8 * s->u[6 * i] + 0.9, dy = y - 1.8 * s->u[6 * i + 1] + 0.9,
               r = 0.2 + 0.35 * s->u[6 * i + 2];
        double sides = 3 + floor(5 * s->u[6 * i + 3]), sector = TAU / sides;
        double a = atan2(dy, dx) + TAU * s->u[6 * i + 4], star = s->u[6 * i + 5] < 0.4 ? 0.55 : 1;
        double t = fabs(wrap(a / sector) - 0.5) * 2,
               edge = r * (star < 1 ? star + (1 - star) * t : cos(sector / 2) / cos(sector / 2 * (1 - t)));
        double d = hypot(dx, dy) / edge;
        if (d < 1) c = shade(s->palette[i % 3], d > 0.9 ? 0.5 : 0.85 + 0.3 * (1 - d));
    }
    return c;
}

static mx_colour landscape(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[3], s->palette[4], 0.5 + 0.5 * y);
    double sun = hypot(x - 1.4 * s->u[0] + 0.7, y + 0.3 + 0.5 * s->u[1]);
    c = mx_synth_mix((mx_colour){1, 0.95, 0.7}, c, step_up(0.14, 0.2, sun));
    for (int i = 0; i < 3; i++) {
        double ridge = -0.3 + 0.4 * i + 0.7 * (mx_synth_fbm(s, (1.2 + i) * x + 7 * i, i, 4) - 0.5);
        if (y > ridge)
            c = mx_synth_mix(shade(s->palette[i], 0.55 + 0.6 * mx_synth_fbm(s, 6 * x, 6 * y, 2)),
                             s->palette[3], 0.45 - 0.2 * i);
    }
    return c;
}

static mx_colour town(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[4], s->palette[3], 0.5 + 0.5 * y);
    for (int layer = 0; layer < 2; layer++) {
        double px = x * (2.2 - 0.7 * layer) + 9 + 3 * layer, f = wrap(px);
        int n = (int)floor(px);
        double top = (layer ? 0.1 : -0.5) + 0.6 * lattice(s->salt + (uint32_t)layer, n, 3),
               roof = top - 0.2 * (0.5 - fabs(f - 0.5)) * (layer ? 2 : 0);
        if (f < 0.06 || y < roof) continue;
        c = shade(s->palette[layer ? n % 3 : 2], layer ? 0.95 : 0.6);
        if (y < top) c = shade(s->palette[(n + 1) % 3], 0.6);
        double wx = wrap(f * 3.2), wy = wrap(y * 5);
        if (y > top + 0.08 && wx > 0.3 && wx < 0.75 && wy > 0.3 && wy < 0.75)
            c = lattice(s->salt + 9, n * 7 + (int)(f * 3.2), (int)floor(y * 5)) < 0.5
                    ? (mx_colour){1, 0.9, 0.55}
                    : shade(c, 0.4);
    }
    return c;
}

const mx_family mx_families[] = {
    {"julia", julia},         {"clouds", clouds},   {"balls", balls},   {"bricks", bricks},
    {"landscape", landscape}, {"spiral", spiral},   {"cells", cells},   {"polygons", polygons},
    {"waves", waves},         {"wood", wood},       {"town", town},     {"checker", checker},
    {"tree", tree},           {"truchet", truchet}, {"marble", marble}, {"mandelbrot", mandelbrot}};
const int mx_family_count = (int)(sizeof mx_families / sizeof *mx_families);
