/* Rate of the attention kernels on one thread beside that of a product block, in CPU time (other programs may
 * run).
 *
 * cmake --build build --target attention_rate && build/attention_rate bf16 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ops/cpu/cpu.h"

static double cpu_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(int64_t n) {
    float *x = aligned_alloc(64, (size_t)(n * 4 + 63) / 64 * 64);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(i * 7919 % 1000) * 1e-3f - 0.5f;
    return x;
}

static void *halves(int64_t n) {
    float *x = numbers(n);
    uint16_t *h = aligned_alloc(64, (size_t)(n * 2 + 63) / 64 * 64);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        h[i] = (uint16_t)(bits >> 16);
    }
    free(x);
    return h;
}

static void *row_of(void *x, int64_t i, bool half) { return (char *)x + i * (half ? 2 : 4); }

typedef void kernel(const mx_attention_task *);

/* GFLOP/s: best of 7 runs */
static double rate(kernel *f, const mx_attention_task *t, double flops) {
    double best = 0;
    const int calls = (int)(2e8 / flops) + 1;
    for (int r = 0; r < 7; r++) {
        const double begun = cpu_time();
        for (int i = 0; i < calls; i++) f(t);
        const double g = flops * calls / (cpu_time() - begun) * 1e-9;
        if (g > best) best = g;
    }
    return best;
}

static double product_rate(const mx_kernels *k, bool half) {
    mx_gemm_scratch *scratch = aligned_alloc(64, (sizeof *scratch + 63) / 64 * 64);
    const mx_gemm_block g = {.m = 396,
                             .n = 256,
                             .k = 512,
                             .a = half ? halves(396 * 512) : (void *)numbers(396 * 512),
                             .b = numbers(512 * 256),
                             .a_read = half ? MX_READ_BF16 : MX_READ_F32,
                             .b_read = half ? MX_READ_ROUNDED : MX_READ_F32,
                             .a_row = 512,
                             .a_col = 1,
                             .b_row = 1,
                             .b_col = 512,
                             .c = numbers(396 * 256),
                             .ldc = 256};
    double product = 0;
    for (int r = 0; r < 20; r++) {
        const double begun = cpu_time();
        k->gemm(&g, scratch);
        const double f = 2e-9 * 396 * 256 * 512 / (cpu_time() - begun);
        if (f > product) product = f;
    }
    return product;
}

static void shape(const mx_kernels *k, int64_t n, int64_t d, int64_t c, bool half, double product) {
    const int64_t padded = mx_round_up(n, k->lanes);
    void *qkv = half ? halves(n * 3 * c) : (void *)numbers(n * 3 * c),
         *dqkv = half ? halves(n * 3 * c) : (void *)numbers(n * 3 * c);
    const mx_attention_task t = {.tokens = n,
                                 .d = d,
                                 .padded = padded,
                                 .qkv_row = 3 * c,
                                 .out_row = c,
                                 .bias_row = padded,
                                 .half = half,
                                 .q = qkv,
                                 .k = row_of(qkv, c, half),
                                 .v = row_of(qkv, 2 * c, half),
                                 .out = numbers(n * c),
                                 .lse = numbers(n),
                                 .bias = numbers(n * padded),
                                 .dout = half ? halves(n * c) : (void *)numbers(n * c),
                                 .dq = dqkv,
                                 .dk = row_of(dqkv, c, half),
                                 .dv = row_of(dqkv, 2 * c, half),
                                 .dbias = numbers(n * padded),
                                 .scratch = numbers((int64_t)k->attention_scratch(n, d, true))};
    const double flops = 4.0 * (double)(n * n * d);
    const double forward = rate(k->attention, &t, flops), backward = rate(k->attention_back, &t, 2.5 * flops),
                 both = 3.5 / (1 / forward + 2.5 / backward);
    printf("tokens %3ld, D %2ld, C %4ld: forward %5.1f (%2.0f %%), backward %5.1f (%2.0f %%), both %5.1f "
           "(%2.0f %%)\n",
           (long)n, (long)d, (long)c, forward, 100 * forward / product, backward, 100 * backward / product,
           both, 100 * both / product);
}

int main(int argc, char **argv) {
    const mx_kernels *k = mx_backend_find("cpu")->own;
    const bool half = argc > 1 && !strcmp(argv[1], "bf16");
    static const int64_t shapes[][3] = {{25, 32, 1024}, {36, 32, 512}, {49, 32, 512},  {49, 32, 1024},
                                        {98, 32, 128},  {98, 32, 512}, {196, 32, 512}, {98, 24, 96},
                                        {98, 64, 512},  {576, 32, 512}};
    const double product = product_rate(k, half);
    printf("%s, %s, one product block: %.1f GFLOP/s\n", k->isa, half ? "bf16" : "f32", product);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        shape(k, shapes[s][0], shapes[s][1], shapes[s][2], half, product);
    return 0;
}
