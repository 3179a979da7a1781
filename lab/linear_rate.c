/* Products of the base model (batch 8), f32 or bf16: our blocks beside oneDNN; best of several runs, every
 * run on cold operands (a buffer larger than the last cache is read between). One thread: processor time. In
 * bf16 our blocks read a weight in f32, as the step does; oneDNN is given it in bf16.
 *
 * cmake --build build --target linear_rate
 * build/linear_rate 1 bf16      (threads, type: f32) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ops/product.h"

static clockid_t which = CLOCK_MONOTONIC;
static double now(void) {
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { COLD = 12 << 20, RUNS = 7 };
static float *a, *b, *c, *cold;
static uint16_t *half; /* a and b in bf16 */
static mx_dtype type = MX_F32;

static bool multiply(const mx_product *p, int threads, bool blocks) {
    if (type == MX_F32) return mx_product_run(p, MX_F32, c, a, b, threads, blocks);
    return mx_product_run(p, MX_BF16, c, half, blocks && !p->trans_a ? (void *)b : half, threads, blocks);
}

/* GFLOP/s; 0: there is no such product */
static double rate(const mx_product *p, int threads, bool blocks) {
    double best = 1e9;
    for (int r = 0; r < RUNS; r++) {
        volatile float sink = 0;
        for (int i = 0; i < COLD; i += 16) sink += cold[i];
        const double begun = now();
        if (!multiply(p, threads, blocks)) return 0;
        const double t = now() - begun;
        if (t < best) best = t;
    }
    return 2e-9 * (double)p->m * (double)p->n * (double)p->k / best;
}

/* Numbers that bf16 holds. */
static void fill(size_t most) {
    a = malloc(4 * most), b = malloc(4 * most), c = calloc(most, 4), cold = calloc(COLD, 4);
    half = malloc(2 * most);
    for (size_t i = 0; i < most; i++) {
        uint32_t bits;
        a[i] = b[i] = (float)(i % 97) / 128 - 0.375f;
        memcpy(&bits, &a[i], sizeof bits);
        half[i] = (uint16_t)(bits >> 16);
    }
}

int main(int argc, char **argv) {
    const int threads = argc > 1 ? atoi(argv[1]) : 1;
    static const int64_t shapes[][4] = {/* rows, out, in, calls */
                                        {25088, 384, 128, 2}, {25088, 512, 128, 2},  {25088, 128, 512, 2},
                                        {6272, 768, 256, 2},  {6272, 256, 1024, 2},  {1568, 1536, 512, 18},
                                        {1568, 512, 512, 18}, {1568, 2048, 512, 18}, {1568, 512, 2048, 18},
                                        {392, 3072, 1024, 2}, {392, 1024, 4096, 2},  {784, 1536, 512, 8},
                                        {784, 2048, 512, 8},  {784, 512, 2048, 8}};
    if (argc > 2 && !strcmp(argv[2], "bf16"))
        type = MX_BF16;
    else if (argc > 2 && strcmp(argv[2], "f32"))
        return fprintf(stderr, "linear_rate: expected f32 or bf16, found %s\n", argv[2]), 2;
    if (threads == 1) which = CLOCK_PROCESS_CPUTIME_ID;
    fill(25088 * 512);
    double flops[3] = {0}, ours_time[3] = {0}, library_time[3] = {0};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t n = shapes[s][0], o = shapes[s][1], i = shapes[s][2];
        const mx_product kind[] = {
            {n, o, i, false, true, 1}, {n, i, o, false, false, 1}, {o, i, n, true, false, 1}};
        printf("N %5ld O %4ld I %4ld:", (long)n, (long)o, (long)i);
        for (int k = 0; k < 3; k++) {
            const double ours = rate(&kind[k], threads, true), library = rate(&kind[k], threads, false);
            const double f = 2e-9 * (double)(n * o * i * shapes[s][3]);
            flops[k] += f, ours_time[k] += f / ours, library_time[k] += library > 0 ? f / library : INFINITY;
            printf("  %s %5.1f (%5.1f)", (const char *[]){"y", "dX", "dW"}[k], ours, library);
        }
        printf("\n");
    }
    for (int k = 0; k < 3; k++)
        printf("%s, %s: ours %.1f, library %.1f GFLOP/s\n", (const char *[]){"y", "dX", "dW"}[k],
               type == MX_BF16 ? "bf16" : "f32", flops[k] / ours_time[k], flops[k] / library_time[k]);
    return 0;
}
