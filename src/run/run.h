/* A training run: training.c (start and end), training_loop.c (steps and saving), training_observe.c
 * (progress, log, report), training_measure.c (held-out images, pictures). What is trained is the objective's
 * business; how `mixmae pretrain` and `mixmae finetune` start stands in pretrain.c and finetune.c. Private to
 * src/train. */
#ifndef MX_RUN_RUN_H
#define MX_RUN_RUN_H

#include "data/dataset.h"
#include "io/events.h"
#include "options/options.h"
#include "run/folder.h"
#include "train/step.h"

#define MX_PICTURES 10 /* pictures a run, about, unless --picture-every says otherwise */

typedef struct mx_training mx_training;

/* What the commands that train do differently, whatever they train: how a new run starts. */
typedef struct {
    mx_command command;
    mx_status (*settings)(mx_training *p, mx_error *e); /* p->settings from p->o; p->resumed is known */
    mx_status (*pixels)(mx_training *p, mx_error *e);  /* of a new run: p->pixels, after p->data was opened */
    mx_status (*weights)(mx_training *p, mx_error *e); /* of a new run; all are drawn from the seed before */
} mx_training_task;
extern const mx_training_task mx_pretrain_task, mx_finetune_task;

struct mx_training {
    const mx_training_task *task;
    mx_options o;
    const mixmae_sink *sink;
    mx_run_paths paths;
    mx_settings settings;
    mx_pixels pixels;
    mx_dataset *data, *held; /* held: NULL without held-out images */
    int64_t held_left_out;   /* held-out images that cannot be read: no longer in held */
    mx_trainer trainer;
    mx_loader *loader;
    mx_events *events;
    mx_run_state state;
    bool resumed;
    char was_set[24]; /* a resumed run's instruction set, where another computes from here on; else "" */
    char decodes
        [400];   /* libraries that decode a resumed run's images in other versions from here on; else "" */
    bool untold; /* log or pictures lack something of the step that failed */
    mx_error unlogged; /* why an event is not in log.jsonl */
    mx_model source;   /* what --init holds, until its weights are taken */
    mx_pixels source_pixels;
    /* this process, for rates: not part of the state */
    double started, last_saved, last_logged, wait_since_log, wait_total;
    int64_t steps_since_log, steps_here;
    mx_step_result last; /* that mx_observe_result was told */
};

/* A whole run. */
mx_status mx_training_run(const mx_training_task *task, const mixmae_options *options,
                          const mixmae_sink *sink, mx_error *e);

/* Steps until the run is done, stopped or failed. MX_ERR_INTERRUPTED after a stop, state saved; it is saved
 * also where files or memory end the run, unless they were those of the log or a picture. */
mx_status mx_training_loop(mx_training *p, mx_error *e);
/* model.safetensors, then state.safetensors. */
mx_status mx_training_save(mx_training *p, mx_error *e);

/* Logs cut back to the state's step (resume) or begun. */
mx_status mx_observe_begin(mx_training *p, mx_error *e);
/* Of each step's result, in order. */
void mx_observe_result(mx_training *p, const mx_step_result *r);
/* Does mx_observe_step show something after this step that needs every result so far? */
bool mx_observe_due(const mx_training *p);
/* When all results are told: progress, log line, held-out images at the end of an epoch, pictures. */
mx_status mx_observe_step(mx_training *p, mx_error *e);
/* A line about the run and one of its steps: to the sink and into log.jsonl. Where that failed, the next save
 * does. */
void mx_observe_event(mx_training *p, int64_t step, const char *line);
typedef struct {
    const char *key;
    double value; /* null in the log where it is not finite: JSON has none */
    bool whole;   /* a count */
} mx_observe_number;
/* {"step":…,"epoch":…, and these} into log.jsonl. */
mx_status mx_observe_numbers(mx_training *p, const mx_observe_number *n, int count, mx_error *e);
double mx_training_epoch(const mx_training *p);
/* Measures the held-out images, into the log; the best model so far is kept. */
mx_status mx_measure_held_out(mx_training *p, mx_error *e);
/* A picture of what the objective shows, into the run folder and the log. */
mx_status mx_measure_picture(mx_training *p, mx_error *e);
mx_status mx_observe_end(mx_training *p, mx_error *e);

#endif
