/* LARS, the optimiser of MAE's linear probe. Source: docs/TRAINING.md "The probes". */
#ifndef MX_OPTIM_LARS_H
#define MX_OPTIM_LARS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double lr, weight_decay, momentum, trust;
} mx_lars_config;

/* One update of a tensor w [n] with gradient g and momentum buffer mu. matrix: the tensor has more than one
 * dimension, so weight decay applies and the gradient is multiplied by trust * |w| / |g|. Overwrites g. */
void mx_lars_update(float *w, float *g, float *mu, int64_t n, bool matrix, const mx_lars_config *c);

#endif
