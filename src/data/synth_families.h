/* The picture families of the built-in image set. Each is a function from a point to a colour. Private to src/data. */
#ifndef MX_DATA_SYNTH_FAMILIES_H
#define MX_DATA_SYNTH_FAMILIES_H

#include <math.h>
#include <stdbool.h>

#include "base/rng.h"

#define MX_SYNTH_NUMBERS 64
#define MX_TAU           6.283185307179586

typedef struct {
    double r, g, b;
} mx_colour;

/* Values drawn once per picture: random numbers in [0,1), a frame, a palette. level: 0 for the first classes,
 * then 1, 2 ... */
typedef struct {
    double u[MX_SYNTH_NUMBERS];
    double x0, y0, zoom, cosine, sine; /* the frame: the view of the picture */
    mx_colour palette[5];              /* even ones are dark, odd ones light */
    uint32_t salt;                     /* seed of the lattice noise */
    int level;
} mx_scene;

/* Colour at (x, y) in the scene's own coordinates, about [-1,1]², y downward. */
typedef mx_colour mx_family_function(const mx_scene *s, double x, double y);
typedef struct {
    const char *name;
    mx_family_function *colour;
    bool upright; /* has an up and a down, so the frame is tilted only slightly */
    bool whole;   /* shows a whole subject; others are seen from close, so that structures are large */
} mx_family;

/* Class k < mx_family_count is family k. The pictures of a seed depend on this order: append only. */
extern const mx_family mx_families[];
extern const int mx_family_count;

/* synth_fractals.c */
mx_family_function mx_synth_julia, mx_synth_mandelbrot, mx_synth_newton, mx_synth_tree, mx_synth_fern;
/* synth_textures.c */
mx_family_function mx_synth_clouds, mx_synth_marble, mx_synth_wood, mx_synth_cells, mx_synth_bricks,
    mx_synth_waves, mx_synth_spiral, mx_synth_checker, mx_synth_truchet;
/* synth_patterns.c */
mx_family_function mx_synth_maze, mx_synth_plaid, mx_synth_scales, mx_synth_mandala, mx_synth_blobs;
/* synth_shapes.c */
mx_family_function mx_synth_balls, mx_synth_polygons, mx_synth_landscape, mx_synth_town;
/* synth_scenes.c */
mx_family_function mx_synth_face, mx_synth_flowers, mx_synth_planet, mx_synth_fish;

/* A random number in [0,1) for a lattice point; smooth lattice noise in [0,1]; its sum over octaves. */
double mx_synth_lattice(uint32_t salt, int x, int y);
double mx_synth_noise(const mx_scene *s, double x, double y);
double mx_synth_fbm(const mx_scene *s, double x, double y, int octaves);
mx_colour mx_synth_mix(mx_colour a, mx_colour b, double t);
/* The palette at t in [0,1], blended; and the same for any t, running back and forth. */
mx_colour mx_synth_palette(const mx_scene *s, double t);
mx_colour mx_synth_cycle(const mx_scene *s, double t);

static inline double mx_clamp01(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
/* 0 below a, 1 above b, smooth between. */
static inline double mx_step_up(double a, double b, double v) {
    double t = mx_clamp01((v - a) / (b - a));
    return t * t * (3 - 2 * t);
}
static inline mx_colour mx_shade(mx_colour c, double k) { return (mx_colour){c.r * k, c.g * k, c.b * k}; }
/* floor and hypot without function calls, for values far from the limits of both. */
static inline double mx_floor(double v) {
    double t = (double)(int64_t)v;
    return t > v ? t - 1 : t;
}
static inline double mx_length(double x, double y) { return sqrt(x * x + y * y); }
static inline double mx_wrap(double v) { return v - mx_floor(v); }

#endif
