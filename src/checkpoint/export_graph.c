/* Pieces of a model's ONNX graph, see export_graph.h. */
#include "checkpoint/export_graph.h"

#include <stdio.h>
#include <string.h>

typedef mx_onnx_value value;

mx_graph_label mx_graph_name(const mx_graph_scope *s, const char *name) {
    mx_graph_label l;
    snprintf(l.text, sizeof l.text, "%s%s", s->prefix, name);
    return l;
}

value mx_graph_op1(const mx_graph_scope *s, const char *name, const char *op, value x) {
    return mx_onnx_node(s->g, mx_graph_name(s, name).text, op, 1, (value[]){x});
}

value mx_graph_op2(const mx_graph_scope *s, const char *name, const char *op, value x, value y) {
    return mx_onnx_node(s->g, mx_graph_name(s, name).text, op, 2, (value[]){x, y});
}

value mx_graph_op3(const mx_graph_scope *s, const char *name, const char *op, value x, value y, value z) {
    return mx_onnx_node(s->g, mx_graph_name(s, name).text, op, 3, (value[]){x, y, z});
}

value mx_graph_reshape(const mx_graph_scope *s, const char *name, value x, int ndim, const int64_t *dim) {
    return mx_graph_op2(s, name, "Reshape", x, mx_onnx_list(s->g, ndim, dim));
}

value mx_graph_transpose(const mx_graph_scope *s, const char *name, value x, int ndim, const int64_t *order) {
    value y = mx_graph_op1(s, name, "Transpose", x);
    mx_onnx_ints(s->g, "perm", ndim, order);
    return y;
}

mx_tensor mx_graph_find(const mx_graph_scope *s, const char *name) {
    mx_graph_label l = mx_graph_name(s, name);
    mx_tensor t = mx_weight(s->params, mx_params_find(s->params, l.text));
    if (!mx_present(t)) mx_fail(s->e, MX_ERR_SHAPE, "the model has no tensor %s", l.text);
    return t;
}

value mx_graph_weight(const mx_graph_scope *s, const char *name) {
    mx_tensor t = mx_graph_find(s, name);
    return mx_present(t) ? mx_onnx_weight(s->g, mx_graph_name(s, name).text, t.ndim, t.dim, mx_f32(t)) : NULL;
}

value mx_graph_weight_transposed(const mx_graph_scope *s, const char *name) {
    mx_tensor t = mx_graph_find(s, name);
    mx_graph_label l = mx_graph_name(s, name);
    snprintf(l.text + strlen(l.text), sizeof l.text - strlen(l.text), ".T");
    return mx_present(t) ? mx_onnx_weight_transposed(s->g, l.text, t.dim[0], t.dim[1], mx_f32(t)) : NULL;
}

typedef struct {
    char text[64];
} part;

/* name.weight, name.bias */
static part of(const char *name, const char *what) {
    part p;
    snprintf(p.text, sizeof p.text, "%s.%s", name, what);
    return p;
}

value mx_graph_layernorm(const mx_graph_scope *s, const char *name, value x) {
    value w = mx_graph_weight(s, of(name, "weight").text), b = mx_graph_weight(s, of(name, "bias").text);
    value y = mx_graph_op3(s, name, "LayerNormalization", x, w, b);
    mx_onnx_int(s->g, "axis", -1);
    mx_onnx_float(s->g, "epsilon", MX_NORM_EPS);
    return y;
}

value mx_graph_linear(const mx_graph_scope *s, const char *name, value x) {
    value w = mx_graph_weight_transposed(s, of(name, "weight").text),
          b = mx_graph_weight(s, of(name, "bias").text);
    value product = mx_graph_op2(s, of(name, "product").text, "MatMul", x, w);
    return mx_graph_op2(s, name, "Add", product, b);
}

void mx_graph_mean(const mx_graph_scope *s, mx_graph_encoded *x) {
    if (x->pooled) return;
    x->pooled = mx_graph_op1(s, "features", "ReduceMean", x->tokens);
    mx_onnx_ints(s->g, "axes", MX_SHAPE(1));
    mx_onnx_int(s->g, "keepdims", 0);
}
