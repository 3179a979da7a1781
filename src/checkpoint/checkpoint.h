/* Models on disk: the configuration as JSON, the weights under the authors' names, and the single file that a
 * run resumes from. Layout: docs/FORMATS.md. */
#ifndef MX_CHECKPOINT_CHECKPOINT_H
#define MX_CHECKPOINT_CHECKPOINT_H

#include "data/dataset.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "options/options.h"

/* {"img_size":…,"patch_size":…,…}; free() it. NULL: out of memory. img_size is a number, or [H,W] if not square. */
char *mx_config_to_json(const mx_model_config *config);
/* Reads and checks such a text. Without decoder_* keys: no decoder; without num_classes: no head. */
mx_status mx_config_from_json(mx_model_config *config, const char *json, mx_error *e);

/* ["cat","dog",…]; free() it. NULL if the classes have no names, or out of memory: then *failed is set. */
char *mx_class_names_to_json(const mx_model *m, bool *failed);
/* Names the model's classes; json NULL: nothing to do. */
mx_status mx_class_names_from_json(mx_model *m, const char *json, mx_error *e);

/* Copies every tensor of the model from prefix+name. The error names a tensor that is missing, of another shape, or,
 * unless `partial`, in the file but not in the model. */
mx_status mx_weights_load(mx_model *m, const mx_st *st, const char *prefix, bool partial, mx_error *e);

/* {"mean":[…],"std":[…],"value_range":…}; free() it. NULL: out of memory. */
char *mx_pixels_to_json(const mx_pixels *pixels, int channels);
mx_status mx_pixels_from_json(mx_pixels *pixels, const char *json, int channels, mx_error *e);

/* model.safetensors: weights (their moving average where the model has one), configuration, pixel statistics,
 * class names; bytes depend on these alone. */
mx_status mx_checkpoint_write(const char *path, const mx_model *m, const mx_pixels *pixels, mx_error *e);
/* Opens a checkpoint, or a resume state (whose weights are param.*). The model is made with `use`. *pixels
 * may be NULL. MX_PARAMS_MAPPED: the file stays mapped as long as the model lives and must not be changed in
 * place (renaming another over it is fine: that is how this program writes). */
mx_status mx_checkpoint_read(mx_model *m, mx_pixels *pixels, const char *path, mx_params_use use,
                             mx_error *e);

/* The same with a choice of weights: "model" or NULL, or "ema", the moving average that some states hold. */
mx_status mx_checkpoint_read_weights(mx_model *m, mx_pixels *pixels, const char *path, const char *weights,
                                     mx_params_use use, mx_error *e);

/* The configuration alone. */
mx_status mx_checkpoint_config(mx_model_config *config, const char *path, mx_error *e);

/* State of a run in addition to weights and moments. */
typedef struct {
    int64_t step;    /* optimiser steps done, skipped ones included */
    int64_t updates; /* AdamW's step count t */
    int64_t skipped; /* updates skipped because something was not finite */
    int skipped_in_row;
    int64_t bad_seen, bad_count; /* the loader's counters */
    double loss_sum, norm_sum;   /* since the last log line */
    int64_t loss_count, norm_count;
    uint64_t fingerprint;      /* of the data set */
    uint64_t held_fingerprint; /* of the held-out images */
    bool finished;
    double best;               /* highest top-1 of fine-tuning so far, percent; -1 before the first */
    int64_t best_sum;          /* CRC-32C of best.safetensors + 1; 0: there is none, or an older version */
    char instruction_set[128]; /* mx_compute_isa of the last machine; "": of an older version */
    char decoders[400];        /* mx_image_decoders of the data's formats; "": none, or an older version */
    char held_out[8]; /* "some" or "none"; "": an older version, whose held_fingerprint is 0 for none */
    char options[MX_OPTIONS_KEPT]; /* mx_options_kept; "": an older version, or the library's trainer */
} mx_run_state;

/* state.safetensors: param.*, m.*, v.*, of a run with --ema the average as ema.*, the counters, checksums. */
mx_status mx_state_write(const char *path, const mx_model *m, const mx_run_state *s, const mx_pixels *pixels,
                         mx_error *e);
/* Reads the counters alone. Verifies the header's checksum; mx_state_read verifies every tensor's. */
mx_status mx_state_counters(mx_run_state *s, const char *path, mx_error *e);
mx_status mx_state_read(mx_model *m, mx_run_state *s, mx_pixels *pixels, const char *path, mx_error *e);

#endif
