/* Code shared by the golden checks of pretraining and classifier. */
#ifndef MX_VERIFY_EXAM_H
#define MX_VERIFY_EXAM_H

#include "model/model.h"
#include "optim/adamw.h"
#include "train/compute.h"
#include "verify/verify.h"

/* A golden file's model, inputs and settings in memory. */
typedef struct {
    mx_report_card *card;
    mx_model model;
    mx_token_tables tables;
    mx_session session;
    mx_adamw_config adamw;
    int batch, steps;
    float *images, *targets, *logits; /* the last two: classifier only */
    mx_tensor image_tensor;
    float loss;
    double lr, update[MX_UPDATE];
} mx_exam;

/* Reads configuration, weights, images and settings. masked: pretraining. */
void mx_exam_open(mx_exam *x, mx_report_card *card, bool masked);
/* Plans `work` (user = x) and allocates its memory. */
void mx_exam_plan(mx_exam *x, const mx_compute *how, mx_session_work *work);
void mx_exam_close(mx_exam *x);
bool mx_exam_ok(mx_exam *x); /* copies the context's error to the card */

/* One update at the file's learning rate. */
void mx_exam_update(mx_exam *x, mx_ctx *c);
/* Compares grad.* of every trainable parameter. */
void mx_exam_compare_gradients(mx_exam *x);
/* Resets the weights to param.* and the moments to zero. */
void mx_exam_reset(mx_exam *x);
/* Compares after.* of every trainable parameter; the key third of qkv.bias has a check of its own. */
void mx_exam_compare_after(mx_exam *x);

#endif
