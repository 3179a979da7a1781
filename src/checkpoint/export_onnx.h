/* A model as an ONNX file, for programs that know nothing of MixMAE. Source: spec formats.md (f). */
#ifndef MX_CHECKPOINT_EXPORT_ONNX_H
#define MX_CHECKPOINT_EXPORT_ONNX_H

#include "checkpoint/checkpoint.h"

/* What the file says besides the graph; any may be absent. */
typedef struct {
    const mx_pixels *pixels; /* written as metadata mean, std, value_range */
    uint64_t limit;          /* see mx_onnx_write */
} mx_onnx_notes;

/* Writes path whole or not at all: input "images" [N,Ch,H,W] f32, normalised; output "logits" [N,classes],
 * or, of a model without a head, "features" [N,C], the mean over the final norm's tokens. A decoder is left
 * aside. A file past 2 GiB keeps its weights beside it in path + ".data". notes may be NULL. */
mx_status mx_export_onnx(const mx_model *m, const mx_onnx_notes *notes, const char *path, mx_error *e);

#endif
