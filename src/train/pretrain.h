/* The parts of a pretraining run, shared by pretrain.c (start and end), pretrain_loop.c (steps and saving)
 * and pretrain_observe.c (log, held-out loss, pictures). Private to src/train. */
#ifndef MX_TRAIN_PRETRAIN_H
#define MX_TRAIN_PRETRAIN_H

#include "data/dataset.h"
#include "io/events.h"
#include "train/commands.h"
#include "train/run_folder.h"
#include "train/step.h"

#define MX_HELD_OUT 512 /* images of the held-out folder whose loss is measured, at most */
#define MX_PICTURES 10  /* pictures a run, about, unless --picture-every says otherwise */

typedef struct {
    mx_options o;
    const mixmae_sink *sink;
    mx_run_paths paths;
    mx_settings settings;
    mx_pixels pixels;
    mx_dataset *data, *held; /* held: NULL without held-out images */
    mx_trainer trainer;
    mx_loader *loader;
    mx_events *events;
    mx_run_state state;
    bool resumed;
    /* this process, for rates: not part of the state */
    double started, last_saved, last_logged, wait_since_log, wait_total;
    int64_t steps_since_log, steps_here;
} mx_pretraining;

/* Steps until the run is done, stopped or failed. MX_ERR_INTERRUPTED after a stop, state saved. */
mx_status mx_pretrain_loop(mx_pretraining *p, mx_error *e);
/* model.safetensors, then state.safetensors. */
mx_status mx_pretrain_save(mx_pretraining *p, mx_error *e);

/* Logs cut back to the state's step (resume) or begun. */
mx_status mx_observe_begin(mx_pretraining *p, mx_error *e);
/* After each step: progress, log line, held-out loss at the end of an epoch, pictures. */
mx_status mx_observe_step(mx_pretraining *p, const mx_step_result *r, double wait, mx_error *e);
/* A line about the run: to the sink and into log.jsonl. */
void mx_observe_event(mx_pretraining *p, const char *line);
mx_status mx_observe_end(mx_pretraining *p, mx_error *e);

#endif
