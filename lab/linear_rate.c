/* Products of the base model (batch 8): our blocks beside oneDNN's sgemm; best of several runs, every run on
 * cold operands (a buffer larger than the last cache is read between). One thread: processor time.
 *
 * gcc -O2 -D_GNU_SOURCE -Isrc lab/linear_rate.c build/libmixmae.a -lm -o
 * /tmp/linear_rate /tmp/linear_rate 1 */
#include <stdio.h>
#include <stdlib.h>
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

static double rate(const mx_product *p, int threads, bool blocks) {
    double best = 1e9;
    for (int r = 0; r < RUNS; r++) {
        volatile float sink = 0;
        for (int i = 0; i < COLD; i += 16) sink += cold[i];
        const double begun = now();
        mx_product_run(p, MX_F32, c, a, b, threads, blocks);
        const double t = now() - begun;
        if (t < best) best = t;
    }
    return 2e-9 * (double)p->m * (double)p->n * (double)p->k / best;
}

int main(int argc, char **argv) {
    const int threads = argc > 1 ? atoi(argv[1]) : 1;
    static const int64_t shapes[][4] = {/* rows, out, in, calls */
                                        {25088, 384, 128, 2}, {25088, 512, 128, 2},  {25088, 128, 512, 2},
                                        {6272, 768, 256, 2},  {6272, 256, 1024, 2},  {1568, 1536, 512, 18},
                                        {1568, 512, 512, 18}, {1568, 2048, 512, 18}, {1568, 512, 2048, 18},
                                        {392, 3072, 1024, 2}, {392, 1024, 4096, 2},  {784, 1536, 512, 8},
                                        {784, 2048, 512, 8},  {784, 512, 2048, 8}};
    const size_t most = 25088 * 512;
    if (threads == 1) which = CLOCK_PROCESS_CPUTIME_ID;
    a = malloc(4 * most), b = malloc(4 * most), c = calloc(most, 4), cold = calloc(COLD, 4);
    for (size_t i = 0; i < most; i++) a[i] = b[i] = (float)(i % 97) * 0.01f - 0.5f;
    double flops[3] = {0}, ours_time[3] = {0}, library_time[3] = {0};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t n = shapes[s][0], o = shapes[s][1], i = shapes[s][2];
        const mx_product kind[] = {
            {n, o, i, false, true, 1}, {n, i, o, false, false, 1}, {o, i, n, true, false, 1}};
        printf("N %5ld O %4ld I %4ld:", (long)n, (long)o, (long)i);
        for (int k = 0; k < 3; k++) {
            const double ours = rate(&kind[k], threads, true), library = rate(&kind[k], threads, false);
            const double f = 2e-9 * (double)(n * o * i * shapes[s][3]);
            flops[k] += f, ours_time[k] += f / ours, library_time[k] += f / library;
            printf("  %s %5.1f (%5.1f)", (const char *[]){"y", "dX", "dW"}[k], ours, library);
        }
        printf("\n");
    }
    for (int k = 0; k < 3; k++)
        printf("%s: ours %.1f, library %.1f GFLOP/s\n", (const char *[]){"y", "dX", "dW"}[k],
               flops[k] / ours_time[k], flops[k] / library_time[k]);
    return 0;
}
