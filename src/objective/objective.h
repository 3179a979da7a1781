/* Objectives: the parts of training that differ from one task to another.
 *
 * A step is draw, pass, update (train/step.h), for every objective. An objective says which options it reads,
 * which tables and buffers it needs, what is random in a micro-batch, and the pass: forward, loss, backward.
 * It also measures held-out images and shows what the model sees. A new objective is one file here and a row
 * in objectives.c. */
#ifndef MX_OBJECTIVE_OBJECTIVE_H
#define MX_OBJECTIVE_OBJECTIVE_H

#include "data/dataset.h"
#include "data/mixup.h"
#include "model/model.h"
#include "model/session.h"
#include "options/options.h"

typedef struct mx_objective mx_objective;

/* Settings that only some objectives use. An objective fills in its own; the others stay 0. */
typedef struct {
    double mask_ratio, mask_range; /* mixmae */
    double layer_decay, drop_path; /* classify */
    double label_fraction;         /* share of the labelled images that is used */
    double balance;                /* 0: images as they come; 1: every class equally often */
    mx_mixup mixup;
} mx_objective_settings;

/* Inputs of an objective's state. Everything pointed to must outlive the state. */
typedef struct {
    const mx_model *model;
    const mx_objective_settings *settings;
    int batch;
    uint64_t seed;
} mx_objective_config;

/* A measure of held-out images. */
#define MX_MEASURES 3
typedef struct {
    struct {
        const char *key, *tag; /* in log.jsonl, in TensorBoard */
        double value;
    } number[MX_MEASURES];
    int count;
    int64_t left_out; /* unreadable images, including those the loader's configuration counts */
    double score;     /* the model with the highest score is kept; NAN: keep none */
    char text[160];   /* "held-out loss 0.5541" */
} mx_measure;

/* The content of a picture: a grid of normalised images [Ch,H,W]. Free with mx_panels_free. */
typedef struct {
    int rows, columns;
    const char *const *headings; /* [columns] */
    const float **cell;          /* [rows*columns], in memory or the caller's images; NULL: empty */
    float *memory;
} mx_panels;
void mx_panels_free(mx_panels *p);

struct mx_objective {
    const char *name;
    const char *command;  /* the command that trains it: "pretrain" or "finetune" */
    const char *title;    /* of its runs, in reports */
    const char *loss_tag; /* in TensorBoard, the name that the authors' program uses */
    bool pretrains;       /* starts from a named model with a decoder; else from --init's encoder */
    bool labels;          /* needs labels; the model gets the classes of the data */
    bool pairs;           /* mixes image i with image B-1-i; in an odd batch the middle one with itself */
    int64_t held_most;    /* most held-out images to measure; 0: all */

    /* Removes the parts of the model that the task does not use; refuses a model that it cannot train. */
    mx_status (*model)(mx_model_config *m, mx_error *e);
    /* Fills the objective's own settings and the training transform's. recipe: the named model's. */
    mx_status (*settings)(mx_objective_settings *s, mx_transform *t, const mx_model_config *m, int batch,
                          const mx_options *o, const mx_recipe *recipe, mx_error *e);
    /* Writes the defaults that `settings` filled in back into *o. */
    void (*effective)(const mx_objective_settings *s, mx_options *o);
    /* Must the batch be even? */
    bool (*needs_even)(const mx_objective_settings *s);
    /* Checks the data (held may be NULL) and copies what the model needs from it (classes). */
    mx_status (*data)(const mx_objective_settings *s, mx_model_config *m, mx_dataset *data, mx_dataset *held,
                      uint64_t seed, mx_error *e);

    /* Tables and buffers of training, *state. Free with free, also after a failure. */
    mx_status (*make)(void **state, const mx_objective_config *c, mx_error *e);
    void (*free)(void *state);
    /* Bytes that make allocates, and that measuring `held` images allocates. */
    size_t (*bytes)(const mx_model *m, int batch, int64_t held);
    /* Attaches the state's memory that ops use (ops.h, "memory of a device"). */
    void (*attach)(void *state, mx_ctx *c);

    /* Draws everything random in micro-batch c->micro of step c->step. images [B,Ch,H,W] may be changed in
     * place. labels [B], or NULL for class 0. */
    void (*draw)(void *state, mx_ctx *c, float *images, const int32_t *labels);
    /* Forward, loss, backward: loss[0] += scale * mean loss; gradients += scale * gradient. */
    void (*pass)(void *state, mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, float scale);
    /* For the dry run: does everything that measures and pictures do on the arena between steps. */
    void (*plan_between)(void *state, mx_ctx *c, mx_model *m, mx_tensor images);

    /* Measures held-out images, which loader reads. */
    mx_status (*held_out)(void *state, mx_session *s, mx_model *m, const mx_loader_config *loader,
                          mx_measure *out, mx_error *e);
    /* Pictures: shown returns how many images to pass to view, which fills the panels. NULL: no pictures. */
    int (*shown)(const void *state);
    size_t (*view_bytes)(const mx_model *m,
                         int batch); /* memory of a picture at its peak, beside the arena */
    mx_status (*view)(void *state, mx_ctx *c, mx_model *m, const float *images, mx_panels *out, mx_error *e);
};

extern const mx_objective mx_mixmae, mx_classify;

/* The objective that a command trains, or NULL. */
const mx_objective *mx_objective_of_command(const char *command);

/* The whole factor by which a picture enlarges its panels: to at least MX_CELL pixels a side, but a long one not
 * beyond MX_CELL_LONG, where a picture of panels of 32x2048 would take 80 MB. */
#define MX_CELL      160
#define MX_CELL_LONG 1280
int mx_cell_zoom(int height, int width);

#endif
