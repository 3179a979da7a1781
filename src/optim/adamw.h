/* One optimiser update of a whole model over its flat buffers. Source: augment.md (f), schedule.md 4. */
#ifndef MX_OPTIM_ADAMW_H
#define MX_OPTIM_ADAMW_H

#include "model/params.h"
#include "ops/ops.h"

typedef struct {
    double lr, weight_decay, beta1, beta2, eps;
    double layer_decay; /* rate of layer l is multiplied by layer_decay^(layers + 1 - l); 1: off */
    int layers;         /* encoder blocks in all */
    double clip_grad;   /* largest global gradient norm; 0: no clipping */
} mx_adamw_config;

typedef struct {
    double norm; /* of all gradients, before clipping */
    bool finite; /* norm and loss are finite; the update was skipped otherwise */
} mx_update;

/* L2 norm of all gradients; then, if it and loss are finite, update number t (from 1). */
mx_update mx_adamw_update(mx_ctx *c, mx_params *p, const mx_adamw_config *config, int64_t t, double loss);
/* Gradients of all parameters = 0. */
void mx_gradients_zero(mx_ctx *c, mx_params *p);

#endif
