/* One transformer block, forward and backward, for encoder and decoder.
 *
 *   x ← x + drop.attention · proj(Attention(LN1(x)));   x ← x + drop.mlp · fc2(GELU(fc1(LN2(x))))
 *
 * Attention stays inside the layout's segments. Encoder blocks have a relative-position table, decoder blocks
 * do not. Source: docs/MODEL.md "From pixels to the loss". */
#ifndef MX_MODEL_BLOCK_H
#define MX_MODEL_BLOCK_H

#include "model/params.h"
#include "ops/ops.h"

/* What a block recomputes in backward instead of saving it in forward. The same ops run on the same bytes, so gradients
 * do not change. In brackets: floats saved per token of width C, in addition to the block's input. */
typedef enum {
    MX_RECOMPUTE_NOTHING,   /* 15 C */
    MX_RECOMPUTE_POINTWISE, /* norms and GELU (9 C: outputs of products and attention) */
    MX_RECOMPUTE_MLP,       /* also the MLP's first product (5 C: attention) */
    MX_RECOMPUTE_BLOCK,     /* all except the MLP's second product (0) */
    MX_RECOMPUTE_LEVELS
} mx_recompute;

typedef struct {
    const mx_params *params;
    int width, heads;
    mx_pid norm1_w, norm1_b, qkv_w, qkv_b, proj_w, proj_b, table;
    mx_pid norm2_w, norm2_b, fc1_w, fc1_b, fc2_w, fc2_b;
} mx_block;

/* Drop path: the scale of each sample's residual branch, 0 or 1/(1-p). [B] each, or absent. Source:
 * docs/TRAINING.md "Drop path". */
typedef struct {
    mx_tensor attention, mlp;
} mx_drop_scale;

/* The output rows that are used later (in the decoder's last block: the masked positions). After attention
 * the block computes only these rows. index[count] into the B*L rows; count 0: all rows. */
typedef struct {
    const int32_t *index;
    int64_t count;
} mx_selected_rows;

typedef struct {
    mx_tensor mean, rstd, y;
} mx_norm_saved;

/* Saved by forward for backward, on the arena. Recomputed tensors are absent. The lowest tensors are those that
 * backward needs longest: attention's start at `mark`, the MLP's at `mlp_mark`. Above `top` is only the block's output,
 * which backward does not need. */
typedef struct {
    mx_recompute recompute;          /* set by the owner before forward */
    mx_tensor x, qkv, attended, lse; /* x, attended [B,L,C], qkv [B,L,3C], lse [B,heads,L] */
    mx_tensor selected, mid;         /* selected rows of attended; the stream between the branches */
    mx_tensor hidden, act;           /* [N,4C] before and after GELU */
    mx_norm_saved norm1, norm2;
    mx_drop_scale drop;
    mx_selected_rows rows;
    size_t mark, mlp_mark, top;
} mx_block_saved;

/* Registers "<prefix>norm1.weight" and the other tensors. table_rows: rows of the relative-position table, 0:
 * no table. layer: id for layer-wise learning-rate decay. */
void mx_block_add(mx_block *b, mx_params *p, const char *prefix, int width, int heads, int64_t table_rows,
                  int layer);

/* x [B,L,C] → out [B,L,C], or [count,C] with selected rows. out absent: the result is pushed on the arena.
 * saved NULL: inference; x is updated in place and returned, out must be absent and all rows selected. */
mx_tensor mx_block_forward(mx_ctx *c, const mx_block *b, mx_tensor out, mx_tensor x, const mx_layout *lay,
                           mx_drop_scale drop, mx_selected_rows rows, mx_block_saved *saved);
/* All rows: d [B,L,C] holds the gradient of the block's output and receives that of its input; dy is absent.
 * Selected rows: dy [count,C] is the gradient of the output, d is overwritten. Parameter gradients add.
 * Releases the arena down to saved->mark, so d and dy must be below it. */
void mx_block_backward(mx_ctx *c, const mx_block *b, const mx_block_saved *saved, const mx_layout *lay,
                       mx_tensor d, mx_tensor dy);

/* Forward multiply-adds of a block over `tokens` tokens, each of which attends to `attended` tokens. */
double mx_block_macs(double tokens, double width, double attended);

#endif
