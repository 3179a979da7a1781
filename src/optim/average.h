/* The moving average of weights. */
#ifndef MX_OPTIM_AVERAGE_H
#define MX_OPTIM_AVERAGE_H

#include <stdint.h>

/* average [n] ← decay·average + (1 − decay)·weight, on `threads` threads. The bytes do not depend on `threads`. */
void mx_average_add(float *average, const float *weight, int64_t n, double decay, int threads);

#endif
