/* One optimiser update of a whole model over its flat buffers. Source: augment.md (f), schedule.md 4. */
#ifndef MX_OPTIM_ADAMW_H
#define MX_OPTIM_ADAMW_H

#include "model/params.h"
#include "ops/ops.h"

typedef struct {
    double weight_decay, beta1, beta2, eps;
    double layer_decay; /* rate of layer l is multiplied by layer_decay^(layers + 1 - l); 1: off */
    int layers;         /* encoder blocks in all */
    double clip_grad;   /* largest global gradient norm; 0: no clipping */
} mx_adamw_config;

/* One update with the gradients as they are, or none where the norm of all gradients or the loss is not
 * finite; u (ops.h mx_update_slot) takes LR and tells the rest.  u, log, loss: of mx_update_begin. */
void mx_adamw_update(mx_ctx *c, mx_params *p, const mx_adamw_config *config, mx_tensor u, mx_tensor log,
                     mx_tensor loss);
/* Gradients of all parameters = 0. */
void mx_gradients_zero(mx_ctx *c, mx_params *p);

#endif
