/* Packs a product's right operand once, for all tiles of the result. */
#ifndef MX_OPS_CPU_PANELS_H
#define MX_OPS_CPU_PANELS_H

#include "ops/cpu/cpu.h"

typedef struct {
    float *at;       /* NULL: not packed in advance */
    mx_packing part; /* one column of tiles */
    const mx_kernels *k;
    const mx_gemm_block *first;
    mx_cut columns;
} mx_panels;

/* columns: how tiles cut the result's columns; count 0: pack nothing in advance. depth: the product's inner length. */
mx_panels mx_panels_plan(const mx_kernels *k, mx_cut columns, int64_t depth, bool half);
/* Floats that mx_panels_fill writes. */
int64_t mx_panels_floats(const mx_panels *p);
/* Packs into `at`. first: the product's block at row and column 0, of any size; only read during the call. */
void mx_panels_fill(mx_panels *p, const mx_gemm_block *first, int threads, float *at);
/* Sets the packed operand of a tile that begins at column j. */
void mx_panels_use(const mx_panels *p, int64_t j, mx_gemm_block *g);

#endif
