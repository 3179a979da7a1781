/* Builds an ONNX graph, see onnx.h. The graph is stored as the generated messages themselves; their
 * allocations are on one chain and are freed with it. */
#include "io/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/onnx_internal.h"

struct mx_onnx_block {
    mx_onnx_block *next;
    void *memory;
};

static void out_of_memory(mx_onnx *g) {
    mx_fail(&g->error, MX_ERR_MEMORY, "out of memory for an ONNX graph");
}

/* Adds an allocation to the graph's chain. NULL if there is no memory, or after a failure. */
static void *keep(mx_onnx *g, void *memory) {
    mx_onnx_block *b = memory && !g->error.status ? malloc(sizeof *b) : NULL;
    if (!b) {
        free(memory);
        out_of_memory(g);
        return NULL;
    }
    *b = (mx_onnx_block){.next = g->kept, .memory = memory};
    g->kept = b;
    return memory;
}

static void *keep_copy(mx_onnx *g, const void *from, size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (memory) memcpy(memory, from, bytes);
    return keep(g, memory);
}

static char *keep_text(mx_onnx *g, const char *text) { return keep_copy(g, text, strlen(text) + 1); }

/* Appends an element of `size` bytes to the array whose address is in `list`. It grows at powers of two. */
static void *append(mx_onnx *g, void *list, size_t *count, size_t size) {
    char *array;
    if (g->error.status) return NULL;
    memcpy(&array, list, sizeof array); /* whatever it points at */
    if ((*count & (*count - 1)) == 0) { /* 0, 1, 2, 4, 8 ... */
        char *grown = reallocarray(array, *count ? 2 * *count : 1, size);
        if (!grown) {
            out_of_memory(g);
            return NULL;
        }
        array = grown;
        memcpy(list, &array, sizeof array);
    }
    return array + size * (*count)++;
}

static void append_message(mx_onnx *g, void *list, size_t *count, const void *message) {
    void *slot = message ? append(g, list, count, sizeof message) : NULL;
    if (slot) memcpy(slot, &message, sizeof message);
}

static const char *find(const mx_onnx *g, const char *name) {
    for (size_t i = g->names; i-- > 0;) /* inputs of a node were mostly made just before it */
        if (!strcmp(g->name[i], name)) return g->name[i];
    return NULL;
}

/* A new value's name, which must be new to the graph. */
static const char *add_name(mx_onnx *g, const char *name) {
    if (find(g, name)) mx_fail(&g->error, MX_ERR_ARGUMENT, "ONNX graph: two values are called %s", name);
    const char *copy = g->error.status ? NULL : keep_text(g, name);
    const char **slot = copy ? append(g, &g->name, &g->names, sizeof *slot) : NULL;
    return slot ? (*slot = copy) : NULL;
}

mx_onnx *mx_onnx_new(const char *name) {
    mx_onnx *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    onnx__graph__init(&g->graph);
    onnx__model__init(&g->model);
    g->graph.name = keep_text(g, name);
    g->model.has_ir_version = 1, g->model.ir_version = MX_ONNX_IR_VERSION;
    g->model.producer_name = (char *)"mixmae";
    g->model.producer_version = (char *)MIXMAE_VERSION;
    Onnx__OperatorSet set = ONNX__OPERATOR_SET__INIT;
    set.domain = (char *)"", set.has_version = 1, set.version = MX_ONNX_OPSET;
    append_message(g, &g->model.opset_import, &g->model.n_opset_import, keep_copy(g, &set, sizeof set));
    return g;
}

void mx_onnx_free(mx_onnx *g) {
    if (!g) return;
    for (size_t i = 0; i < g->graph.n_node; i++) free(g->graph.node[i]->attribute);
    free(g->graph.node), free(g->graph.input), free(g->graph.output);
    free(g->model.opset_import), free(g->model.metadata_props);
    free(g->constant), free(g->name);
    for (mx_onnx_block *b = g->kept, *next; b; b = next) {
        next = b->next;
        free(b->memory);
        free(b);
    }
    free(g);
}

void mx_onnx_meta(mx_onnx *g, const char *key, const char *value) {
    Onnx__StringPair pair = ONNX__STRING_PAIR__INIT;
    pair.key = keep_text(g, key), pair.value = keep_text(g, value);
    append_message(g, &g->model.metadata_props, &g->model.n_metadata_props, keep_copy(g, &pair, sizeof pair));
}

