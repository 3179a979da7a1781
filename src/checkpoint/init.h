/* Starting a model from another one's weights: `--init`.
 *
 * Source: docs/TRAINING.md, "Starting from a file". The other model may have another resolution or window
 * size, whose tables are resized bicubically (torch's constant), another set of classes, or a decoder. */
#ifndef MX_CHECKPOINT_INIT_H
#define MX_CHECKPOINT_INIT_H

#include "model/model.h"

typedef struct {
    bool partial;        /* tensors that are missing or do not fit keep their values in *m: no error */
    bool keep_head;      /* copy the head too; its classes must be the same */
    bool adapt_channels; /* adapt an encoder of 3 channels to another number, see mx_adapt_channels */
    /* Called with one line for each tensor resized or left out. May be NULL. */
    void (*note)(void *user, const char *line);
    void *user;
} mx_init_config;

/* Copies every tensor of `from` that *m has. *m: made for training, filled with first values. A decoder and a mask
 * token that *m has no place for are left out, with one line. Anything else that does not fit is an error, which names
 * the tensor, what was expected and what was found. */
mx_status mx_init_from(mx_model *m, const mx_model *from, const mx_init_config *config, mx_error *e);

/* The same for a model that is trained further as it is: every tensor of *m must be in `from` at its shape.
 * What else `from` holds is left aside. */
mx_status mx_init_whole(mx_model *m, const mx_model *from, mx_error *e);

/* to [C,N,p,p] ← from [C,3,p,p], as timm does. N = 1: the sum of the three; else the three repeated, times 3/N, so
 * that equal channels give the same sum. */
void mx_adapt_channels(float *to, const float *from, int64_t rows, int channels, int64_t each);

#endif
