/* Planted faults, each of which the emulator must catch: by its message, or because the bytes depend on the order.
 *
 * Faults that end the program run in a child process, whose message is read. */
#include "test_dies.h"

#include <math.h>

static cudaStream_t stream;

/* ---- kernels with faults ---- */

static __global__ void turn_without_barrier(float *y, const float *x) {
    __shared__ float s[128];
    s[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = s[127 - threadIdx.x];
}
static __global__ void turn(float *y, const float *x) {
    __shared__ float s[128];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = s[127 - threadIdx.x];
}
static __global__ void neighbours_without_syncwarp(float *y, const float *x) {
    __shared__ float s[128];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x ^ 1];
    s[threadIdx.x] = 2; /* perhaps before the neighbour has read */
    __syncwarp();
    y[threadIdx.x] += s[threadIdx.x ^ 1];
}
/* Both warps write one sum; the one that comes last wins. */
static __global__ void race_of_warps(float *y, const float *x) {
    __shared__ float sum;
    float mine = x[threadIdx.x];
    for (int lanes = 16; lanes; lanes >>= 1) mine += __shfl_xor_sync(0xffffffffu, mine, lanes);
    if (threadIdx.x % 32 == 0) sum = mine;
    __syncthreads();
    y[threadIdx.x] = sum;
}
/* Each block adds to a place that all share: the order of blocks shows in the rounding. */
static __global__ void race_of_blocks(float *y, const float *x) { y[0] = y[0] * 0.5f + x[blockIdx.x]; }
static __global__ void uninitialised(float *y, const float *x) {
    __shared__ float s[128];
    if (threadIdx.x < 127 || blockIdx.x == 0) s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = s[127 - threadIdx.x];
}
static __global__ void uninitialised_dynamic(float *y, const float *) {
    float *s = reinterpret_cast<float *>(mx_host_dynamic_shared());
    y[threadIdx.x] = s[threadIdx.x];
}
static __global__ void async_without_wait(float *y, const float *x) {
    __align__(16) __shared__ float s[128 * 4];
    mx_host_cp_async16(s + threadIdx.x * 4, x);
    mx_host_cp_async_commit();
    y[threadIdx.x] = s[threadIdx.x * 4];
    mx_host_cp_async_wait_group(0);
}

static __global__ void lane_outside_its_mask(float *y, const float *x) {
    y[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 1);
}
static __global__ void mask_of_others(float *y, const float *x) {
    if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}
static __global__ void two_places(float *y, const float *x) {
    if (threadIdx.x % 2)
        y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 2);
    else
        y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 4);
}
static __global__ void read_outside_mask(float *y, const float *x) {
    if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 16);
}
static __global__ void half_a_warp(float *y, const float *x) { y[0] = __shfl_xor_sync(0xffffffffu, x[0], 1); }
static __global__ void two_barriers(float *y, const float *x) {
    y[threadIdx.x] = x[threadIdx.x];
    if (threadIdx.x < 64)
        __syncthreads();
    else
        __syncthreads();
}
static __global__ void return_before_barrier(float *y, const float *x) {
    if (threadIdx.x == 77) return;
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
}
static __global__ void return_with_copy(float *, const float *x) {
    __align__(16) __shared__ float s[4];
    if (threadIdx.x == 3) mx_host_cp_async16(s, x);
}
/* For ASan alone: UBSan would come first. */
static __attribute__((no_sanitize("undefined"))) __global__ void past_static(float *y, const float *x) {
    __shared__ float s[100];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x < 100 ? threadIdx.x : 0];
}
static __global__ void past_dynamic(float *y, const float *x) {
    float *s = reinterpret_cast<float *>(mx_host_dynamic_shared());
    s[threadIdx.x + (threadIdx.x == 100 ? 128 : 0)] = x[threadIdx.x];
    y[threadIdx.x] = x[threadIdx.x];
}
static __global__ void just_past_dynamic(float *y, const float *x) {
    float *s = reinterpret_cast<float *>(mx_host_dynamic_shared());
    s[threadIdx.x == 100 ? 100 : 0] = x[threadIdx.x];
    y[threadIdx.x] = x[threadIdx.x];
}
static __device__ float deep(const float *x, int depth) {
    volatile float room[64];
    room[depth % 64] = x[0];
    return depth ? deep(x, depth - 1) + room[depth % 64] : room[0];
}
static __global__ void overflow(float *y, const float *x) { y[threadIdx.x] = deep(x, 100000); }
static __global__ void far_outside(float *y, const float *x) { y[threadIdx.x + 100000] = x[threadIdx.x]; }
static __global__ void matrix_from_odd_row(float *y, const float *) {
    __align__(16) __shared__ unsigned short m[64 * 8];
    uint32_t d[4];
    mx_host_ldmatrix_x4(d, m + threadIdx.x % 32 * 8 + (threadIdx.x == 9));
    y[threadIdx.x] = static_cast<float>(d[0]);
}

/* ---- running them ---- */

typedef void kernel(float *, const float *);
enum { N = 128 };

static std::vector<float> run(kernel *k, dim3 grid = 1, unsigned threads = N, size_t shared = 0) {
    float *x = put(numbers(N, 7), stream), *y = put(std::vector<float>(N, 0), stream);
    OK(launch(stream, grid, threads, shared, k, y, x));
    const std::vector<float> result = get(y, N, stream);
    OK(cudaFree(x)), OK(cudaFree(y));
    return result;
}

static bool same_under_all_orders(kernel *k, dim3 grid = 1) {
    std::vector<float> first;
    bool same = true;
    for (const char *order : orders) {
        mx_host_set_order(order);
        const std::vector<float> y = run(k, grid);
        if (first.empty()) first = y;
        same = same && !memcmp(y.data(), first.data(), N * sizeof(float));
    }
    mx_host_set_order("forward");
    return same;
}

