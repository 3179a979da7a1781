/* Bare products for the benchmark: our blocks without any epilogue, or the library (ops/product.h). */
#include "ops/product.h"

#include <stdlib.h>

#include "ops/cpu/cpu.h"
#include "ops/cpu/gemm.h"

static void own_blocks(const mx_product *p, float *c, const float *a, const float *b, int threads) {
    const mx_ctx ctx = {.backend = mx_backend_cpu(), .threads = threads};
    const mx_kernels *k = mx_cpu_kernels(&ctx);
    const mx_cut rows = mx_cut_even(p->m, MX_MT / 2, MX_MR), columns = mx_cut_even(p->n, MX_NC, 16);
    mx_gemm_scratch *scratch = aligned_alloc(MX_ALIGN, sizeof *scratch * (size_t)threads);
    if (!scratch) return;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t t = 0; t < rows.count * columns.count; t++) {
        const int64_t i = t / columns.count, j = t % columns.count, row = i * rows.size,
                      col = j * columns.size;
        const mx_gemm_block g = {.m = mx_cut_length(rows, i),
                                 .n = mx_cut_length(columns, j),
                                 .k = p->k,
                                 .a = p->trans_a ? a + row : a + row * p->k,
                                 .b = p->trans_b ? b + col * p->k : b + col,
                                 .a_row = p->trans_a ? 1 : p->k,
                                 .a_col = p->trans_a ? p->m : 1,
                                 .b_row = p->trans_b ? 1 : p->n,
                                 .b_col = p->trans_b ? p->k : 1,
                                 .c = c + row * p->n + col,
                                 .ldc = p->n};
        k->gemm(&g, scratch + mx_cpu_thread());
    }
    free(scratch);
}

void mx_cpu_product(const mx_product *p, float *c, const float *a, const float *b, int threads, bool blocks) {
    if (blocks)
        own_blocks(p, c, a, b, threads);
    else
        mx_library_gemm(p->trans_a, p->trans_b, p->m, p->n, p->k, a, b, c, threads);
}
