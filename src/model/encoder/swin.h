/* The Swin encoder without shifted windows: patch embedding, which mixes the images, stages of blocks, patch merging,
 * final norm. Source: docs/MODEL.md "From pixels to the loss"; paper section 3.2. */
#ifndef MX_MODEL_ENCODER_SWIN_H
#define MX_MODEL_ENCODER_SWIN_H

#include "model/encoder/encoders.h"

extern const mx_encoder_kind mx_encoder_swin;

#endif
