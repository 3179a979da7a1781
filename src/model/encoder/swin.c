/* Swin's parameters, forward and backward, see swin.h. Tokens stay in the layout order of their stage
 * (ops/layout.h); only merging moves them. */
#include "model/encoder/swin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/swin_config.h"

typedef struct {
    mx_pid norm_w, norm_b, reduction;
} merging;

typedef struct {
    mx_tensor cells, mean, rstd, y;
    size_t mark; /* arena mark below these tensors */
} merging_saved;

/* What forward saves for backward, in addition to what the blocks save. */
typedef struct {
    mx_tensor patches, embedded, mean, rstd; /* patch embedding */
    merging_saved merging[MX_MAX_STAGES];
    mx_tensor gradient[MX_MAX_STAGES];      /* gradient of stage k's output; on the arena below its blocks */
    mx_tensor last, final_mean, final_rstd; /* last: input of the final norm */
} swin_saved;

typedef struct {
    const mx_model_config *config;
    mx_params *params;
    mx_pid proj_w, proj_b, norm_w, norm_b, pos; /* patch embedding */
    mx_block *block;                            /* all blocks, stage after stage; owned */
    merging merging[MX_MAX_STAGES];
    mx_pid final_w, final_b;
    swin_saved saved; /* of the last forward pass with backward */
} swin;

static mx_pid add(mx_params *p, mx_init init, int layer, const char *name, int64_t a, int64_t b) {
    mx_pid id = mx_params_add(p, init, 0, name, a, b, 0, 0);
    if (id >= 0) p->item[id].layer = layer;
    return id;
}

static void add_patch_embedding(swin *en, mx_params *p, const mx_model_config *m) {
    const mx_stage_shape shape = mx_swin_stage(m, 0);
    int patch = m->patch, fan = m->channels * patch * patch, gh = shape.grid_h, gw = shape.grid_w;
    en->pos =
        mx_params_add(p, MX_INIT_POSITION, gh, "absolute_pos_embed", 1, (int64_t)gh * gw, m->embed_dim, 0);
    if (en->pos >= 0) p->item[en->pos].fan2 = gw;
    en->proj_w = mx_params_add(p, MX_INIT_CONV, fan, "patch_embed.proj.weight", m->embed_dim, m->channels,
                               patch, patch);
    en->proj_b = mx_params_add(p, MX_INIT_CONV, fan, "patch_embed.proj.bias", m->embed_dim, 0, 0, 0);
    en->norm_w = add(p, MX_INIT_ONE, 0, "patch_embed.norm.weight", m->embed_dim, 0);
    en->norm_b = add(p, MX_INIT_ZERO, 0, "patch_embed.norm.bias", m->embed_dim, 0);
}

static void add_merging(swin *en, mx_params *p, int k, int layer) {
    char name[96];
    int64_t c = mx_swin_stage(en->config, k).width;
    merging *g = &en->merging[k];
    snprintf(name, sizeof name, "layers.%d.downsample.norm.weight", k);
    g->norm_w = add(p, MX_INIT_ONE, layer, name, 4 * c, 0);
    snprintf(name, sizeof name, "layers.%d.downsample.norm.bias", k);
    g->norm_b = add(p, MX_INIT_ZERO, layer, name, 4 * c, 0);
    snprintf(name, sizeof name, "layers.%d.downsample.reduction.weight", k);
    g->reduction = add(p, MX_INIT_XAVIER, layer, name, 2 * c, 4 * c);
}

static void add_all(swin *en, mx_params *p, const mx_model_config *m, int blocks) {
    add_patch_embedding(en, p, m);
    int n = 0, width = 0;
    for (int k = 0; k < m->stages; k++) {
        const mx_stage_shape shape = mx_swin_stage(m, k);
        int64_t rows = (int64_t)(2 * shape.window_h - 1) * (2 * shape.window_w - 1);
        width = shape.width;
        for (int j = 0; j < m->depths[k]; j++, n++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "layers.%d.blocks.%d.", k, j);
            mx_block_add(&en->block[n], p, prefix, width, m->heads[k], rows, n + 1);
        }
        if (k + 1 < m->stages) add_merging(en, p, k, n + 1); /* id of the next stage's first block */
    }
    en->final_w = add(p, MX_INIT_ONE, blocks, "norm.weight", width, 0);
    en->final_b = add(p, MX_INIT_ZERO, blocks, "norm.bias", width, 0);
}

static mx_status make(mx_encoder *e, mx_error *error) {
    const mx_model_config *m = e->config;
    for (int k = 0; k < m->stages; k++) e->blocks += m->depths[k];
    swin *en = e->parts = calloc(1, sizeof *en);
    if (!en || !(en->block = calloc((size_t)e->blocks, sizeof *en->block)))
        return mx_fail(error, MX_ERR_MEMORY, "out of memory while building an encoder of %d blocks",
                       e->blocks);
    en->config = m, en->params = e->params;
    add_all(en, e->params, m, e->blocks);
    return MX_OK;
}

