/* ONNX files: a graph is built node by node, then written whole. Source: spec formats.md (f). Knows the
 * format and nothing of models.
 *
 * A value is known by its name, which is unique in the graph; functions that make one return the name (owned
 * by the graph). Failures stick: after one, everything returns NULL and takes NULL, and mx_onnx_write reports
 * it. A node may only read values that exist, so nodes are in topological order by construction. */
#ifndef MX_IO_ONNX_H
#define MX_IO_ONNX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MX_ONNX_OPSET      17   /* the first with LayerNormalization */
#define MX_ONNX_IR_VERSION 8    /* of the release that brought opset 17 */
#define MX_ONNX_BATCH      (-1) /* a dimension known only at run time, "N" */

typedef struct mx_onnx mx_onnx;
typedef const char *mx_onnx_value;

mx_onnx *mx_onnx_new(const char *name); /* NULL: out of memory */
void mx_onnx_free(mx_onnx *g);          /* NULL is fine */
/* A key and a text about the model; both are copied. */
void mx_onnx_meta(mx_onnx *g, const char *key, const char *value);

/* The graph's inputs and outputs, 32-bit floats. */
mx_onnx_value mx_onnx_input(mx_onnx *g, const char *name, int ndim, const int64_t *dim);
void mx_onnx_output(mx_onnx *g, mx_onnx_value value, int ndim, const int64_t *dim);

/* A node with one output; both are called `name`. */
mx_onnx_value mx_onnx_node(mx_onnx *g, const char *name, const char *op, int inputs,
                           const mx_onnx_value *input);
/* Attributes of the node made last. */
void mx_onnx_int(mx_onnx *g, const char *key, int64_t value);
void mx_onnx_ints(mx_onnx *g, const char *key, int count, const int64_t *value);
void mx_onnx_float(mx_onnx *g, const char *key, float value);

/* Constants. Weights are not copied: data must outlive the graph. */
mx_onnx_value mx_onnx_weight(mx_onnx *g, const char *name, int ndim, const int64_t *dim, const float *data);
/* data [rows,columns] is written as [columns,rows]. */
mx_onnx_value mx_onnx_weight_transposed(mx_onnx *g, const char *name, int64_t rows, int64_t columns,
                                        const float *data);
/* The graph takes data, from malloc, and frees it, also on failure. NULL: out of memory. */
mx_onnx_value mx_onnx_taken(mx_onnx *g, const char *name, int ndim, const int64_t *dim, float *data);
/* A list of numbers, a single number: named after their content, shared by all who ask for the same. */
mx_onnx_value mx_onnx_list(mx_onnx *g, int count, const int64_t *value);
mx_onnx_value mx_onnx_index(mx_onnx *g, int64_t value);
mx_onnx_value mx_onnx_scalar(mx_onnx *g, float value);

/* Writes path whole or not at all. A file of more than `limit` bytes (0: 2 GiB, the most that protobuf reads)
 * keeps its weights in a second file beside it, "<name of path>.data", written first; that one is replaced as
 * a whole too, but a process killed between the two leaves a new .data beside an old path. */
mx_status mx_onnx_write(const mx_onnx *g, const char *path, uint64_t limit, mx_error *e);

#endif
