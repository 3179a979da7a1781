/* The emulator's runtime: what streams, events, graphs, copies and cuBLASLt do, what they refuse, and the mistakes of
 * host code that show as wrong bytes or end the program. */
#include "cublasLt.h"
#include "cuda_bf16.h"
#include "test_dies.h"
#include "test_lib.h"

#include <math.h>

static cudaStream_t stream;
enum { N = 1000 };
static const size_t BYTES = N * sizeof(float);

static __global__ void add(float *y, const float *x, float a) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) y[i] += a * x[i];
}
static void add_to(float *y, const float *x, float a, cudaStream_t s) {
    OK(launch(s, 8, 128, 0, add, y, x, a));
}

static bool all_are(const std::vector<float> &values, float x) {
    for (float v : values)
        if (!(v == x)) return false;
    return true;
}

/* ---- devices and their memory ---- */

static void devices(void) {
    int n = 0, value = 0;
    OK(cudaGetDeviceCount(&n));
    CHECK(n == 2);
    CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice && cudaGetLastError() == cudaErrorInvalidDevice);
    OK(cudaGetLastError());
    OK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 1));
    CHECK(value == 232448);
    size_t before, total, now;
    OK(cudaMemGetInfo(&before, &total));
    float *p = NULL;
    OK(cudaMalloc(&p, BYTES));
    OK(cudaMemGetInfo(&now, &total));
    CHECK(now < before && total == static_cast<size_t>(1) << 30);
    CHECK(isnan(get(p, N, stream)[N - 1])); /* not zeroed */
    OK(cudaFree(p));
    OK(cudaMemGetInfo(&now, &total));
    CHECK(now == before);
    CHECK(cudaMalloc(&p, total + 1) == cudaErrorMemoryAllocation && !p);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
}

static __global__ void needs_room(float *y) { y[0] = static_cast<float>(mx_host_dynamic_shared()[0]); }

static void limits(void) {
    float *p = put(std::vector<float>(1), stream);
    CHECK(launch(stream, 1, 1025, 0, needs_room, p) == cudaErrorInvalidConfiguration);
    CHECK(launch(stream, 0, 32, 0, needs_room, p) == cudaErrorInvalidConfiguration);
    CHECK(launch(stream, dim3(1, 65536), 32, 0, needs_room, p) == cudaErrorInvalidConfiguration);
    CHECK(launch(stream, 1, 32, 49153, needs_room, p) == cudaErrorInvalidValue);
    CHECK(cudaFuncSetAttribute(needs_room, cudaFuncAttributeMaxDynamicSharedMemorySize, 232449) ==
          cudaErrorInvalidValue);
    OK(cudaFuncSetAttribute(needs_room, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536));
    OK(launch(stream, 1, 32, 49153, needs_room, p));
    CHECK(get(p, 1, stream)[0] == 255);
    cudaGetLastError();
    OK(cudaFree(p));
}

/* ---- streams: the same program with and without the wait; only the right one gives right bytes ---- */

static std::vector<float> two_streams(bool wait) {
    cudaStream_t other = new_stream();
    cudaEvent_t done;
    OK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    float *x = put(std::vector<float>(N, 1), stream), *y = put(std::vector<float>(N, 0), stream);
    OK(cudaStreamSynchronize(stream));
    for (int i = 0; i < 5; i++) {
        add_to(y, x, 1, stream); /* y + 1 */
        OK(cudaEventRecord(done, stream));
        if (wait) OK(cudaStreamWaitEvent(other, done));
        add_to(x, y, 1, other); /* x + y */
        OK(cudaEventRecord(done, other));
        if (wait) OK(cudaStreamWaitEvent(stream, done));
    }
    OK(cudaStreamSynchronize(other));
    std::vector<float> result = get(y, N, stream);
    OK(cudaFree(x)), OK(cudaFree(y)), OK(cudaEventDestroy(done)), OK(cudaStreamDestroy(other));
    return result;
}

/* A staging buffer that the host fills again while its copy may be under way. */
static std::vector<float> staging(bool wait) {
    float *pinned, *x[2];
    cudaEvent_t taken;
    OK(cudaEventCreateWithFlags(&taken, cudaEventDefault));
    OK(cudaMallocHost(&pinned, BYTES));
    for (int k = 0; k < 2; k++) {
        OK(cudaMalloc(&x[k], BYTES));
        if (wait) OK(cudaEventSynchronize(taken));
        for (int i = 0; i < N; i++) pinned[i] = static_cast<float>(k + 1);
        OK(cudaMemcpyAsync(x[k], pinned, BYTES, cudaMemcpyHostToDevice, stream));
        OK(cudaEventRecord(taken, stream));
    }
    add_to(x[0], x[1], 10, stream);
    std::vector<float> result = get(x[0], N, stream);
    OK(cudaFree(x[0])), OK(cudaFree(x[1])), OK(cudaFreeHost(pinned)), OK(cudaEventDestroy(taken));
    return result;
}