static void discard(mx_encoder *e) {
    swin *en = e->parts;
    if (en) free(en->block);
    free(en);
}

static mx_tensor W(const swin *en, mx_pid id) { return mx_weight(en->params, id); }
static mx_tensor G(const swin *en, mx_pid id) { return mx_grad(en->params, id); }

static mx_tensor alloc3(mx_ctx *c, int64_t b, int64_t l, int64_t w) {
    return mx_alloc(c, MX_F32, 3, (int64_t[]){b, l, w});
}

static mx_tensor alloc1(mx_ctx *c, int64_t n) { return mx_alloc(c, MX_F32, 1, &n); }

/* The convolution's weight as that of a linear layer: [C, Ch*p*p]. */
static mx_tensor flat2(mx_tensor w) { return mx_reshape(w, w.dim[0], mx_count(w) / w.dim[0], 0, 0, 0); }

/* Patch embedding: x [B,L0,C] = LN(conv(mix of the images)) + position. mx_patch_rows cuts each patch from the image or
 * its partner, as lay->group says, so the images are mixed before the convolution; patches do not overlap. */
static mx_tensor embed_forward(mx_ctx *c, const swin *en, mx_tensor images, const mx_layout *lay,
                               swin_saved *s, bool infer) {
    const mx_model_config *m = en->config;
    int64_t batch = images.dim[0], tokens = lay->tokens;
    mx_tensor x = alloc3(c, batch, tokens, m->embed_dim);
    size_t mark = c->arena->used;
    s->patches = alloc3(c, batch, tokens, (int64_t)m->channels * m->patch * m->patch);
    s->embedded = alloc3(c, batch, tokens, m->embed_dim);
    s->mean = alloc1(c, batch * tokens), s->rstd = alloc1(c, batch * tokens);
    if (!mx_ok(c)) return MX_ABSENT;
    mx_patch_rows(c, s->patches, images, lay, m->patch);
    mx_linear(c, s->embedded, s->patches, flat2(W(en, en->proj_w)), W(en, en->proj_b));
    mx_layernorm(c, x, s->mean, s->rstd, s->embedded, W(en, en->norm_w), W(en, en->norm_b));
    mx_add_position(c, x, mx_reshape(W(en, en->pos), tokens, m->embed_dim, 0, 0, 0), lay);
    if (infer) mx_arena_release(c->arena, mark);
    return x;
}

/* [B,L,C] → out [B,L/4,2C] */
static void merge_forward(mx_ctx *c, const swin *en, int k, mx_tensor out, mx_tensor x, const int32_t *index,
                          merging_saved *s) {
    int64_t batch = x.dim[0], cells = x.dim[1] / 4, width = 4 * x.dim[2];
    const merging *g = &en->merging[k];
    s->mark = c->arena->used;
    s->cells = alloc3(c, batch, cells, width), s->y = mx_alloc(c, c->activations, 3, s->cells.dim);
    s->mean = alloc1(c, batch * cells), s->rstd = alloc1(c, batch * cells);
    if (!mx_ok(c)) return;
    mx_gather_rows(c, mx_reshape(s->cells, batch, x.dim[1], x.dim[2], 0, 0), x, index);
    mx_layernorm(c, s->y, s->mean, s->rstd, s->cells, W(en, g->norm_w), W(en, g->norm_b));
    mx_linear(c, out, s->y, W(en, g->reduction), MX_ABSENT);
}

/* d [B,L/4,2C] → dx [B,L,C]. Releases the merging's tensors; dx must be below them on the arena. */
static void merge_backward(mx_ctx *c, const swin *en, int k, mx_tensor dx, mx_tensor d, const int32_t *index,
                           merging_saved *s) {
    const merging *g = &en->merging[k];
    mx_tensor dcells = mx_alloc_like(c, s->cells);
    if (!mx_ok(c)) return;
    mx_linear_back(c, dcells, G(en, g->reduction), MX_ABSENT, d, s->y, W(en, g->reduction));
    mx_layernorm_back(c, dcells, G(en, g->norm_w), G(en, g->norm_b), dcells, s->cells, s->mean, s->rstd,
                      W(en, g->norm_w), false);
    mx_scatter_rows(c, dx, mx_reshape(dcells, dx.dim[0], dx.dim[1], dx.dim[2], 0, 0), index);
    mx_arena_release(c->arena, s->mark);
}

/* Stage k's blocks, x [B,L_k,C_k] → the same shape. The output is pushed first, below the blocks. After merging,
 * nothing reads it, so backward reuses its memory for the stage's gradient; except the last stage's, which the final
 * norm's backward reads. */
