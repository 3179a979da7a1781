/* The only door to oneDNN: its sgemm, which the benchmark measures as "the library's matrix rate". */
#ifndef MX_OPS_CPU_GEMM_H
#define MX_OPS_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* c [m,n] = op(a) op(b), row-major, tight; with the library's own threads, at most `threads`. False where the
 * library is not installed; c is unchanged then. */
bool mx_library_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                     const float *b, float *c, int threads);

#endif
