/* One transformer block, forward and backward; the encoder's and the decoder's are the same code.
 *
 *   x ← x + keep1 · proj(Attention(LN1(x)));   x ← x + keep2 · fc2(GELU(fc1(LN2(x))))
 *
 * Source: objective.md "Encoder" 3 and "Pretraining" 4. Attention runs inside the layout's segments; an
 * encoder block has a relative-position table, a decoder block none. */
#ifndef MX_MODEL_BLOCK_H
#define MX_MODEL_BLOCK_H

#include "model/params.h"
#include "ops/ops.h"

/* What forward leaves for backward; the rest is computed again there, by the same ops on the same bytes, so
 * that gradients do not depend on it. Memory is of a token of width C, beside the block's input. */
typedef enum {
    MX_SAVE_ALL,       /* 15 C */
    MX_SAVE_PRODUCTS,  /* 9 C: what a matrix product or attention made; again: norms and GELU */
    MX_SAVE_ATTENTION, /* 5 C: what attention made; again: also the MLP's first product */
    MX_SAVE_INPUT,     /* nothing; again: the block, but for the MLP's second product */
    MX_SAVE_LEVELS
} mx_save;

typedef struct {
    const mx_params *params;
    int width, heads;
    mx_pid norm1_w, norm1_b, qkv_w, qkv_b, proj_w, proj_b, table;
    mx_pid norm2_w, norm2_b, fc1_w, fc1_b, fc2_w, fc2_b;
} mx_block;

/* Drop path: scale of each sample's residual branch, [B] each or absent (objective.md "Fine-tuning"). */
typedef struct {
    mx_tensor attention, mlp;
} mx_keep;

/* The only rows that matter behind a block (decoder's last: masked positions): behind the attention
 * everything is done for these rows alone. index[count] into the B*L rows; count 0: all rows. */
typedef struct {
    const int32_t *index;
    int64_t count;
} mx_rows_wanted;

typedef struct {
    mx_tensor mean, rstd, y;
} mx_norm_saved;

/* What backward needs, pushed on the arena by forward; absent what was not kept. Kept tensors lie in the
 * order in which backward is done with them: from `mark` on the attention's, from `mlp_mark` on the MLP's,
 * and above `top` only the block's output, which is of no use to its backward. */
typedef struct {
    mx_save save;                    /* set by the owner before forward */
    mx_tensor x, qkv, attended, lse; /* [B,L,C], [B,L,3C]; lse [B,heads,L] */
    mx_tensor kept, mid;             /* attended rows that matter; the stream between the branches */
    mx_tensor hidden, act;           /* [N,4C] before and after GELU */
    mx_norm_saved norm1, norm2;
    mx_keep keep;
    mx_rows_wanted rows;
    size_t mark, mlp_mark, top;
} mx_block_saved;

/* Registers "<prefix>norm1.weight" ... with table_rows relative-position rows (0: none), layer id for lr
 * decay. */
void mx_block_add(mx_block *b, mx_params *p, const char *prefix, int width, int heads, int64_t table_rows,
                  int layer);

/* x [B,L,C] → out [B,L,C], or [count,C] when rows are wanted. out absent: pushed on the arena. saved NULL:
 * inference, x is updated in place and returned (out must then be absent, and rows all). */
mx_tensor mx_block_forward(mx_ctx *c, const mx_block *b, mx_tensor out, mx_tensor x, const mx_layout *lay,
                           mx_keep keep, mx_rows_wanted rows, mx_block_saved *saved);
/* d: gradient of the block's output in, of its input out (in place); with wanted rows: dy [count,C] in `dy`,
 * d [B,L,C] overwritten; else dy absent. Parameter gradients add. Gives the arena back down to saved->mark:
 * d and dy must lie below it. */
void mx_block_backward(mx_ctx *c, const mx_block *b, const mx_block_saved *saved, const mx_layout *lay,
                       mx_tensor d, mx_tensor dy);

#endif
