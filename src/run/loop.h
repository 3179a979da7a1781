/* The steps of a training run, and saving its state. */
#ifndef MX_RUN_LOOP_H
#define MX_RUN_LOOP_H

#include "run/run.h"

/* Trains until the run is done, stopped or failed. After a stop: saves the state and returns MX_ERR_INTERRUPTED. After
 * a failure of files or memory: saves too, unless the log or a picture could not be written. */
mx_status mx_run_loop(mx_run *run, mx_error *e);
/* Writes model.safetensors, then state.safetensors. */
mx_status mx_run_save(mx_run *run, mx_error *e);

#endif
