/* One transformer block, see block.h. Comments name the shapes; N is the number of selected rows. */
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

/* Allocates *t unless it was saved: x's leading dimensions, another width. The stream x, mid and the gradient
 * d are f32. Inputs and outputs of products inside a branch have the context's type, which may be bf16. */
static bool room(mx_ctx *c, mx_tensor *t, mx_tensor x, int64_t width, mx_dtype type) {
    if (mx_present(*t)) return false;
    x.dim[x.ndim - 1] = width;
    x.type = type;
    *t = mx_alloc_like(c, x);
    return true;
}

static bool norm_room(mx_ctx *c, mx_norm_saved *n, mx_tensor x) {
    if (mx_present(n->y)) return false;
    int64_t rows = mx_rows(x);
    n->mean = mx_alloc(c, MX_F32, 1, &rows), n->rstd = mx_alloc(c, MX_F32, 1, &rows);
    return room(c, &n->y, x, mx_width(x), c->activations);
}

/* The shape of the stream after attention: x's, or that of the selected rows. */
static mx_tensor rows_shape(const mx_block_saved *s) {
    if (!s->rows.count) return s->x;
    mx_tensor t = {.dim = {1, s->rows.count, mx_width(s->x)}, .ndim = 3, .type = s->x.type};
    return t;
}

static void attention_room(mx_ctx *c, const mx_block *b, mx_block_saved *s) {
    room(c, &s->qkv, s->x, 3 * b->width, c->activations);
    room(c, &s->attended, s->x, b->width, c->activations);
    if (!mx_present(s->lse)) s->lse = mx_alloc(c, MX_F32, 3, (int64_t[]){s->x.dim[0], b->heads, s->x.dim[1]});
    if (!s->rows.count) s->selected = s->attended;
    room(c, &s->selected, rows_shape(s), b->width, c->activations);
    room(c, &s->mid, rows_shape(s), b->width, MX_F32);
}

/* [B,L,3C] seen as [B,L,3,heads,D] */
static mx_tensor by_head(const mx_block *b, mx_tensor qkv) {
    return mx_reshape(qkv, qkv.dim[0], qkv.dim[1], 3, b->heads, b->width / b->heads);
}

/* [B,L,C] as one long map of rows, for gathering across images */
static mx_tensor as_rows(mx_tensor x) { return mx_reshape(x, 1, mx_rows(x), mx_width(x), 0, 0); }

static void norm1(mx_ctx *c, const mx_block *b, mx_block_saved *s) {
    mx_layernorm(c, s->norm1.y, s->norm1.mean, s->norm1.rstd, s->x, W(b, b->norm1_w), W(b, b->norm1_b));
}

static void norm2(mx_ctx *c, const mx_block *b, mx_block_saved *s) {
    mx_layernorm(c, s->norm2.y, s->norm2.mean, s->norm2.rstd, s->mid, W(b, b->norm2_w), W(b, b->norm2_b));
}

/* mid [N,C] = x + drop · proj(Attention(LN1(x))), for the selected rows. Pushes the tensors that have no memory yet,
 * and releases the norm's again. */
static void attention_forward(mx_ctx *c, const mx_block *b, const mx_layout *lay, mx_block_saved *s) {
    attention_room(c, b, s);
    size_t mark = c->arena->used;
    bool fresh = norm_room(c, &s->norm1, s->x);
    if (!mx_ok(c)) return;
    norm1(c, b, s);
    mx_linear(c, s->qkv, s->norm1.y, W(b, b->qkv_w), W(b, b->qkv_b));
    mx_attention(c, s->attended, s->lse, by_head(b, s->qkv), W(b, b->table), lay);
    if (s->rows.count) {
        mx_gather_rows(c, s->selected, as_rows(s->attended), s->rows.index);
        mx_gather_rows(c, s->mid, as_rows(s->x), s->rows.index);
    }
    mx_linear_add(c, s->mid, s->rows.count ? s->mid : s->x, s->selected, W(b, b->proj_w), W(b, b->proj_b),
                  s->drop.attention);
    if (!fresh) return;
    mx_arena_release(c->arena, mark);
    s->norm1 = (mx_norm_saved){0};
}

