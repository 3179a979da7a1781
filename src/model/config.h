/* A model's configuration, and the named models. Source: docs/MODEL.md "Models" (paper, tables 1 and 9). */
#ifndef MX_MODEL_CONFIG_H
#define MX_MODEL_CONFIG_H

#include <stdbool.h>

#include "base/status.h"

#define MX_MAX_STAGES 6

typedef struct mx_encoder_kind mx_encoder_kind; /* model/encoder/encoders.h */
typedef struct mx_head_kind mx_head_kind;       /* model/head/heads.h */

typedef struct {
    char name[32]; /* the named model it is based on, or "custom" */
    int image_h, image_w, patch, channels;
    int stages, embed_dim;
    int depths[MX_MAX_STAGES], heads[MX_MAX_STAGES], windows[MX_MAX_STAGES];
    int decoder_dim, decoder_depth, decoder_heads; /* decoder_dim 0: no decoder (a classifier) */
    int classes;                                   /* 0: no head */
    bool norm_pix;
    const mx_encoder_kind *encoder; /* NULL: the default */
    const mx_head_kind *head;       /* NULL: the default */
} mx_model_config;

/* Default training settings of one command. The paper's models use the authors' values (docs/TRAINING.md
 * "The authors' recipes"). */
typedef struct {
    double blr, warmup_epochs;
    int epochs, batch;
    double layer_decay, drop_path; /* fine-tuning's */
} mx_recipe;
/* Those of a named model. */
typedef struct {
    mx_recipe pretrain, finetune;
} mx_model_recipes;

/* Fills *config and, unless NULL, *recipes. False: no model has this name. */
bool mx_model_named(const char *name, mx_model_config *config, mx_model_recipes *recipes);
/* "base, large, ..." for messages. */
const char *mx_model_names(void);

/* Rejects sizes that do not divide; the message offers sizes that work. */
mx_status mx_model_check(const mx_model_config *config, mx_error *e);

#endif
