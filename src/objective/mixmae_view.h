/* Images of a pretrained model's input and its reconstructions. Source: paper, section 3.2; docs/MODEL.md,
 * "From pixels to the loss". */
#ifndef MX_OBJECTIVE_MIXMAE_VIEW_H
#define MX_OBJECTIVE_MIXMAE_VIEW_H

#include "objective/objective.h"

#define MX_VIEW_COLUMNS 4 /* panels of an image */

/* One row an image: original | what the encoder saw | this image reconstructed (z1) | its partner
 * reconstructed (z2); visible patches are the original's. images [B,Ch,H,W] normalised, in host memory; tables
 * are made for B images and set to the mask. The arena must hold mx_pretrain_forward. Predictions of normalised
 * pixels are scaled back with each patch's own mean and deviation. */
mx_status mx_mixmae_view(mx_ctx *c, mx_model *m, const mx_token_tables *tables, const float *images,
                         mx_panels *out, mx_error *e);

/* Predictions of normalised pixels back to pixels: patch * sqrt(var + 1e-6) + mean with the true patch's own
 * mean and unbiased variance. patch [P], flattened (row, column, channel), in place; image
 * [channels,height,width]; index: raster position of the patch of side `side`. */
void mx_unnormalise_patch(float *patch, const float *image, int channels, int height, int width, int side,
                          int index);
/* Writes a patch [P] into image [channels,height,width] at raster position `index`. */
void mx_paste_patch(float *image, const float *patch, int channels, int height, int width, int side,
                    int index);

#endif
