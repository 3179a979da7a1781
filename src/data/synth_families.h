/* The picture families of the built-in image set: each is a function from a point to a colour. Private to
 * src/data. */
#ifndef MX_DATA_SYNTH_FAMILIES_H
#define MX_DATA_SYNTH_FAMILIES_H

#include <stdbool.h>

#include "base/rng.h"

#define MX_SYNTH_NUMBERS 64

typedef struct {
    double r, g, b;
} mx_colour;

/* What is drawn once for a picture: random numbers in [0,1), a frame, a palette. level: 0 for the first
 * classes, then 1, 2 ... */
typedef struct {
    double u[MX_SYNTH_NUMBERS];
    double x0, y0, zoom, cosine, sine; /* the frame: where the picture looks */
    mx_colour palette[5];
    uint32_t salt; /* of the lattice noise */
    int level;
} mx_scene;

/* Colour at (x, y) in the scene's own coordinates, about [-1,1]². */
typedef mx_colour mx_family_function(const mx_scene *s, double x, double y);
typedef struct {
    const char *name;
    mx_family_function *colour;
} mx_family;

extern const mx_family mx_families[];
extern const int mx_family_count;

/* Smooth lattice noise in [0,1], and its sum over octaves. */
double mx_synth_noise(const mx_scene *s, double x, double y);
double mx_synth_fbm(const mx_scene *s, double x, double y, int octaves);
mx_colour mx_synth_mix(mx_colour a, mx_colour b, double t);
/* The palette at t in [0,1], blended. */
mx_colour mx_synth_palette(const mx_scene *s, double t);

#endif
