/* Shared by building (onnx.c), writing (onnx_write.c) and reading back (onnx_check.c). */
#ifndef MX_IO_ONNX_INTERNAL_H
#define MX_IO_ONNX_INTERNAL_H

#include "io/file.h"
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

#define MX_ONNX_INLINE 1024 /* smaller constants (the shapes of Reshape) always stay in the file */
#define MX_ONNX_PAGE   4096 /* external data starts at pages, so that it can be mapped */

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

/* The description of a constant whose content is in another file, as Tensor.external_data expects it. */
typedef struct {
    char offset[24], length[24];
    Onnx__StringPair pair[3], *list[3];
    Onnx__Tensor tensor;
} mx_onnx_outside;

const Onnx__Tensor *mx_onnx_describe_outside(mx_onnx_outside *o, const mx_onnx_constant *c, const char *file,
                                             uint64_t at);
uint64_t mx_onnx_page_up(uint64_t n);

/* The graph to be written, and the name of the file beside it for the weights (NULL: they are inside). */
typedef struct {
    const mx_onnx *g;
    const char *file;
} mx_onnx_written;

/* Compare a temporary with an mx_onnx_written: the model's file, and the one beside it. */
mx_file_reader mx_onnx_check_model, mx_onnx_check_data;

#endif