/* ---- inputs and outputs -----------------------------------------------------------------------------------
 */

static Onnx__Dimension *dimension(mx_onnx *g, int64_t size) {
    Onnx__Dimension d = ONNX__DIMENSION__INIT;
    d.value_case =
        size == MX_ONNX_BATCH ? ONNX__DIMENSION__VALUE_DIM_PARAM : ONNX__DIMENSION__VALUE_DIM_VALUE;
    if (size == MX_ONNX_BATCH)
        d.dim_param = (char *)"N";
    else
        d.dim_value = size;
    return keep_copy(g, &d, sizeof d);
}

static Onnx__ValueInfo *value_info(mx_onnx *g, const char *name, int ndim, const int64_t *dim) {
    Onnx__ValueInfo info = ONNX__VALUE_INFO__INIT;
    Onnx__Type type = ONNX__TYPE__INIT;
    Onnx__TensorType tensor = ONNX__TENSOR_TYPE__INIT;
    Onnx__TensorShape shape = ONNX__TENSOR_SHAPE__INIT;
    if (!(shape.dim = keep(g, calloc((size_t)ndim + 1, sizeof *shape.dim)))) return NULL;
    shape.n_dim = (size_t)ndim;
    for (int i = 0; i < ndim; i++) shape.dim[i] = dimension(g, dim[i]);
    tensor.has_elem_type = 1, tensor.elem_type = MX_ONNX_FLOAT;
    tensor.shape = keep_copy(g, &shape, sizeof shape);
    type.tensor_type = keep_copy(g, &tensor, sizeof tensor);
    info.name = (char *)name;
    info.type = keep_copy(g, &type, sizeof type);
    return keep_copy(g, &info, sizeof info);
}

mx_onnx_value mx_onnx_input(mx_onnx *g, const char *name, int ndim, const int64_t *dim) {
    const char *value = add_name(g, name);
    if (value) append_message(g, &g->graph.input, &g->graph.n_input, value_info(g, value, ndim, dim));
    return value;
}

void mx_onnx_output(mx_onnx *g, mx_onnx_value value, int ndim, const int64_t *dim) {
    if (value) append_message(g, &g->graph.output, &g->graph.n_output, value_info(g, value, ndim, dim));
}

/* ---- nodes ------------------------------------------------------------------------------------------------
 */

mx_onnx_value mx_onnx_node(mx_onnx *g, const char *name, const char *op, int inputs,
                           const mx_onnx_value *input) {
    Onnx__Node node = ONNX__NODE__INIT;
    node.input = keep(g, calloc((size_t)inputs + 1, sizeof *node.input)); /* one more for the output */
    if (!node.input) return NULL;
    for (int i = 0; i < inputs; i++) {
        const char *known = input[i] ? find(g, input[i]) : NULL;
        if (!known)
            mx_fail(&g->error, MX_ERR_ARGUMENT, "ONNX graph: %s reads %s, which no one made", name,
                    input[i] ? input[i] : "(nothing)");
        node.input[i] = (char *)known;
    }
    const char *value = add_name(g, name);
    node.n_input = (size_t)inputs;
    node.output = node.input + inputs, node.output[0] = (char *)value, node.n_output = 1;
    node.name = (char *)value;
    node.op_type = value ? keep_text(g, op) : NULL;
    if (node.op_type) append_message(g, &g->graph.node, &g->graph.n_node, keep_copy(g, &node, sizeof node));
    return g->error.status ? NULL : value;
}

static void add_attribute(mx_onnx *g, const char *key, Onnx__Attribute attribute, int type) {
    if (g->error.status) return;
    Onnx__Node *node = g->graph.node[g->graph.n_node - 1];
    attribute.name = keep_text(g, key);
    attribute.has_type = 1, attribute.type = type;
    append_message(g, &node->attribute, &node->n_attribute, keep_copy(g, &attribute, sizeof attribute));
}

void mx_onnx_int(mx_onnx *g, const char *key, int64_t value) {
    Onnx__Attribute a = ONNX__ATTRIBUTE__INIT;
    a.has_i = 1, a.i = value;
    add_attribute(g, key, a, MX_ONNX_ATTR_INT);
}

