/* The inner loops of the cpu backend, compiled once for each instruction set.
 *
 * Every function here runs on ONE thread, on a range of rows or elements that its caller chose from shapes only (so
 * bytes never depend on the number of threads). The files of this folder define them under names that end in the
 * instruction set (MX_ISA_NAME), and table.c collects them in one struct. The files one folder up start the threads and
 * call through the struct. Inputs are const and never alias outputs, except where a comment allows it. */
#ifndef MX_OPS_CPU_KERNELS_H
#define MX_OPS_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/host.h"

/* Blocking of the matrix product. A strip of 6 rows by 2 registers fills the 16 registers of AVX2 (12 sums, 2 columns,
 * 1 broadcast). KC x NC of the right operand (264 KiB packed) fits L2, and one panel of it (16 KiB) fits L1. */
#define MX_MR 6   /* rows of a strip */
#define MX_KC 256 /* depth of a block along k */
#define MX_NC 256 /* most columns of a tile */
#define MX_MC 96  /* rows of the left operand packed or read at a time; multiple of MX_MR */
#define MX_MT 396 /* most rows of a tile */

/* Scratch of one thread in a matrix product, in floats. One cache line of padding keeps panels and strips off the same
 * sets of L1. */
#define MX_PACK_B (MX_NC * MX_KC + 64 * 16)
#define MX_PACK_A (MX_MC * MX_KC + MX_MC / MX_MR * 16 + 16)
#define MX_TILE   (MX_MT * MX_NC)

typedef struct {
    float b[MX_PACK_B], a[MX_PACK_A], tile[MX_TILE];
} mx_gemm_scratch;

/* How a product reads an operand: f32 or bf16 as stored, or f32 rounded to bf16. */
typedef enum { MX_READ_F32, MX_READ_BF16, MX_READ_ROUNDED } mx_read;

/* One block of a product: c[i*ldc + j] (+)= Σ_p a[i*a_row + p*a_col] b[p*b_row + j*b_col], i < m, j < n, p < k. One of
 * a_row, a_col and one of b_row, b_col is 1. n <= MX_NC. Sums are always f32. */
typedef struct {
    int64_t m, n, k;
    const void *a, *b;
    mx_read a_read, b_read;
    int64_t a_row, a_col, b_row, b_col;
    float *c;
    int64_t ldc;
    bool add;        /* add to c instead of overwriting it */
    float *row_sums; /* [m] += Σ_p a[i,p] of unrounded a, or NULL; only with a_row == 1 (bias gradient) */
    const float *packed; /* b as `pack` wrote it, or NULL: the product packs b itself */
    int64_t packed_step; /* floats from one packed block to the next */
} mx_gemm_block;

/* Size of a right operand packed in advance for all products that share it: `blocks` blocks along k, each of `floats`
 * floats. */
typedef struct {
    int64_t blocks, floats;
} mx_packing;

/* The work after a linear layer's product, on one block while it is in cache. Pointers are to the block's first
 * element. All matrices have leading dimension ld. */
typedef struct {
    void *y;
    const float *bias;        /* [n] or NULL */
    const float *r;           /* residual or NULL; may be y */
    void *h;                  /* pre-activation or NULL */
    bool half;                /* y and h are bf16 */
    const float *keep;        /* [samples] or NULL */
    int64_t row0, per_sample; /* sample of row i is (row0 + i) / per_sample */
    int64_t ld;
} mx_epilogue;

#define MX_LOG2_E   1.44269504088896340736f
#define MX_LN_2     0.69314718055994530942
#define MX_NO_LOGIT (-3e38f)

/* One (segment, head) of attention. Strides are of rows (tokens), in elements. */
typedef struct {
    int64_t tokens, d, padded; /* padded: tokens rounded up to lanes, the row length of bias and tiles */
    int64_t qkv_row, out_row, bias_row; /* bias_row: padded, or 0 if all queries share one row */
    bool half;                          /* q, k, v, out and their gradients are bf16, else f32 */
    const void *q, *k, *v;
    void *out;         /* forward: written; backward: read */
    float *lse;        /* [tokens] */
    const float *bias; /* [tokens or 1, padded], times log2 e; MX_NO_LOGIT beyond the segment */
    const void *dout;
    void *dq, *dk, *dv;
    float *dbias; /* [tokens, padded] += the bias gradient, or NULL */
    float *scratch;
} mx_attention_task;

