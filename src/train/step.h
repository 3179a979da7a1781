/* One optimiser step, whatever is trained: the heart.
 *
 * A step is accum micro-batches, each draw and pass (objective/objective.h), then one update. Micro-batch j
 * takes everything random from (seed, step, j) alone, so n ranks can later do the work of n micro-batches. A
 * trainer owns all memory of a step: nothing is allocated after mx_trainer_make. It must not be moved. */
#ifndef MX_TRAIN_STEP_H
#define MX_TRAIN_STEP_H

#include "train/compute.h"
#include "train/settings.h"

#define MX_UNREAD 16 /* steps that may be under way before the host looks at their results */

typedef struct {
    mx_settings settings;
    mx_model model;
    mx_session session;
    void *objective;          /* state of settings.objective */
    float loss;               /* of the step so far */
    double update[MX_UPDATE]; /* ops.h mx_update_slot */
    double log[MX_UNREAD][MX_UPDATE];
    int64_t updated, fetched, told; /* mx_step_update's steps so far: all, those in log, those whose result
                                       was read */
    double count;                   /* MX_UPDATE_COUNT after the last one that was read */
} mx_trainer;

typedef struct {
    int64_t step;          /* this one included */
    double loss, lr, norm; /* mean loss over the step's images; gradient norm before clipping */
    bool skipped;          /* something was not finite: no update */
} mx_step_result;

/* Plans a step, then allocates model state and arena. products: NULL or gets the step's products. plan_only:
 * sizes only (session.planned, session.flops of one micro-batch, model.params). Free with mx_trainer_free,
 * also after a failure. */
mx_status mx_trainer_make(mx_trainer *t, const mx_settings *s, bool plan_only, mx_products *products,
                          mx_error *e);
void mx_trainer_free(mx_trainer *t);
/* Plans a plan_only trainer's step again with save[MX_MAX_SAVED] levels (settings.h). */
mx_status mx_trainer_replan(mx_trainer *t, const uint8_t *save, mx_error *e);

/* With a device: the state in host memory is what files are read into and written from. Upload after it was
 * written, before the next step; download before it is read. */
void mx_trainer_upload(mx_trainer *t);
void mx_trainer_download(mx_trainer *t);

/* Learning rate of a step (schedule.md 1: at the step's first micro-batch). */
double mx_trainer_lr(const mx_trainer *t, int64_t step);
/* Micro-batch j of a step: images [batch,Ch,H,W], which the objective may change in place (mixup); labels
 * [batch], or NULL where none are at hand. j = 0 starts the step. Failures stay in the session's context. */
void mx_step_micro(mx_trainer *t, int64_t step, int j, float *images, const int32_t *labels);
/* The update, and s->step + 1. What came of it is known later where a device computes: see below. */
void mx_step_update(mx_trainer *t, mx_run_state *s);
/* The results of steps in their order, each once; its counts go to *s. false: all steps so far are told. The
 * first call after a step waits for the device. */
bool mx_step_result_next(mx_trainer *t, mx_run_state *s, mx_step_result *r);
/* Results are to be read before the next step: on host memory after every one, else after MX_UNREAD, where
 * one more would fail. */
bool mx_step_results_full(const mx_trainer *t);

#endif
