/* The decoder's forward and backward, see decoder.h. */
#include "model/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoders.h"

static mx_pid add(mx_params *p, mx_init init, const char *name, int64_t a, int64_t b, int64_t c) {
    return mx_params_add(p, init, 0, name, a, b, c, 0);
}

mx_status mx_decoder_add(mx_decoder *de, mx_params *p, const mx_model_config *m, mx_error *e) {
    int last = m->stages - 1, d = m->decoder_dim, gh = mx_grid_h(m, last), gw = mx_grid_w(m, last);
    int64_t pixels = (int64_t)mx_model_stride(m) * mx_model_stride(m) * m->channels;
    *de = (mx_decoder){.config = m, .params = p};
    if (!(de->block = calloc((size_t)m->decoder_depth + 1, sizeof *de->block)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory while building a decoder of %d blocks",
                       m->decoder_depth);
    de->embed_w = add(p, MX_INIT_XAVIER, "decoder_embed.weight", d, mx_stage_width(m, last), 0);
    de->embed_b = add(p, MX_INIT_ZERO, "decoder_embed.bias", d, 0, 0);
    de->token = add(p, MX_INIT_TRUNC_NORMAL, "mask_token", 1, 1, d);
    de->pos = mx_params_add(p, MX_INIT_POSITION, gh, "decoder_pos_embed", 1, (int64_t)gh * gw, d, 0);
    if (de->pos >= 0) p->item[de->pos].fan2 = gw;
    for (int j = 0; j < m->decoder_depth; j++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "decoder_blocks.%d.", j);
        mx_block_add(&de->block[j], p, prefix, d, m->decoder_heads, 0, 0);
    }
    de->norm_w = add(p, MX_INIT_ONE, "decoder_norm.weight", d, 0, 0);
    de->norm_b = add(p, MX_INIT_ZERO, "decoder_norm.bias", d, 0, 0);
    de->pred_w = add(p, MX_INIT_XAVIER, "decoder_pred.weight", pixels, d, 0);
    de->pred_b = add(p, MX_INIT_ZERO, "decoder_pred.bias", pixels, 0, 0);
    return MX_OK;
}

void mx_decoder_free(mx_decoder *de) {
    if (!de) return;
    free(de->block);
    memset(de, 0, sizeof *de);
}

static mx_tensor W(const mx_decoder *de, mx_pid id) { return mx_weight(de->params, id); }
static mx_tensor G(const mx_decoder *de, mx_pid id) { return mx_grad(de->params, id); }

/* [1,1,D] → [D], [1,L,D] → [L,D] */
static mx_tensor token_of(mx_tensor t, int64_t d) { return mx_reshape(t, d, 0, 0, 0, 0); }
static mx_tensor position_of(mx_tensor t, int64_t l, int64_t d) { return mx_reshape(t, l, d, 0, 0, 0); }

/* Returns the stream [2B,L,D]: both sequences of every mixed image. */
static mx_tensor split_forward(mx_ctx *c, const mx_decoder *de, const mx_token_tables *tables,
                               mx_decoder_saved *s) {
    int64_t batch = s->features.dim[0], units = tables->units, d = de->config->decoder_dim;
    s->embedded = mx_alloc(c, MX_F32, 3, (int64_t[]){batch, units, d});
    mx_tensor stream = mx_alloc(c, MX_F32, 3, (int64_t[]){2 * batch, units, d});
    if (!mx_ok(c)) return MX_ABSENT;
    mx_linear(c, s->embedded, s->features, W(de, de->embed_w), W(de, de->embed_b));
    mx_unmix(c, stream, s->embedded, token_of(W(de, de->token), d), position_of(W(de, de->pos), units, d),
             &tables->decoder);
    return stream;
}

/* The layout for the decoder's attention: one segment, no groups. */
static mx_layout whole_map(const mx_token_tables *tables) {
    mx_layout lay = tables->decoder;
    lay.group = NULL;
    return lay;
}

