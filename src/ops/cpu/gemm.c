/* oneDNN's products, for the benchmark to compare with. A training step uses our own (kernels/gemm.c; docs/SPEED.md
 * "Products" compares them), so oneDNN is optional and loaded at run time.
 * f32: dnnl_sgemm, which has this signature in versions 1 to 3 (oneDNN's developer guide, "Matrix Multiplication").
 * bf16: the matmul primitive, with types from oneDNN's headers. It is unavailable if this build had no headers, or if
 * the library has another major version. */
#include "ops/cpu/gemm.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

/* Not under AddressSanitizer: its leak check guesses wrong bounds for the thread-local storage of oneDNN's threads
 * and crashes when it reads there. */
#if defined(__SANITIZE_ADDRESS__)
#define MX_NEVER_LOADED
#elif defined(__has_include)
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#endif
#endif

typedef int sgemm_function(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                           const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                           int64_t ldc);
typedef void threads_function(int);

#ifndef MX_NEVER_LOADED
static void *library;
#endif
static sgemm_function *sgemm;
static threads_function *set_threads; /* omp_set_num_threads of oneDNN's OpenMP runtime */

static void load(void) {
#ifndef MX_NEVER_LOADED
    static const char *const name[] = {
#if defined(DNNL_VERSION_MAJOR) && DNNL_VERSION_MAJOR == 2
        "libdnnl.so.2",
#endif
        "libdnnl.so.3",
        "libdnnl.so.2",
        "libdnnl.so"
    };
    /* Otherwise oneDNN's OpenMP threads spin for milliseconds after each product, into the next measurement. */
    setenv("GOMP_SPINCOUNT", "1000", 0);
    for (size_t i = 0; i < sizeof name / sizeof *name && !library; i++)
        library = dlopen(name[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    *(void **)&sgemm = dlsym(library, "dnnl_sgemm");
    *(void **)&set_threads = dlsym(library, "omp_set_num_threads");
#endif
}

static pthread_once_t loaded = PTHREAD_ONCE_INIT;

bool mx_library_gemm(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                     const float *b, float *c, int threads) {
    pthread_once(&loaded, load);
    if (!sgemm) return false;
    if (set_threads) set_threads(threads);
    return sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1, a, trans_a ? m : k, b, trans_b ? k : n,
                 0, c, n) == 0;
}

#if defined(DNNL_VERSION_MAJOR) && (DNNL_VERSION_MAJOR == 2 || DNNL_VERSION_MAJOR == 3)

/* clang-format off */
/* oneDNN's functions, under the names and types of its header. */
#define FUNCTIONS(X)                                                                                         \
    X(version) X(engine_create) X(stream_create) X(stream_wait) X(memory_create) X(memory_set_data_handle)   \
    X(primitive_create) X(primitive_execute) X(primitive_desc_destroy) OF_VERSION(X)
#if DNNL_VERSION_MAJOR == 2
#define OF_VERSION(X) X(memory_desc_init_by_strides) X(matmul_desc_init) X(primitive_desc_create)
#else
#define OF_VERSION(X)                                                                                        \
    X(memory_desc_create_with_strides) X(memory_desc_destroy) X(matmul_primitive_desc_create)
#endif

/* clang-format on */
#define MEMBER(name) __typeof__(dnnl_##name) *name;
static struct {
    FUNCTIONS(MEMBER)
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    bool ready;
} dnn;

static void load_matmul(void) {
    bool all = true;
    if (!library) return;
#define FIND(name) all = (*(void **)&dnn.name = dlsym(library, "dnnl_" #name)) && all;
    FUNCTIONS(FIND)
    dnn.ready = all && dnn.version()->major == DNNL_VERSION_MAJOR &&
                !dnn.engine_create(&dnn.engine, dnnl_cpu, 0) &&
                !dnn.stream_create(&dnn.stream, dnn.engine, dnnl_stream_default_flags);
}

/* A product's shape and the code that oneDNN generated for it. Generating takes milliseconds, so the process keeps
 * it. */
typedef struct prepared {
    struct prepared *next;
    bool trans_a, trans_b;
    int64_t m, n, k;
    int threads;
    dnnl_primitive_t multiply; /* NULL: oneDNN has no such product on this machine */
    dnnl_memory_t a, b, c;
} prepared;

/* Describes a matrix without gaps whose op(..) is [rows, columns], and creates oneDNN's object for it. */
static bool matrix(dnnl_memory_desc_t *d, dnnl_memory_t *x, dnnl_data_type_t type, int64_t rows,
                   int64_t columns, bool turned) {
    const dnnl_dims_t dim = {rows, columns}, stride = {turned ? 1 : columns, turned ? rows : 1};
#if DNNL_VERSION_MAJOR == 2
    return !dnn.memory_desc_init_by_strides(d, 2, dim, type, stride) &&
           !dnn.memory_create(x, d, dnn.engine, DNNL_MEMORY_NONE);
#else
    return !dnn.memory_desc_create_with_strides(d, 2, dim, type, stride) &&
           !dnn.memory_create(x, *d, dnn.engine, DNNL_MEMORY_NONE);
#endif
}

static void make(prepared *x) {
    dnnl_memory_desc_t a, b, c;
    dnnl_primitive_desc_t plan;
    if (!matrix(&a, &x->a, dnnl_bf16, x->m, x->k, x->trans_a) ||
        !matrix(&b, &x->b, dnnl_bf16, x->k, x->n, x->trans_b) ||
        !matrix(&c, &x->c, dnnl_f32, x->m, x->n, false))
        return;
#if DNNL_VERSION_MAJOR == 2
    dnnl_matmul_desc_t d;
    if (dnn.matmul_desc_init(&d, &a, &b, NULL, &c) ||
        dnn.primitive_desc_create(&plan, &d, NULL, dnn.engine, NULL))
        return;
#else
    const dnnl_status_t status = dnn.matmul_primitive_desc_create(&plan, dnn.engine, a, b, NULL, c, NULL);
    dnn.memory_desc_destroy(a), dnn.memory_desc_destroy(b), dnn.memory_desc_destroy(c);
    if (status) return;
#endif
    if (dnn.primitive_create(&x->multiply, plan)) x->multiply = NULL;
    dnn.primitive_desc_destroy(plan);
}

/* Returns the kept product of this shape, or makes it. NULL: out of memory. */
static prepared *find(const prepared *want) {
    static prepared *all;
    for (prepared *x = all; x; x = x->next)
        if (x->trans_a == want->trans_a && x->trans_b == want->trans_b && x->m == want->m &&
            x->n == want->n && x->k == want->k && x->threads == want->threads)
            return x;
    prepared *x = malloc(sizeof *x);
    if (!x) return NULL;
    *x = *want;
    make(x);
    x->next = all;
    return all = x;
}

static bool multiply(const prepared *x, const void *a, const void *b, float *c) {
    const dnnl_exec_arg_t operand[] = {{DNNL_ARG_SRC, x->a}, {DNNL_ARG_WEIGHTS, x->b}, {DNNL_ARG_DST, x->c}};
    return !dnn.memory_set_data_handle(x->a, (void *)(uintptr_t)a) &&
           !dnn.memory_set_data_handle(x->b, (void *)(uintptr_t)b) && !dnn.memory_set_data_handle(x->c, c) &&
           !dnn.primitive_execute(x->multiply, dnn.stream, 3, operand) && !dnn.stream_wait(dnn.stream);
}

bool mx_library_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const uint16_t *a,
                          const uint16_t *b, float *c, int threads) {
    static pthread_once_t matmul_loaded = PTHREAD_ONCE_INIT;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the kept products */
    pthread_once(&loaded, load);
    pthread_once(&matmul_loaded, load_matmul);
    if (!dnn.ready) return false;
    if (set_threads) set_threads(threads);
    pthread_mutex_lock(&lock);
    const prepared *x =
        find(&(prepared){.trans_a = trans_a, .trans_b = trans_b, .m = m, .n = n, .k = k, .threads = threads});
    const bool done = x && x->multiply && multiply(x, a, b, c);
    pthread_mutex_unlock(&lock);
    return done;
}
#else
bool mx_library_gemm_bf16(bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, const uint16_t *a,
                          const uint16_t *b, float *c, int threads) {
    (void)trans_a, (void)trans_b, (void)m, (void)n, (void)k, (void)a, (void)b, (void)c, (void)threads;
    return false;
}
#endif
