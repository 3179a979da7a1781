/* Picture families with a rule that repeats: mazes, plaids, scales, mandalas; and soft blobs. See synth_families.h. */
#include "data/synth_families.h"

/* A binary-tree maze: each cell has a wall to its west or to its north. Walls cast a shadow to the lower right. */
mx_colour mx_synth_maze(const mx_scene *s, double x, double y) {
    double px = 3.4 * x + 20, py = 3.4 * y + 20, fx = mx_wrap(px), fy = mx_wrap(py), w = 0.2 + 0.15 * s->u[0];
    bool west = mx_synth_lattice(s->salt, (int)mx_floor(px), (int)mx_floor(py)) < 0.5;
    mx_colour way = mx_shade(s->palette[1], 0.9 + 0.25 * mx_synth_noise(s, 2 * x, 2 * y));
    if ((fx < w && (west || fy < w)) || (fy < w && !west)) {
        double edge = west ? fx / w : fy / w;
        return mx_shade(mx_synth_mix(s->palette[0], s->palette[2], s->u[1]), 1.2 - 0.5 * edge);
    }
    return mx_shade(way, (west ? fx - w : fy - w) < 0.14 ? 0.7 : 1);
}

/* Warp and weft with the same stripes, woven as twill. */
mx_colour mx_synth_plaid(const mx_scene *s, double x, double y) {
    double threads = 5 + mx_floor(4 * s->u[0]), a = 2.2 * (x + 4), b = 2.2 * (y + 4);
    mx_colour stripe[2];
    for (int k = 0; k < 2; k++) {
        double at = mx_wrap((k ? b : a) * (0.35 + 0.3 * s->u[1])) * threads;
        double broad = mx_synth_lattice(s->salt, (int)mx_floor(at), 7);
        stripe[k] = s->palette[(int)(5 * mx_synth_lattice(s->salt + 5, (int)mx_floor(at), 3))];
        if (fabs(mx_wrap(at) - 0.5) < 0.12 && broad < 0.5) stripe[k] = s->palette[broad < 0.25 ? 3 : 4];
    }
    double twill = mx_wrap(3.2 * (a + b)) < 0.5 ? 0.68 : 0.32;
    return mx_shade(mx_synth_mix(stripe[0], stripe[1], twill), 1.05 - 0.12 * s->u[2] * twill);
}

/* Rows of round scales or tiles, each row over the one below it. */
mx_colour mx_synth_scales(const mx_scene *s, double x, double y) {
    double px = 2.6 * x + 30, py = 4.2 * y + 40, round = 0.62 + 0.12 * s->u[0];
    for (int row = (int)mx_floor(py) - 1; row <= (int)mx_floor(py) + 1;
         row++) { /* the upper rows overlap the lower ones */
        double shift = row & 1 ? 0.5 : 0, across = mx_floor(px + shift) - shift + 0.5;
        double dx = (px - across) / round, dy = (py - row) / 2.0 / round, d = dx * dx + dy * dy;
        if (dy < 0 || d > 1) continue;
        mx_colour c = mx_synth_palette(s, 0.65 * mx_synth_lattice(s->salt, (int)mx_floor(px + shift), row) +
                                              0.35 * mx_synth_noise(s, x, y));
        double line = s->u[1] < 0.5 && fabs(dx) < 0.07 ? 0.75 : 1;
        return mx_shade(c, (d > 0.82 ? 0.55 : 0.7 + 0.45 * (1 - dy)) * line);
    }
    return mx_shade(s->palette[0], 0.5);
}

/* Noise and rings seen in a kaleidoscope. */
mx_colour mx_synth_mandala(const mx_scene *s, double x, double y) {
    double fold = MX_TAU / (4 + mx_floor(7 * s->u[0])), r = mx_length(x, y), a = atan2(y, x) / fold;
    double f = fabs(mx_wrap(a) - 0.5) * fold, u = r * cos(f), v = r * sin(f);
    double ring = r * (2 + 2 * s->u[1]), petal = 0.12 * cos(f / fold * MX_TAU) * ring;
    double t = mx_synth_fbm(s, 2.5 * u + 4, 2.5 * v + 4, 3);
    mx_colour c = mx_synth_cycle(s, t * 1.2 + 0.3 * mx_floor(ring + petal));
    double edge = fabs(mx_wrap(ring + petal + 0.5) - 0.5);
    return mx_shade(c, edge < 0.06 ? 0.45 : 1.05 - 0.2 * r);
}

/* Drops that merge, over a gradient: the level set of a sum of fields, with a light rim. */
mx_colour mx_synth_blobs(const mx_scene *s, double x, double y) {
    mx_colour back =
        mx_synth_mix(s->palette[3], s->palette[4], 0.5 + 0.4 * (x * s->u[60] + y * (1 - s->u[60])));
    double field = 0, gx = 0, gy = 0;
    mx_colour c = {0, 0, 0};
    for (int i = 0; i < 7; i++) {
        double r = 0.16 + 0.26 * s->u[3 * i + 2], dx = x - 1.9 * s->u[3 * i] + 0.95,
               dy = y - 1.9 * s->u[3 * i + 1] + 0.95;
        double d = dx * dx + dy * dy + 1e-4, k = r * r / d;
        mx_colour p = s->palette[i % 3];
        field += k, gx -= k * dx / d, gy -= k * dy / d;
        c.r += k * p.r, c.g += k * p.g, c.b += k * p.b;
    }
    double steep = mx_length(gx, gy) + 1e-9,
           light = 0.8 - 0.35 * (gx * (s->u[61] - 0.5) + gy) / steep / (0.4 + 0.6 * field);
    if (field < 1)
        return mx_shade(back, 1 - 0.35 * mx_step_up(0.55, 1, field)); /* a soft shadow around them */
    c = mx_shade(c, 1 / field);
    double rim = mx_step_up(1, 1.15, field);
    return mx_synth_mix(mx_shade(c, 0.55), mx_shade(c, light), rim);
}
