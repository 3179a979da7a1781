/* Shared by building (onnx.c) and writing (onnx_write.c). */
#ifndef MX_IO_ONNX_INTERNAL_H
#define MX_IO_ONNX_INTERNAL_H

#include "io/onnx.h"
#include "onnx.pb-c.h"

enum { MX_ONNX_FLOAT = 1, MX_ONNX_INT64 = 7 };                                /* Tensor.data_type */
enum { MX_ONNX_ATTR_FLOAT = 1, MX_ONNX_ATTR_INT = 2, MX_ONNX_ATTR_INTS = 7 }; /* Attribute.type */

/* A constant: its message without the content, and a pointer to the content. */
typedef struct {
    Onnx__Tensor *tensor;
    const void *data;
    size_t bytes;
    int64_t rows, columns; /* shape of floats to write transposed; 0: write as they are */
} mx_onnx_constant;

typedef struct mx_onnx_block mx_onnx_block;

struct mx_onnx {
    Onnx__Graph graph; /* without initializers */
    Onnx__Model model; /* without graph */
    mx_onnx_constant *constant;
    size_t constants;
    const char **name; /* names of all values so far */
    size_t names;
    mx_onnx_block *kept; /* all small allocations that the messages point to */
    mx_error error;
};

#endif
