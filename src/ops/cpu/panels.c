/* See panels.h. Packed: for each column of tiles its blocks along k, in order. A task packs one block. */
#include "ops/cpu/panels.h"

mx_panels mx_panels_plan(const mx_kernels *k, mx_cut columns, int64_t depth, bool half) {
    mx_panels p = {.k = k, .columns = columns};
    if (columns.count > 0) p.part = k->packing(columns.size, depth, half);
    return p;
}

int64_t mx_panels_floats(const mx_panels *p) {
    return mx_line_floats(p->columns.count * p->part.blocks * p->part.floats);
}

static void pack_task(void *arg, int64_t task, int thread) {
    const mx_panels *p = arg;
    const int64_t column = task / p->part.blocks, from = column * p->columns.size * p->first->b_col;
    mx_gemm_block g = *p->first;
    (void)thread;
    g.n = mx_cut_length(p->columns, column);
    g.b = (const char *)g.b + from * (g.b_read == MX_READ_BF16 ? 2 : 4);
    p->k->pack(p->at + task * p->part.floats, &g, task % p->part.blocks);
}

void mx_panels_fill(mx_panels *p, const mx_gemm_block *first, int threads, float *at) {
    if (p->columns.count == 0) return;
    p->at = at, p->first = first;
    mx_parallel(threads, p->columns.count * p->part.blocks, pack_task, p);
    p->first = NULL;
}

void mx_panels_use(const mx_panels *p, int64_t j, mx_gemm_block *g) {
    if (!p->at) return;
    g->packed = p->at + j / p->columns.size * p->part.blocks * p->part.floats;
    g->packed_step = p->part.floats;
}