typedef struct {
    const char *isa;
    int lanes; /* floats in a register */
    /* work: mx_gemm_scratch's a and b */
    void (*gemm)(const mx_gemm_block *g, mx_gemm_scratch *work);
    mx_packing (*packing)(int64_t n, int64_t k, bool half); /* half: of a bf16 product */
    /* packs block i of g's b into `to`, the address of that packed block */
    void (*pack)(float *to, const mx_gemm_block *g, int64_t i);
    /* t [m,n] (leading dimension MX_NC) → outputs of e */
    void (*epilogue)(const mx_epilogue *e, const float *t, int64_t ldt, int64_t m, int64_t n);
    /* y = GELU(h), the same bytes as in the epilogue; half: both are bf16 */
    void (*gelu)(void *y, const void *h, bool half, int64_t n);
    /* dx = t * GELU'(h); dx may be h; half: both are bf16 */
    void (*gelu_back)(void *dx, const void *h, bool half, int64_t ld, const float *t, int64_t ldt, int64_t m,
                      int64_t n);

    /* half: y is bf16 */
    void (*layernorm)(void *y, bool half, float *mean, float *rstd, const float *x, const float *gamma,
                      const float *beta, int64_t rows, int64_t width);
    /* dgamma, dbeta [width] += their sums over these rows. half: dy is bf16. An f32 dy may be dx when !add. */
    void (*layernorm_back)(float *dx, float *dgamma, float *dbeta, const void *dy, bool half, const float *x,
                           const float *mean, const float *rstd, const float *gamma, bool add, int64_t rows,
                           int64_t width);

    size_t (*attention_scratch)(int64_t tokens, int64_t d, bool backward); /* floats */
    void (*attention)(const mx_attention_task *t);
    void (*attention_back)(const mx_attention_task *t);

    /* Σ (p - t)², and dp = scale (p - t) unless NULL; dp may be p. normalise: normalises t first, in place. */
    double (*pixel_row)(float *dp, const float *p, float *t, int64_t n, bool normalise, float scale);
    /* Σ_k -t log softmax(x)_k of one row; dx = scale * gradient unless NULL, may be x */
    double (*cross_entropy_row)(float *dx, const float *x, const float *t, int64_t n, float scale);

    double (*square_sum)(const float *g, int64_t n);
    void (*adamw)(float *w, float *m, float *v, const float *g, int64_t n, const mx_adamw_now *a);
    void (*add)(float *y, const float *x, int64_t n);            /* y += x */
    void (*scale)(float *y, const float *x, float s, int64_t n); /* y = s x, y may be x */
    void (*erf)(float *y, const float *x, int64_t n);            /* for accuracy tests */
    void (*exp)(float *y, const float *x, int64_t n);
} mx_kernels;

extern const mx_kernels mx_kernels_generic, mx_kernels_avx2, mx_kernels_avx512, mx_kernels_avx512bf16;

#ifdef MX_ISA
#define MX_PASTE2(a, b) a##_##b
#define MX_PASTE(a, b)  MX_PASTE2(a, b)
#define MX_ISA_NAME(x)  MX_PASTE(x, MX_ISA)
#define MX_STRING2(x)   #x
#define MX_STRING(x)    MX_STRING2(x)

