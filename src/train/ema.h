/* The moving average of a run's weights, --ema: after each step average = decay·average + (1 − decay)·weight,
 * starting from the first weights. It does not affect training. Held-out images are measured with it, and
 * exported models hold it. */
#ifndef MX_TRAIN_EMA_H
#define MX_TRAIN_EMA_H

#include "train/step.h"

/* These functions do nothing without --ema. The average starts as the weights in host memory. */
void mx_average_start(mx_stepper *stepper);
/* After an update. */
void mx_average_step(mx_stepper *stepper);
/* Exchanges weights and average, to measure with the average; call it again to exchange them back. */
void mx_average_exchange(mx_stepper *stepper);

#endif
