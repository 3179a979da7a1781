/* GELU alone, where backward computes an activation again (model/block.h): the epilogue's own code, so that
 * the bytes are those that forward made. */
#include "ops/cpu/cpu.h"

#define CHUNK 65536 /* elements of one task */

typedef struct {
    const mx_kernels *k;
    float *y;
    const float *h;
    mx_cut cut;
} gelu;

static void gelu_task(void *arg, int64_t task, int thread) {
    const gelu *g = arg;
    const int64_t at = task * g->cut.size, n = mx_cut_length(g->cut, task);
    (void)thread;
    /* the epilogue's copy of h lands in y first: h itself is only read */
    const mx_epilogue e = {.y = g->y + at, .h = g->y + at, .ld = n};
    g->k->epilogue(&e, g->h + at, n, 1, n);
}

void mx_cpu_gelu(mx_ctx *c, mx_tensor y, mx_tensor h) {
    if (mx_count(h) == 0) return;
    gelu g = {mx_cpu_kernels(c), mx_f32(y), mx_f32(h), mx_cut_even(mx_count(h), CHUNK, 16)};
    mx_parallel(c->threads, g.cut.count, gelu_task, &g);
}