/* Same signatures as the table's members. */
#define mx_k_gemm                    MX_ISA_NAME(mx_k_gemm)
#define mx_k_packing                 MX_ISA_NAME(mx_k_packing)
#define mx_k_pack                    MX_ISA_NAME(mx_k_pack)
#define mx_k_packing_pairs           MX_ISA_NAME(mx_k_packing_pairs)
#define mx_k_pack_pairs              MX_ISA_NAME(mx_k_pack_pairs)
#define mx_k_gemm_pairs              MX_ISA_NAME(mx_k_gemm_pairs)
#define mx_k_row_sums                MX_ISA_NAME(mx_k_row_sums)
#define mx_k_epilogue                MX_ISA_NAME(mx_k_epilogue)
#define mx_k_gelu                    MX_ISA_NAME(mx_k_gelu)
#define mx_k_gelu_back               MX_ISA_NAME(mx_k_gelu_back)
#define mx_k_layernorm               MX_ISA_NAME(mx_k_layernorm)
#define mx_k_layernorm_back          MX_ISA_NAME(mx_k_layernorm_back)
#define mx_k_attention_scratch       MX_ISA_NAME(mx_k_attention_scratch)
#define mx_k_attention               MX_ISA_NAME(mx_k_attention)
#define mx_k_attention_back          MX_ISA_NAME(mx_k_attention_back)
#define mx_k_attention_pairs_scratch MX_ISA_NAME(mx_k_attention_pairs_scratch)
#define mx_k_attention_pairs         MX_ISA_NAME(mx_k_attention_pairs)
#define mx_k_attention_pairs_back    MX_ISA_NAME(mx_k_attention_pairs_back)
#define mx_k_pixel_row               MX_ISA_NAME(mx_k_pixel_row)
#define mx_k_cross_entropy_row       MX_ISA_NAME(mx_k_cross_entropy_row)
#define mx_k_square_sum              MX_ISA_NAME(mx_k_square_sum)
#define mx_k_adamw                   MX_ISA_NAME(mx_k_adamw)
#define mx_k_add                     MX_ISA_NAME(mx_k_add)
#define mx_k_scale                   MX_ISA_NAME(mx_k_scale)
#define mx_k_erf                     MX_ISA_NAME(mx_k_erf)
#define mx_k_exp                     MX_ISA_NAME(mx_k_exp)

void mx_k_gemm(const mx_gemm_block *g, mx_gemm_scratch *work);
mx_packing mx_k_packing(int64_t n, int64_t k, bool half);
void mx_k_pack(float *to, const mx_gemm_block *g, int64_t i);
/* Parts of gemm.c: the bf16 product of instruction sets that have one (gemm_pairs.c), and g->row_sums of the block's
 * rows [i0, i0+m) over [p0, p0+k). */
void mx_k_gemm_pairs(const mx_gemm_block *g, mx_gemm_scratch *work);
mx_packing mx_k_packing_pairs(int64_t n, int64_t k);
void mx_k_pack_pairs(float *to, const mx_gemm_block *g, int64_t i);
void mx_k_row_sums(float *sums, const mx_gemm_block *g, int64_t i0, int64_t m, int64_t p0, int64_t k);
void mx_k_epilogue(const mx_epilogue *e, const float *t, int64_t ldt, int64_t m, int64_t n);
void mx_k_gelu(void *y, const void *h, bool half, int64_t n);
void mx_k_gelu_back(void *dx, const void *h, bool half, int64_t ld, const float *t, int64_t ldt, int64_t m,
                    int64_t n);
void mx_k_layernorm(void *y, bool half, float *mean, float *rstd, const float *x, const float *gamma,
                    const float *beta, int64_t rows, int64_t width);
void mx_k_layernorm_back(float *dx, float *dgamma, float *dbeta, const void *dy, bool half, const float *x,
                         const float *mean, const float *rstd, const float *gamma, bool add, int64_t rows,
                         int64_t width);
size_t mx_k_attention_scratch(int64_t tokens, int64_t d, bool backward);
void mx_k_attention(const mx_attention_task *t);
void mx_k_attention_back(const mx_attention_task *t);
/* Parts of attention.c: bf16, for instruction sets with bf16 products (attention_pairs.c). */
size_t mx_k_attention_pairs_scratch(int64_t tokens, int64_t d, bool backward);
void mx_k_attention_pairs(const mx_attention_task *t);
void mx_k_attention_pairs_back(const mx_attention_task *t);
double mx_k_pixel_row(float *dp, const float *p, float *t, int64_t n, bool normalise, float scale);
double mx_k_cross_entropy_row(float *dx, const float *x, const float *t, int64_t n, float scale);
double mx_k_square_sum(const float *g, int64_t n);
void mx_k_adamw(float *w, float *m, float *v, const float *g, int64_t n, const mx_adamw_now *a);
void mx_k_add(float *y, const float *x, int64_t n);
void mx_k_scale(float *y, const float *x, float s, int64_t n);
void mx_k_erf(float *y, const float *x, int64_t n);
void mx_k_exp(float *y, const float *x, int64_t n);
#endif

#endif
