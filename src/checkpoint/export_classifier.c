/* The classifier's head as an ONNX graph, see export_classifier.h. */
#include "checkpoint/export_classifier.h"

void mx_export_classifier(mx_graph_scope *s, const mx_model_config *m, mx_graph_encoded *x) {
    const int64_t output[] = {MX_ONNX_BATCH, m->classes};
    mx_graph_mean(s, x);
    mx_onnx_value logits = mx_graph_op3(s, "logits", "Gemm", x->pooled, mx_graph_weight(s, "head.weight"),
                                        mx_graph_weight(s, "head.bias"));
    mx_onnx_int(s->g, "transB", 1);
    mx_onnx_output(s->g, logits, 2, output);
}
