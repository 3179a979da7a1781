/* Swin as an ONNX graph, see export_swin.h: maps are in raster order; Reshape and Transpose cut out the
 * windows (docs/FORMATS.md, "ONNX").
 *
 * Letters of shapes: N images, H W map, h w window, n = h·w tokens of a window, P = windows of all images, C
 * width, D head width. */
#include "checkpoint/export_swin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoint/export_graph.h"

typedef mx_onnx_value value;

/* ---- a block ---- */

typedef struct {
    int64_t map_h, map_w, h, w, width, heads;
} geometry;

static geometry stage_geometry(const mx_model_config *m, int k) {
    const mx_stage_shape s = mx_stage_shape_of(m, k);
    return (geometry){s.grid_h, s.grid_w, s.window_h, s.window_w, s.width, m->heads[k]};
}

/* The table [(2h-1)(2w-1),heads] spread over pairs of tokens: [1,heads,n,n]. */
static value position_bias(const mx_graph_scope *s, const geometry *q) {
    mx_tensor table = mx_graph_find(s, "attn.relative_position_bias_table");
    int64_t n = q->h * q->w;
    float *bias = mx_present(table) ? malloc(sizeof *bias * (size_t)(q->heads * n * n)) : NULL, *to = bias;
    for (int64_t head = 0; bias && head < q->heads; head++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                int64_t down = i / q->w - j / q->w + q->h - 1, across = i % q->w - j % q->w + q->w - 1;
                *to++ = mx_f32(table)[(down * (2 * q->w - 1) + across) * q->heads + head];
            }
    return mx_onnx_taken(s->g, mx_graph_name(s, "attn.relative_position_bias").text, 4,
                         (int64_t[]){1, q->heads, n, n}, bias);
}

/* qkv [P,n,3C] → [P,n,C] */
static value attend(const mx_graph_scope *s, const geometry *q, value qkv) {
    int64_t n = q->h * q->w, d = q->width / q->heads;
    value split = mx_graph_reshape(s, "attn.split", qkv, MX_SHAPE(0, n, 3, q->heads, d));
    value by_head =
        mx_graph_transpose(s, "attn.by_head", split, MX_SHAPE(2, 0, 3, 1, 4)); /* [3,P,heads,n,D] */
    value part_of[3];
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"attn.q", "attn.k", "attn.v"};
        part_of[i] = mx_graph_op2(s, names[i], "Gather", by_head, mx_onnx_index(s->g, i));
        mx_onnx_int(s->g, "axis", 0);
    }
    value scaled = mx_graph_op2(s, "attn.q_scaled", "Mul", part_of[0],
                                mx_onnx_scalar(s->g, (float)(1 / sqrt((double)d))));
    value keys = mx_graph_transpose(s, "attn.k_transposed", part_of[1], MX_SHAPE(0, 1, 3, 2));
    value products = mx_graph_op2(s, "attn.products", "MatMul", scaled, keys);
    value logits = mx_graph_op2(s, "attn.logits", "Add", products, position_bias(s, q)); /* [P,heads,n,n] */
    value shares = mx_graph_op1(s, "attn.shares", "Softmax", logits);
    mx_onnx_int(s->g, "axis", -1);
    value mixed = mx_graph_op2(s, "attn.mixed", "MatMul", shares, part_of[2]);
    value tokens = mx_graph_transpose(s, "attn.tokens", mixed, MX_SHAPE(0, 2, 1, 3)); /* [P,n,heads,D] */
    return mx_graph_reshape(s, "attn.joined", tokens, MX_SHAPE(0, n, q->width));
}

/* x [N,HW,C] → the same */
static value attention(const mx_graph_scope *s, const geometry *q, value x) {
    int64_t rows = q->map_h / q->h, columns = q->map_w / q->w, c = q->width;
    value grid = mx_graph_reshape(s, "attn.grid", x, MX_SHAPE(-1, rows, q->h, columns, q->w, c));
    value apart = mx_graph_transpose(s, "attn.apart", grid, MX_SHAPE(0, 1, 3, 2, 4, 5));
    value windows = mx_graph_reshape(s, "attn.windows", apart, MX_SHAPE(-1, q->h * q->w, c));
    value y = mx_graph_linear(s, "attn.proj", attend(s, q, mx_graph_linear(s, "attn.qkv", windows)));
    value out = mx_graph_reshape(s, "attn.out_windows", y, MX_SHAPE(-1, rows, columns, q->h, q->w, c));
    value together = mx_graph_transpose(s, "attn.together", out, MX_SHAPE(0, 1, 3, 2, 4, 5));
    return mx_graph_reshape(s, "attn.out", together, MX_SHAPE(-1, q->map_h * q->map_w, c));
}

