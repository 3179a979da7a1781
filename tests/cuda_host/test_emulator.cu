/* What the emulator computes: indices, exchange within a warp, sums, matrix instructions, bf16, under every order. */
#include "cuda_bf16.h"
#include "test_lib.h"

#include <math.h>

static cudaStream_t stream;

/* ---- no atomics of floats: the name does not even exist ---- */

template <typename T, typename = void> struct has_atomic_add : std::false_type {};
template <typename T>
struct has_atomic_add<T, decltype(void(atomicAdd(std::declval<T *>(), std::declval<T>())))> : std::true_type {
};
static_assert(!has_atomic_add<float>::value, "a sum by atomics depends on the order of threads");

/* ---- every thread of every block runs once, with its own indices ---- */

static __global__ void count_threads(int *seen) {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    seen[block * blockDim.x * blockDim.y * blockDim.z + thread]++;
}

static void indices(void) {
    const size_t n = 3 * 2 * 2 * 40 * 3 * 2;
    int *seen = put(std::vector<int>(n, 0), stream);
    OK(launch(stream, dim3(3, 2, 2), dim3(40, 3, 2), 0, count_threads, seen));
    for (int count : get(seen, n, stream)) CHECK(count == 1);
    OK(cudaFree(seen));
}

/* ---- a row's mean and deviation, as LayerNorm computes them: shuffles, shared memory, barriers ---- */

template <typename T> static __device__ T block_sum(T x) {
    __shared__ T part[32];
    for (int lanes = 16; lanes; lanes >>= 1) x += __shfl_xor_sync(0xffffffffu, x, lanes);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    T sum = 0;
    for (unsigned i = 0; i < blockDim.x / 32; i++) sum += part[i];
    __syncthreads();
    return sum;
}

template <typename T> static __global__ void normalise(float *y, const float *x, int width) {
    const float *row = x + static_cast<size_t>(blockIdx.x) * width;
    T sum = 0, square = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) sum += row[i];
    const T mean = block_sum(sum) / static_cast<T>(width);
    for (int i = threadIdx.x; i < width; i += blockDim.x) square += (row[i] - mean) * (row[i] - mean);
    const T deviation = sqrt(block_sum(square) / static_cast<T>(width));
    for (int i = threadIdx.x; i < width; i += blockDim.x)
        y[static_cast<size_t>(blockIdx.x) * width + i] = static_cast<float>((row[i] - mean) / deviation);
}

template <typename T> static void norm(void) {
    const int rows = 7, width = 100;
    const std::vector<float> x = numbers(rows * width, 1);
    std::vector<float> first;
    for (const char *order : orders) {
        mx_host_set_order(order);
        float *dx = put(x, stream), *dy = put(std::vector<float>(x.size()), stream);
        OK(launch(stream, rows, 64, 0, normalise<T>, dy, dx, width));
        const std::vector<float> y = get(dy, x.size(), stream);
        if (first.empty()) first = y;
        CHECK(y == first);
        for (int r = 0; r < rows; r++) {
            double sum = 0, square = 0;
            for (int i = 0; i < width; i++) sum += y[r * width + i], square += pow(y[r * width + i], 2);
            CHECK(fabs(sum) < 1e-4 && fabs(square / width - 1) < 1e-5);
        }
        OK(cudaFree(dx)), OK(cudaFree(dy));
    }
    mx_host_set_order("forward");
}

/* ---- exchange within a warp, against CUDA's rules written out ---- */

static __global__ void exchange(int *out) {
    const int lane = threadIdx.x;
    int *row = out + lane * 8;
    row[0] = __shfl_sync(0xffffffffu, lane, 5);
    row[1] = __shfl_sync(0xffffffffu, lane, 9, 8);
    row[2] = __shfl_down_sync(0xffffffffu, lane, 3);
    row[3] = __shfl_down_sync(0xffffffffu, lane, 3, 8);
    row[4] = __shfl_xor_sync(0xffffffffu, lane, 9);
    row[5] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
    row[6] = __any_sync(0xffffffffu, lane == 7) + 2 * __any_sync(0xffffffffu, 0) +
             4 * __all_sync(0xffffffffu, 1) + 8 * __all_sync(0xffffffffu, lane != 7);
    row[7] = lane < 16 ? __shfl_sync(0x0000ffffu, lane, 15) : __shfl_xor_sync(0xffff0000u, lane, 1);
}

