/* The device's matrix rate: one product, repeated and timed alone. */
#include "ops/cuda/number.cuh"
#include "ops/cuda/products.cuh"

/* Numbers in [-0.5, 0.5) that bf16 holds; the pattern repeats after 128. */
template <typename T> static __global__ void numbers_kernel(T *x, int64_t n, uint32_t factor) {
    for (int64_t i = mx_cuda_index(); i < n; i += mx_cuda_stride())
        mx_store(x + i, (float)(((uint32_t)i * factor >> 8) & 127) / 128 - 0.5f);
}

static void fill_numbers(mx_ctx *c, void *x, mx_dtype type, int64_t n, uint32_t factor) {
#define LAUNCH(T) MX_LAUNCH(c, (mx_cuda_blocks(n, 256, 4096)), 256, 0, (numbers_kernel<T>), (T *)x, n, factor)
    MX_BY_TYPE(type, LAUNCH);
#undef LAUNCH
}

/* Seconds of `times` products in a row. */
static double seconds_of(mx_ctx *c, const mx_cuda_shape *s, const mx_cuda_operands *o, int times) {
    const cudaStream_t stream = mx_cuda_of(c)->stream;
    cudaEvent_t begin = NULL, end = NULL;
    float milliseconds = 0;
    bool made = mx_cuda_check(c, cudaEventCreateWithFlags(&begin, cudaEventDefault), "event") &&
                mx_cuda_check(c, cudaEventCreateWithFlags(&end, cudaEventDefault), "event");
    if (made) {
        mx_cuda_check(c, cudaEventRecord(begin, stream), "event");
        for (int i = 0; i < times; i++) mx_cuda_multiply(c, s, o);
        mx_cuda_check(c, cudaEventRecord(end, stream), "event");
        mx_cuda_check(c, cudaEventSynchronize(end), "product");
        mx_cuda_check(c, cudaEventElapsedTime(&milliseconds, begin, end), "event");
    }
    if (begin) cudaEventDestroy(begin);
    if (end) cudaEventDestroy(end);
    return 1e-3 * (double)milliseconds;
}

/* Repeats it until the time can be trusted; the first product of a shape makes its plan. */
static double time_alone(mx_ctx *c, const mx_cuda_shape *s, const mx_cuda_operands *o) {
    const double least = 0.005;
    double seconds = seconds_of(c, s, o, 1);
    for (int times = 2; mx_ok(c) && times <= 1 << 12; times *= 4) {
        seconds = seconds_of(c, s, o, times) / times;
        if (seconds * times >= least) break;
    }
    return seconds;
}

extern "C" double mx_cuda_product_seconds(mx_ctx *c, const mx_product *p, mx_dtype type) {
    const mx_cuda_shape s = {p->m, p->n, p->k, p->trans_a, p->trans_b, type, MX_F32, false, false};
    const size_t a = mx_dtype_size(type) * (size_t)(p->m * p->k),
                 b = mx_dtype_size(type) * (size_t)(p->k * p->n), d = sizeof(float) * (size_t)(p->m * p->n);
    const size_t at_b = (a + 255) / 256 * 256, at_d = at_b + (b + 255) / 256 * 256,
                 at_work = at_d + (d + 255) / 256 * 256;
    char *memory = NULL;
    mx_cuda_of(c);
    if (!mx_cuda_check(c, cudaMalloc((void **)&memory, at_work + mx_cuda_multiply_work(p->n)),
                       "memory of a product"))
        return 0;
    const mx_cuda_operands o = {memory + at_d, memory, memory + at_b, NULL, NULL, memory + at_work};
    fill_numbers(c, memory, type, p->m * p->k, 2654435761u);
    fill_numbers(c, memory + at_b, type, p->k * p->n, 2246822519u);
    const double seconds = time_alone(c, &s, &o);
    cudaFree(memory);
    return seconds;
}
