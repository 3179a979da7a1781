/* The best model of a fine-tuning run, best.safetensors. */
#ifndef MX_RUN_BEST_H
#define MX_RUN_BEST_H

#include "run/run.h"

/* Writes the model, and notes the file's checksum in the state. */
mx_status mx_best_write(mx_run *run, mx_error *e);
/* Fails if the file is not the one written last. For a run's end: before, a killed process may have written a later
 * one, which this process writes again. */
mx_status mx_best_check(const mx_run *run, mx_error *e);

#endif
