/* Opening the images of a run, and the timing of single steps; shared by plan, pretrain and bench. */
#ifndef MX_TRAIN_PLAN_H
#define MX_TRAIN_PLAN_H

#include "train/memory.h"
#include "train/step.h"

/* One batch of uniform noise (free it); NULL when out of memory. */
float *mx_random_images(const mx_settings *s);
/* Seconds of one whole training step on these images. */
double mx_time_step(mx_trainer *t, mx_run_state *state, float *images);
/* Median of v[n]; v is sorted. */
double mx_median(double *v, int n);

#endif