static mx_tensor stage_forward(mx_ctx *c, const swin *en, int k, int first, mx_tensor x,
                               const mx_token_tables *tables, const mx_drop_scale *drop,
                               mx_block_saved *block, swin_saved *s) {
    mx_tensor out = block ? mx_alloc_like(c, x) : MX_ABSENT;
    if (block) s->gradient[k] = k + 1 < tables->stages ? out : mx_alloc_like(c, x);
    for (int j = 0; j < en->config->depths[k]; j++) {
        int n = first + j;
        mx_tensor to = j + 1 < en->config->depths[k] ? MX_ABSENT : out;
        x = mx_block_forward(c, &en->block[n], to, x, &tables->layout[k], drop ? drop[n] : (mx_drop_scale){0},
                             (mx_selected_rows){0}, block ? &block[n] : NULL);
    }
    return x;
}

static void forward(mx_ctx *c, const mx_encoder *e, mx_encoded *out, mx_tensor images,
                    const mx_token_tables *tables, const mx_drop_scale *drop, mx_block_saved *block) {
    swin *en = e->parts;
    swin_saved unused, *s = block ? &en->saved : &unused;
    *s = (swin_saved){0};
    mx_tensor x = embed_forward(c, en, images, &tables->layout[0], s, !block);
    for (int k = 0, n = 0; k < tables->stages && mx_ok(c); n += en->config->depths[k++]) {
        x = stage_forward(c, en, k, n, x, tables, drop, block, s);
        out->stage[k] = x;
        if (k + 1 < tables->stages && mx_ok(c)) {
            mx_tensor merged = alloc3(c, x.dim[0], x.dim[1] / 4, 2 * x.dim[2]);
            size_t mark = c->arena->used;
            merge_forward(c, en, k, merged, x, tables->merge[k], &s->merging[k]);
            if (!block) mx_arena_release(c->arena, mark);
            x = merged;
        }
        out->merged[k] = x;
    }
    if (!mx_ok(c)) return;
    mx_tensor tokens = mx_alloc_like(c, x);
    s->last = x, s->final_mean = alloc1(c, mx_rows(x)), s->final_rstd = alloc1(c, mx_rows(x));
    mx_layernorm(c, tokens, s->final_mean, s->final_rstd, x, W(en, en->final_w), W(en, en->final_b));
    out->tokens = tokens;
}

/* Turns d from the gradient of stage k's output into that of its input. end: number of its last block, plus 1. */
static void stage_backward(mx_ctx *c, const swin *en, int k, int end, mx_tensor d,
                           const mx_token_tables *tables, const mx_block_saved *block) {
    for (int n = end - 1; n >= end - en->config->depths[k]; n--)
        mx_block_backward(c, &en->block[n], &block[n], &tables->layout[k], d, MX_ABSENT);
}

static void embed_backward(mx_ctx *c, const swin *en, mx_tensor d, const swin_saved *s) {
    mx_layernorm_back(c, d, G(en, en->norm_w), G(en, en->norm_b), d, s->embedded, s->mean, s->rstd,
                      W(en, en->norm_w), false);
    mx_linear_back(c, MX_ABSENT, flat2(G(en, en->proj_w)), G(en, en->proj_b), d, s->patches,
                   flat2(W(en, en->proj_w)));
}

/* Fails if a stage's map has a gradient: backward supports only that of the last tokens. */
static void refuse_maps(mx_ctx *c, const mx_encoded *d, int stages) {
    for (int k = 0; k < stages; k++)
        if (mx_present(d->stage[k]) && mx_ok(c))
            mx_fail(&c->error, MX_ERR_UNSUPPORTED,
                    "swin: expected a gradient of the last tokens alone, found one of stage %d's map", k);
}

static void backward(mx_ctx *c, const mx_encoder *e, const mx_encoded *dout, const mx_token_tables *tables,
                     mx_block_saved *block) {
    swin *en = e->parts;
    swin_saved *s = &en->saved;
    int n = e->blocks, last = tables->stages - 1;
    refuse_maps(c, dout, tables->stages);
    if (!mx_ok(c)) return;
    mx_tensor d = s->gradient[last];
    mx_layernorm_back(c, d, G(en, en->final_w), G(en, en->final_b), dout->tokens, s->last, s->final_mean,
                      s->final_rstd, W(en, en->final_w), false);
    for (int k = last; k >= 0 && mx_ok(c); n -= en->config->depths[k--]) {
        if (k < last) {
            merge_backward(c, en, k, s->gradient[k], d, tables->merge[k], &s->merging[k]);
            d = s->gradient[k];
        }
        stage_backward(c, en, k, n, d, tables, block);
    }
    if (mx_ok(c)) embed_backward(c, en, d, s);
}

const mx_encoder_kind mx_encoder_swin = {.name = "swin",
                                         .pixels = "patch_embed.proj.weight",
                                         .check = mx_swin_check,
                                         .stage = mx_swin_stage,
                                         .stride = mx_swin_stride,
                                         .macs = mx_swin_macs,
                                         .table = mx_swin_table,
                                         .make = make,
                                         .free = discard,
                                         .forward = forward,
                                         .backward = backward};