static void warps(void) {
    for (const char *order : orders) {
        mx_host_set_order(order);
        int *out = put(std::vector<int>(32 * 8), stream);
        OK(launch(stream, 1, 32, 0, exchange, out));
        const std::vector<int> got = get(out, 32 * 8, stream);
        for (int l = 0; l < 32; l++) {
            const int expected[8] = {5,
                                     l / 8 * 8 + 1,
                                     l + 3 < 32 ? l + 3 : l,
                                     l % 8 + 3 < 8 ? l + 3 : l,
                                     l ^ 9,
                                     static_cast<int>(0x49249249u),
                                     5,
                                     l < 16 ? 15 : l ^ 1};
            for (int i = 0; i < 8; i++) CHECK(got[l * 8 + i] == expected[i]);
        }
        OK(cudaFree(out));
    }
    mx_host_set_order("forward");
}

/* ---- matrix instructions ---- */

static uint32_t pair(const std::vector<float> &m, size_t low, size_t high) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(m[low])) |
           static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(m[high]))) << 16;
}

static __global__ void multiply(float *d, const uint32_t *a, const uint32_t *b, const float *c) {
    const int lane = threadIdx.x;
    mx_host_mma_bf16(d + lane * 4, a + lane * 4, b + lane * 2, c + lane * 4);
}

/* Registers packed by the sentences of the PTX manual, one element at a time (a0 ... a7, b0 ... b3, c0 ... c3). */
static void matrix(void) {
    const std::vector<float> a = numbers(256, 2), b = numbers(128, 3),
                             c = numbers(128, 4); /* rows of 16, 8, 8 */
    std::vector<uint32_t> ra(128), rb(64);
    std::vector<float> rc(128), rd(128);
    for (int l = 0; l < 32; l++) {
        const int g = l >> 2, t = l % 4;
        for (int i = 0; i < 8;
             i += 2) { /* row: g for 0 <= i < 2 and 4 <= i < 6, else g + 8; column: + 8 for i >= 4 */
            const int row = i < 2 || (i >= 4 && i < 6) ? g : g + 8, column = t * 2 + (i >= 4 ? 8 : 0);
            ra[l * 4 + i / 2] = pair(a, row * 16 + column, row * 16 + column + 1);
        }
        for (int i = 0; i < 4; i += 2) {
            const int row = t * 2 + (i >= 2 ? 8 : 0);
            rb[l * 2 + i / 2] = pair(b, row * 8 + g, (row + 1) * 8 + g);
        }
        for (int i = 0; i < 4; i++) rc[l * 4 + i] = c[(i < 2 ? g : g + 8) * 8 + t * 2 + (i & 1)];
    }
    float *d = put(rd, stream), *dc = put(rc, stream);
    uint32_t *da = put(ra, stream), *db = put(rb, stream);
    OK(launch(stream, 1, 32, 0, multiply, d, da, db, dc));
    rd = get(d, 128, stream);
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++) {
            const int row = (l >> 2) + (i < 2 ? 0 : 8), column = l % 4 * 2 + (i & 1);
            float sum = c[row * 8 + column]; /* exact: few bits */
            for (int k = 0; k < 16; k++) sum += a[row * 16 + k] * b[k * 8 + column];
            CHECK(rd[l * 4 + i] == sum);
        }
    OK(cudaFree(d)), OK(cudaFree(dc)), OK(cudaFree(da)), OK(cudaFree(db));
}

