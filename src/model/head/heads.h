/* The kinds of head, what a fine-tuned model makes of an encoder's maps; each one file and one row.
 * A configuration names its kind. A model has a head when config.classes > 0. */
#ifndef MX_MODEL_HEAD_HEADS_H
#define MX_MODEL_HEAD_HEADS_H

#include "model/encoder/encoders.h"

typedef struct {
    const mx_head_kind *kind;
    const mx_model_config *config;
    mx_params *params;
    void *parts; /* the kind's own */
} mx_head;

struct mx_head_kind {
    const char *name;
    const char *prefix; /* of the names of its tensors, of no other part's */

    /* ---- of a configuration alone */
    mx_status (*check)(const mx_model_config *c, mx_error *e);
    double (*macs)(const mx_model_config *c); /* forward multiply-adds an image */

    /* ---- of a head */
    /* kind, config and params are set. Registers all tensors, with this layer for layer-wise learning rates.
     */
    mx_status (*make)(mx_head *h, int layer, mx_error *e);
    void (*free)(mx_head *h);
    /* First values for fine-tuning, a function of the seed; std: of the weights. */
    void (*init)(const mx_head *h, uint64_t seed, double std);
    /* x → out [B,...]. May add to x what it takes from it (pooled). train: backward follows, and parts may
     * be written into; else the head is shared with other threads. */
    void (*forward)(mx_ctx *c, const mx_head *h, mx_tensor out, mx_encoded *x, bool train);
    /* After forward. dout [B,...] → the gradients of what forward read of x, pushed on the arena; the others
     * stay absent. Parameter gradients add. */
    void (*backward)(mx_ctx *c, const mx_head *h, mx_encoded *dx, mx_tensor dout, const mx_encoded *x);
};

/* The configuration's kind; the first row where it names none. */
const mx_head_kind *mx_head_of(const mx_model_config *c);
/* NULL: there is no such kind. */
const mx_head_kind *mx_head_find(const char *name);
/* "classifier, ..." for messages. */
const char *mx_head_names(void);
/* Is this the name of some kind's tensor? */
bool mx_head_owns(const char *tensor);

mx_status mx_head_make(mx_head *h, const mx_model_config *config, mx_params *p, int layer, mx_error *e);
void mx_head_free(mx_head *h); /* also after a failure, or of a model without one */

#endif
