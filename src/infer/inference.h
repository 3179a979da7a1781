/* A finished model put to use: images in, any of the model's outputs out, forward only. The one object that the
 * commands (one_output.h) and the library's handle (api/model.h) share. Weights are used in place in the mapped
 * file. */
#ifndef MX_INFER_INFERENCE_H
#define MX_INFER_INFERENCE_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/foreign.h"
#include "mixmae.h"
#include "train/compute.h"

typedef struct {
    mx_model model;
    mx_pixels pixels;
    mx_transform transform; /* evaluation, by these pixels */
    mx_token_tables tables; /* serves every number of images up to batch */
    mx_compute how;
    mx_session session;
    int batch; /* images computed at once */
} mx_inference;

/* Reads model and pixels from a file of any kind (checkpoint/read_any.h). hints may be NULL. The texts of *how must
 * stay until mx_inference_plan. *f must not be moved. Free with mx_inference_free, also after a failure. */
mx_status mx_inference_read(mx_inference *f, const char *path, const mx_foreign_hints *hints,
                            const mx_compute *how, mx_error *e);
/* Makes the memory of a pass over `batch` images that wants every output. Call once, after reading. */
mx_status mx_inference_plan(mx_inference *f, int batch, mx_error *e);
/* The same for another pass over the model, `work` (user), whose token tables f->tables holds. */
mx_status mx_inference_plan_pass(mx_inference *f, mx_session_work *work, void *user, mx_error *e);
void mx_inference_free(mx_inference *f);

/* Computes what `out` wants (mixmae.h) of images [n,Ch,H,W], f->batch at a time. Neither n nor the batch changes any
 * bit of a result. Allocates nothing. An output that the model does not have: MX_ERR_ARGUMENT. */
mx_status mx_inference_run(mx_inference *f, const float *images, int64_t n, const mixmae_outputs *out,
                           mx_error *e);
/* Refuses what the model does not have: classes; stage k, from 0. */
mx_status mx_inference_need_classes(const mx_inference *f, mx_error *e);
mx_status mx_inference_need_stage(const mx_inference *f, int k, mx_error *e);

/* Name of a class, or its number as text. */
const char *mx_inference_class(const mx_inference *f, int i, char number[16]);
/* One line about backend, type and threads, as a training run has it. */
void mx_inference_notice(const mx_inference *f, const mixmae_sink *sink);

#endif
