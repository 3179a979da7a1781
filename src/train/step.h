/* One optimiser step, for every objective.
 *
 * A step is accum micro-batches, each draw and pass (objective/objective.h), then one update. Micro-batch j
 * draws all its random numbers from (seed, step, j), so n ranks could each do one of n micro-batches. A stepper
 * owns all memory of a step: nothing is allocated after mx_stepper_make. Do not move it in memory. */
#ifndef MX_TRAIN_STEP_H
#define MX_TRAIN_STEP_H

#include "ops/replay.h"
#include "train/compute.h"
#include "train/settings.h"

#define MX_UNREAD 16 /* steps that a device may do before the host reads their results */

typedef struct {
    mx_settings settings;
    mx_model model;
    mx_session session;
    void *objective;          /* state of settings.objective */
    float loss;               /* of the step so far */
    double update[MX_UPDATE]; /* ops.h mx_update_slot */
    double log[MX_UNREAD][MX_UPDATE];
    int64_t updated, fetched, returned; /* steps so far: updated, results in log, results handed out */
    double count;                       /* MX_UPDATE_COUNT of the last result that was read */
    mx_replayed *passes, *updates; /* a micro-batch's pass and a step's update, on devices that record them */
} mx_stepper;

typedef struct {
    int64_t step;          /* this one included */
    double loss, lr, norm; /* mean loss over the step's images; gradient norm before clipping */
    bool skipped;          /* something was not finite: no update */
} mx_step_result;

/* Plans a step, then allocates model state and arena. products: NULL or gets the step's products. plan_only:
 * sizes only (session.planned, session.flops of one micro-batch, model.params). Free with mx_stepper_free,
 * also after a failure. */
mx_status mx_stepper_make(mx_stepper *stepper, const mx_settings *s, bool plan_only, mx_products *products,
                          mx_error *e);
void mx_stepper_free(mx_stepper *stepper);
/* Plans a plan_only stepper's step again with recompute[MX_MAX_BLOCKS] levels (settings.h). */
mx_status mx_stepper_replan(mx_stepper *stepper, const uint8_t *recompute, mx_error *e);

/* Files are read into and written from the state in host memory. With a device: upload after changing that
 * state and before the next step; download before reading it. */
void mx_stepper_upload(mx_stepper *stepper);
void mx_stepper_download(mx_stepper *stepper);

/* Learning rate of a step (docs/TRAINING.md, "Learning rate"), taken at its first micro-batch. */
double mx_stepper_lr(const mx_stepper *stepper, int64_t step);
/* Micro-batch j of a step: images [batch,Ch,H,W], which the objective may change in place (mixup); labels
 * [batch], or NULL for none. j = 0 starts the step. Failures stay in the session's context. */
void mx_step_micro(mx_stepper *stepper, int64_t step, int j, float *images, const int32_t *labels);
/* Updates the weights and increments s->step. A device's results arrive later: read them with
 * mx_step_result_next. */
void mx_step_update(mx_stepper *stepper, mx_run_state *s);
/* Returns each step's result once, in order, and updates the counts in *s. false: no result is left. The
 * first call after a step waits for the device. */
bool mx_step_result_next(mx_stepper *stepper, mx_run_state *s, mx_step_result *r);
/* Must the results be read before the next step? On the host after every step, on a device after MX_UNREAD steps;
 * the next step would fail. */
bool mx_step_results_full(const mx_stepper *stepper);

#endif
