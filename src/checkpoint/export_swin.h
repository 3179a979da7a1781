/* The ONNX graph of the encoder "swin". */
#ifndef MX_CHECKPOINT_EXPORT_SWIN_H
#define MX_CHECKPOINT_EXPORT_SWIN_H

#include "checkpoint/export_graph.h"

/* images [N,Ch,H,W] → out->stage and tokens. */
void mx_export_swin(mx_graph_scope *s, const mx_model_config *m, mx_graph_encoded *out, mx_onnx_value images);

#endif
