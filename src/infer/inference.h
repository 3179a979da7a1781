/* Inference: images in, logits or features out, forward only. Shared by eval, predict, embed and probe.
 * Weights are used in place in the mapped file. */
#ifndef MX_INFER_INFERENCE_H
#define MX_INFER_INFERENCE_H

#include "checkpoint/checkpoint.h"
#include "options/options.h"
#include "train/compute.h"

typedef enum {
    MX_OUT_LOGITS, /* [classes] */
    MX_OUT_POOLED, /* [C]: mean of the tokens after the final norm */
    MX_OUT_TOKENS, /* [H,W,C]: those tokens in raster order */
    MX_OUT_STAGE   /* [H_k,W_k,C_k]: map of stage k before its merging */
} mx_output;

typedef struct {
    mx_model model;
    mx_pixels pixels;
    mx_token_tables tables;
    mx_compute how;
    mx_session session;
    mx_transform transform; /* evaluation */
    mx_output output;
    int stage, batch, workers;
    int64_t each_in, each_out; /* floats of an image, of its output */
    int64_t shape[3];          /* of an output; shape_count numbers */
    int shape_count;
    int now;       /* images of the batch that is being computed */
    float *images; /* [batch, each_in]: the caller fills it ... */
    float *out;    /* [batch, each_out]: ... and finds the result here */
} mx_inference;

/* Opens --checkpoint (the weights that --weights selects; notes go to the sink) with --batch-size, --threads,
 * --device, --dtype and --workers of o. MX_OUT_LOGITS needs a head. stage: from 0, of MX_OUT_STAGE. It must
 * not be moved. Free with mx_inference_free, also after a failure. */
mx_status mx_inference_open(mx_inference *f, const mx_options *o, mx_output output, int stage,
                            const mixmae_sink *sink, mx_error *e);
void mx_inference_free(mx_inference *f);
/* One line about backend, type and threads, as a training run has it. */
void mx_machine_notice(const mx_compute *how, const mixmae_sink *sink);
/* f->out [n, ..] from images [n, each_in], n <= f->batch: n does not change any bit of a result. */
mx_status mx_inference_run(mx_inference *f, const float *images, int64_t n, mx_error *e);
/* Loader that reads every image of data once in order (mx_batch.index marks unreadable ones). */
mx_loader_config mx_inference_loader(const mx_inference *f, const mx_dataset *data);
/* Name of a class, or its number as text. */
const char *mx_inference_class(const mx_inference *f, int i, char number[16]);

#endif
