/* A training run, from start (run.c) to end: steps and saving (loop.h), progress, log and report (observe.h), held-out
 * images and pictures (measure.h). The objective defines the training task; pretrain.c and finetune.c define how
 * `mixmae pretrain` and `mixmae finetune` start. */
#ifndef MX_RUN_RUN_H
#define MX_RUN_RUN_H

#include "data/dataset.h"
#include "io/events.h"
#include "options/options.h"
#include "run/folder.h"
#include "train/step.h"

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

#endif
