/* GELU alone. The backward pass recomputes activations with it (model/block.h). Its arithmetic is the epilogue's, so
 * the bytes equal those of the forward pass. */
#include "ops/cpu/cpu.h"

#define CHUNK 65536 /* elements of one task */

typedef struct {
    const mx_kernels *k;
    mx_tensor y, h;
    mx_cut cut;
} gelu;

static void gelu_task(void *arg, int64_t task, int thread) {
    const gelu *g = arg;
    const int64_t at = task * g->cut.size, n = mx_cut_length(g->cut, task);
    (void)thread;
    g->k->gelu(mx_at(g->y, at), mx_at(g->h, at), g->y.type == MX_BF16, n);
}

void mx_cpu_gelu(mx_ctx *c, mx_tensor y, mx_tensor h) {
    if (mx_count(h) == 0) return;
    gelu g = {mx_cpu_kernels(c), y, h, mx_cut_even(mx_count(h), CHUNK, 16)};
    mx_parallel(c->threads, g.cut.count, gelu_task, &g);
}
