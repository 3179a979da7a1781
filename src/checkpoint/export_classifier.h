/* The ONNX graph of the head "classifier". */
#ifndef MX_CHECKPOINT_EXPORT_CLASSIFIER_H
#define MX_CHECKPOINT_EXPORT_CLASSIFIER_H

#include "checkpoint/export_graph.h"

/* Makes the graph's output "logits" [N,classes]. */
void mx_export_classifier(mx_graph_scope *s, const mx_model_config *m, mx_graph_encoded *x);

#endif
