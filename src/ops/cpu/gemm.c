/* oneDNN's sgemm. The step's products are our own (kernels/gemm.c; docs/SPEED.md "Products" has the
 * comparison); the library stays as the yardstick and is named in this file only, so API 2 or 3 makes no
 * difference elsewhere. */
#include "ops/cpu/gemm.h"

#include <dnnl.h>

#ifdef _OPENMP
#include <omp.h>
#endif

void mx_library_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                     const float *b, float *c, int threads) {
#ifdef _OPENMP
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
#else
    (void)threads;
#endif
    dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1, a, trans_a ? m : k, b, trans_b ? k : n,
               0, c, n);
#ifdef _OPENMP
    omp_set_num_threads(before);
#endif
}
