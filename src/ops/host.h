/* Code that the backends on host memory share: the scalars of an optimiser's update. */
#ifndef MX_OPS_HOST_H
#define MX_OPS_HOST_H

#include "ops/ops.h"

/* mx_update_begin (ops.h) */
void mx_host_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip);

/* Scalars of mx_adamw. mx_host_adamw computes them from u, and returns false if this update must be skipped. */
typedef struct {
    double lr, weight_decay, beta1, beta2, eps, t, grad_scale;
} mx_adamw_now;
bool mx_host_adamw(mx_adamw_now *now, mx_tensor u, const mx_adamw_args *a);

#endif