/* out [N,C] = mid + drop · MLP(LN2(mid)). Pushes the tensors that have no memory yet. */
static void mlp_forward(mx_ctx *c, const mx_block *b, mx_tensor out, mx_block_saved *s) {
    if (!mx_ok(c)) return;
    norm_room(c, &s->norm2, s->mid);
    room(c, &s->hidden, s->mid, 4 * b->width, c->activations);
    room(c, &s->act, s->mid, 4 * b->width, c->activations);
    if (!mx_ok(c)) return;
    norm2(c, b, s);
    mx_linear_gelu(c, s->act, s->hidden, s->norm2.y, W(b, b->fc1_w), W(b, b->fc1_b));
    mx_linear_add(c, out, s->mid, s->act, W(b, b->fc2_w), W(b, b->fc2_b), s->drop.mlp);
}

static mx_tensor infer(mx_ctx *c, const mx_block *b, mx_tensor x, const mx_layout *lay) {
    size_t mark = c->arena->used;
    mx_block_saved s = {.x = x, .mid = x};
    attention_forward(c, b, lay, &s);
    mx_arena_release(c->arena, mark);
    mlp_forward(c, b, x, &s);
    mx_arena_release(c->arena, mark);
    return x;
}

/* Pushes the tensors to save, in the order of mx_block_saved. */
static void saved_room(mx_ctx *c, const mx_block *b, mx_block_saved *s) {
    s->mark = c->arena->used;
    if (s->recompute <= MX_RECOMPUTE_MLP) attention_room(c, b, s);
    if (s->recompute == MX_RECOMPUTE_NOTHING) norm_room(c, &s->norm1, s->x);
    s->mlp_mark = c->arena->used;
    if (s->recompute == MX_RECOMPUTE_NOTHING) norm_room(c, &s->norm2, s->mid);
    if (s->recompute <= MX_RECOMPUTE_POINTWISE) room(c, &s->hidden, s->mid, 4 * b->width, c->activations);
    if (s->recompute == MX_RECOMPUTE_NOTHING) room(c, &s->act, s->mid, 4 * b->width, c->activations);
    s->top = c->arena->used;
}

mx_tensor mx_block_forward(mx_ctx *c, const mx_block *b, mx_tensor out, mx_tensor x, const mx_layout *lay,
                           mx_drop_scale drop, mx_selected_rows rows, mx_block_saved *saved) {
    if (!mx_ok(c)) return MX_ABSENT;
    if (!saved) return infer(c, b, x, lay);
    *saved = (mx_block_saved){.recompute = saved->recompute, .x = x, .drop = drop, .rows = rows};
    saved_room(c, b, saved);
    room(c, &out, rows_shape(saved), b->width, MX_F32);
    if (!mx_ok(c)) return MX_ABSENT;
    size_t mark = c->arena->used;
    mx_block_saved s = *saved; /* also takes the unsaved tensors, released after the block */
    attention_forward(c, b, lay, &s);
    mlp_forward(c, b, out, &s);
    mx_arena_release(c->arena, mark);
    return out;
}

/* The gradient of a residual branch: d itself or, with drop path, d times each sample's scale (on the arena). */
static mx_tensor branch_gradient(mx_ctx *c, mx_tensor d, mx_tensor scale) {
    if (!mx_present(scale)) return d;
    mx_tensor scaled = mx_alloc_like(c, d);
    mx_scale_samples(c, scaled, d, scale);
    return scaled;
}

/* Recomputes hidden and act if they were not saved. Returns the arena mark below a recomputed act. */
static size_t mlp_again(mx_ctx *c, const mx_block *b, mx_block_saved *s) {
    bool again = !mx_present(s->hidden);
    if (again) {
        norm_room(c, &s->norm2, s->mid);
        room(c, &s->hidden, s->mid, 4 * b->width, c->activations);
        if (mx_ok(c)) norm2(c, b, s);
    }
    size_t mark = c->arena->used;
    bool fresh = room(c, &s->act, s->mid, 4 * b->width, c->activations);
    if (again)
        mx_linear_gelu(c, s->act, s->hidden, s->norm2.y, W(b, b->fc1_w), W(b, b->fc1_b));
    else if (fresh)
        mx_gelu(c, s->act, s->hidden);
    return mark;
}

