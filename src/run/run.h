/* A training run: run.c (start and end), loop.c (steps and saving), observe.c (progress, log, report),
 * measure.c (held-out images, pictures). The objective defines the training task; pretrain.c and finetune.c
 * define how `mixmae pretrain` and `mixmae finetune` start. */
#ifndef MX_RUN_RUN_H
#define MX_RUN_RUN_H

#include "data/dataset.h"
#include "io/events.h"
#include "options/options.h"
#include "run/folder.h"
#include "train/step.h"

#define MX_PICTURES 10 /* about so many pictures a run, without --picture-every */

typedef struct mx_run mx_run;

/* How a new run starts: the part that differs between the training commands. */
typedef struct {
    mx_command command;
    mx_status (*settings)(mx_run *run, mx_error *e); /* run->o → run->settings; run->resumed is known */
    mx_status (*pixels)(mx_run *run, mx_error *e);   /* new run: sets run->pixels; run->data is open */
    mx_status (*weights)(mx_run *run, mx_error *e);  /* new run: replaces weights drawn from the seed */
} mx_run_kind;
extern const mx_run_kind mx_pretrain_run, mx_finetune_run;

struct mx_run {
    const mx_run_kind *kind;
    mx_options o;
    const mixmae_sink *sink;
    mx_run_paths paths;
    mx_settings settings;
    mx_pixels pixels;
    mx_dataset *data, *held; /* held: NULL without held-out images */
    int64_t held_left_out;   /* held-out images that cannot be read: no longer in held */
    mx_stepper stepper;
    mx_loader *loader;
    mx_events *events;
    mx_run_state state;
    bool resumed;
    char former_isa[128];     /* of a resumed run that continues on another instruction set; else "" */
    char other_decoders[400]; /* image libraries whose versions differ from the resumed run's; else "" */
    bool unreported;          /* log or pictures lack the results of the last step */
    mx_error log_error;       /* why an event is not in log.jsonl */
    mx_model source;          /* the model of --init, until its weights are copied */
    mx_pixels source_pixels;
    /* this process, for rates: not part of the state */
    double started, last_saved, last_logged, wait_since_log, wait_total;
    int64_t steps_since_log, steps_here;
    mx_step_result last; /* passed to mx_observe_result */
};

/* Does a whole run of a training command. */
mx_status mx_run_train(const mx_run_kind *kind, const mixmae_options *options, const mixmae_sink *sink,
                       mx_error *e);

/* Trains until the run is done, stopped or failed. After a stop: saves the state and returns MX_ERR_INTERRUPTED. After
 * a failure of files or memory: saves too, unless the log or a picture could not be written. */
mx_status mx_run_loop(mx_run *run, mx_error *e);
/* Writes model.safetensors, then state.safetensors. */
mx_status mx_run_save(mx_run *run, mx_error *e);

/* Starts the logs, or on resume cuts them back to the state's step. */
mx_status mx_observe_begin(mx_run *run, mx_error *e);
/* Call for each step's result, in order. */
void mx_observe_result(mx_run *run, const mx_step_result *r);
/* Will mx_observe_step log, measure or draw after this step? Then it needs every result so far. */
bool mx_observe_due(const mx_run *run);
/* Call once all results are observed. Writes progress, log line, held-out images at the end of an epoch,
 * pictures. */
mx_status mx_observe_step(mx_run *run, mx_error *e);
/* Writes a line about a step to the sink and to log.jsonl. If that fails, the next save returns the error. */
void mx_observe_event(mx_run *run, int64_t step, const char *line);
typedef struct {
    const char *key;
    double value; /* written as null if it is not finite, which JSON cannot hold */
    bool whole;   /* a count */
} mx_observe_number;
/* Appends {"step":…,"epoch":…, and these numbers} to log.jsonl. */
mx_status mx_observe_numbers(mx_run *run, const mx_observe_number *n, int count, mx_error *e);
double mx_run_epoch(const mx_run *run);
/* Measures the held-out images, logs the result and saves the model if it is the best so far. */
mx_status mx_measure_held_out(mx_run *run, mx_error *e);
/* Draws the objective's panels into a picture in the run folder and in TensorBoard's events. */
mx_status mx_measure_picture(mx_run *run, mx_error *e);
mx_status mx_observe_end(mx_run *run, mx_error *e);

#endif
