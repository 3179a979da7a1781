/* One optimiser update of a whole model over its flat buffers. Source: docs/TRAINING.md "Update" and "Layer decay". */
#ifndef MX_OPTIM_ADAMW_H
#define MX_OPTIM_ADAMW_H

#include "model/params.h"
#include "ops/ops.h"

typedef struct {
    double weight_decay, beta1, beta2, eps;
    double layer_decay; /* rate of layer l is multiplied by layer_decay^(layers + 1 - l); 1: off */
    int layers;         /* number of encoder blocks */
    double clip_grad;   /* largest global gradient norm; 0: no clipping */
} mx_adamw_config;

/* One update from the current gradients; skipped if their norm or the loss is not finite. u (ops.h
 * mx_update_slot) takes LR and receives the other results. u, log, loss: as for mx_update_begin. */
void mx_adamw_update(mx_ctx *c, mx_params *p, const mx_adamw_config *config, mx_tensor u, mx_tensor log,
                     mx_tensor loss);
/* Sets all gradients to 0. */
void mx_gradients_zero(mx_ctx *c, mx_params *p);

#endif
