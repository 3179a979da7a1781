/* A bare matrix product, outside any context: what the benchmark calls the machine's matrix rate. */
#ifndef MX_OPS_PRODUCT_H
#define MX_OPS_PRODUCT_H

#include "ops/context.h"

/* c [m,n] = op(a) op(b), c f32, row-major, tight. type, f32 or bf16: of the activations among a and b.
 * blocks: the default backend on `threads` threads (ref: plain loops, of f32 alone). Both operands
 * of dW (trans_a) are activations, else a is, and b is a weight, f32.
 * Not blocks: oneDNN with its own threading, at most `threads`; both operands are of `type`, weights too. The
 * first product of a shape takes milliseconds longer. False where oneDNN is not installed, or does not
 * multiply such types on this machine. */
typedef bool mx_product_function(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b,
                                 int threads, bool blocks);
mx_product_function mx_product_run;

#endif
