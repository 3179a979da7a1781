/* A run's settings with every default filled in, from options, named model, recipe and data set. */
#ifndef MX_TRAIN_SETTINGS_H
#define MX_TRAIN_SETTINGS_H

#include "checkpoint/checkpoint.h"
#include "data/dataset.h"
#include "model/model.h"
#include "objective/objective.h"
#include "optim/adamw.h"
#include "optim/schedule.h"
#include "options/options.h"
#include "train/compute.h"

#define MX_MAX_BLOCKS (64 * (MX_MAX_STAGES + 1)) /* blocks of the deepest model that the options allow */

typedef struct {
    const mx_objective *objective;
    mx_objective_settings objective_settings; /* fields that only some objectives read */
    mx_model_config model;
    int batch, accum;
    double epochs;
    mx_schedule schedule; /* absolute learning rates */
    double recipe_warmup; /* the recipe's warm-up; -1 if --warmup-epochs was given */
    double weight_decay, beta1, beta2, clip_grad;
    double ema; /* decay of the weights' moving average; 0: none is kept */
    uint64_t seed;
    int max_skipped;
    int threads, workers;
    size_t memory;                    /* limit of the process in bytes; 0: none (train/memory.h) */
    uint8_t recompute[MX_MAX_BLOCKS]; /* mx_recompute of each block, encoder then decoder */
    double extra_work;                /* recomputed work, as a share of the step */
    const char *device;               /* "cpu", "mock:1" */
    mx_dtype activations;             /* MX_F32, or MX_BF16: mixed precision */
    const char *chosen;               /* why, as in mx_compute */
    mx_transform transform;           /* training */
    double bad_share;
    int64_t save_steps;  /* 0: by time */
    double save_seconds; /* 0: by steps */
    int log_every, picture_every;
    /* from the data set */
    int64_t images, steps_per_epoch, steps;
} mx_settings;

/* Fills in everything that needs no data; the data later set s->model.classes. start: the model that the options
 * modify if they name none (--init's, or a resumed run's), or NULL. */
mx_status mx_settings_make(mx_settings *s, const mx_objective *objective, const mx_options *o,
                           const mx_model_config *start, mx_error *e);
/* Computes the steps of an epoch and of the run. Too few images are an error that names a batch size that works. */
mx_status mx_settings_data(mx_settings *s, int64_t images, mx_error *e);
/* Pixel statistics: given ones, ImageNet's, or computed from the data. Fills transform and *pixels. */
mx_status mx_settings_pixels(mx_settings *s, const mx_options *o, const mx_dataset *data, mx_pixels *pixels,
                             mx_error *e);
/* Uses statistics that a checkpoint holds. */
void mx_settings_use_pixels(mx_settings *s, const mx_pixels *pixels);

/* "500" steps or "10m", "90s", "1h": exactly one of the two results is not 0. */
mx_status mx_parse_interval(const char *text, int64_t *steps, double *seconds, mx_error *e);

/* Writes every default that was filled in back into *o, so that a stored run does not depend on later
 * defaults. */
mx_status mx_settings_effective(const mx_settings *s, mx_options *o, mx_error *e);

/* The buffers that the model needs for training. */
mx_params_use mx_settings_params_use(const mx_settings *s);
mx_compute mx_settings_compute(const mx_settings *s);
mx_adamw_config mx_settings_adamw(const mx_settings *s);

/* A loader of `data` for training; the caller sets its first batch and its log. */
mx_loader_config mx_settings_loader(const mx_settings *s, const mx_dataset *data);

#endif
