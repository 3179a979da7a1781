/* A bare matrix product, which the benchmark measures the machine's matrix rate with. */
#ifndef MX_OPS_PRODUCT_H
#define MX_OPS_PRODUCT_H

#include "ops/context.h"

/* c [m,n] = op(a) op(b), row-major, without gaps; c is f32. type: f32 or bf16.
 * blocks: the first backend on host memory computes it on `threads` threads (ref: plain loops, f32 only). `type` is that of the
 * activations: both operands with trans_a (dW); otherwise a alone, and b is a weight in f32.
 * Not blocks: oneDNN computes it on at most `threads` of its own threads; both operands have `type`. The first product
 * of a shape takes milliseconds longer. Returns false if oneDNN is not installed or cannot multiply these types on
 * this machine. */
typedef bool mx_product_function(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b,
                                 int threads, bool blocks);
mx_product_function mx_product_run;
/* Seconds of one product on c's device, alone, of random numbers of its own; 0: c computes on host memory. */
double mx_product_seconds(mx_ctx *c, const mx_product *p, mx_dtype type);

#endif
