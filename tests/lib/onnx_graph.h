/* Reads an ONNX file with the generated code and computes it node by node, in double and directly by the
 * operators' definitions: a replacement for onnxruntime. Supports the operators that we write. Include it
 * once per test. */
#ifndef MX_TESTS_ONNX_GRAPH_H
#define MX_TESTS_ONNX_GRAPH_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx.pb-c.h"

enum { RANK = 8 };

typedef struct {
    const char *name;
    int ndim;
    int64_t dim[RANK];
    double *x;
} array;

typedef struct {
    array *value;
    int count;
} values;

static int64_t size_of(const array *a) {
    int64_t n = 1;
    for (int i = 0; i < a->ndim; i++) n *= a->dim[i];
    return n;
}

static array make(int ndim, const int64_t *dim) {
    array a = {.ndim = ndim};
    assert_true(ndim <= RANK);
    for (int i = 0; i < ndim; i++) a.dim[i] = dim[i];
    a.x = calloc((size_t)size_of(&a) + 1, sizeof *a.x);
    assert_non_null(a.x);
    return a;
}

static const array *value_of(const values *v, const char *name) {
    for (int i = v->count; i-- > 0;)
        if (!strcmp(v->value[i].name, name)) return &v->value[i];
    fail_msg("value %s is used before it is made", name);
    return NULL;
}

static void define(values *v, const char *name, array a) {
    for (int i = 0; i < v->count; i++)
        if (!strcmp(v->value[i].name, name)) fail_msg("value %s is made twice", name);
    a.name = name;
    v->value = realloc(v->value, sizeof *v->value * (size_t)(v->count + 1));
    v->value[v->count++] = a;
}

static const Onnx__Attribute *attribute(const Onnx__Node *n, const char *name, int type) {
    for (size_t i = 0; i < n->n_attribute; i++)
        if (!strcmp(n->attribute[i]->name, name)) {
            assert_int_equal(n->attribute[i]->type, type);
            return n->attribute[i];
        }
    fail_msg("%s has no attribute %s", n->name, name);
    return NULL;
}

static int64_t attribute_int(const Onnx__Node *n, const char *name) { return attribute(n, name, 2)->i; }

/* dims and content of an initializer must agree; `beside` has the content of external ones */
static array constant(const Onnx__Tensor *t, const unsigned char *beside) {
    array a = make((int)t->n_dims, t->dims);
    const unsigned char *from = t->raw_data.data;
    size_t bytes = t->raw_data.len;
    if (t->data_location == 1) {
        assert_non_null(beside);
        assert_int_equal(t->n_external_data, 3);
        assert_string_equal(t->external_data[1]->key, "offset");
        assert_string_equal(t->external_data[2]->key, "length");
        from = beside + strtoull(t->external_data[1]->value, NULL, 10);
        bytes = strtoull(t->external_data[2]->value, NULL, 10);
        assert_false(t->has_raw_data);
    }
    assert_true(t->data_type == 1 || t->data_type == 7);
    assert_int_equal(bytes, (size_t)size_of(&a) * (t->data_type == 1 ? 4 : 8));
    for (int64_t i = 0; i < size_of(&a); i++) {
        float f;
        int64_t n;
        memcpy(&f, from + 4 * i, sizeof f);
        if (t->data_type == 7) memcpy(&n, from + 8 * i, sizeof n);
        a.x[i] = t->data_type == 7 ? (double)n : (double)f;
    }
    return a;
}

/* ---- operators --------------------------------------------------------------------------------------------
 */

static array reshape(const array *a, const array *shape) {
    int64_t dim[RANK], known = 1, open = -1;
    assert_int_equal(shape->ndim, 1);
    for (int64_t i = 0; i < shape->dim[0]; i++) {
        dim[i] = (int64_t)shape->x[i];
        if (dim[i] == 0) dim[i] = a->dim[i];
        if (dim[i] < 0)
            open = i;
        else
            known *= dim[i];
    }
    if (open >= 0) dim[open] = size_of(a) / known;
    array out = make((int)shape->dim[0], dim);
    assert_int_equal(size_of(&out), size_of(a));
    memcpy(out.x, a->x, sizeof *a->x * (size_t)size_of(a));
    return out;
}

