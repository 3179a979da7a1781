/* Devices, their memory, and copies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cuda/products.cuh"
#include "ops/cuda/state.cuh"

extern "C" {

int mx_cuda_devices(void) {
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

size_t mx_cuda_available(int number) {
    size_t available = 0, all = 0;
    bool known = cudaSetDevice(number) == cudaSuccess && cudaMemGetInfo(&available, &all) == cudaSuccess;
    return known ? available : 0;
}

void mx_cuda_describe(char *text, size_t size) {
    cudaDeviceProp p;
    int driver = 0, toolkit = 0;
    cudaRuntimeGetVersion(&toolkit);
    if (mx_cuda_devices() < 1 || cudaGetDeviceProperties(&p, 0) != cudaSuccess) {
        snprintf(text, size, "no GPU, toolkit %d.%d", toolkit / 1000, toolkit / 10 % 100);
        return;
    }
    cudaDriverGetVersion(&driver);
    const int library = (int)cublasLtGetVersion();
    snprintf(text, size, "%s, driver %d.%d, toolkit %d.%d, cuBLASLt %d.%d.%d", p.name, driver / 1000,
             driver / 10 % 100, toolkit / 1000, toolkit / 10 % 100, library / 10000, library / 100 % 100,
             library % 100);
}

void *mx_cuda_make(int number, mx_error *e) {
    mx_cuda *d = (mx_cuda *)calloc(1, sizeof *d);
    if (!d) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a device"), (void *)NULL;
    d->number = number;
    cudaError_t r = cudaSetDevice(number);
    if (r == cudaSuccess) r = cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking);
    if (r == cudaSuccess) r = cudaMalloc((void **)&d->partials, MX_CUDA_PARTIALS * sizeof *d->partials);
    if (r != cudaSuccess)
        mx_fail(e, MX_ERR_UNSUPPORTED, "GPU %d does not open: %s", number, cudaGetErrorString(r));
    else if (cublasLtCreate(&d->lt) != CUBLAS_STATUS_SUCCESS)
        mx_fail(e, MX_ERR_UNSUPPORTED, "cuBLASLt does not open on GPU %d", number);
    else if (!(d->plans = mx_cuda_plans_make()))
        mx_fail(e, MX_ERR_MEMORY, "out of memory for a device");
    if (e->status) mx_cuda_free(d), d = NULL;
    return d;
}

void mx_cuda_free(void *own) {
    mx_cuda *d = (mx_cuda *)own;
    cudaSetDevice(d->number);
    mx_cuda_plans_free(d->plans);
    if (d->lt) cublasLtDestroy(d->lt);
    if (d->partials) cudaFree(d->partials);
    if (d->stream) cudaStreamDestroy(d->stream);
    free(d);
}

void *mx_cuda_attach(void *own, size_t bytes, mx_error *e) {
    mx_cuda *d = (mx_cuda *)own;
    void *memory = NULL;
    cudaError_t r = cudaSetDevice(d->number);
    if (r == cudaSuccess) r = cudaMalloc(&memory, bytes);
    if (r == cudaSuccess) r = cudaMemsetAsync(memory, 0, bytes, d->stream);
    if (r == cudaSuccess) return memory;
    if (memory) cudaFree(memory);
    mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes on GPU %d: %s", bytes, d->number,
            cudaGetErrorString(r));
    return NULL;
}

void mx_cuda_detach(void *own, void *address) {
    mx_cuda *d = (mx_cuda *)own;
    cudaSetDevice(d->number);
    cudaStreamSynchronize(d->stream);
    cudaFree(address);
}

/* From pageable memory the call returns when the bytes are copied aside, so the caller may change them. */
void mx_cuda_upload(mx_ctx *c, void *address, const void *from, size_t bytes) {
    mx_cuda *d = mx_cuda_of(c);
    if (d->recording)
        mx_cuda_record_upload(c, address, from, bytes);
    else
        mx_cuda_check(c, cudaMemcpyAsync(address, from, bytes, cudaMemcpyHostToDevice, d->stream), "upload");
}

void mx_cuda_download(mx_ctx *c, void *to, const void *address, size_t bytes) {
    mx_cuda *d = mx_cuda_of(c);
    if (mx_cuda_check(c, cudaMemcpyAsync(to, address, bytes, cudaMemcpyDeviceToHost, d->stream), "download"))
        mx_cuda_check(c, cudaStreamSynchronize(d->stream), "download");
}

} /* extern "C" */

mx_cuda *mx_cuda_of(mx_ctx *c) {
    mx_cuda *d = (mx_cuda *)mx_device_own(c);
    cudaSetDevice(d->number);
    return d;
}

bool mx_cuda_check(mx_ctx *c, cudaError_t result, const char *call) {
    if (result == cudaSuccess) return true;
    if (mx_ok(c))
        mx_fail(&c->error, result == cudaErrorMemoryAllocation ? MX_ERR_MEMORY : MX_ERR_UNSUPPORTED,
                "GPU %d, %s: %s", c->number, call, cudaGetErrorString(result));
    return false;
}

bool mx_cuda_lt_check(mx_ctx *c, cublasStatus_t result, const char *call) {
    if (result == CUBLAS_STATUS_SUCCESS) return true;
    if (mx_ok(c))
        mx_fail(&c->error, MX_ERR_UNSUPPORTED, "GPU %d, cuBLASLt, %s: status %d", c->number, call,
                (int)result);
    return false;
}
