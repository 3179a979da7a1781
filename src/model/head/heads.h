/* The kinds of head. A head turns an encoder's maps into a fine-tuned model's outputs. Each kind has one file and one
 * row of a table. A configuration names its kind. A model has a head when config.classes > 0. */
#ifndef MX_MODEL_HEAD_HEADS_H
#define MX_MODEL_HEAD_HEADS_H

#include "model/encoder/encoders.h"

typedef struct {
    const mx_head_kind *kind;
    const mx_model_config *config;
    mx_params *params;
    void *parts; /* private to the kind */
} mx_head;

struct mx_head_kind {
    const char *name;
    const char *prefix; /* prefix of the names of its tensors and of no others */

    /* ---- functions of a configuration */
    mx_status (*check)(const mx_model_config *c, mx_error *e);
    double (*macs)(const mx_model_config *c); /* forward multiply-adds per image */

    /* ---- functions of a head */
    /* Called with kind, config and params set. Registers all tensors; layer: their id for layer-wise
     * learning-rate decay. */
    mx_status (*make)(mx_head *h, int layer, mx_error *e);
    void (*free)(mx_head *h);
    /* Initial values for fine-tuning, a function of the seed. std: standard deviation of the weights. */
    void (*init)(const mx_head *h, uint64_t seed, double std);
    /* x → out [B,...]. May compute x->pooled. train: backward follows, and forward may write to parts;
     * otherwise several threads may run it at once. */
    void (*forward)(mx_ctx *c, const mx_head *h, mx_tensor out, mx_encoded *x, bool train);
    /* Call after forward. dout [B,...] → gradients of the parts of x that forward read, pushed on the arena;
     * the others stay absent. Parameter gradients add. */
    void (*backward)(mx_ctx *c, const mx_head *h, mx_encoded *dx, mx_tensor dout, const mx_encoded *x);
};

/* The configuration's kind, or the first row if it names none. */
const mx_head_kind *mx_head_of(const mx_model_config *c);
/* NULL: no kind has this name. */
const mx_head_kind *mx_head_find(const char *name);
/* "classifier, ..." for messages. */
const char *mx_head_names(void);
/* True for names of any kind's tensors. */
bool mx_head_owns(const char *tensor);

mx_status mx_head_make(mx_head *h, const mx_model_config *config, mx_params *p, int layer, mx_error *e);
void mx_head_free(mx_head *h); /* also after a failure, or for a model without a head */

#endif
