/* Random erasing: overwrites boxes of the normalised image. See docs/AUGMENT.md, "Random erasing"; Zhong et al.,
 * "Random Erasing Data Augmentation", 2017. */
#ifndef MX_DATA_ERASE_H
#define MX_DATA_ERASE_H

#include "base/rng.h"

typedef enum {
    MX_ERASE_PIXEL, /* N(0,1) for each value */
    MX_ERASE_RAND,  /* one N(0,1) per channel */
    MX_ERASE_CONST  /* 0 */
} mx_erase_mode;

typedef struct {
    double probability;      /* 0: off */
    double area_lo, area_hi; /* share of the image, for all boxes together */
    double aspect_lo;        /* height / width is log-uniform from aspect_lo to its inverse */
    int count;               /* number of boxes: drawn from 1 to count */
    mx_erase_mode mode;
} mx_erase;

/* chw [channels,height,width] in place. */
void mx_random_erase(const mx_erase *c, float *chw, int channels, int height, int width, mx_rng *r);

#endif
