/* Picture families of one subject with parts in fixed places: faces, flowers, a planet, fish. A model that
 * has learnt which parts belong together can infer hidden ones from the rest. See synth_families.h. */
#include "data/synth_families.h"

/* Distance from (cx, cy), scaled so that it is 1 on the ellipse. */
static double ellipse(double x, double y, double cx, double cy, double rx, double ry) {
    return mx_length((x - cx) / rx, (y - cy) / ry);
}

/* Eyes, brows, nose and mouth, in a head's own coordinates; `skin` elsewhere. */
static mx_colour features(const mx_scene *s, double x, double y, mx_colour skin) {
    double gap = 0.2 + 0.07 * s->u[8], eye_y = -0.08, open = 0.07 + 0.05 * s->u[9],
           smile = 0.5 * (s->u[10] - 0.35);
    double ax = fabs(x), look = 0.05 * (s->u[11] - 0.5);
    if (ellipse(ax, y, gap, eye_y, 0.12, open) < 1) {
        double d = ellipse(x, y, x > 0 ? gap + look : -gap + look, eye_y, 0.075, 0.075);
        return d < 0.45 ? (mx_colour){0.06, 0.05, 0.08}
               : d < 1  ? mx_shade(s->palette[2], 1.2)
                        : (mx_colour){0.96, 0.96, 0.94};
    }
    double brow = y - (eye_y - 0.19 - 0.06 * s->u[12]) - (s->u[13] - 0.5) * 0.5 * (ax - gap);
    if (fabs(brow) < 0.03 && fabs(ax - gap) < 0.13) return mx_shade(s->palette[0], 0.7);
    double mouth = y - 0.4 - smile * (0.04 - x * x) * 3, wide = 0.16 + 0.1 * s->u[14],
           lip = 0.025 + 0.06 * s->u[15];
    if (fabs(x) < wide && fabs(mouth) < lip * sqrt(1 - x * x / (wide * wide)))
        return s->u[15] > 0.6 && fabs(mouth) < 0.4 * lip ? (mx_colour){0.95, 0.94, 0.9}
                                                         : (mx_colour){0.68, 0.2, 0.22};
    if (ellipse(x, y, 0, 0.14, 0.075, 0.13) < 1 && (x > 0.02 || y > 0.2)) return mx_shade(skin, 0.82);
    return skin;
}

mx_colour mx_synth_face(const mx_scene *s, double x, double y) {
    static const mx_colour tones[5] = {
        {0.98, 0.84, 0.74}, {0.9, 0.72, 0.57}, {0.76, 0.56, 0.4}, {0.55, 0.37, 0.26}, {0.36, 0.24, 0.18}};
    double cx = 0.3 * (s->u[0] - 0.5), wide = 0.46 + 0.1 * s->u[1], tall = 0.62 + 0.08 * s->u[2];
    mx_colour skin = mx_synth_mix(tones[(int)(4 * s->u[3])], tones[(int)(4 * s->u[3]) + 1], s->u[4]);
    mx_colour back = mx_synth_mix(s->palette[3], s->palette[4], 0.5 + 0.5 * y),
              hair = mx_shade(s->palette[0], 0.75);
    x -= cx, y -= 0.05;
    double head = ellipse(x, y, 0, 0, wide, tall),
           light = 1.05 - 0.3 * (x / wide) * (s->u[5] - 0.5) * 2 - 0.25 * head * head;
    double line = -tall * (0.45 + 0.25 * s->u[6]) + 0.25 * (s->u[7] - 0.5) * x; /* where the hair begins */
    if (head < 1) {
        if (y < line + 0.03 * sin(30 * x))
            return mx_shade(hair, 0.85 + 0.3 * mx_synth_noise(s, 14 * x, 3 * y));
        return mx_shade(features(s, x * 0.46 / wide, y * 0.62 / tall, skin), light);
    }
    if (ellipse(fabs(x), y, wide, 0.02, 0.09, 0.15) < 1) return mx_shade(skin, 0.75);
    double crown = ellipse(x, y, 0, -0.06, wide * 1.16, tall * 1.14);
    if (crown < 1 && y < (s->u[16] < 0.5 ? -0.05 : 0.35))
        return mx_shade(hair, 0.75 + 0.3 * mx_synth_noise(s, 14 * x, 3 * y));
    if (fabs(x) < 0.19 && y > 0.4 && y < 0.85) return mx_shade(skin, 0.72);
    if (ellipse(x, y, 0, 1.15, 0.85, 0.45) < 1)
        return mx_shade(s->palette[1], fabs(x) < 0.3 - 0.3 * y + 0.15 ? 0.75 : 0.95);
    return back;
}

