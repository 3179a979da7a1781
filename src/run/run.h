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

#define MX_PICTURES 10 /* pictures a run, about, unless --picture-every says otherwise */

typedef struct mx_run mx_run;

/* How a new run starts: the part that differs between the training commands. */
typedef struct {
    mx_command command;
    mx_status (*settings)(mx_run *run, mx_error *e); /* run->settings from run->o; run->resumed is known */
    mx_status (*pixels)(mx_run *run, mx_error *e); /* of a new run: run->pixels, after run->data was opened */
    mx_status (*weights)(mx_run *run, mx_error *e); /* of a new run; all are drawn from the seed before */
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
    char former_isa[24]; /* a resumed run's instruction set, if it now continues on another; else "" */
    char
        other_decoders[400]; /* libraries that now decode a resumed run's images in other versions; else "" */
    bool unreported;         /* log or pictures lack the results of the last step */
    mx_error log_error;      /* why an event is not in log.jsonl */
    mx_model source;         /* the model of --init, until its weights are copied */
    mx_pixels source_pixels;
    /* this process, for rates: not part of the state */
    double started, last_saved, last_logged, wait_since_log, wait_total;
    int64_t steps_since_log, steps_here;
    mx_step_result last; /* passed to mx_observe_result */
};

/* A whole run. */
mx_status mx_run_train(const mx_run_kind *kind, const mixmae_options *options, const mixmae_sink *sink,
                       mx_error *e);

/* Steps until the run is done, stopped or failed. Saves the state and returns MX_ERR_INTERRUPTED after a
 * stop. Also saves after a failure of files or memory, except while writing the log or a picture. */
mx_status mx_run_loop(mx_run *run, mx_error *e);
/* model.safetensors, then state.safetensors. */
mx_status mx_run_save(mx_run *run, mx_error *e);

/* Starts the logs, or on resume cuts them back to the state's step. */
mx_status mx_observe_begin(mx_run *run, mx_error *e);
/* Call for each step's result, in order. */
void mx_observe_result(mx_run *run, const mx_step_result *r);
/* Does mx_observe_step show something after this step that needs every result so far? */
bool mx_observe_due(const mx_run *run);
/* Call once all results are observed. Writes progress, log line, held-out images at the end of an epoch,
 * pictures. */
mx_status mx_observe_step(mx_run *run, mx_error *e);
/* Writes a line about a step to the sink and to log.jsonl. If logging fails, the next save returns the error. */
void mx_observe_event(mx_run *run, int64_t step, const char *line);
typedef struct {
    const char *key;
    double value; /* null in the log where it is not finite: JSON has none */
    bool whole;   /* a count */
} mx_observe_number;
/* {"step":…,"epoch":…, and these} into log.jsonl. */
mx_status mx_observe_numbers(mx_run *run, const mx_observe_number *n, int count, mx_error *e);
double mx_run_epoch(const mx_run *run);
/* Measures the held-out images, logs the result and saves the model if it is the best so far. */
mx_status mx_measure_held_out(mx_run *run, mx_error *e);
/* A picture of what the objective shows, into the run folder and the log. */
mx_status mx_measure_picture(mx_run *run, mx_error *e);
mx_status mx_observe_end(mx_run *run, mx_error *e);

#endif
