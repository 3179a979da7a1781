/* The Swin encoder without shifts: patch embedding (mixed by index), stages of blocks, patch merging, final
 * norm. Source: objective.md "Encoder" 1-4; paper section 3.2. */
#ifndef MX_MODEL_ENCODER_SWIN_H
#define MX_MODEL_ENCODER_SWIN_H

#include "model/encoder/encoders.h"

extern const mx_encoder_kind mx_encoder_swin;

/* The parts of its row that need a configuration alone (swin_config.c). */
mx_status mx_swin_check(const mx_model_config *c, mx_error *e);
mx_stage_shape mx_swin_stage(const mx_model_config *c, int k);
int mx_swin_stride(const mx_model_config *c);
double mx_swin_macs(const mx_model_config *c);
bool mx_swin_table(const mx_model_config *c, const char *name, int *height, int *width);

#endif
