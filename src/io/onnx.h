/* ONNX files: a graph is built node by node, then written whole (docs/FORMATS.md, "ONNX"). Knows nothing of
 * models.
 *
 * Each value has a unique name in the graph. Functions that make a value return its name, which the graph
 * owns. Failures stick: after a failure all functions return NULL and accept NULL, and mx_onnx_write reports
 * it. A node may only read existing values, so nodes are in topological order. */
#ifndef MX_IO_ONNX_H
#define MX_IO_ONNX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MX_ONNX_OPSET      17   /* the first with LayerNormalization */
#define MX_ONNX_IR_VERSION 8    /* of the release that introduced opset 17 */
#define MX_ONNX_BATCH      (-1) /* a dimension known only at run time, "N" */

typedef struct mx_onnx mx_onnx;
typedef const char *mx_onnx_value;

mx_onnx *mx_onnx_new(const char *name); /* NULL: out of memory */
void mx_onnx_free(mx_onnx *g);          /* NULL is allowed */
/* Adds a key and a text about the model, both copied. */
void mx_onnx_meta(mx_onnx *g, const char *key, const char *value);

/* The graph's inputs and outputs, 32-bit floats. */
mx_onnx_value mx_onnx_input(mx_onnx *g, const char *name, int ndim, const int64_t *dim);
void mx_onnx_output(mx_onnx *g, mx_onnx_value value, int ndim, const int64_t *dim);

/* A node with one output; both are called `name`. */
mx_onnx_value mx_onnx_node(mx_onnx *g, const char *name, const char *op, int inputs,
                           const mx_onnx_value *input);
/* Attributes of the last node made. */
void mx_onnx_int(mx_onnx *g, const char *key, int64_t value);
void mx_onnx_ints(mx_onnx *g, const char *key, int count, const int64_t *value);
void mx_onnx_float(mx_onnx *g, const char *key, float value);

/* Constants. Weights are not copied: data must outlive the graph. */
mx_onnx_value mx_onnx_weight(mx_onnx *g, const char *name, int ndim, const int64_t *dim, const float *data);
/* data [rows,columns] is written as [columns,rows]. */
mx_onnx_value mx_onnx_weight_transposed(mx_onnx *g, const char *name, int64_t rows, int64_t columns,
                                        const float *data);
/* The graph takes ownership of data, from malloc, also on failure. NULL: out of memory. */
mx_onnx_value mx_onnx_taken(mx_onnx *g, const char *name, int ndim, const int64_t *dim, float *data);
/* A list of numbers; a single number. Named after their content and shared by equal requests. */
mx_onnx_value mx_onnx_list(mx_onnx *g, int count, const int64_t *value);
mx_onnx_value mx_onnx_index(mx_onnx *g, int64_t value);
mx_onnx_value mx_onnx_scalar(mx_onnx *g, float value);

/* Writes the file whole or not at all; it is read back and compared before it replaces path. If it would have more than `limit` bytes (0: 2 GiB, protobuf's
 * limit), the weights go to a second file in the same folder, "<name of path>.data", which is written
 * first. That file is replaced as a whole too, but a process killed between the two leaves a new .data
 * with an old path. */
mx_status mx_onnx_write(const mx_onnx *g, const char *path, uint64_t limit, mx_error *e);

#endif