mx_colour mx_synth_flowers(const mx_scene *s, double x, double y) {
    mx_colour green = {0.2, 0.42 + 0.15 * s->u[50], 0.18};
    mx_colour c = mx_synth_mix(mx_synth_mix(s->palette[3], (mx_colour){0.75, 0.85, 0.95}, 0.5),
                               mx_shade(green, 0.5 + 0.8 * mx_synth_fbm(s, 5 * x, 5 * y, 2)),
                               mx_step_up(0.1, 0.5, y + 0.3 * s->u[51]));
    for (int i = 0; i < 4; i++) {
        const double *u = s->u + 8 * i;
        double cx = 1.8 * u[0] - 0.9, cy = -0.8 + 0.35 * i + 0.3 * u[1], size = 0.26 + 0.2 * u[2],
               petals = 4 + mx_floor(5 * u[3]);
        double bend = cx + 0.25 * (u[4] - 0.5) * (y - cy), dx = x - cx, dy = (y - cy) / (0.75 + 0.25 * u[5]);
        if (y > cy && fabs(x - bend) < 0.025) c = mx_shade(green, x > bend ? 0.8 : 1.1);
        double r = mx_length(dx, dy) / size;
        if (r > 1) continue;
        double f = fabs(mx_wrap(atan2(dy, dx) / MX_TAU * petals + u[6]) - 0.5) * 2;
        double edge = 0.45 + 0.55 * pow(1 - f * f, 0.4 + u[7]);
        mx_colour petal = s->palette[i % 2 ? 1 : 2];
        if (r < edge)
            c = mx_shade(mx_synth_mix(petal, (mx_colour){1, 1, 1}, 0.35 * (1 - r)),
                         (r > edge - 0.07 ? 0.75 : 1.15) - 0.35 * f);
        if (r < 0.3)
            c = mx_shade((mx_colour){0.95, 0.75, 0.15}, 1.1 - r - 0.3 * mx_synth_noise(s, 40 * x, 40 * y));
    }
    return c;
}

/* A globe with bands or continents, lit from one side, perhaps with a ring, before stars. */
mx_colour mx_synth_planet(const mx_scene *s, double x, double y) {
    double radius = 0.5 + 0.2 * s->u[0], px = x / radius, py = y / radius, d = px * px + py * py;
    double star = mx_synth_lattice(s->salt, (int)mx_floor(9 * x + 99), (int)mx_floor(9 * y + 99));
    double sx = mx_wrap(9 * x) - 0.5, sy = mx_wrap(9 * y) - 0.5;
    mx_colour c = mx_shade(s->palette[0], 0.25 + 0.6 * mx_synth_fbm(s, x + 9, y, 2));
    if (star > 0.97 && sx * sx + sy * sy < 0.2 * (star - 0.965) / 0.035) c = (mx_colour){0.95, 0.95, 0.9};
    double lx = 0.9 * (s->u[1] - 0.5) * 2, ly = 0.7 * (s->u[2] - 0.5);
    if (d < 1) {
        double z = sqrt(1 - d), turn = atan2(px, z) + 6 * s->u[3], lie = asin(py);
        double warp = mx_synth_fbm(s, 1.8 * turn, 2.5 * lie, 4);
        mx_colour ground = s->u[4] < 0.5 ? mx_synth_cycle(s, 1.1 * lie + 0.45 * warp) /* bands */
                           : warp > 0.5  ? mx_shade(s->palette[1], 0.6 + 0.8 * warp)  /* land */
                                         : mx_synth_mix(s->palette[2], s->palette[4], warp);
        c = mx_shade(ground, 0.12 + 1.05 * mx_clamp01(px * lx + py * ly + z * 0.75));
    }
    double rx = px, ry = (py - 0.15 * px) / (0.18 + 0.2 * s->u[5]), r = mx_length(rx, ry);
    if (s->u[6] < 0.5 && r > 1.25 && r < 1.9 && (d > 1 || ry > 0) && mx_wrap(6 * r) > 0.15)
        c = mx_shade(mx_synth_palette(s, mx_wrap(r * 1.7)), d > 1 ? 0.95 : 1.1);
    return c;
}

mx_colour mx_synth_fish(const mx_scene *s, double x, double y) {
    mx_colour c = mx_synth_mix((mx_colour){0.35, 0.75, 0.85}, (mx_colour){0.03, 0.16, 0.35}, 0.5 + 0.5 * y);
    c = mx_shade(mx_synth_mix(c, s->palette[4], 0.25), 0.85 + 0.3 * mx_synth_noise(s, 3 * x + y, 1.5 * y));
    double sand = 0.72 + 0.12 * mx_synth_noise(s, 2 * x, 3);
    if (y > sand) c = mx_shade((mx_colour){0.85, 0.74, 0.5}, 0.75 + 0.35 * mx_synth_noise(s, 14 * x, 14 * y));
    for (int i = 0; i < 3; i++) {
        const double *u = s->u + 10 * i;
        double size = 0.3 + 0.22 * u[2], dx = (x - 1.5 * u[0] + 0.75) / size * (u[3] < 0.5 ? 1 : -1),
               dy = (y + 0.75 - 0.5 * i - 0.3 * u[1]) / size, body = 0.42 + 0.25 * u[4];
        double t = (dx + 1) / 2, back = body * pow(mx_clamp01(4 * t * (1 - t)), 0.7 + 0.5 * u[5]);
        bool tail = dx < -0.75 && dx > -1.45 && fabs(dy) < 0.12 + 0.75 * (-0.75 - dx) &&
                    dx > -1.45 + 0.3 * (1 - fabs(dy));
        bool fin = dx > -0.5 && dx < 0.35 && dy < 0 && -dy < back + 0.28 * (0.35 - dx) && -dy >= back;
        if (tail || fin) c = mx_shade(s->palette[1], 0.75 + 0.2 * sin(dx * 9 + 22 * dy));
        if (t < 0 || t > 1 || fabs(dy) > back) continue;
        bool stripe = mx_wrap(dx * (1.5 + 2 * u[6]) + u[7] + 0.25 * dy * dy) < 0.4 && dx < 0.45;
        c = mx_shade(s->palette[stripe ? 1 : 2], 1.15 - 0.45 * (dy / body + 0.3));
        if (dx > 0.45 && dx < 0.5) c = mx_shade(c, 0.7); /* the gill */
        double eye = mx_length(dx - 0.68, dy + 0.12);
        if (eye < 0.11) c = eye < 0.055 ? (mx_colour){0.05, 0.05, 0.08} : (mx_colour){0.97, 0.97, 0.93};
    }
    return c;
}
