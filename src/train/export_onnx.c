/* The encoder and the classifier's head as an ONNX graph, see export_onnx.h: node by node what
 * mx_classify_logits computes, with maps in raster order and windows cut out by Reshape and Transpose (spec
 * formats.md f).
 *
 * Letters of shapes: N images, H W map, h w window, n = h·w tokens of a window, P = windows of all images,
 * C width, D head width. */
#include "train/export_onnx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/onnx.h"
#include "ops/ops.h"

typedef mx_onnx_value value;

/* The module being written: names of nodes and parameters start with `prefix`. */
typedef struct {
    mx_onnx *g;
    const mx_params *params;
    mx_error *e;
    char prefix[64];
} scope;

typedef struct {
    char text[256];
} label;

static label named(const scope *s, const char *name) {
    label l;
    snprintf(l.text, sizeof l.text, "%s%s", s->prefix, name);
    return l;
}

static value op1(const scope *s, const char *name, const char *op, value x) {
    return mx_onnx_node(s->g, named(s, name).text, op, 1, (value[]){x});
}

static value op2(const scope *s, const char *name, const char *op, value x, value y) {
    return mx_onnx_node(s->g, named(s, name).text, op, 2, (value[]){x, y});
}

static value op3(const scope *s, const char *name, const char *op, value x, value y, value z) {
    return mx_onnx_node(s->g, named(s, name).text, op, 3, (value[]){x, y, z});
}

/* 0 keeps a dimension, -1 is what is left. */
#define SHAPE(...)                                                                                           \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

static value reshape(const scope *s, const char *name, value x, int ndim, const int64_t *dim) {
    return op2(s, name, "Reshape", x, mx_onnx_list(s->g, ndim, dim));
}

static value transpose(const scope *s, const char *name, value x, int ndim, const int64_t *order) {
    value y = op1(s, name, "Transpose", x);
    mx_onnx_ints(s->g, "perm", ndim, order);
    return y;
}

/* ---- parameters -------------------------------------------------------------------------------------------
 */

static mx_tensor find(const scope *s, const char *name) {
    label l = named(s, name);
    mx_tensor t = mx_weight(s->params, mx_params_find(s->params, l.text));
    if (!mx_present(t)) mx_fail(s->e, MX_ERR_SHAPE, "the model has no tensor %s", l.text);
    return t;
}

static value weight(const scope *s, const char *name) {
    mx_tensor t = find(s, name);
    return mx_present(t) ? mx_onnx_weight(s->g, named(s, name).text, t.ndim, t.dim, mx_f32(t)) : NULL;
}

/* A linear layer's [out,in] as MatMul wants it, [in,out]. */
static value weight_transposed(const scope *s, const char *name) {
    mx_tensor t = find(s, name);
    label l = named(s, name);
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

static value layernorm(const scope *s, const char *name, value x) {
    value w = weight(s, of(name, "weight").text), b = weight(s, of(name, "bias").text);
    value y = op3(s, name, "LayerNormalization", x, w, b);
    mx_onnx_int(s->g, "axis", -1);
    mx_onnx_float(s->g, "epsilon", MX_NORM_EPS);
    return y;
}

/* x [...,in] → [...,out] */
static value linear(const scope *s, const char *name, value x) {
    value w = weight_transposed(s, of(name, "weight").text), b = weight(s, of(name, "bias").text);
    value product = op2(s, of(name, "product").text, "MatMul", x, w);
    return op2(s, name, "Add", product, b);
}

/* ---- a block ----------------------------------------------------------------------------------------------
 */

typedef struct {
    int64_t map_h, map_w, h, w, width, heads;
} geometry;

static geometry stage_geometry(const mx_model_config *m, int k) {
    return (geometry){.map_h = mx_grid_h(m, k),
                      .map_w = mx_grid_w(m, k),
                      .h = mx_window_h(m, k),
                      .w = mx_window_w(m, k),
                      .width = mx_stage_width(m, k),
                      .heads = m->heads[k]};
}

/* The table [(2h-1)(2w-1),heads] spread over pairs of tokens: [1,heads,n,n]. */
static value position_bias(const scope *s, const geometry *q) {
    mx_tensor table = find(s, "attn.relative_position_bias_table");
    int64_t n = q->h * q->w;
    float *bias = mx_present(table) ? malloc(sizeof *bias * (size_t)(q->heads * n * n)) : NULL, *to = bias;
    for (int64_t head = 0; bias && head < q->heads; head++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                int64_t down = i / q->w - j / q->w + q->h - 1, across = i % q->w - j % q->w + q->w - 1;
                *to++ = mx_f32(table)[(down * (2 * q->w - 1) + across) * q->heads + head];
            }
    return mx_onnx_taken(s->g, named(s, "attn.relative_position_bias").text, 4,
                         (int64_t[]){1, q->heads, n, n}, bias);
}

/* qkv [P,n,3C] → [P,n,C] */
static value attend(const scope *s, const geometry *q, value qkv) {
    int64_t n = q->h * q->w, d = q->width / q->heads;
    value split = reshape(s, "attn.split", qkv, SHAPE(0, n, 3, q->heads, d));
    value by_head = transpose(s, "attn.by_head", split, SHAPE(2, 0, 3, 1, 4)); /* [3,P,heads,n,D] */
    value part_of[3];
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"attn.q", "attn.k", "attn.v"};
        part_of[i] = op2(s, names[i], "Gather", by_head, mx_onnx_index(s->g, i));
        mx_onnx_int(s->g, "axis", 0);
    }
    value scaled =
        op2(s, "attn.q_scaled", "Mul", part_of[0], mx_onnx_scalar(s->g, (float)(1 / sqrt((double)d))));
    value keys = transpose(s, "attn.k_transposed", part_of[1], SHAPE(0, 1, 3, 2));
    value products = op2(s, "attn.products", "MatMul", scaled, keys);
    value logits = op2(s, "attn.logits", "Add", products, position_bias(s, q)); /* [P,heads,n,n] */
    value shares = op1(s, "attn.shares", "Softmax", logits);
    mx_onnx_int(s->g, "axis", -1);
    value mixed = op2(s, "attn.mixed", "MatMul", shares, part_of[2]);
    value tokens = transpose(s, "attn.tokens", mixed, SHAPE(0, 2, 1, 3)); /* [P,n,heads,D] */
    return reshape(s, "attn.joined", tokens, SHAPE(0, n, q->width));
}

