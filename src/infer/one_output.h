/* One output of a finished model, batch by batch, in memory of its own: how eval, predict, embed and probe use a
 * model that their options name. */
#ifndef MX_INFER_ONE_OUTPUT_H
#define MX_INFER_ONE_OUTPUT_H

#include "infer/inference.h"
#include "options/options.h"

typedef enum {
    MX_OUT_LOGITS, /* [classes] */
    MX_OUT_POOLED, /* [C]: mean of the tokens after the final norm */
    MX_OUT_TOKENS, /* [H,W,C]: those tokens in raster order */
    MX_OUT_STAGE   /* [H_k,W_k,C_k]: map of stage k before its merging */
} mx_output;

typedef struct {
    mx_inference *f;
    const mixmae_sink *sink;
    int workers;
    int64_t each_in, each_out; /* floats of an image, of its output */
    int64_t shape[3];          /* of an output; shape_count numbers */
    int shape_count;
    float *images;         /* [f->batch, each_in]: for the caller to fill */
    float *out;            /* [f->batch, each_out]: results of mx_one_output_run */
    mixmae_outputs wanted; /* out, in its place */
} mx_one_output;

/* Reads --checkpoint into *f (the weights that --weights selects; notes go to the sink, which must outlive *one) and
 * plans it, with --batch-size, --threads, --device, --dtype and --workers of o. MX_OUT_LOGITS needs a head. stage:
 * from 0, of MX_OUT_STAGE. Free both with mx_one_output_free and mx_inference_free, also after a failure. */
mx_status mx_one_output_open(mx_one_output *one, mx_inference *f, const mx_options *o, mx_output output,
                             int stage, const mixmae_sink *sink, mx_error *e);
void mx_one_output_free(mx_one_output *one); /* not *f */
/* one->out [n, ..] from images [n, each_in]; of more than f->batch images, the first f->batch. */
mx_status mx_one_output_run(mx_one_output *one, const float *images, int64_t n, mx_error *e);
/* Loader that reads every image of data once in order. It names unreadable ones to the sink; mx_batch.index marks
 * them. */
mx_loader_config mx_one_output_loader(const mx_one_output *one, const mx_dataset *data);

#endif
