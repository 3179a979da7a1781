/* What the files of resizing share. Private to src/data. */
#ifndef MX_DATA_RESIZE_H
#define MX_DATA_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MX_RESIZE_BITS 22 /* of a weight, behind the point */

/* The weights of one axis. */
typedef struct {
    int out;        /* 0: this axis keeps its size, nothing to do */
    int taps;       /* most weights of one result */
    int *first, *n; /* [out] first source sample and number of weights */
    int32_t *fixed; /* [out][taps] weight * 2^22, rounded half away from zero: for bytes */
    float *real;    /* [out][taps]: for the other types */
} mx_axis;

/* out [rows][a->out][3] from in [rows][columns][3], rows `stride` bytes apart: resize.c's horizontal pass, to
 * the byte. False, and nothing is written, where this machine or these weights do not suit it. rows may be
 * followed by `stride` - 3 * columns readable bytes; behind the last row nothing is read. */
bool mx_resize_rgb_across(uint8_t *out, const uint8_t *in, size_t stride, int rows, int columns,
                          const mx_axis *a);

/* The same for the vertical pass: out [a->out][width] from rows of `width` bytes, `stride` apart. */
bool mx_resize_down(uint8_t *out, const uint8_t *in, size_t stride, size_t width, const mx_axis *a);

#endif
