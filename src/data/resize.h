/* Shared by the files of resizing. Private to src/data. */
#ifndef MX_DATA_RESIZE_H
#define MX_DATA_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MX_LANES       64 /* rows that the horizontal pass takes together; GCC turns 16 or fewer into scalar code */
#define MX_RESIZE_BITS 22 /* fraction bits of a weight */

/* The weights of one axis. */
typedef struct {
    int out;        /* size of the result; 0: the axis keeps its size */
    int taps;       /* most weights of any result */
    int *first, *n; /* [out] first source sample and number of weights */
    int32_t *fixed; /* for bytes: [out][taps] weight * 2^22, rounded half away from zero */
    float *real;    /* for the other types: [out][taps] */
} mx_axis;

/* Horizontal pass with the bytes of resize.c: out [rows][a->out][3] from in [rows][columns][3], with rows `stride`
 * bytes apart. It may read the bytes between two rows, but nothing past the last row. Returns false and writes nothing
 * if it cannot run on this machine or with these weights. */
bool mx_resize_rgb_across(uint8_t *out, const uint8_t *in, size_t stride, int rows, int columns,
                          const mx_axis *a);

/* The same for the vertical pass: out [a->out][width] from rows of `width` bytes, `stride` apart. */
bool mx_resize_down(uint8_t *out, const uint8_t *in, size_t stride, size_t width, const mx_axis *a);

#endif
