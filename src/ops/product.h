/* A bare matrix product, outside any context: what the benchmark calls the machine's matrix rate. */
#ifndef MX_OPS_PRODUCT_H
#define MX_OPS_PRODUCT_H

#include "ops/ops.h"

/* c [m,n] = op(a) op(b), c f32, row-major, tight. type: of the activations among a and b: of both in dW
 * (trans_a), of a else; b is then a weight, f32. blocks: our blocks on `threads` threads (without the cpu
 * backend plain loops); else oneDNN with its own threading: false where it is not installed, or does not
 * multiply such types. */
bool mx_product_run(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks);

#ifdef MX_WITH_CPU
bool mx_cpu_product(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks);
#endif

#endif
