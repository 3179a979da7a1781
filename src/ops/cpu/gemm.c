/* oneDNN's sgemm. The step's products are our own (kernels/gemm.c; docs/SPEED.md "Products" has the
 * comparison); the library is the benchmark's yardstick, so it is loaded when that runs and where it is
 * found. dnnl_sgemm has this signature in its versions 1 to 3 (oneDNN's developer guide, "Matrix
 * Multiplication"). */
#include "ops/cpu/gemm.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

typedef int sgemm_function(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                           const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                           int64_t ldc);
typedef void threads_function(int);

static sgemm_function *sgemm;
static threads_function *set_threads; /* of its OpenMP runtime */

/* Not under AddressSanitizer: its leak check takes wrong bounds for the dynamic thread-local storage of the
 * library's own threads (a block's size is guessed from the allocator's header) and dies reading there. */
#if defined(__SANITIZE_ADDRESS__)
static void load(void) {}
#else
static void load(void) {
    static const char *const name[] = {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"};
    void *library = NULL;
    /* its OpenMP threads would spin for milliseconds after each product, beside what is measured next */
    setenv("GOMP_SPINCOUNT", "1000", 0);
    for (int i = 0; i < 3 && !library; i++) library = dlopen(name[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    *(void **)&sgemm = dlsym(library, "dnnl_sgemm");
    *(void **)&set_threads = dlsym(library, "omp_set_num_threads");
}
#endif

bool mx_library_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                     const float *b, float *c, int threads) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (!sgemm) return false;
    if (set_threads) set_threads(threads);
    return sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1, a, trans_a ? m : k, b, trans_b ? k : n,
                 0, c, n) == 0;
}
