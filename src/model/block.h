/* One transformer block, forward and backward; the encoder's and the decoder's are the same code.
 *
 *   x ← x + drop.attention · proj(Attention(LN1(x)));   x ← x + drop.mlp · fc2(GELU(fc1(LN2(x))))
 *
 * Source: objective.md "Encoder" 3 and "Pretraining" 4. Attention runs inside the layout's segments; an
 * encoder block has a relative-position table, a decoder block none. */
#ifndef MX_MODEL_BLOCK_H
#define MX_MODEL_BLOCK_H

#include "model/params.h"
#include "ops/ops.h"

/* How much a block computes again in backward, so that forward need not save it: the same ops on the same
 * bytes, and so the same gradients. In brackets: what a token of width C saves, beside the block's input. */
typedef enum {
    MX_RECOMPUTE_NOTHING,   /* 15 C */
    MX_RECOMPUTE_POINTWISE, /* norms and GELU (9 C: results of products and of attention) */
    MX_RECOMPUTE_MLP,       /* also the MLP's first product (5 C: results of attention) */
    MX_RECOMPUTE_BLOCK,     /* the block, but for the MLP's second product (0) */
    MX_RECOMPUTE_LEVELS
} mx_recompute;

typedef struct {
    const mx_params *params;
    int width, heads;
    mx_pid norm1_w, norm1_b, qkv_w, qkv_b, proj_w, proj_b, table;
    mx_pid norm2_w, norm2_b, fc1_w, fc1_b, fc2_w, fc2_b;
} mx_block;

/* Drop path: the scale of each sample's residual branch, 0 or 1/(1-p); [B] each or absent (objective.md
 * "Fine-tuning"). */
typedef struct {
    mx_tensor attention, mlp;
} mx_drop_scale;

/* The only rows that the reader of a block's output needs (decoder's last block: masked positions). After
 * attention the block computes these rows alone. index[count] into the B*L rows; count 0: all rows. */
typedef struct {
    const int32_t *index;
    int64_t count;
} mx_selected_rows;

typedef struct {
    mx_tensor mean, rstd, y;
} mx_norm_saved;

/* What backward needs, pushed on the arena by forward; absent what is computed again. Saved tensors lie in
 * the order in which backward is done with them: from `mark` on the attention's, from `mlp_mark` on the
 * MLP's, and above `top` only the block's output, which is of no use to its backward. */
typedef struct {
    mx_recompute recompute;          /* set by the owner before forward */
    mx_tensor x, qkv, attended, lse; /* [B,L,C], [B,L,3C]; lse [B,heads,L] */
    mx_tensor selected, mid;         /* the selected rows of attended; the stream between the branches */
    mx_tensor hidden, act;           /* [N,4C] before and after GELU */
    mx_norm_saved norm1, norm2;
    mx_drop_scale drop;
    mx_selected_rows rows;
    size_t mark, mlp_mark, top;
} mx_block_saved;

/* Registers "<prefix>norm1.weight" ... with table_rows relative-position rows (0: none), layer id for lr
 * decay. */
void mx_block_add(mx_block *b, mx_params *p, const char *prefix, int width, int heads, int64_t table_rows,
                  int layer);

/* x [B,L,C] → out [B,L,C], or [count,C] with selected rows. out absent: pushed on the arena. saved NULL:
 * inference, x is updated in place and returned (out must then be absent, and rows all). */
mx_tensor mx_block_forward(mx_ctx *c, const mx_block *b, mx_tensor out, mx_tensor x, const mx_layout *lay,
                           mx_drop_scale drop, mx_selected_rows rows, mx_block_saved *saved);
/* d: gradient of the block's output in, of its input out (in place); with selected rows: dy [count,C] in
 * `dy`, d [B,L,C] overwritten; else dy absent. Parameter gradients add. Gives the arena back down to
 * saved->mark: d and dy must lie below it. */
void mx_block_backward(mx_ctx *c, const mx_block *b, const mx_block_saved *saved, const mx_layout *lay,
                       mx_tensor d, mx_tensor dy);

/* Forward multiply-adds of a block over so many tokens of this width, each attending to `attended` of them.
 */
double mx_block_macs(double tokens, double width, double attended);

#endif