/* A result that the host reads from pinned memory before its copy is done. */
static float early_reader(bool wait) {
    float *pinned, *x = put(std::vector<float>(N, 3), stream);
    OK(cudaMallocHost(&pinned, BYTES));
    pinned[0] = 0;
    add_to(x, x, 1, stream);
    OK(cudaMemcpyAsync(pinned, x, BYTES, cudaMemcpyDeviceToHost, stream));
    if (wait) OK(cudaStreamSynchronize(stream));
    const float result = pinned[0];
    OK(cudaFree(x)), OK(cudaFreeHost(pinned));
    return result;
}

static void streams(void) {
    bool wrong[3] = {};
    for (const char *order : orders) {
        mx_host_set_order(order);
        CHECK(all_are(two_streams(true), 55)); /* from 0 and 1, y += x and x += y five times */
        CHECK(all_are(staging(true), 21));
        CHECK(early_reader(true) == 6);
        wrong[0] |= !all_are(two_streams(false), 55);
        wrong[1] |= !all_are(staging(false), 21);
        wrong[2] |= early_reader(false) != 6;
    }
    CHECK(wrong[0] && wrong[1] && wrong[2]);
    mx_host_set_order("forward");
}

/* Pageable memory may change as soon as the call returns. */
static void pageable(void) {
    mx_host_set_order("reversed");
    std::vector<float> values(N, 1);
    float *x = put(values, stream);
    values.assign(N, 5);
    CHECK(all_are(get(x, N, stream), 1));
    OK(cudaMemsetAsync(x, 0, BYTES, stream));
    float *y = put(values, stream);
    OK(cudaMemcpyAsync(x, y, BYTES / 2, cudaMemcpyDeviceToDevice, stream));
    values = get(x, N, stream);
    CHECK(values[0] == 5 && values[N / 2 - 1] == 5 && values[N / 2] == 0);
    OK(cudaFree(x)), OK(cudaFree(y));
    mx_host_set_order("forward");
}

static void events(void) {
    cudaEvent_t a, b;
    float milliseconds = -1;
    OK(cudaEventCreateWithFlags(&a, cudaEventDefault)), OK(cudaEventCreateWithFlags(&b, cudaEventDefault));
    CHECK(cudaEventElapsedTime(&milliseconds, a, b) == cudaErrorInvalidValue);
    mx_host_set_order("reversed");
    OK(cudaEventRecord(a, stream)), OK(cudaEventRecord(b, stream));
    CHECK(cudaEventElapsedTime(&milliseconds, a, b) == cudaErrorNotReady);
    OK(cudaEventSynchronize(b));
    OK(cudaEventElapsedTime(&milliseconds, a, b));
    CHECK(milliseconds >= 0);
    OK(cudaEventDestroy(a)), OK(cudaEventDestroy(b));
    cudaGetLastError();
    mx_host_set_order("forward");
}

/* ---- graphs ---- */

static cudaGraphExec_t record(float *y, const float *x) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    float a = 1;
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (; a < 4; a++) add_to(y, x, a, stream);
    OK(cudaMemsetAsync(y, 0, sizeof(float), stream));
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphInstantiate(&exec, graph));
    OK(cudaGraphDestroy(graph));
    return exec;
}

static void graphs(void) {
    for (const char *order : orders) {
        mx_host_set_order(order);
        float *x = put(std::vector<float>(N, 2), stream), *y = put(std::vector<float>(N, 0), stream);
        cudaGraphExec_t exec = record(y, x);
        CHECK(all_are(get(y, N, stream), 0)); /* recorded, not run */
        for (int i = 0; i < 3; i++) OK(cudaGraphLaunch(exec, stream));
        const std::vector<float> values = get(y, N, stream);
        CHECK(values[0] == 0 && values[1] == 36);
        OK(cudaGraphExecDestroy(exec)), OK(cudaFree(x)), OK(cudaFree(y));
    }
    mx_host_set_order("forward");
}

static void begin(void) { OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal)); }

static void faults_of_graphs(void) {
    dies("wait", "cudaStreamSynchronize of a stream that is captured",
         [] { begin(), cudaStreamSynchronize(stream); });
    dies("allocate", "cudaMalloc while a stream is captured", [] {
        void *p;
        begin(), cudaMalloc(&p, 4);
    });
    dies("free", "cudaFree while a stream is captured", [] {
        float *p = put(std::vector<float>(1), stream);
        begin(), cudaFree(p);
    });
    dies("pageable", "pageable memory in a graph", [] {
        float *p = put(std::vector<float>(1), stream), x = 1;
        begin(), cudaMemcpyAsync(p, &x, sizeof x, cudaMemcpyHostToDevice, stream);
    });
    dies("no stream", "the NULL stream is not emulated", [] { cudaStreamSynchronize(NULL); });
    dies("the other device", "belongs to device 0, the current device is 1", [] {
        float *p = put(std::vector<float>(1), stream);
        OK(cudaSetDevice(1));
        cudaMemsetAsync(p, 0, 4, stream);
    });
}

int main(void) {
    stream = new_stream();
    devices();
    limits();
    streams();
    pageable();
    events();
    graphs();
    faults_of_graphs();
    OK(cudaStreamDestroy(stream));
    puts("streams, events and graphs do what CUDA says");
}
