/* Noise, palettes and the list of picture families, see synth_families.h. Each family should have edges, shading and
 * middle-sized structure that can be inferred from its surroundings, since a masked autoencoder learns that. */
#include "data/synth_families.h"

double mx_synth_lattice(uint32_t salt, int x, int y) {
    uint32_t h = salt ^ (uint32_t)x * 0x9E3779B1u ^ (uint32_t)y * 0x85EBCA77u;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    return (h ^ h >> 15) * (1.0 / 4294967296.0);
}

double mx_synth_noise(const mx_scene *s, double x, double y) {
    int ix = (int)mx_floor(x), iy = (int)mx_floor(y);
    double fx = mx_step_up(0, 1, x - ix), fy = mx_step_up(0, 1, y - iy);
    double a = mx_synth_lattice(s->salt, ix, iy), b = mx_synth_lattice(s->salt, ix + 1, iy);
    double c = mx_synth_lattice(s->salt, ix, iy + 1), d = mx_synth_lattice(s->salt, ix + 1, iy + 1);
    return (a + (b - a) * fx) * (1 - fy) + (c + (d - c) * fx) * fy;
}

/* Each octave is rotated by the angle of a 3-4-5 triangle, so that the lattice is not visible. */
double mx_synth_fbm(const mx_scene *s, double x, double y, int octaves) {
    double sum = 0, weight = 0, k = 1;
    for (int i = 0; i < octaves; i++, k *= 0.5) {
        sum += k * mx_synth_noise(s, x, y), weight += k;
        double t = 2 * (0.8 * x - 0.6 * y) + 17.3;
        y = 2 * (0.6 * x + 0.8 * y) - 9.1, x = t;
    }
    return sum / weight;
}

mx_colour mx_synth_mix(mx_colour a, mx_colour b, double t) {
    t = mx_clamp01(t);
    return (mx_colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

mx_colour mx_synth_palette(const mx_scene *s, double t) {
    double v = mx_clamp01(t) * 3.999;
    int i = (int)v;
    return mx_synth_mix(s->palette[i], s->palette[i + 1], v - i);
}

mx_colour mx_synth_cycle(const mx_scene *s, double t) {
    return mx_synth_palette(s, fabs(2 * mx_wrap(t) - 1));
}

const mx_family mx_families[] = {
    {"julia", mx_synth_julia, false, true},        {"clouds", mx_synth_clouds, false, false},
    {"balls", mx_synth_balls, true, true},         {"bricks", mx_synth_bricks, false, false},
    {"landscape", mx_synth_landscape, true, true}, {"spiral", mx_synth_spiral, false, false},
    {"cells", mx_synth_cells, false, false},       {"polygons", mx_synth_polygons, false, true},
    {"face", mx_synth_face, true, true},           {"wood", mx_synth_wood, false, false},
    {"town", mx_synth_town, true, true},           {"checker", mx_synth_checker, true, false},
    {"tree", mx_synth_tree, true, true},           {"fish", mx_synth_fish, true, true},
    {"flowers", mx_synth_flowers, true, true},     {"planet", mx_synth_planet, false, true},
    {"waves", mx_synth_waves, false, false},       {"truchet", mx_synth_truchet, false, false},
    {"marble", mx_synth_marble, false, false},     {"mandelbrot", mx_synth_mandelbrot, false, true},
    {"maze", mx_synth_maze, false, false},         {"fern", mx_synth_fern, true, true},
    {"plaid", mx_synth_plaid, false, false},       {"scales", mx_synth_scales, false, false},
    {"newton", mx_synth_newton, false, false},     {"mandala", mx_synth_mandala, false, true},
    {"blobs", mx_synth_blobs, false, true}};
const int mx_family_count = (int)(sizeof mx_families / sizeof *mx_families);
