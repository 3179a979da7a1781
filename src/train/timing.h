/* Timing of single training steps on random images, for plan and bench. */
#ifndef MX_TRAIN_TIMING_H
#define MX_TRAIN_TIMING_H

#include "train/step.h"

/* One batch of uniform noise; free it. NULL: out of memory. */
float *mx_random_images(const mx_settings *s);
/* Seconds of one whole training step on these images. */
double mx_time_step(mx_stepper *stepper, mx_run_state *state, float *images);
/* Median of v[n]; v is sorted. */
double mx_median(double *v, int n);

#endif
