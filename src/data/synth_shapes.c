/* Picture families of objects in front of a background: shaded balls, polygons and stars, mountains, a town.
 * See synth_families.h. */
#include "data/synth_families.h"

mx_colour mx_synth_balls(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[3], s->palette[4], 0.5 + 0.5 * y);
    double lx = 1.2 * s->u[40] - 0.6, ly = -0.4 - 0.4 * s->u[41];
    for (int i = 0; i < 6; i++) {
        double r = 0.2 + 0.35 * s->u[4 * i + 2], dx = (x - 1.8 * s->u[4 * i] + 0.9) / r,
               dy = (y - 1.8 * s->u[4 * i + 1] + 0.9) / r;
        double d = dx * dx + dy * dy;
        if (d < 1) {
            double z = sqrt(1 - d), light = mx_clamp01(dx * lx + dy * ly + z * 0.75), spot = pow(light, 24);
            c = mx_synth_mix(mx_shade(s->palette[i % 3], 0.25 + 0.85 * light), (mx_colour){1, 1, 1},
                             0.7 * spot);
        } else if (d < 1.5)
            c = mx_shade(c, 1 - 0.25 * (1.5 - d)); /* a soft shadow around it */
    }
    return c;
}

mx_colour mx_synth_polygons(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[4], s->palette[3], 0.5 + 0.3 * x);
    for (int i = 0; i < 8; i++) {
        double dx = x - 1.8 * s->u[6 * i] + 0.9, dy = y - 1.8 * s->u[6 * i + 1] + 0.9,
               r = 0.25 + 0.4 * s->u[6 * i + 2];
        if (dx * dx + dy * dy > r * r) continue;
        double sides = 3 + mx_floor(5 * s->u[6 * i + 3]), sector = MX_TAU / sides;
        double a = atan2(dy, dx) + MX_TAU * s->u[6 * i + 4], star = s->u[6 * i + 5] < 0.4 ? 0.55 : 1;
        double t = fabs(mx_wrap(a / sector) - 0.5) * 2,
               edge = r * (star < 1 ? star + (1 - star) * t : cos(sector / 2) / cos(sector / 2 * (1 - t)));
        double d = mx_length(dx, dy) / edge;
        if (d < 1) c = mx_shade(s->palette[i % 3], d > 0.9 ? 0.5 : 0.85 + 0.3 * (1 - d));
    }
    return c;
}

mx_colour mx_synth_landscape(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[3], s->palette[4], 0.5 + 0.5 * y);
    double sun = mx_length(x - 1.4 * s->u[0] + 0.7, y + 0.3 + 0.5 * s->u[1]);
    c = mx_synth_mix((mx_colour){1, 0.95, 0.7}, c, mx_step_up(0.14, 0.2, sun));
    for (int i = 0; i < 3; i++) {
        double ridge = -0.3 + 0.4 * i + 0.7 * (mx_synth_fbm(s, (1.2 + i) * x + 7 * i, i, 4) - 0.5);
        if (y > ridge)
            c = mx_synth_mix(mx_shade(s->palette[i], 0.55 + 0.6 * mx_synth_fbm(s, 6 * x, 6 * y, 2)),
                             s->palette[3], 0.45 - 0.2 * i);
    }
    return c;
}

mx_colour mx_synth_town(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix(s->palette[4], s->palette[3], 0.5 + 0.5 * y);
    for (int layer = 0; layer < 2; layer++) {
        double px = x * (2.2 - 0.7 * layer) + 9 + 3 * layer, f = mx_wrap(px);
        int n = (int)mx_floor(px);
        double top = (layer ? 0.1 : -0.5) + 0.6 * mx_synth_lattice(s->salt + (uint32_t)layer, n, 3),
               roof = top - 0.2 * (0.5 - fabs(f - 0.5)) * (layer ? 2 : 0);
        if (f < 0.06 || y < roof) continue;
        c = mx_shade(s->palette[layer ? n % 3 : 2], layer ? 0.95 : 0.6);
        if (y < top) c = mx_shade(s->palette[(n + 1) % 3], 0.6);
        double wx = mx_wrap(f * 3.2), wy = mx_wrap(y * 5);
        if (y > top + 0.08 && wx > 0.3 && wx < 0.75 && wy > 0.3 && wy < 0.75)
            c = mx_synth_lattice(s->salt + 9, n * 7 + (int)(f * 3.2), (int)mx_floor(y * 5)) < 0.5
                    ? (mx_colour){1, 0.9, 0.55}
                    : mx_shade(c, 0.4);
    }
    return c;
}
