/* The only calls to oneDNN: its products, which the benchmark measures as "the library's matrix rate". */
#ifndef MX_OPS_CPU_GEMM_H
#define MX_OPS_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* c [m,n] = op(a) op(b), row-major, without gaps, on at most `threads` of the library's own threads. Returns false,
 * with c unchanged, if the library is not installed. */
bool mx_library_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                     const float *b, float *c, int threads);
/* The same with both operands in bf16. The first call for a shape and number of threads takes milliseconds
 * longer, because the library generates code. Also returns false, with c unchanged, if the library's version,
 * the headers of this build or the processor lack bf16 products. */
bool mx_library_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const uint16_t *a,
                          const uint16_t *b, float *c, int threads);

#endif