static array transpose(const array *a, const Onnx__Attribute *perm) {
    int64_t dim[RANK], step[RANK] = {0}, stride = 1, at[RANK] = {0};
    assert_int_equal(perm->n_ints, a->ndim);
    for (int i = a->ndim; i-- > 0; stride *= a->dim[i])
        for (int j = 0; j < a->ndim; j++)
            if (perm->ints[j] == i) step[j] = stride;
    for (int j = 0; j < a->ndim; j++) dim[j] = a->dim[perm->ints[j]];
    array out = make(a->ndim, dim);
    for (int64_t i = 0, from = 0; i < size_of(a); i++) {
        out.x[i] = a->x[from];
        for (int j = a->ndim; j-- > 0;) {
            from += step[j];
            if (++at[j] < dim[j]) break;
            from -= step[j] * dim[j], at[j] = 0;
        }
    }
    return out;
}

/* b's shape is the end of a's, with 1 for any of its dimensions */
static array elementwise(const array *a, const array *b, char op) {
    array out = make(a->ndim, a->dim);
    for (int64_t i = 0; i < size_of(a); i++) {
        int64_t left = i, from = 0, stride = 1;
        for (int j = 1; j <= a->ndim && j <= b->ndim; j++) {
            int64_t n = b->dim[b->ndim - j];
            assert_true(n == 1 || n == a->dim[a->ndim - j]);
            if (n > 1) from += left % a->dim[a->ndim - j] * stride;
            left /= a->dim[a->ndim - j], stride *= n;
        }
        assert_true(a->ndim >= b->ndim);
        double x = a->x[i], y = b->x[from];
        out.x[i] = op == '+' ? x + y : op == '*' ? x * y : x / y;
    }
    return out;
}

/* a [...,m,k], b [...,k,n] or [k,n] (turned: [n,k]) */
static array matmul(const array *a, const array *b, bool turned) {
    int64_t m = a->dim[a->ndim - 2], k = a->dim[a->ndim - 1], n = b->dim[b->ndim - (turned ? 2 : 1)];
    array out = make(a->ndim, a->dim);
    out.dim[a->ndim - 1] = n;
    free(out.x);
    out = make(out.ndim, out.dim);
    assert_int_equal(b->dim[b->ndim - (turned ? 1 : 2)], k);
    assert_true(b->ndim == 2 || b->ndim == a->ndim);
    for (int i = 0; b->ndim > 2 && i < a->ndim - 2; i++) assert_int_equal(a->dim[i], b->dim[i]);
    for (int64_t s = 0; s < size_of(a) / (m * k); s++) {
        const double *y = b->x + (b->ndim > 2 ? s * k * n : 0);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t t = 0; t < k; t++)
                    sum += a->x[(s * m + i) * k + t] * (turned ? y[j * k + t] : y[t * n + j]);
                out.x[(s * m + i) * n + j] = sum;
            }
    }
    return out;
}

/* kernel as large as its stride */
static array conv(const array *a, const array *w, const array *bias, const Onnx__Node *n) {
    const Onnx__Attribute *kernel = attribute(n, "kernel_shape", 7), *stride = attribute(n, "strides", 7);
    int64_t p = w->dim[2], h = a->dim[2] / p, v = a->dim[3] / p;
    for (int i = 0; i < 2; i++) assert_true(kernel->ints[i] == p && stride->ints[i] == p);
    assert_int_equal(w->dim[1], a->dim[1]);
    array out = make(4, (int64_t[]){a->dim[0], w->dim[0], h, v});
    for (int64_t i = 0; i < size_of(&out); i++) {
        int64_t x = i % v, y = i / v % h, c = i / (v * h) % w->dim[0], b = i / (v * h * w->dim[0]);
        out.x[i] = bias->x[c];
        for (int64_t ch = 0; ch < a->dim[1]; ch++)
            for (int64_t r = 0; r < p; r++)
                for (int64_t q = 0; q < p; q++)
                    out.x[i] += w->x[((c * a->dim[1] + ch) * p + r) * p + q] *
                                a->x[((b * a->dim[1] + ch) * a->dim[2] + y * p + r) * a->dim[3] + x * p + q];
    }
    return out;
}

