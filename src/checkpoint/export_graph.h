/* Pieces of a model's ONNX graph, from which encoders and heads are built (export_swin.c, export_classifier.c).
 *
 * Letters of shapes: N images, L tokens, C width. */
#ifndef MX_CHECKPOINT_EXPORT_GRAPH_H
#define MX_CHECKPOINT_EXPORT_GRAPH_H

#include "io/onnx.h"
#include "model/model.h"

/* The module being written: names of nodes and parameters start with `prefix`. */
typedef struct {
    mx_onnx *g;
    const mx_params *params;
    mx_error *e;
    char prefix[64];
} mx_graph_scope;

typedef struct {
    char text[256];
} mx_graph_label;

/* An encoder's outputs in raster order: maps after each stage [N,L_k,C_k], after the final norm [N,L,C], and their
 * mean [N,C], NULL until mx_graph_mean makes it. */
typedef struct {
    mx_onnx_value stage[MX_MAX_STAGES], tokens, pooled;
} mx_graph_encoded;

/* A number of dimensions and their list; 0 keeps a dimension, -1 is what is left. */
#define MX_SHAPE(...)                                                                                        \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

mx_graph_label mx_graph_name(const mx_graph_scope *s, const char *name);
mx_onnx_value mx_graph_op1(const mx_graph_scope *s, const char *name, const char *op, mx_onnx_value x);
mx_onnx_value mx_graph_op2(const mx_graph_scope *s, const char *name, const char *op, mx_onnx_value x,
                           mx_onnx_value y);
mx_onnx_value mx_graph_op3(const mx_graph_scope *s, const char *name, const char *op, mx_onnx_value x,
                           mx_onnx_value y, mx_onnx_value z);
mx_onnx_value mx_graph_reshape(const mx_graph_scope *s, const char *name, mx_onnx_value x, int ndim,
                               const int64_t *dim);
mx_onnx_value mx_graph_transpose(const mx_graph_scope *s, const char *name, mx_onnx_value x, int ndim,
                                 const int64_t *order);

/* A parameter. If the model has none of this name: absent, and an error in s->e. */
mx_tensor mx_graph_find(const mx_graph_scope *s, const char *name);
mx_onnx_value mx_graph_weight(const mx_graph_scope *s, const char *name);
/* A linear layer's weight [out,in], transposed to [in,out] for MatMul. */
mx_onnx_value mx_graph_weight_transposed(const mx_graph_scope *s, const char *name);

/* With name.weight and name.bias. x [...,C] */
mx_onnx_value mx_graph_layernorm(const mx_graph_scope *s, const char *name, mx_onnx_value x);
/* x [...,in] → [...,out] */
mx_onnx_value mx_graph_linear(const mx_graph_scope *s, const char *name, mx_onnx_value x);

/* Computes x->pooled, named "features", if it is NULL. */
void mx_graph_mean(const mx_graph_scope *s, mx_graph_encoded *x);

#endif
