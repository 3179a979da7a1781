/* Checks of the front end. A failed check sets the context's sticky error, which names op and tensor. */
#ifndef MX_OPS_CHECK_H
#define MX_OPS_CHECK_H

#include "ops/context.h"

/* True when t is present, has this type and is [..., width] with `rows` rows. */
bool mx_need(mx_ctx *c, const char *op, const char *what, mx_tensor t, mx_dtype type, int64_t rows,
             int64_t width);
/* The same for an activation: f32 or bf16. */
bool mx_need_activation(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t rows,
                        int64_t width);
/* True when a and b have the same type. what: names the pair in the message. */
bool mx_need_same_type(mx_ctx *c, const char *op, const char *what, mx_tensor a, mx_tensor b);
/* True for f32 tensors with `count` elements, in any shape. */
bool mx_need_count(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t count);
/* True for f32 tensors with `ndim` dimensions. */
bool mx_need_dims(mx_ctx *c, const char *op, const char *what, mx_tensor t, int ndim);

#endif
