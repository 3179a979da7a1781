/* One transformer block, see block.h. Comments name the shapes; N stands for the rows that matter. */
#include "model/block.h"

#include <stdio.h>

static mx_pid add(mx_params *p, mx_init init, const char *prefix, const char *name, int layer, int64_t a,
                  int64_t b) {
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    mx_pid id = mx_params_add(p, init, 0, full, a, b, 0, 0);
    if (id >= 0) p->item[id].layer = layer;
    return id;
}

void mx_block_add(mx_block *b, mx_params *p, const char *prefix, int width, int heads, int64_t table_rows,
                  int layer) {
    int64_t c = width;
    *b = (mx_block){.params = p, .width = width, .heads = heads, .table = MX_NO_PARAM};
    b->norm1_w = add(p, MX_INIT_ONE, prefix, "norm1.weight", layer, c, 0);
    b->norm1_b = add(p, MX_INIT_ZERO, prefix, "norm1.bias", layer, c, 0);
    if (table_rows)
        b->table = add(p, MX_INIT_TRUNC_NORMAL, prefix, "attn.relative_position_bias_table", layer,
                       table_rows, heads);
    b->qkv_w = add(p, MX_INIT_XAVIER, prefix, "attn.qkv.weight", layer, 3 * c, c);
    b->qkv_b = add(p, MX_INIT_ZERO, prefix, "attn.qkv.bias", layer, 3 * c, 0);
    b->proj_w = add(p, MX_INIT_XAVIER, prefix, "attn.proj.weight", layer, c, c);
    b->proj_b = add(p, MX_INIT_ZERO, prefix, "attn.proj.bias", layer, c, 0);
    b->norm2_w = add(p, MX_INIT_ONE, prefix, "norm2.weight", layer, c, 0);
    b->norm2_b = add(p, MX_INIT_ZERO, prefix, "norm2.bias", layer, c, 0);
    b->fc1_w = add(p, MX_INIT_XAVIER, prefix, "mlp.fc1.weight", layer, 4 * c, c);
    b->fc1_b = add(p, MX_INIT_ZERO, prefix, "mlp.fc1.bias", layer, 4 * c, 0);
    b->fc2_w = add(p, MX_INIT_XAVIER, prefix, "mlp.fc2.weight", layer, c, 4 * c);
    b->fc2_b = add(p, MX_INIT_ZERO, prefix, "mlp.fc2.bias", layer, c, 0);
}

static mx_tensor W(const mx_block *b, mx_pid id) { return mx_weight(b->params, id); }
static mx_tensor G(const mx_block *b, mx_pid id) { return mx_grad(b->params, id); }

/* The same leading dimensions as x, another width. */
static mx_tensor alloc_width(mx_ctx *c, mx_tensor x, int64_t width) {
    x.dim[x.ndim - 1] = width;
    return mx_alloc_like(c, x);
}

static mx_tensor alloc_rows(mx_ctx *c, mx_tensor x) {
    return mx_alloc(c, MX_F32, 1, (int64_t[]){mx_rows(x)});
}

/* [B,L,3C] seen as [B,L,3,heads,D] */
static mx_tensor by_head(const mx_block *b, mx_tensor qkv) {
    return mx_reshape(qkv, qkv.dim[0], qkv.dim[1], 3, b->heads, b->width / b->heads);
}

/* attended [B,L,C] = Attention(LN1(x)) */
static void attention_forward(mx_ctx *c, const mx_block *b, const mx_layout *lay, mx_block_saved *s) {
    int64_t batch = s->x.dim[0], tokens = s->x.dim[1];
    s->mean1 = alloc_rows(c, s->x), s->rstd1 = alloc_rows(c, s->x);
    s->y1 = mx_alloc_like(c, s->x);
    s->qkv = alloc_width(c, s->x, 3 * b->width);
    s->attended = mx_alloc_like(c, s->x);
    s->lse = mx_alloc(c, MX_F32, 3, (int64_t[]){batch, b->heads, tokens});
    if (!mx_ok(c)) return;
    mx_layernorm(c, s->y1, s->mean1, s->rstd1, s->x, W(b, b->norm1_w), W(b, b->norm1_b));
    mx_linear(c, s->qkv, s->y1, W(b, b->qkv_w), W(b, b->qkv_b));
    mx_attention(c, s->attended, s->lse, by_head(b, s->qkv), W(b, b->table), lay);
}

/* out [N,C] = mid + keep · MLP(LN2(mid)) */
static void mlp_forward(mx_ctx *c, const mx_block *b, mx_tensor out, mx_block_saved *s) {
    s->mean2 = alloc_rows(c, s->mid), s->rstd2 = alloc_rows(c, s->mid);
    s->y2 = mx_alloc_like(c, s->mid);
    s->hidden = alloc_width(c, s->mid, 4 * b->width);
    s->act = mx_alloc_like(c, s->hidden);
    if (!mx_ok(c)) return;
    mx_layernorm(c, s->y2, s->mean2, s->rstd2, s->mid, W(b, b->norm2_w), W(b, b->norm2_b));
    mx_linear_gelu(c, s->act, s->hidden, s->y2, W(b, b->fc1_w), W(b, b->fc1_b));
    mx_linear_add(c, out, s->mid, s->act, W(b, b->fc2_w), W(b, b->fc2_b), s->keep.mlp);
}

