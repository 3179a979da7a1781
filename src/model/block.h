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

/* What backward needs; all of it on the arena, pushed by forward. */
typedef struct {
    mx_tensor x, mean1, rstd1, y1, qkv, attended, lse;  /* [B,L,C]; lse [B,heads,L] */
    mx_tensor kept, mid, mean2, rstd2, y2, hidden, act; /* kept: attended rows that matter */
    mx_keep keep;
    mx_rows_wanted rows;
} mx_block_saved;

/* Registers "<prefix>norm1.weight" ... with table_rows relative-position rows (0: none), layer id for lr
 * decay. */
void mx_block_add(mx_block *b, mx_params *p, const char *prefix, int width, int heads, int64_t table_rows,
                  int layer);

/* x [B,L,C] → [B,L,C], or [count,C] when rows are wanted. saved NULL: inference, x is updated in place and
 * returned (rows must then be all). */
mx_tensor mx_block_forward(mx_ctx *c, const mx_block *b, mx_tensor x, const mx_layout *lay, mx_keep keep,
                           mx_rows_wanted rows, mx_block_saved *saved);
/* d: gradient of the block's output in, of its input out (in place); with wanted rows: dy [count,C] in `dy`,
 * d [B,L,C] overwritten; else dy absent. Parameter gradients add. saved->hidden is destroyed. */
void mx_block_backward(mx_ctx *c, const mx_block *b, mx_block_saved *saved, const mx_layout *lay, mx_tensor d,
                       mx_tensor dy);

#endif
