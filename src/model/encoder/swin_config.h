/* Swin's functions of a configuration, for its row in the table of encoders (encoders.h). */
#ifndef MX_MODEL_ENCODER_SWIN_CONFIG_H
#define MX_MODEL_ENCODER_SWIN_CONFIG_H

#include "model/encoder/encoders.h"

mx_status mx_swin_check(const mx_model_config *c, mx_error *e);
mx_stage_shape mx_swin_stage(const mx_model_config *c, int k);
int mx_swin_stride(const mx_model_config *c);
double mx_swin_macs(const mx_model_config *c);
bool mx_swin_table(const mx_model_config *c, const char *name, int *height, int *width);

#endif