/* x · ½ · (1 + erf(x/√2)); a single operator only from opset 20 on */
static value gelu(const mx_graph_scope *s, value x) {
    mx_onnx *g = s->g;
    value half = mx_graph_op2(s, "mlp.half", "Mul", x, mx_onnx_scalar(g, 0.5f));
    value ratio = mx_graph_op2(s, "mlp.ratio", "Div", x, mx_onnx_scalar(g, (float)M_SQRT2));
    value erf = mx_graph_op1(s, "mlp.erf", "Erf", ratio);
    value factor = mx_graph_op2(s, "mlp.factor", "Add", erf, mx_onnx_scalar(g, 1.0f));
    return mx_graph_op2(s, "mlp.gelu", "Mul", half, factor);
}

static value block(const mx_graph_scope *s, const geometry *q, value x) {
    value mid = mx_graph_op2(s, "mid", "Add", x, attention(s, q, mx_graph_layernorm(s, "norm1", x)));
    value hidden = mx_graph_linear(s, "mlp.fc1", mx_graph_layernorm(s, "norm2", mid));
    return mx_graph_op2(s, "out", "Add", mid, mx_graph_linear(s, "mlp.fc2", gelu(s, hidden)));
}

/* ---- the model ---- */

/* images [N,Ch,H,W] → [N,L,C] */
static value embed(mx_graph_scope *s, const mx_model_config *m, value images) {
    const int64_t patch[] = {m->patch, m->patch};
    s->prefix[0] = 0;
    value map =
        mx_graph_op3(s, "patch_embed.proj", "Conv", images, mx_graph_weight(s, "patch_embed.proj.weight"),
                     mx_graph_weight(s, "patch_embed.proj.bias"));
    mx_onnx_ints(s->g, "kernel_shape", 2, patch);
    mx_onnx_ints(s->g, "strides", 2, patch);
    value rows = mx_graph_reshape(s, "patch_embed.rows", map, MX_SHAPE(0, m->embed_dim, -1));
    value tokens = mx_graph_transpose(s, "patch_embed.tokens", rows, MX_SHAPE(0, 2, 1));
    value normed = mx_graph_layernorm(s, "patch_embed.norm", tokens);
    return mx_graph_op2(s, "embedded", "Add", normed, mx_graph_weight(s, "absolute_pos_embed"));
}

/* [N,HW,C] → [N,HW/4,2C]. Order of a cell's four tokens (row, column): (0,0) (1,0) (0,1) (1,1). */
static value merge(const mx_graph_scope *s, const geometry *q, value x) {
    int64_t h = q->map_h / 2, w = q->map_w / 2, c = q->width;
    value cells = mx_graph_reshape(s, "cells", x, MX_SHAPE(-1, h, 2, w, 2, c));
    value apart = mx_graph_transpose(s, "apart", cells, MX_SHAPE(0, 1, 3, 4, 2, 5));
    value joined = mx_graph_reshape(s, "joined", apart, MX_SHAPE(-1, h * w, 4 * c));
    return mx_graph_op2(s, "reduction", "MatMul", mx_graph_layernorm(s, "norm", joined),
                        mx_graph_weight_transposed(s, "reduction.weight"));
}

void mx_export_swin(mx_graph_scope *s, const mx_model_config *m, mx_graph_encoded *out,
                    mx_onnx_value images) {
    value x = embed(s, m, images);
    for (int k = 0; k < m->stages; k++) {
        geometry q = stage_geometry(m, k);
        for (int j = 0; j < m->depths[k]; j++) {
            snprintf(s->prefix, sizeof s->prefix, "layers.%d.blocks.%d.", k, j);
            x = block(s, &q, x);
        }
        out->stage[k] = x;
        snprintf(s->prefix, sizeof s->prefix, "layers.%d.downsample.", k);
        if (k + 1 < m->stages) x = merge(s, &q, x);
    }
    s->prefix[0] = 0;
    out->tokens = mx_graph_layernorm(s, "norm", x);
}
