/* What the emulator's tests share: checks, launches, and memory of the device. */
#ifndef MX_HOST_TEST_LIB_H
#define MX_HOST_TEST_LIB_H

#include <cuda_runtime.h>

#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <vector>

#define CHECK(condition)                                                                                     \
    ((condition) ? (void)0                                                                                   \
                 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), exit(1)))
#define OK(call) CHECK((call) == cudaSuccess)

/* Orders under which a right kernel gives the same bytes. */
static const char *const orders[] = {"forward", "reversed", "1", "2", "3", "4"};
enum { ORDERS = sizeof orders / sizeof *orders };

static inline cudaStream_t new_stream(void) {
    cudaStream_t s;
    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    return s;
}

template <typename... P, typename... A>
static cudaError_t launch(cudaStream_t s, dim3 grid, dim3 block, size_t shared, void (*kernel)(P...),
                          A... argument) {
    cudaLaunchConfig_t how = {};
    how.gridDim = grid, how.blockDim = block, how.dynamicSmemBytes = shared, how.stream = s;
    return cudaLaunchKernelEx(&how, kernel, P(argument)...);
}

/* Values on the device, and back. */
template <typename T> static T *put(const std::vector<T> &values, cudaStream_t s) {
    T *p;
    OK(cudaMalloc(&p, values.size() * sizeof(T)));
    OK(cudaMemcpyAsync(p, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, s));
    return p;
}
template <typename T> static std::vector<T> get(const T *p, size_t n, cudaStream_t s) {
    std::vector<T> values(n);
    OK(cudaMemcpyAsync(values.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost, s));
    return values;
}

/* The same numbers in every run: in [-1, 1), multiples of 1/128, exact in bf16. */
static inline std::vector<float> numbers(size_t n, unsigned seed) {
    std::vector<float> values(n);
    for (float &x : values)
        seed = seed * 1664525u + 1013904223u,
        x = static_cast<float>(static_cast<int>(seed >> 24) - 128) / 128;
    return values;
}

#endif