/* d [N,C] += the MLP branch's gradient. Overwrites hidden with its gradient; what it pushes stays on the arena. */
static void mlp_backward(mx_ctx *c, const mx_block *b, mx_block_saved *s, mx_tensor d) {
    size_t mark = mlp_again(c, b, s);
    mx_tensor dout = branch_gradient(c, d, s->drop.mlp), dhidden = s->hidden;
    mx_linear_gelu_back(c, dhidden, G(b, b->fc2_w), G(b, b->fc2_b), dout, s->act, s->hidden, W(b, b->fc2_w));
    mx_arena_release(c->arena, mark);
    if (norm_room(c, &s->norm2, s->mid) && mx_ok(c)) norm2(c, b, s);
    mx_tensor dy2 = mx_alloc_like(c, s->norm2.y);
    mx_linear_back(c, dy2, G(b, b->fc1_w), G(b, b->fc1_b), dhidden, s->norm2.y, W(b, b->fc1_w));
    mx_layernorm_back(c, d, G(b, b->norm2_w), G(b, b->norm2_b), dy2, s->mid, s->norm2.mean, s->norm2.rstd,
                      W(b, b->norm2_w), true);
}

/* d [B,L,C] += the gradient through LN1, queries, keys and values. Overwrites dattended. */
static void qkv_backward(mx_ctx *c, const mx_block *b, mx_block_saved *s, const mx_layout *lay, mx_tensor d,
                         mx_tensor dattended) {
    mx_tensor dqkv = mx_alloc_like(c, s->qkv), dy1 = dattended;
    if (!mx_ok(c)) return;
    mx_attention_back(c, by_head(b, dqkv), G(b, b->table), dattended, s->attended, s->lse, by_head(b, s->qkv),
                      W(b, b->table), lay);
    if (norm_room(c, &s->norm1, s->x) && mx_ok(c)) norm1(c, b, s);
    mx_linear_back(c, dy1, G(b, b->qkv_w), G(b, b->qkv_b), dqkv, s->norm1.y, W(b, b->qkv_w));
    /* Softmax ignores a constant added to a row of logits, so the key bias has gradient zero. The computed
     * sum over rows is rounding noise, which AdamW would turn into full steps. */
    mx_fill(c, mx_slice(G(b, b->qkv_b), b->width, b->width), 0.0f);
    mx_layernorm_back(c, d, G(b, b->norm1_w), G(b, b->norm1_b), dy1, s->x, s->norm1.mean, s->norm1.rstd,
                      W(b, b->norm1_w), true);
}

/* drows [N,C]: gradient of mid. d [B,L,C]: gradient of x (the same tensor when all rows are selected). */
static void attention_backward(mx_ctx *c, const mx_block *b, mx_block_saved *s, const mx_layout *lay,
                               mx_tensor d, mx_tensor drows) {
    bool partial = s->rows.count > 0;
    mx_tensor dattended = mx_alloc_like(c, s->attended);
    size_t mark = c->arena->used;
    mx_tensor dselected = partial ? mx_alloc_like(c, s->selected) : dattended;
    mx_tensor dout = branch_gradient(c, drows, s->drop.attention);
    mx_linear_back(c, dselected, G(b, b->proj_w), G(b, b->proj_b), dout, s->selected, W(b, b->proj_w));
    if (partial) {
        mx_scatter_rows(c, as_rows(dattended), dselected, s->rows.index);
        mx_scatter_rows(c, as_rows(d), drows, s->rows.index);
    }
    mx_arena_release(c->arena, mark);
    if (mx_ok(c)) qkv_backward(c, b, s, lay, d, dattended);
}

void mx_block_backward(mx_ctx *c, const mx_block *b, const mx_block_saved *saved, const mx_layout *lay,
                       mx_tensor d, mx_tensor dy) {
    if (!mx_ok(c)) return;
    mx_block_saved s = *saved;
    mx_tensor drows = s.rows.count ? dy : d;
    mx_arena_release(c->arena, s.top); /* the next block is done, so this one's output is no longer needed */
    if (s.recompute == MX_RECOMPUTE_BLOCK) {
        attention_forward(c, b, lay, &s);
        s.mlp_mark = c->arena->used;
    }
    mlp_backward(c, b, &s, drows);
    mx_arena_release(c->arena, s.mlp_mark);
    attention_backward(c, b, &s, lay, d, drows);
    mx_arena_release(c->arena, saved->mark);
}

/* Per token: 12 C² in the linear layers, 2 n C in attention to n tokens. */
double mx_block_macs(double tokens, double width, double attended) {
    return tokens * (12 * width * width + 2 * attended * width);
}
