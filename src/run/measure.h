/* Held-out measures and pictures, between the steps of a training run. */
#ifndef MX_RUN_MEASURE_H
#define MX_RUN_MEASURE_H

#include "run/run.h"

/* Measures the held-out images, logs the result and saves the model if it is the best so far. */
mx_status mx_measure_held_out(mx_run *run, mx_error *e);
/* Draws the objective's panels into a picture in the run folder and in TensorBoard's events. */
mx_status mx_measure_picture(mx_run *run, mx_error *e);

#endif
