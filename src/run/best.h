/* The best model of a fine-tuning run, best.safetensors. */
#ifndef MX_RUN_BEST_H
#define MX_RUN_BEST_H

#include "run/run.h"

/* Writes the model, and notes the file's checksum in the state. */
mx_status mx_best_write(mx_training *p, mx_error *e);
/* Is it still that file? To be asked at a run's end: before, a killed process may have written a later one, which
 * this process writes again. */
mx_status mx_best_check(const mx_training *p, mx_error *e);

#endif
