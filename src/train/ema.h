/* The moving average of a run's weights, --ema: after each step average = decay·average + (1 − decay)·weight,
 * from the first weights on. It trains nothing: held-out images are measured with it and the exported models
 * hold it, the weights themselves go on as if it were not there. */
#ifndef MX_TRAIN_EMA_H
#define MX_TRAIN_EMA_H

#include "train/step.h"

/* All this does nothing for a trainer without --ema. The average starts as the weights in host memory. */
void mx_average_start(mx_trainer *t);
/* After an update. */
void mx_average_step(mx_trainer *t);
/* Exchanges weights and average, to measure with it; a second time exchanges them back. */
void mx_average_exchange(mx_trainer *t);

#endif