/* x [N,HW,C] → the same */
static value attention(const scope *s, const geometry *q, value x) {
    int64_t rows = q->map_h / q->h, columns = q->map_w / q->w, c = q->width;
    value grid = reshape(s, "attn.grid", x, SHAPE(-1, rows, q->h, columns, q->w, c));
    value apart = transpose(s, "attn.apart", grid, SHAPE(0, 1, 3, 2, 4, 5));
    value windows = reshape(s, "attn.windows", apart, SHAPE(-1, q->h * q->w, c));
    value y = linear(s, "attn.proj", attend(s, q, linear(s, "attn.qkv", windows)));
    value out = reshape(s, "attn.out_windows", y, SHAPE(-1, rows, columns, q->h, q->w, c));
    value together = transpose(s, "attn.together", out, SHAPE(0, 1, 3, 2, 4, 5));
    return reshape(s, "attn.out", together, SHAPE(-1, q->map_h * q->map_w, c));
}

/* x · ½ · (1 + erf(x/√2)); a single operator only from opset 20 on */
static value gelu(const scope *s, value x) {
    mx_onnx *g = s->g;
    value half = op2(s, "mlp.half", "Mul", x, mx_onnx_scalar(g, 0.5f));
    value ratio = op2(s, "mlp.ratio", "Div", x, mx_onnx_scalar(g, (float)M_SQRT2));
    value erf = op1(s, "mlp.erf", "Erf", ratio);
    value factor = op2(s, "mlp.factor", "Add", erf, mx_onnx_scalar(g, 1.0f));
    return op2(s, "mlp.gelu", "Mul", half, factor);
}

static value block(const scope *s, const geometry *q, value x) {
    value mid = op2(s, "mid", "Add", x, attention(s, q, layernorm(s, "norm1", x)));
    value hidden = linear(s, "mlp.fc1", layernorm(s, "norm2", mid));
    return op2(s, "out", "Add", mid, linear(s, "mlp.fc2", gelu(s, hidden)));
}

/* ---- the model --------------------------------------------------------------------------------------------
 */

/* images [N,Ch,H,W] → [N,L,C] */
static value embed(scope *s, const mx_model_config *m, value images) {
    const int64_t patch[] = {m->patch, m->patch};
    s->prefix[0] = 0;
    value map = op3(s, "patch_embed.proj", "Conv", images, weight(s, "patch_embed.proj.weight"),
                    weight(s, "patch_embed.proj.bias"));
    mx_onnx_ints(s->g, "kernel_shape", 2, patch);
    mx_onnx_ints(s->g, "strides", 2, patch);
    value rows = reshape(s, "patch_embed.rows", map, SHAPE(0, m->embed_dim, -1));
    value tokens = transpose(s, "patch_embed.tokens", rows, SHAPE(0, 2, 1));
    value normed = layernorm(s, "patch_embed.norm", tokens);
    return op2(s, "embedded", "Add", normed, weight(s, "absolute_pos_embed"));
}

