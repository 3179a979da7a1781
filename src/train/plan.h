/* What a run takes: memory by part, and the timing of single steps; shared by plan, pretrain and bench. */
#ifndef MX_TRAIN_PLAN_H
#define MX_TRAIN_PLAN_H

#include "train/step.h"

typedef struct {
    size_t arena, state, tables, loader, process, total;
} mx_memory_plan; /* bytes */

/* data may be NULL: the loader is then not counted; held: the held-out images, whose loader runs beside, or
 * NULL. */
void mx_plan_memory(mx_memory_plan *m, const mx_trainer *t, const mx_dataset *data, const mx_dataset *held);

/* Opens --data's training part and, when held is not NULL, the held-out images: of --val-data (its held-out
 * part, or all of it when it has none), else --data's held-out part; NULL when there is none. */
mx_status mx_open_training_data(mx_dataset **data, mx_dataset **held, const mx_options *o, const char *cache,
                                mx_error *e);

/* One batch of uniform noise (free it); NULL when out of memory. */
float *mx_random_images(const mx_settings *s);
/* Seconds of one whole training step on these images. */
double mx_time_step(mx_trainer *t, mx_run_state *state, float *images);
/* Median of v[n]; v is sorted. */
double mx_median(double *v, int n);

#endif