/* Four matrices whose element is 100 matrix + 10 row + column. */
static __global__ void load_matrices(uint32_t *plain, uint32_t *transposed) {
    __align__(16) __shared__ uint16_t m[4][8][8];
    for (int i = threadIdx.x; i < 256; i += 32)
        m[i / 64][i / 8 % 8][i % 8] = (uint16_t)(i / 64 * 100 + i / 8 % 8 * 10 + i % 8);
    __syncwarp();
    const void *row = m[threadIdx.x / 8][threadIdx.x % 8];
    mx_host_ldmatrix_x4(plain + threadIdx.x * 4, row);
    mx_host_ldmatrix_x4_trans(transposed + threadIdx.x * 4, row);
}

static void load_matrix(void) {
    uint32_t *p = put(std::vector<uint32_t>(128), stream), *t = put(std::vector<uint32_t>(128), stream);
    OK(launch(stream, 1, 32, 0, load_matrices, p, t));
    const std::vector<uint32_t> plain = get(p, 128, stream), transposed = get(t, 128, stream);
    for (uint32_t l = 0; l < 32; l++)
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t row = l / 4, column = l % 4 * 2, base = i * 100;
            CHECK(plain[l * 4 + i] == ((base + row * 10 + column) | (base + row * 10 + column + 1) << 16));
            CHECK(transposed[l * 4 + i] ==
                  ((base + column * 10 + row) | (base + (column + 1) * 10 + row) << 16));
        }
    OK(cudaFree(p)), OK(cudaFree(t));
}

/* ---- cp.async: two groups under way ---- */

static __global__ void copy_in_groups(float *y, const float *x) {
    __align__(16) __shared__ float s[2][32 * 4];
    for (int g = 0; g < 2; g++) {
        mx_host_cp_async16(s[g] + threadIdx.x * 4, x + (g * 32 + threadIdx.x) * 4, g ? 12 : 16);
        mx_host_cp_async_commit();
    }
    for (int g = 0; g < 2; g++) {
        mx_host_cp_async_wait_group(1 - g);
        __syncthreads();
        for (int i = 0; i < 4; i++) y[(g * 32 + threadIdx.x) * 4 + i] = s[g][(31 - threadIdx.x) * 4 + i];
    }
}

static void async_copies(void) {
    const std::vector<float> x = numbers(256, 5);
    for (const char *order : orders) {
        mx_host_set_order(order);
        float *dx = put(x, stream), *dy = put(x, stream);
        OK(launch(stream, 1, 32, 0, copy_in_groups, dy, dx));
        const std::vector<float> y = get(dy, 256, stream);
        for (int i = 0; i < 256; i++) {
            const int g = i / 128, t = i % 128 / 4, k = i % 4;
            CHECK(y[i] == (g && k == 3 ? 0 : x[(g * 32 + 31 - t) * 4 + k]));
        }
        OK(cudaFree(dx)), OK(cudaFree(dy));
    }
    mx_host_set_order("forward");
}

/* ---- bf16 ---- */

static float as_bf16(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }

static void bf16(void) {
    for (unsigned u = 0; u < 65536; u++) {
        const float x = __bfloat162float(__ushort_as_bfloat16((unsigned short)u));
        CHECK(isnan(x) ? isnan(as_bf16(x)) : __bfloat16_as_ushort(__float2bfloat16_rn(x)) == u);
    }
    CHECK(as_bf16(1.00390625f) == 1.0f);       /* half way between 1 and 1 + 1/128: to the even one */
    CHECK(as_bf16(1.01171875f) == 1.015625f);  /* half way between 1 + 1/128 and 1 + 2/128 */
    CHECK(as_bf16(1.00390637f) == 1.0078125f); /* just above half way */
    CHECK(isinf(as_bf16(3.4e38f)) && as_bf16(3.38e38f) < 3.4e38f);
    CHECK(isnan(as_bf16(__uint_as_float(0x7f800001u)))); /* a NaN whose upper half reads as infinity */
    const float2 both = __bfloat1622float2(__floats2bfloat162_rn(3, -4));
    CHECK(both.x == 3 && both.y == -4);
}

int main(void) {
    stream = new_stream();
    indices();
    norm<float>();
    norm<double>();
    warps();
    matrix();
    load_matrix();
    async_copies();
    bf16();
    OK(cudaStreamDestroy(stream));
    puts("the emulator computes as CUDA says");
}
