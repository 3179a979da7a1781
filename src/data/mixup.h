/* Mixup and CutMix with soft targets, on a normalised batch. Source: augment.md (c); Zhang et al., "mixup",
 * 2018; Yun et al., "CutMix", 2019; timm's conventions. */
#ifndef MX_DATA_MIXUP_H
#define MX_DATA_MIXUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

typedef enum {
    MX_MIXUP_BATCH, /* one draw for the batch */
    MX_MIXUP_PAIR,  /* one for an image and its partner */
    MX_MIXUP_ELEM   /* one for each image */
} mx_mixup_mode;

typedef struct {
    double mixup, cutmix; /* alpha of Beta(alpha, alpha); 0: off */
    double
        cutmix_minmax[2]; /* side of the box as a share of the image's, instead of cutmix's alpha; 0,0: off */
    double probability;   /* that a draw mixes at all */
    double switch_probability; /* of cutmix where both are on */
    double smoothing;
    mx_mixup_mode mode;
} mx_mixup;

/* What one draw says: the image keeps weight lambda; cut: the box comes from the partner, else all is
 * blended. */
typedef struct {
    double lambda;
    bool cut;
    int top, bottom, left, right; /* of the box, end excluded */
} mx_mix_draw;

/* Does m mix images at all? Then batches must be even. */
bool mx_mixup_on(const mx_mixup *m);
mx_mix_draw mx_mixup_draw(const mx_mixup *m, int height, int width, mx_rng *r);
/* images [B,Ch,H,W] in place, image i with image B-1-i; labels [B]; targets [B,classes] out. Draws from
 * (seed, MX_RNG_MIXUP, step, micro). */
mx_status mx_mixup_apply(const mx_mixup *m, float *images, const int32_t *labels, float *targets, int batch,
                         int channels, int height, int width, int classes, uint64_t seed, uint64_t step,
                         uint32_t micro, mx_error *e);

#endif
