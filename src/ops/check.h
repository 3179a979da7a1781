/* What the front-end files share: checks that set the sticky error, scratch memory, accounting. Private to
 * src/ops. */
#ifndef MX_OPS_CHECK_H
#define MX_OPS_CHECK_H

#include "ops/backend.h"

/* True when t is present, of that type, and [..., width] with `rows` rows; else the error names op and
 * tensor. */
bool mx_need(mx_ctx *c, const char *op, const char *what, mx_tensor t, mx_dtype type, int64_t rows,
             int64_t width);
/* The same for an activation, which may be f32 or bf16. */
bool mx_need_activation(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t rows,
                        int64_t width);
/* True when a and b have one type; names what they are. */
bool mx_need_same_type(mx_ctx *c, const char *op, const char *what, mx_tensor a, mx_tensor b);
/* True for f32 tensors of that many elements, whatever the shape. */
bool mx_need_count(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t count);
/* True for f32 tensors of that many dimensions. */
bool mx_need_dims(mx_ctx *c, const char *op, const char *what, mx_tensor t, int ndim);

/* Scratch from the arena; the caller releases it. NULL when bytes is 0. */
void *mx_work(mx_ctx *c, size_t bytes);
/* Time and FLOPs of an op: begun = mx_op_begin(c); ...; mx_op_end(c, "name", begun, flops). */
double mx_op_begin(const mx_ctx *c);
void mx_op_end(mx_ctx *c, const char *op, double begun, double flops);
void mx_note_product(mx_ctx *c, int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b);

/* Runs a backend call unless planning, with time accounting. */
#define MX_DO(c, op, flops, call)                                                                            \
    do {                                                                                                     \
        double begun_ = mx_op_begin(c);                                                                      \
        if (!(c)->planning) (c)->backend->call;                                                              \
        mx_op_end(c, op, begun_, flops);                                                                     \
    } while (0)

#endif