/* [N,HW,C] → [N,HW/4,2C]; of the four tokens of a cell the row is the faster index: (0,0) (1,0) (0,1) (1,1)
 */
static value merge(const scope *s, const geometry *q, value x) {
    int64_t h = q->map_h / 2, w = q->map_w / 2, c = q->width;
    value cells = reshape(s, "cells", x, SHAPE(-1, h, 2, w, 2, c));
    value apart = transpose(s, "apart", cells, SHAPE(0, 1, 3, 4, 2, 5));
    value joined = reshape(s, "joined", apart, SHAPE(-1, h * w, 4 * c));
    return op2(s, "reduction", "MatMul", layernorm(s, "norm", joined),
               weight_transposed(s, "reduction.weight"));
}

static value encoder(scope *s, const mx_model_config *m, value images) {
    value x = embed(s, m, images);
    for (int k = 0; k < m->stages; k++) {
        geometry q = stage_geometry(m, k);
        for (int j = 0; j < m->depths[k]; j++) {
            snprintf(s->prefix, sizeof s->prefix, "layers.%d.blocks.%d.", k, j);
            x = block(s, &q, x);
        }
        snprintf(s->prefix, sizeof s->prefix, "layers.%d.downsample.", k);
        if (k + 1 < m->stages) x = merge(s, &q, x);
    }
    s->prefix[0] = 0;
    return layernorm(s, "norm", x);
}

static void whole(scope *s, const mx_model_config *m) {
    const int64_t input[] = {MX_ONNX_BATCH, m->channels, m->image_h, m->image_w};
    int64_t output[] = {MX_ONNX_BATCH, mx_stage_width(m, m->stages - 1)};
    value tokens = encoder(s, m, mx_onnx_input(s->g, "images", 4, input));
    value out = op1(s, "features", "ReduceMean", tokens);
    mx_onnx_ints(s->g, "axes", SHAPE(1));
    mx_onnx_int(s->g, "keepdims", 0);
    if (m->classes) {
        output[1] = m->classes;
        out = op3(s, "logits", "Gemm", out, weight(s, "head.weight"), weight(s, "head.bias"));
        mx_onnx_int(s->g, "transB", 1);
    }
    mx_onnx_output(s->g, out, 2, output);
}

/* ---- metadata ---------------------------------------------------------------------------------------------
 */

/* The shortest decimal that is this float again. */
static void put_number(char *text, size_t size, float x) {
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, size, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) return;
    }
}

static void put_numbers(mx_onnx *g, const char *key, const float *x, int count) {
    char text[MX_MAX_CHANNELS * 20 + 4] = "[", one[32];
    for (int i = 0; i < count && i < MX_MAX_CHANNELS; i++) {
        put_number(one, sizeof one, x[i]);
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s", i ? "," : "", one);
    }
    strcat(text, "]");
    mx_onnx_meta(g, key, text);
}

/* Gives the graph a text and frees it. */
static void put_text(mx_onnx *g, const char *key, char *text) {
    if (text) mx_onnx_meta(g, key, text);
    free(text);
}

static void describe(mx_onnx *g, const mx_model *m, const mx_pixels *pixels, mx_error *e) {
    bool failed = false;
    char range[32], *config = mx_config_to_json(&m->config);
    if (!config) failed = true;
    put_text(g, "config", config);
    put_text(g, "classes", m->config.classes ? mx_class_names_to_json(m, &failed) : NULL);
    if (failed) mx_fail(e, MX_ERR_MEMORY, "out of memory for an ONNX file's metadata");
    if (!pixels) return;
    put_numbers(g, "mean", pixels->mean, m->config.channels);
    put_numbers(g, "std", pixels->std, m->config.channels);
    put_number(range, sizeof range, pixels->value_range);
    mx_onnx_meta(g, "value_range", range);
}

mx_status mx_export_onnx(const mx_model *m, const mx_onnx_notes *notes, const char *path, mx_error *e) {
    const mx_onnx_notes none = {0};
    mx_onnx *g = mx_onnx_new(m->config.classes ? "mixmae_classifier" : "mixmae_encoder");
    if (!g) return mx_fail(e, MX_ERR_MEMORY, "out of memory for an ONNX graph");
    scope s = {.g = g, .params = &m->params, .e = e};
    if (!notes) notes = &none;
    describe(g, m, notes->pixels, e);
    whole(&s, &m->config);
    if (!e->status) mx_onnx_write(g, path, notes->limit, e);
    mx_onnx_free(g);
    return e->status;
}