mx_tensor mx_decoder_forward(mx_ctx *c, const mx_decoder *de, mx_tensor features,
                             const mx_token_tables *tables, bool every_row, mx_decoder_saved *s) {
    const mx_layout lay = whole_map(tables);
    s->features = features;
    mx_tensor x = split_forward(c, de, tables, s);
    int depth = de->config->decoder_depth;
    if (!every_row) {
        s->d = mx_alloc_like(c, x);
        s->drows = mx_alloc(c, MX_F32, 3, (int64_t[]){1, features.dim[0] * tables->units, mx_width(x)});
    }
    for (int j = 0; j < depth && mx_ok(c); j++) {
        mx_selected_rows rows = {0};
        if (j == depth - 1 && !every_row)
            rows = (mx_selected_rows){tables->rows, features.dim[0] * tables->units};
        x = mx_block_forward(c, &de->block[j], MX_ABSENT, x, &lay, (mx_drop_scale){0}, rows, &s->block[j]);
    }
    if (!mx_ok(c)) return MX_ABSENT;
    int64_t n = mx_rows(x), pixels = mx_count(W(de, de->pred_b));
    s->stream = x, s->y = mx_alloc(c, c->activations, x.ndim, x.dim);
    s->mean = mx_alloc(c, MX_F32, 1, &n), s->rstd = mx_alloc(c, MX_F32, 1, &n);
    s->pred = mx_alloc(c, MX_F32, 2, (int64_t[]){n, pixels});
    if (!mx_ok(c)) return MX_ABSENT;
    mx_layernorm(c, s->y, s->mean, s->rstd, x, W(de, de->norm_w), W(de, de->norm_b));
    mx_linear(c, s->pred, s->y, W(de, de->pred_w), W(de, de->pred_b));
    return s->pred;
}

void mx_decoder_backward(mx_ctx *c, const mx_decoder *de, mx_decoder_saved *s, const mx_token_tables *tables,
                         mx_tensor dfeatures, mx_tensor dpred) {
    if (!mx_ok(c)) return;
    const mx_layout lay = whole_map(tables);
    mx_tensor dy = s->drows, d = s->d;
    mx_linear_back(c, dy, G(de, de->pred_w), G(de, de->pred_b), dpred, s->y, W(de, de->pred_w));
    mx_layernorm_back(c, dy, G(de, de->norm_w), G(de, de->norm_b), dy, s->stream, s->mean, s->rstd,
                      W(de, de->norm_w), false);
    for (int j = de->config->decoder_depth - 1; j >= 0; j--) {
        bool last = j == de->config->decoder_depth - 1;
        mx_block_backward(c, &de->block[j], &s->block[j], &lay, d, last ? dy : MX_ABSENT);
    }
    mx_tensor dz = mx_alloc_like(c, s->embedded);
    mx_unmix_back(c, dz, token_of(G(de, de->token), de->config->decoder_dim), d, &tables->decoder);
    mx_linear_back(c, dfeatures, G(de, de->embed_w), G(de, de->embed_b), dz, s->features, W(de, de->embed_w));
}

double mx_decoder_macs(const mx_model_config *m) {
    const mx_stage_shape s = mx_stage_shape_of(m, m->stages - 1);
    double tokens = (double)s.grid_h * s.grid_w, d = m->decoder_dim,
           pixels = (double)mx_model_stride(m) * mx_model_stride(m) * m->channels;
    return tokens * s.width * d +
           2 * (m->decoder_depth * mx_block_macs(tokens, d, tokens) + tokens * d * pixels);
}

bool mx_decoder_owns(const char *tensor) {
    return !strncmp(tensor, "decoder_", 8) || !strcmp(tensor, "mask_token");
}

bool mx_decoder_table(const mx_model_config *m, const char *name, int *height, int *width) {
    if (strcmp(name, "decoder_pos_embed")) return false;
    *height = mx_grid_h(m, m->stages - 1), *width = mx_grid_w(m, m->stages - 1);
    return true;
}