void mx_onnx_ints(mx_onnx *g, const char *key, int count, const int64_t *value) {
    Onnx__Attribute a = ONNX__ATTRIBUTE__INIT;
    a.ints = keep_copy(g, value, sizeof *value * (size_t)count), a.n_ints = (size_t)count;
    add_attribute(g, key, a, MX_ONNX_ATTR_INTS);
}

void mx_onnx_float(mx_onnx *g, const char *key, float value) {
    Onnx__Attribute a = ONNX__ATTRIBUTE__INIT;
    a.has_f = 1, a.f = value;
    add_attribute(g, key, a, MX_ONNX_ATTR_FLOAT);
}

/* ---- constants --------------------------------------------------------------------------------------------
 */

/* data: element count follows from dim; every element has `each` bytes. */
static mx_onnx_constant *add_constant(mx_onnx *g, const char *name, int type, int ndim, const int64_t *dim,
                                      const void *data) {
    Onnx__Tensor t = ONNX__TENSOR__INIT;
    size_t bytes = type == MX_ONNX_FLOAT ? sizeof(float) : sizeof(int64_t);
    for (int i = 0; i < ndim; i++) bytes *= (size_t)dim[i];
    if (!(t.name = (char *)add_name(g, name))) return NULL;
    t.dims = keep_copy(g, dim, sizeof *dim * (size_t)ndim), t.n_dims = (size_t)ndim;
    t.has_data_type = 1, t.data_type = type;
    Onnx__Tensor *tensor = keep_copy(g, &t, sizeof t);
    mx_onnx_constant *c = tensor && data ? append(g, &g->constant, &g->constants, sizeof *c) : NULL;
    if (c) *c = (mx_onnx_constant){.tensor = tensor, .data = data, .bytes = bytes};
    return c;
}

mx_onnx_value mx_onnx_weight(mx_onnx *g, const char *name, int ndim, const int64_t *dim, const float *data) {
    const mx_onnx_constant *c = add_constant(g, name, MX_ONNX_FLOAT, ndim, dim, data);
    return c ? c->tensor->name : NULL;
}

mx_onnx_value mx_onnx_weight_transposed(mx_onnx *g, const char *name, int64_t rows, int64_t columns,
                                        const float *data) {
    mx_onnx_constant *c = add_constant(g, name, MX_ONNX_FLOAT, 2, (int64_t[]){columns, rows}, data);
    if (!c) return NULL;
    c->rows = rows, c->columns = columns;
    return c->tensor->name;
}

mx_onnx_value mx_onnx_taken(mx_onnx *g, const char *name, int ndim, const int64_t *dim, float *data) {
    return keep(g, data) ? mx_onnx_weight(g, name, ndim, dim, data) : NULL;
}

/* The constant of that name, made of a copy of data if there is none yet. */
static mx_onnx_value shared(mx_onnx *g, const char *name, int type, int ndim, int64_t count, const void *data,
                            size_t bytes) {
    const char *known = g->error.status ? NULL : find(g, name);
    if (known || g->error.status) return known;
    const mx_onnx_constant *c = add_constant(g, name, type, ndim, &count, keep_copy(g, data, bytes));
    return c ? c->tensor->name : NULL;
}

mx_onnx_value mx_onnx_list(mx_onnx *g, int count, const int64_t *value) {
    char name[256] = "list";
    for (int i = 0, n = 4; i < count && n < (int)sizeof name; i++)
        n += snprintf(name + n, sizeof name - (size_t)n, "_%lld", (long long)value[i]);
    return shared(g, name, MX_ONNX_INT64, 1, count, value, sizeof *value * (size_t)count);
}

mx_onnx_value mx_onnx_index(mx_onnx *g, int64_t value) {
    char name[64];
    snprintf(name, sizeof name, "index_%lld", (long long)value);
    return shared(g, name, MX_ONNX_INT64, 0, 1, &value, sizeof value);
}

mx_onnx_value mx_onnx_scalar(mx_onnx *g, float value) {
    char name[64];
    snprintf(name, sizeof name, "number_%.9g", (double)value); /* 9 digits tell any two floats apart */
    return shared(g, name, MX_ONNX_FLOAT, 0, 1, &value, sizeof value);
}
