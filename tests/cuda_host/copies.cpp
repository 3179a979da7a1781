/* Copies and fills. Each is checked when it is called, and moves bytes when its stream comes to it; only the bytes of
 * pageable memory are moved before the call returns, as a driver does that stages them. */
#include "emulator.h"

#include <vector>

/* Stops unless the host's side is host memory; returns whether it is pinned. */
static bool check_host(const char *what, const void *p) {
    const mx_host_memory_kind kind = mx_host_memory_of(p);
    if (kind == MX_HOST_DEVICE) mx_host_die("%s: %p is not host memory", what, p);
    return kind == MX_HOST_PINNED;
}

static void check_pageable(const char *what, cudaStream_t stream) {
    if (mx_host_captures(stream)) mx_host_die("%s: pageable memory in a graph", what);
}

static void upload(void *to, const void *from, size_t bytes, cudaStream_t stream, int device) {
    const char *what = "cudaMemcpyAsync to the device";
    mx_host_check_device_range(what, to, bytes, device);
    if (check_host(what, from)) {
        mx_host_enqueue(stream, what, [=] { memcpy(to, from, bytes); });
        return;
    }
    check_pageable(what, stream);
    const char *start = static_cast<const char *>(from);
    auto staged = std::make_shared<std::vector<char>>(start, start + bytes);
    mx_host_enqueue(stream, what, [=] { memcpy(to, staged->data(), bytes); });
}

static void download(void *to, const void *from, size_t bytes, cudaStream_t stream, int device) {
    const char *what = "cudaMemcpyAsync to the host";
    mx_host_check_device_range(what, from, bytes, device);
    const bool pinned = check_host(what, to);
    if (!pinned) check_pageable(what, stream);
    mx_host_enqueue(stream, what, [=] { memcpy(to, from, bytes); });
    if (!pinned) mx_host_run_stream(stream);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    mx_host_lock lock;
    const int device = mx_host_stream_device(stream, "cudaMemcpyAsync");
    if (!bytes) return cudaSuccess;
    switch (kind) {
    case cudaMemcpyHostToDevice: upload(to, from, bytes, stream, device); return cudaSuccess;
    case cudaMemcpyDeviceToHost: download(to, from, bytes, stream, device); return cudaSuccess;
    case cudaMemcpyDeviceToDevice:
        mx_host_check_device_range("cudaMemcpyAsync within the device", to, bytes, device);
        mx_host_check_device_range("cudaMemcpyAsync within the device", from, bytes, device);
        if (static_cast<char *>(to) < static_cast<const char *>(from) + bytes &&
            static_cast<const char *>(from) < static_cast<char *>(to) + bytes)
            mx_host_die("cudaMemcpyAsync within the device: the ranges overlap");
        mx_host_enqueue(stream, "cudaMemcpyAsync", [=] { memcpy(to, from, bytes); });
        return cudaSuccess;
    }
    return mx_host_error(cudaErrorInvalidValue);
}

cudaError_t cudaMemsetAsync(void *p, int byte, size_t bytes, cudaStream_t stream) {
    mx_host_lock lock;
    const int device = mx_host_stream_device(stream, "cudaMemsetAsync");
    if (!bytes) return cudaSuccess;
    mx_host_check_device_range("cudaMemsetAsync", p, bytes, device);
    mx_host_enqueue(stream, "cudaMemsetAsync", [=] { memset(p, byte, bytes); });
    return cudaSuccess;
}