static mx_tensor infer(mx_ctx *c, const mx_block *b, mx_tensor x, const mx_layout *lay) {
    size_t mark = c->arena->used;
    mx_block_saved s = {.x = x};
    attention_forward(c, b, lay, &s);
    mx_linear_add(c, x, x, s.attended, W(b, b->proj_w), W(b, b->proj_b), MX_ABSENT);
    mx_arena_release(c->arena, mark);
    s.mid = x;
    mlp_forward(c, b, x, &s);
    mx_arena_release(c->arena, mark);
    return x;
}

/* [B,L,C] as one long map of rows, for gathering across images */
static mx_tensor as_rows(mx_tensor x) { return mx_reshape(x, 1, mx_rows(x), mx_width(x), 0, 0); }

mx_tensor mx_block_forward(mx_ctx *c, const mx_block *b, mx_tensor x, const mx_layout *lay, mx_keep keep,
                           mx_rows_wanted rows, mx_block_saved *saved) {
    if (!saved) return infer(c, b, x, lay);
    mx_block_saved *s = saved;
    *s = (mx_block_saved){.x = x, .keep = keep, .rows = rows};
    attention_forward(c, b, lay, s);
    s->kept = s->attended;
    mx_tensor residual = x;
    if (rows.count) {
        int64_t dim[] = {1, rows.count, b->width};
        s->kept = mx_alloc(c, MX_F32, 3, dim);
        residual = mx_alloc(c, MX_F32, 3, dim);
        if (!mx_ok(c)) return MX_ABSENT;
        mx_gather_rows(c, s->kept, as_rows(s->attended), rows.index);
        mx_gather_rows(c, residual, as_rows(x), rows.index);
    }
    s->mid = mx_alloc_like(c, s->kept);
    mx_linear_add(c, s->mid, residual, s->kept, W(b, b->proj_w), W(b, b->proj_b), keep.attention);
    mx_tensor out = mx_alloc_like(c, s->mid);
    mlp_forward(c, b, out, s);
    return out;
}

/* The gradient of a residual branch: d itself, or d scaled by the samples' keep factors (pushed on the
 * arena). */
static mx_tensor branch_gradient(mx_ctx *c, mx_tensor d, mx_tensor keep) {
    if (!mx_present(keep)) return d;
    mx_tensor scaled = mx_alloc_like(c, d);
    mx_scale_samples(c, scaled, d, keep);
    return scaled;
}

/* d [N,C] += the MLP branch's gradient */
static void mlp_backward(mx_ctx *c, const mx_block *b, mx_block_saved *s, mx_tensor d) {
    size_t mark = c->arena->used;
    mx_tensor dout = branch_gradient(c, d, s->keep.mlp), dhidden = s->hidden, dy2 = mx_alloc_like(c, d);
    mx_linear_gelu_back(c, dhidden, G(b, b->fc2_w), G(b, b->fc2_b), dout, s->act, s->hidden, W(b, b->fc2_w));
    mx_linear_back(c, dy2, G(b, b->fc1_w), G(b, b->fc1_b), dhidden, s->y2, W(b, b->fc1_w));
    mx_layernorm_back(c, d, G(b, b->norm2_w), G(b, b->norm2_b), dy2, s->mid, s->mean2, s->rstd2,
                      W(b, b->norm2_w), true);
    mx_arena_release(c->arena, mark);
}

/* d [B,L,C] += LN1's gradient of what came through queries, keys and values */
static void qkv_backward(mx_ctx *c, const mx_block *b, mx_block_saved *s, const mx_layout *lay, mx_tensor d,
                         mx_tensor dattended) {
    mx_tensor dqkv = mx_alloc_like(c, s->qkv), dy1 = dattended;
    mx_attention_back(c, by_head(b, dqkv), G(b, b->table), dattended, s->attended, s->lse, by_head(b, s->qkv),
                      W(b, b->table), lay);
    mx_linear_back(c, dy1, G(b, b->qkv_w), G(b, b->qkv_b), dqkv, s->y1, W(b, b->qkv_w));
    /* Softmax ignores a constant added to a row of logits, so the key bias has gradient zero; what the sum
     * over rows gives is rounding noise that AdamW would blow up to full steps. */
    mx_fill(c, mx_slice(G(b, b->qkv_b), b->width, b->width), 0.0f);
    mx_layernorm_back(c, d, G(b, b->norm1_w), G(b, b->norm1_b), dy1, s->x, s->mean1, s->rstd1,
                      W(b, b->norm1_w), true);
}

void mx_block_backward(mx_ctx *c, const mx_block *b, mx_block_saved *s, const mx_layout *lay, mx_tensor d,
                       mx_tensor dy) {
    if (!mx_ok(c)) return;
    bool partial = s->rows.count > 0;
    mx_tensor drows = partial ? dy : d;
    mlp_backward(c, b, s, drows);
    size_t mark = c->arena->used;
    mx_tensor dattended = mx_alloc_like(c, s->attended);
    mx_tensor dkept = partial ? mx_alloc_like(c, s->kept) : dattended;
    size_t inner = c->arena->used;
    mx_tensor dout = branch_gradient(c, drows, s->keep.attention);
    mx_linear_back(c, dkept, G(b, b->proj_w), G(b, b->proj_b), dout, s->kept, W(b, b->proj_w));
    mx_arena_release(c->arena, inner);
    if (partial) {
        mx_scatter_rows(c, as_rows(dattended), dkept, s->rows.index);
        mx_scatter_rows(c, as_rows(d), drows, s->rows.index);
    }
    qkv_backward(c, b, s, lay, d, dattended);
    mx_arena_release(c->arena, mark);
}