static bool has_nan(const std::vector<float> &values) {
    for (float x : values)
        if (isnan(x)) return true;
    return false;
}

static void wrong_bytes(void) {
    CHECK(same_under_all_orders(turn));
    CHECK(!same_under_all_orders(turn_without_barrier));
    CHECK(!same_under_all_orders(neighbours_without_syncwarp));
    CHECK(!same_under_all_orders(race_of_warps));
    CHECK(!same_under_all_orders(race_of_blocks, 3));
    CHECK(!has_nan(run(uninitialised, 1)));
    CHECK(has_nan(run(uninitialised, 2))); /* the second block does not find what the first one wrote */
    CHECK(has_nan(run(uninitialised, 3)));
    CHECK(has_nan(run(uninitialised_dynamic, 1, N, N * sizeof(float))));
    CHECK(has_nan(run(async_without_wait)));
}

/* ---- faults that end the program ---- */

/* The message names kernel, block and thread. */
#define KERNEL_DIES(k, text, ...) dies(#k, text, [] { run(k, __VA_ARGS__); })

static void faults_of_warps(void) {
    KERNEL_DIES(lane_outside_its_mask, "thread (16,0,0): __shfl_xor_sync", 1);
    KERNEL_DIES(lane_outside_its_mask, "lane 16 is not in its own mask 0000ffff", 1);
    KERNEL_DIES(mask_of_others, "divergent warp: thread (0,0,0) waits in __shfl_xor_sync with mask ffffffff",
                1);
    KERNEL_DIES(mask_of_others, "but lane 16, thread (16,0,0) has returned", 1);
    KERNEL_DIES(two_places, "divergent warp", 1);
    KERNEL_DIES(read_outside_mask, "lane 0 reads lane 16, which is not in the mask 0000ffff", 1);
    KERNEL_DIES(half_a_warp, "but the block has no lane 16", 1, 16);
    KERNEL_DIES(matrix_from_odd_row, "the row of lane 9 is not 16 aligned bytes of shared memory", 1);
}

static void faults_of_blocks(void) {
    KERNEL_DIES(two_barriers, "two_barriers block (0,0,0) thread (0,0,0): divergent barrier", 1);
    KERNEL_DIES(two_barriers, "but thread (64,0,0) waits in __syncthreads at", 1);
    KERNEL_DIES(return_before_barrier, "but thread (77,0,0) has returned", 1);
    KERNEL_DIES(return_with_copy, "thread (3,0,0): the thread returns with a cp.async", 1);
    KERNEL_DIES(overflow, "overflow block (0,0,0) thread (0,0,0): stack overflow", 1);
    if (MX_HOST_ASAN) {
        KERNEL_DIES(past_static, "global-buffer-overflow", 1);
        KERNEL_DIES(past_static,
                    "past_static block (0,0,0) thread (100,0,0): the sanitizer's report is about this thread",
                    1);
        KERNEL_DIES(just_past_dynamic, "use-after-poison", 1, N, 100 * sizeof(float));
        return;
    }
    KERNEL_DIES(past_dynamic, "thread (100,0,0): index outside dynamic shared memory", 1, N,
                N * sizeof(float));
    KERNEL_DIES(just_past_dynamic, "wrote past the 400 bytes of dynamic shared memory", 1, N,
                100 * sizeof(float));
}

static float *ones(void) { return put(std::vector<float>(N, 1), stream); }

static void faults_of_memory(void) {
    if (!MX_HOST_ASAN) /* which stops in its own words */
        KERNEL_DIES(far_outside,
                    "touches memory of device 0: byte 400000 of an allocation of 512 bytes past its end", 1);
    dies("host reads", "host code touches memory of device 0: byte 4 of an allocation of 512 bytes",
         [] { printf("%g", ones()[1]); });
    dies("host writes", "host code touches memory of device 0", [] { ones()[1] = 2; });
    dies("freed", "touches freed memory of device 0", [] {
        float *p = ones();
        OK(cudaFree(p));
        p[0] = 1;
    });
    dies("freed in a kernel", "turn block (0,0,0) thread (0,0,0): touches freed memory of device 0", [] {
        float *p = ones(), *y = ones();
        OK(cudaFree(p));
        launch(stream, 1, N, 0, turn, y, p);
        cudaStreamSynchronize(stream);
    });
    dies("the other device's memory", "touches memory of device 1", [] {
        float *mine = ones(), *other;
        OK(cudaSetDevice(1));
        OK(cudaMalloc(&other, N * sizeof(float)));
        OK(cudaSetDevice(0));
        launch(stream, 1, N, 0, turn, mine, other);
        cudaStreamSynchronize(stream);
    });
    dies("a copy too long", "516 bytes at", [] {
        float *p = ones();
        std::vector<float> more(N + 1);
        cudaMemcpyAsync(p, more.data(), more.size() * sizeof(float), cudaMemcpyHostToDevice, stream);
    });
    dies("a copy the wrong way", "the address is host memory", [] {
        std::vector<float> a(N), b(N);
        cudaMemcpyAsync(a.data(), b.data(), N * sizeof(float), cudaMemcpyHostToDevice, stream);
    });
    dies("a fill of host memory", "the address is host memory", [] {
        std::vector<float> a(N);
        cudaMemsetAsync(a.data(), 0, N * sizeof(float), stream);
    });
}

int main(void) {
    stream = new_stream();
    wrong_bytes();
    faults_of_warps();
    faults_of_blocks();
    faults_of_memory();
    OK(cudaStreamDestroy(stream));
    puts("every planted fault was caught");
}
