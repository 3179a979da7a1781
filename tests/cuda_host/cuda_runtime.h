/* CUDA C on the CPU: the part of cuda_runtime.h that src/ops/cuda uses, for a host compiler.
 *
 * With this folder first in the include path, g++ compiles the .cu files unchanged; the sources beside this header run
 * them (docs/developing/cuda.md says what that proves). A name that is missing here is not emulated, and its use does
 * not compile: atomics of floats above all, whose sums depend on the order of threads. C++17.
 *
 *   kernel_language.h   what kernels see: qualifiers, indices, barriers, shuffles, vectors, mathematics
 *   runtime_api.h       what host code calls: devices, memory, streams, events, graphs
 *   here                the launch, which is a template because kernels differ in their parameters */
#ifndef MX_HOST_CUDA_RUNTIME_H
#define MX_HOST_CUDA_RUNTIME_H

#include "kernel_language.h"
#include "runtime_api.h"

#include <memory>
#include <tuple>
#include <type_traits>

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    struct cudaLaunchAttribute_st *attrs; /* none is emulated */
    unsigned numAttrs;
};

/* A kernel with its arguments, ready to be called by every thread of the grid, now or in a graph's replay. */
struct mx_host_kernel {
    void (*call)(void (*kernel)(), void *arguments);
    void (*kernel)();
    std::shared_ptr<void> arguments;
};

/* Names the next launch of this OS thread in error messages; without it, the kernel's symbol is looked up. `name` must
 * stay valid. */
void mx_host_kernel_name(const char *name);
cudaError_t mx_host_launch(const cudaLaunchConfig_t *config, const mx_host_kernel *kernel);

template <typename... P, typename... A>
static inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(P...),
                                             A &&...argument) {
    static_assert(!(std::is_reference<P>::value || ...), "a kernel takes its arguments by value");
    static_assert((std::is_trivially_copyable<P>::value && ...),
                  "a kernel's arguments travel as plain bytes");
    static_assert(sizeof(std::tuple<P...>) <= 4096, "CUDA's limit for the arguments of a kernel");
    typedef std::tuple<P...> pack;
    mx_host_kernel k;
    k.call = [](void (*f)(), void *p) {
        std::apply(reinterpret_cast<void (*)(P...)>(f), *static_cast<pack *>(p));
    };
    k.kernel = reinterpret_cast<void (*)()>(kernel);
    k.arguments = std::make_shared<pack>(P(static_cast<A &&>(argument))...);
    return mx_host_launch(config, &k);
}

cudaError_t mx_host_function_attribute(void (*kernel)(), cudaFuncAttribute attribute, int value);

template <typename... P>
static inline cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value) {
    return mx_host_function_attribute(reinterpret_cast<void (*)()>(kernel), attribute, value);
}
static inline cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value) {
    return mx_host_function_attribute(reinterpret_cast<void (*)()>(const_cast<void *>(kernel)), attribute,
                                      value);
}

#endif
