/* The operations that randaugment.h draws from. Private to src/data. Images are 8-bit with 1 or 3 channels. */
#ifndef MX_DATA_AUGMENT_OPS_H
#define MX_DATA_AUGMENT_OPS_H

#include "data/randaugment.h"

/* augment_colour.c: operations that map each value by a table of 256 entries. */
void mx_op_autocontrast(mx_image *im);
void mx_op_equalize(mx_image *im);
void mx_op_invert(mx_image *im);
void mx_op_posterize(mx_image *im, int bits);
void mx_op_solarize(mx_image *im, int threshold);
void mx_op_solarize_add(mx_image *im, int add, int threshold);
/* Also augment_colour.c: blends with a degenerate version of the image. Factor 0 gives that version, 1 the image. */
void mx_op_color(mx_image *im, float factor);
void mx_op_contrast(mx_image *im, float factor);
void mx_op_brightness(mx_image *im, float factor);
void mx_op_sharpness(mx_image *im, mx_image *spare, float factor); /* spare: same shape */

/* augment_move.c: out(x,y) = in(m[0](x+.5) + m[1](y+.5) + m[2], m[3](x+.5) + m[4](y+.5) + m[5]), bicubic with a = -1.
 * Pixels from outside the image become `fill`. out: another image of the same shape. */
void mx_op_affine(mx_image *out, const mx_image *in, const double m[6], const uint8_t *fill);
/* The matrix of a rotation by degrees about the centre. False for whole turns, which change nothing. */
bool mx_op_rotation(double m[6], double degrees, int width, int height);

#endif