/* Along the last axis: softmax, or normalisation with weight and bias. */
static array rowwise(const array *a, const array *w, const array *b, double epsilon) {
    array out = make(a->ndim, a->dim);
    int64_t n = a->dim[a->ndim - 1];
    for (int64_t r = 0; r < size_of(a) / n; r++) {
        const double *x = a->x + r * n;
        double *y = out.x + r * n, most = x[0], sum = 0, mean = 0, var = 0;
        for (int64_t i = 0; i < n; i++) most = fmax(most, x[i]), mean += x[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            sum += exp(x[i] - most), var += (x[i] - mean) * (x[i] - mean) / (double)n;
        for (int64_t i = 0; i < n; i++)
            y[i] = w ? (x[i] - mean) / sqrt(var + epsilon) * w->x[i] + b->x[i] : exp(x[i] - most) / sum;
    }
    return out;
}

static array gather(const array *a, const array *index) {
    assert_int_equal(index->ndim, 0);
    array out = make(a->ndim - 1, a->dim + 1);
    assert_true(index->x[0] >= 0 && index->x[0] < (double)a->dim[0]);
    memcpy(out.x, a->x + (int64_t)index->x[0] * size_of(&out), sizeof *a->x * (size_t)size_of(&out));
    return out;
}

/* over axis 1, which is removed */
static array mean(const array *a) {
    array out = make(2, (int64_t[]){a->dim[0], a->dim[2]});
    assert_int_equal(a->ndim, 3);
    for (int64_t i = 0; i < size_of(a); i++)
        out.x[i / (a->dim[1] * a->dim[2]) * a->dim[2] + i % a->dim[2]] += a->x[i] / (double)a->dim[1];
    return out;
}

static array gemm(const array *a, const array *w, const array *b) {
    array product = matmul(a, w, true), out = elementwise(&product, b, '+');
    free(product.x);
    return out;
}

static array erf_of(const array *a) {
    array out = make(a->ndim, a->dim);
    for (int64_t i = 0; i < size_of(a); i++) out.x[i] = erf(a->x[i]);
    return out;
}

static array compute(const values *v, const Onnx__Node *n) {
    const array *in[3] = {0};
    const char *op = n->op_type;
    assert_true(n->n_input >= 1 && n->n_input <= 3 && n->n_output == 1);
    for (size_t i = 0; i < n->n_input; i++) in[i] = value_of(v, n->input[i]);
    if (!strcmp(op, "Reshape")) return reshape(in[0], in[1]);
    if (!strcmp(op, "Transpose")) return transpose(in[0], attribute(n, "perm", 7));
    if (!strcmp(op, "Add")) return elementwise(in[0], in[1], '+');
    if (!strcmp(op, "Mul")) return elementwise(in[0], in[1], '*');
    if (!strcmp(op, "Div")) return elementwise(in[0], in[1], '/');
    if (!strcmp(op, "MatMul")) return matmul(in[0], in[1], false);
    if (!strcmp(op, "Conv")) return conv(in[0], in[1], in[2], n);
    if (!strcmp(op, "Erf")) return erf_of(in[0]);
    if (!strcmp(op, "Gather") && !attribute_int(n, "axis")) return gather(in[0], in[1]);
    if (!strcmp(op, "Softmax") && attribute_int(n, "axis") == -1) return rowwise(in[0], NULL, NULL, 0);
    if (!strcmp(op, "LayerNormalization") && attribute_int(n, "axis") == -1)
        return rowwise(in[0], in[1], in[2], (double)attribute(n, "epsilon", 1)->f);
    if (!strcmp(op, "ReduceMean") && attribute(n, "axes", 7)->ints[0] == 1 && !attribute_int(n, "keepdims"))
        return mean(in[0]);
    if (!strcmp(op, "Gemm") && attribute_int(n, "transB") == 1) return gemm(in[0], in[1], in[2]);
    fail_msg("%s: operator %s is not one we write", n->name, op);
    return *in[0];
}

/* Runs the graph on one input [batch, ...] and returns the output's values, which the caller frees. Fails the
 * test if a value is read before it is made, or made twice, or if a shape or an attribute is wrong. */
static double *evaluate(const Onnx__Model *m, const unsigned char *beside, const float *images, int64_t batch,
                        int64_t *count) {
    const Onnx__Graph *g = m->graph;
    values v = {0};
    const Onnx__TensorShape *shape = g->input[0]->type->tensor_type->shape;
    int64_t dim[RANK] = {0};
    for (size_t i = 0; i < shape->n_dim; i++) dim[i] = i ? shape->dim[i]->dim_value : batch;
    array input = make((int)shape->n_dim, dim);
    for (int64_t i = 0; i < size_of(&input); i++) input.x[i] = (double)images[i];
    define(&v, g->input[0]->name, input);
    for (size_t i = 0; i < g->n_initializer; i++)
        define(&v, g->initializer[i]->name, constant(g->initializer[i], beside));
    for (size_t i = 0; i < g->n_node; i++) define(&v, g->node[i]->output[0], compute(&v, g->node[i]));
    const array *out = value_of(&v, g->output[0]->name);
    double *result = out->x;
    *count = size_of(out);
    assert_int_equal(out->ndim, 2);
    assert_int_equal(out->dim[1], g->output[0]->type->tensor_type->shape->dim[1]->dim_value);
    for (int i = 0; i < v.count; i++)
        if (v.value[i].x != result) free(v.value[i].x);
    free(v.value);
    return result;
}

#endif
