/* What the emulated devices say of themselves: a small GPU with the limits of an H100's thread blocks. */
#include "emulator.h"

#include <stdio.h>

enum { PROCESSORS = 4, CUDA_VERSION = 13000 };

cudaError_t cudaGetDeviceCount(int *count) {
    *count = mx_host_device_count();
    return *count ? cudaSuccess : mx_host_error(cudaErrorNoDevice);
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
    mx_host_lock lock;
    *total = mx_host_device_total();
    *available = *total - mx_host_device_used(mx_host_current_device());
    return cudaSuccess;
}

static bool exists(int device) { return device >= 0 && device < mx_host_device_count(); }

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    if (!exists(device)) return mx_host_error(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = MX_HOST_MAX_THREADS; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = MX_HOST_SMEM_DEFAULT; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrClockRate: *value = 1000000; break; /* kHz */
    case cudaDevAttrMultiProcessorCount: *value = PROCESSORS; break;
    case cudaDevAttrMemoryClockRate: *value = 1000000; break; /* kHz */
    case cudaDevAttrGlobalMemoryBusWidth: *value = 64; break; /* bits */
    case cudaDevAttrL2CacheSize: *value = 1 << 20; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = MX_HOST_SMEM_MOST + 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = MX_HOST_SMEM_MOST; break;
    default: return mx_host_error(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
    if (!exists(device)) return mx_host_error(cudaErrorInvalidDevice);
    *p = cudaDeviceProp();
    snprintf(p->name, sizeof p->name, "CUDA on the host");
    p->totalGlobalMem = mx_host_device_total();
    p->sharedMemPerBlock = MX_HOST_SMEM_DEFAULT;
    p->sharedMemPerBlockOptin = MX_HOST_SMEM_MOST;
    p->sharedMemPerMultiprocessor = MX_HOST_SMEM_MOST + 1024;
    p->regsPerBlock = 65536, p->warpSize = 32;
    p->maxThreadsPerBlock = MX_HOST_MAX_THREADS, p->maxThreadsPerMultiProcessor = 2048;
    p->major = 9, p->minor = 0, p->multiProcessorCount = PROCESSORS;
    p->memoryBusWidth = 64, p->l2CacheSize = 1 << 20;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = CUDA_VERSION;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDA_VERSION;
    return cudaSuccess;
}
