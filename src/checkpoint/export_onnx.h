/* A model as an ONNX file, for programs that do not know MixMAE. Source: docs/FORMATS.md, "ONNX". */
#ifndef MX_CHECKPOINT_EXPORT_ONNX_H
#define MX_CHECKPOINT_EXPORT_ONNX_H

#include "checkpoint/checkpoint.h"

/* Optional contents of the file in addition to the graph. */
typedef struct {
    const mx_pixels *pixels; /* written as metadata mean, std, value_range */
    uint64_t limit;          /* see mx_onnx_write */
} mx_onnx_notes;

/* Writes path whole or not at all: input "images" [N,Ch,H,W] f32, normalised; output "logits" [N,classes],
 * or, of a model without a head, "features" [N,C], the mean over the final norm's tokens. A decoder is not
 * exported. A file over 2 GiB stores its weights separately, in path + ".data". notes may be NULL. */
mx_status mx_export_onnx(const mx_model *m, const mx_onnx_notes *notes, const char *path, mx_error *e);

#endif
