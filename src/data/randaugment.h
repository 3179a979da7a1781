/* RandAugment and its 15 operations on 8-bit images, with Pillow's arithmetic to the byte. See
 * docs/AUGMENT.md, "RandAugment"; Cubuk et al., "RandAugment", 2019. Policy strings as in timm. */
#ifndef MX_DATA_RANDAUGMENT_H
#define MX_DATA_RANDAUGMENT_H

#include "data/image.h"

typedef enum {
    MX_OP_AUTOCONTRAST,
    MX_OP_EQUALIZE,
    MX_OP_INVERT,
    MX_OP_ROTATE,       /* degrees, counter-clockwise */
    MX_OP_POSTERIZE,    /* bits kept */
    MX_OP_SOLARIZE,     /* threshold */
    MX_OP_SOLARIZE_ADD, /* added below 128 */
    MX_OP_COLOR,        /* factor: 0 grey, 1 the image itself; the next three likewise */
    MX_OP_CONTRAST,
    MX_OP_BRIGHTNESS,
    MX_OP_SHARPNESS,
    MX_OP_SHEAR_X, /* columns per row */
    MX_OP_SHEAR_Y,
    MX_OP_TRANSLATE_X, /* pixels; positive moves the content left */
    MX_OP_TRANSLATE_Y,
    MX_OPS
} mx_augment_kind;

typedef struct {
    bool on;
    double magnitude, magnitude_std, magnitude_max; /* out of 10 */
    double probability;                             /* that a drawn operation is applied */
    int ops;                                        /* operations drawn per image */
    bool increasing;                                /* a higher magnitude always changes more ("inc1") */
} mx_randaugment;

/* Parses "rand-m9-mstd0.5-inc1" and similar: m magnitude, n operations, p probability, mstd, mmax, inc. NULL,
 * "" and "none": off. */
mx_status mx_randaugment_parse(mx_randaugment *a, const char *text, mx_error *e);
/* Draws operations and applies them to im (8-bit, 1 or 3 channels) in place. spare: a work image, allocated as needed,
 * which the caller frees. fill [channels]: colour of pixels from outside the image. */
mx_status mx_randaugment_apply(const mx_randaugment *a, mx_image *im, mx_image *spare, const uint8_t *fill,
                               mx_rng *r, mx_error *e);
/* The argument of an operation at a level of 0 to 10; draws a sign if the operation has one. side: [height, width]. */
double mx_augment_argument(mx_augment_kind kind, double level, bool increasing, const int side[2], mx_rng *r);
/* Applies one operation in place; spare as above. */
mx_status mx_augment_op(mx_augment_kind kind, double argument, mx_image *im, mx_image *spare,
                        const uint8_t *fill, mx_error *e);
/* Brightness, contrast and saturation, each by a factor from U[max(0,1-j), 1+j], in random order. */
mx_status mx_color_jitter(double j, mx_image *im, mx_image *spare, mx_rng *r, mx_error *e);

#endif
