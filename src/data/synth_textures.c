/* Picture families that fill the plane: clouds, stone, wood, cells, bricks, waves, spirals, a checkered
 * floor, Truchet tiles. See synth_families.h. */
#include "data/synth_families.h"

/* Noise at positions that are bent by noise: clouds, smoke or camouflage, depending on the palette. */
mx_colour mx_synth_clouds(const mx_scene *s, double x, double y) {
    double bend = 0.3 + 1.2 * s->u[0], a = mx_synth_fbm(s, 1.3 * x + 31, 1.3 * y, 2),
           b = mx_synth_fbm(s, 1.3 * x, 1.3 * y + 47, 2);
    double v = mx_synth_fbm(s, 1.7 * x + bend * a + 5, 1.7 * y + bend * b, 5);
    return mx_synth_palette(s, (v - 0.25) * 2);
}

mx_colour mx_synth_marble(const mx_scene *s, double x, double y) {
    double v = fabs(sin((2.5 + 3 * s->u[1]) * x + (4 + 5 * s->u[0]) * mx_synth_fbm(s, 1.6 * x, 1.6 * y, 5)));
    mx_colour stone = mx_synth_mix(s->palette[1], s->palette[3], mx_synth_noise(s, 1.5 * x + 9, 1.5 * y));
    return mx_synth_mix(s->palette[0], stone, pow(v, 0.35 + 0.3 * s->u[2]));
}

/* Growth rings cut lengthwise, bent around a knot. */
mx_colour mx_synth_wood(const mx_scene *s, double x, double y) {
    double kx = 1.6 * s->u[2] - 0.8, ky = 1.6 * s->u[3] - 0.8,
           knot = exp(-5 * ((x - kx) * (x - kx) + 0.5 * (y - ky) * (y - ky)));
    double r = (2.5 + 3.5 * s->u[0]) * (x + 0.15 * s->u[1] * y) + 1.6 * mx_synth_fbm(s, 1.2 * x, 0.5 * y, 3) +
               2.2 * knot;
    double ring = mx_wrap(r), fibre = 0.9 + 0.2 * mx_synth_noise(s, 26 * x, 2 * y);
    return mx_shade(mx_synth_mix(s->palette[0], s->palette[1],
                                 mx_step_up(0, 0.8, ring) * (1 - mx_step_up(0.85, 1, ring))),
                    fibre);
}

mx_colour mx_synth_cells(const mx_scene *s, double x, double y) {
    double px = 3 * x + 10, py = 3 * y + 10, first = 9, second = 9, tone = 0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++) {
            int cx = (int)mx_floor(px) + i, cy = (int)mx_floor(py) + j;
            double d = mx_length(cx + mx_synth_lattice(s->salt, cx, cy) - px,
                                 cy + mx_synth_lattice(s->salt + 1, cx, cy) - py);
            if (d < first)
                second = first, first = d, tone = mx_synth_lattice(s->salt + 2, cx, cy);
            else if (d < second)
                second = d;
        }
    return mx_shade(mx_synth_palette(s, tone), mx_step_up(0.02, 0.12, second - first) * (1.1 - 0.5 * first));
}

mx_colour mx_synth_bricks(const mx_scene *s, double x, double y) {
    double rows = 3.5 * (y + 4), columns = 1.8 * (x + 4) + (((int)mx_floor(rows)) % 2) * 0.5;
    double fx = mx_wrap(columns), fy = mx_wrap(rows), edge = fmin(fmin(fx, 1 - fx) * 2, fmin(fy, 1 - fy));
    mx_colour stone = mx_synth_mix(s->palette[0], s->palette[1],
                                   mx_synth_lattice(s->salt, (int)mx_floor(columns), (int)mx_floor(rows)));
    double grain = 0.85 + 0.3 * mx_synth_noise(s, 12 * x, 12 * y);
    return mx_synth_mix(s->palette[4], mx_shade(stone, grain), mx_step_up(0.04, 0.1, edge));
}

mx_colour mx_synth_waves(const mx_scene *s, double x, double y) {
    double v = 0;
    for (int i = 0; i < 3; i++)
        v += sin((5 + 5 * s->u[4 * i + 2]) *
                 mx_length(x - 2.4 * s->u[4 * i] + 1.2, y - 2.4 * s->u[4 * i + 1] + 1.2) *
                 (1 + 0.4 * s->level));
    return mx_synth_palette(s, 0.5 + v / 6);
}

mx_colour mx_synth_spiral(const mx_scene *s, double x, double y) {
    double r = mx_length(x, y) + 1e-6, arms = 2 + mx_floor(4 * s->u[0]), turn = 3 + 5 * s->u[1];
    double v = mx_wrap((atan2(y, x) * arms + turn * log(r) * (s->u[2] < 0.5 ? 1 : -1)) / MX_TAU);
    return mx_shade(
        mx_synth_mix(s->palette[0], s->palette[1], mx_step_up(0.35, 0.5, v) * (1 - mx_step_up(0.85, 1, v))),
        1.1 - 0.35 * r);
}

mx_colour mx_synth_checker(const mx_scene *s, double x, double y) { /* a floor that runs to the horizon */
    double horizon = -0.5 + 0.4 * s->u[0];
    if (y < horizon) return mx_synth_mix(s->palette[3], s->palette[4], mx_clamp01((y + 1) / (horizon + 1)));
    double depth = 0.6 / (y - horizon + 0.08), u = x * depth * 2 + 8 * s->u[1], v = depth * 3;
    bool odd = ((int)mx_floor(u) + (int)mx_floor(v)) & 1;
    return mx_synth_mix(s->palette[odd ? 0 : 1], s->palette[3], mx_clamp01(depth / 9));
}

mx_colour mx_synth_truchet(const mx_scene *s, double x, double y) {
    double px = 2.2 * x + 9, py = 2.2 * y + 9, fx = mx_wrap(px), fy = mx_wrap(py);
    if (mx_synth_lattice(s->salt, (int)mx_floor(px), (int)mx_floor(py)) < 0.5) fx = 1 - fx;
    double d = fmin(fabs(mx_length(fx, fy) - 0.5), fabs(mx_length(1 - fx, 1 - fy) - 0.5));
    return mx_synth_mix(s->palette[1], s->palette[0], mx_step_up(0.1, 0.15, d));
}
