/* Mixup and CutMix with soft targets, on a normalised batch. See docs/AUGMENT.md, "Mixup and CutMix"; Zhang
 * et al., "mixup", 2018; Yun et al., "CutMix", 2019. Conventions as in timm. */
#ifndef MX_DATA_MIXUP_H
#define MX_DATA_MIXUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

typedef enum {
    MX_MIXUP_BATCH, /* one draw per batch */
    MX_MIXUP_PAIR,  /* one per image and partner */
    MX_MIXUP_ELEM   /* one per image */
} mx_mixup_mode;

typedef struct {
    double mixup, cutmix; /* alpha of Beta(alpha, alpha); 0: off */
    double
        cutmix_minmax[2]; /* side of the box as a share of the image's, replaces cutmix's alpha; 0,0: off */
    double probability;   /* probability that an image is mixed */
    double switch_probability; /* probability of cutmix, if both are on */
    double smoothing;
    mx_mixup_mode mode;
} mx_mixup;

/* The result of one draw. The image keeps weight lambda. cut: the box comes from the partner; else both are blended. */
typedef struct {
    double lambda;
    bool cut;
    int top, bottom, left, right; /* the box; bottom and right are excluded */
} mx_mix_draw;

/* True if m mixes images; batches must then be even. */
bool mx_mixup_on(const mx_mixup *m);
mx_mix_draw mx_mixup_draw(const mx_mixup *m, int height, int width, mx_rng *r);
/* Mixes images [B,Ch,H,W] in place, image i with image B-1-i. labels: [B]; targets [B,classes] is the output.
 * Draws from (seed, MX_RNG_MIXUP, step, micro). */
mx_status mx_mixup_apply(const mx_mixup *m, float *images, const int32_t *labels, float *targets, int batch,
                         int channels, int height, int width, int classes, uint64_t seed, uint64_t step,
                         uint32_t micro, mx_error *e);

#endif
