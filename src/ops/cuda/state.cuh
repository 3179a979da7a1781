/* What the files of the CUDA backend share: the state of a device, launches, errors. */
#ifndef MX_OPS_CUDA_STATE_CUH
#define MX_OPS_CUDA_STATE_CUH

#include <cublasLt.h>
#include <cuda_runtime.h>

extern "C" {
#include "ops/cuda/cuda.h"
#include "ops/device.h"
}

#define MX_CUDA_WARP     32
#define MX_CUDA_PARTIALS 1024

typedef struct mx_cuda_plans mx_cuda_plans; /* of products, products.cuh */
typedef struct mx_cuda_recording mx_cuda_recording;

/* An open device. All work runs in order on one stream. */
typedef struct {
    int number;
    cudaStream_t stream;
    cublasLtHandle_t lt;
    mx_cuda_plans *plans;
    mx_cuda_recording *recording; /* under way (record.cu); NULL: none */
    double *partials; /* [MX_CUDA_PARTIALS] for ops without scratch memory, from one launch to the next */
} mx_cuda;

/* The device of c, made this thread's current one. */
mx_cuda *mx_cuda_of(mx_ctx *c);
/* The recording's upload. false: the context holds an error. */
bool mx_cuda_record_upload(mx_ctx *c, void *address, const void *from, size_t bytes);
/* False, with the context's sticky error, when a call failed. */
bool mx_cuda_check(mx_ctx *c, cudaError_t result, const char *call);
bool mx_cuda_lt_check(mx_ctx *c, cublasStatus_t result, const char *call);

/* Blocks of `size` that cover n elements, at most `most`: kernels stride over the rest. */
static inline unsigned mx_cuda_blocks(int64_t n, int64_t size, int64_t most) {
    int64_t blocks = (n + size - 1) / size;
    return (unsigned)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

static inline int64_t mx_cuda_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t mx_cuda_ceil(int64_t n, int64_t m) { return (n + m - 1) / m; }

/* Dynamic shared memory of a kernel, as bytes aligned to 16. The launch gives its size. */
#ifdef __CUDACC__
#define MX_SHARED_BYTES(name)                                                                                \
    extern __shared__ __align__(16) unsigned char mx_cuda_shared[];                                          \
    unsigned char *name = mx_cuda_shared
#define MX_KERNEL_NAME(name) (void)(name)
#else
#define MX_SHARED_BYTES(name) unsigned char *name = (unsigned char *)mx_host_dynamic_shared()
#define MX_KERNEL_NAME(name)  mx_host_kernel_name(name)
#endif

/* Launches kernel(arguments...) on the stream of c. shared: bytes of dynamic shared memory. */
template <typename... P, typename... A>
static void mx_cuda_launch(mx_ctx *c, const char *name, dim3 grid, unsigned threads, size_t shared,
                           void (*kernel)(P...), A... arguments) {
    cudaLaunchConfig_t how = {};
    how.gridDim = grid, how.blockDim = dim3(threads), how.dynamicSmemBytes = shared;
    how.stream = mx_cuda_of(c)->stream;
    MX_KERNEL_NAME(name);
    if (shared > 48 * 1024 &&
        !mx_cuda_check(c,
                       cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            (int)shared),
                       name))
        return;
    mx_cuda_check(c, cudaLaunchKernelEx(&how, kernel, P(arguments)...), name);
}

/* kernel may be a template's instance, in brackets: MX_LAUNCH(c, 8, 256, 0, (fill<float>), x, n). */
#define MX_LAUNCH(c, grid, threads, shared, kernel, ...)                                                     \
    mx_cuda_launch(c, #kernel, dim3 grid, threads, shared, kernel, __VA_ARGS__)

/* This thread's number in the grid of one dimension, and the number of threads in it. */
static __device__ __forceinline__ int64_t mx_cuda_index(void) {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}
static __device__ __forceinline__ int64_t mx_cuda_stride(void) { return (int64_t)gridDim.x * blockDim.x; }

#endif
