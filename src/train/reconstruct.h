/* Pictures of what a pretrained model sees and rebuilds. Source: objective.md "Pretraining" 4-6. */
#ifndef MX_TRAIN_RECONSTRUCT_H
#define MX_TRAIN_RECONSTRUCT_H

#include "data/dataset.h"
#include "train/step.h"

/* One row an image: original | what the encoder saw | this image rebuilt (z1) | its partner rebuilt (z2),
 * visible patches pasted in. images [B,Ch,H,W] normalised; mix is set to the mask wanted and made for B
 * images; the arena must hold mx_pretrain_view. Predictions of normalised pixels are put back with each
 * patch's own mean and deviation. *out is made here. */
mx_status mx_reconstruct_grid(mx_ctx *c, mx_model *m, const mx_token_order *mix, const float *images,
                              const mx_pixels *pixels, mx_image *out, mx_error *e);

/* The same for a few images of a data set, spread evenly over it, under a fixed mask, in a trainer's arena.
 */
mx_status mx_show_dataset(mx_trainer *t, const mx_dataset *data, const mx_pixels *pixels, mx_image *out,
                          mx_error *e);

#endif
