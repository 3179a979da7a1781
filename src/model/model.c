/* A whole model, see model.h. */
#include "model/model.h"

#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

static void add_head(mx_model *m) {
    int64_t width = mx_stage_width(&m->config, m->config.stages - 1), classes = m->config.classes;
    m->head_w = mx_params_add(&m->params, MX_INIT_XAVIER, 0, "head.weight", classes, width, 0, 0);
    m->head_b = mx_params_add(&m->params, MX_INIT_ZERO, 0, "head.bias", classes, 0, 0, 0);
    if (m->head_b >= 0) m->params.item[m->head_w].layer = m->params.item[m->head_b].layer = m->encoder.blocks;
}

mx_status mx_model_make(mx_model *m, const mx_model_config *config, mx_params_use use, mx_error *e) {
    *m = (mx_model){.config = *config, .head_w = MX_NO_PARAM, .head_b = MX_NO_PARAM};
    if (mx_model_check(config, e)) return e->status;
    if (mx_encoder_add(&m->encoder, &m->params, &m->config, e)) return e->status;
    if (config->decoder_dim && mx_decoder_add(&m->decoder, &m->params, &m->config, e)) return e->status;
    if (config->classes) add_head(m);
    int blocks = mx_model_blocks(m);
    m->saved = calloc((size_t)blocks, sizeof *m->saved);
    m->passing = calloc((size_t)blocks, sizeof *m->passing);
    if (!m->saved || !m->passing)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory while building a model of %d blocks", blocks);
    for (int i = 0; i < blocks; i++) m->passing[i].recompute = MX_RECOMPUTE_BLOCK;
    return mx_params_allocate(&m->params, use, e);
}

int mx_model_blocks(const mx_model *m) {
    return m->encoder.blocks + (m->config.decoder_dim ? m->config.decoder_depth : 0);
}

mx_status mx_model_name_classes(mx_model *m, const char *const *names, mx_error *e) {
    for (int i = 0; m->class_name && i < m->config.classes; i++) free(m->class_name[i]);
    free(m->class_name);
    m->class_name = NULL;
    if (!names || !m->config.classes) return MX_OK;
    m->class_name = calloc((size_t)m->config.classes, sizeof *m->class_name);
    bool whole = m->class_name;
    for (int i = 0; whole && i < m->config.classes; i++)
        whole = (m->class_name[i] = mx_escape_utf8(names[i]));
    return whole ? MX_OK
                 : mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of %d classes", m->config.classes);
}

void mx_head_init(mx_model *m, uint64_t seed, double std) {
    mx_tensor w = mx_weight(&m->params, m->head_w), b = mx_weight(&m->params, m->head_b);
    float *x = mx_f32(w);
    mx_rng r = mx_rng_make(seed, MX_RNG_INIT, (uint64_t)m->head_w, 1);
    for (int64_t i = 0; i < mx_count(w); i++) x[i] = (float)(std * mx_rng_normal(&r));
    memset(mx_f32(b), 0, sizeof(float) * (size_t)mx_count(b));
}

void mx_model_free(mx_model *m) {
    if (!m) return;
    mx_model_name_classes(m, NULL, NULL);
    mx_encoder_free(&m->encoder);
    mx_decoder_free(&m->decoder);
    mx_params_free(&m->params);
    free(m->saved), free(m->passing);
    m->saved = m->passing = NULL;
}

static void pretrain(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_order *order,
                     float scale, bool backward) {
    size_t mark = c->arena->used;
    mx_encoder_saved es = {.block = m->saved};
    mx_decoder_saved ds = {.block = (backward ? m->saved : m->passing) + m->encoder.blocks};
    mx_token_order_upload(c, order);
    images = mx_stage(c, images);
    mx_tensor features = mx_encoder_forward(c, &m->encoder, images, order, NULL, backward ? &es : NULL);
    mx_tensor dfeatures = mx_ok(c) && backward ? mx_alloc_like(c, features) : MX_ABSENT;
    mx_tensor pred = mx_ok(c) ? mx_decoder_forward(c, &m->decoder, features, order, false, &ds) : MX_ABSENT;
    const mx_targets targets = {order->row_image, order->row_patch, mx_model_stride(&m->config),
                                m->config.norm_pix};
    if (mx_ok(c)) mx_pixel_loss(c, loss, backward ? pred : MX_ABSENT, pred, images, &targets, scale);
    if (mx_ok(c) && backward) {
        mx_decoder_backward(c, &m->decoder, &ds, order, dfeatures, pred);
        mx_encoder_backward(c, &m->encoder, &es, order, dfeatures);
    }
    mx_arena_release(c->arena, mark);
}

void mx_pretrain_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_order *order,
                      float scale) {
    pretrain(c, m, loss, images, order, scale, true);
}

void mx_pretrain_loss(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_order *order,
                      float scale) {
    pretrain(c, m, loss, images, order, scale, false);
}

void mx_pretrain_view(mx_ctx *c, mx_model *m, mx_pretrain_views *out, mx_tensor images,
                      const mx_token_order *order) {
    mx_encoder_saved es = {.block = m->passing};
    mx_decoder_saved ds = {.block = m->passing + m->encoder.blocks};
    mx_token_order_upload(c, order);
    images = mx_stage(c, images);
    out->features = mx_encoder_forward(c, &m->encoder, images, order, NULL, &es);
    if (!mx_ok(c)) return;
    out->reconstruction = mx_decoder_forward(c, &m->decoder, out->features, order, true, &ds);
    memcpy(out->stage, es.stage, sizeof out->stage);
}

static mx_tensor mean_tokens(mx_ctx *c, mx_tensor features) {
    if (!mx_ok(c)) return MX_ABSENT;
    mx_tensor pooled = mx_alloc(c, MX_F32, 2, (int64_t[]){features.dim[0], features.dim[2]});
    if (mx_ok(c)) mx_mean_rows(c, pooled, features);
    return pooled;
}

void mx_encode(mx_ctx *c, const mx_model *m, mx_encode_views *out, mx_tensor images,
               const mx_token_order *order) {
    mx_encoder_saved inference = {0};
    *out = (mx_encode_views){0};
    mx_token_order_upload(c, order);
    images = mx_stage(c, images);
    out->tokens = mx_encoder_forward(c, &m->encoder, images, order, NULL, &inference);
    out->pooled = mean_tokens(c, out->tokens);
    if (mx_ok(c)) memcpy(out->stage, inference.map, sizeof out->stage);
}

void mx_map_to_raster(mx_ctx *c, mx_tensor raster, mx_tensor map, const mx_layout *lay) {
    if (!mx_ok(c)) return;
    mx_scatter_rows(c, mx_reshape(raster, map.dim[0], map.dim[1], map.dim[2], 0, 0), map, lay->raster);
}

static mx_tensor pooled_features(mx_ctx *c, mx_model *m, mx_tensor images, const mx_token_order *order,
                                 const mx_drop_scale *drop, mx_encoder_saved *saved) {
    mx_token_order_upload(c, order);
    images = mx_stage(c, images);
    mx_tensor features = mx_encoder_forward(c, &m->encoder, images, order, drop, saved);
    return mean_tokens(c, features);
}

void mx_classify_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor logits, mx_tensor images,
                      mx_tensor targets, const mx_token_order *order, const mx_drop_scale *drop,
                      float scale) {
    size_t mark = c->arena->used;
    const mx_params *p = &m->params;
    mx_encoder_saved es = {.block = m->saved};
    mx_tensor pooled = pooled_features(c, m, images, order, drop, &es), dlogits = MX_ABSENT;
    if (mx_ok(c)) dlogits = mx_alloc_like(c, logits);
    if (mx_ok(c)) {
        mx_linear(c, logits, pooled, mx_weight(p, m->head_w), mx_weight(p, m->head_b));
        mx_soft_cross_entropy(c, loss, dlogits, logits, mx_stage(c, targets), scale);
        mx_tensor dpooled = mx_alloc_like(c, pooled),
                  dfeatures = mx_alloc_like(c, es.stage[order->stages - 1]);
        mx_linear_back(c, dpooled, mx_grad(p, m->head_w), mx_grad(p, m->head_b), dlogits, pooled,
                       mx_weight(p, m->head_w));
        mx_mean_rows_back(c, dfeatures, dpooled);
        mx_encoder_backward(c, &m->encoder, &es, order, dfeatures);
    }
    mx_arena_release(c->arena, mark);
}

void mx_classify_logits(mx_ctx *c, mx_model *m, mx_tensor logits, mx_tensor images,
                        const mx_token_order *order) {
    size_t mark = c->arena->used;
    mx_tensor pooled = pooled_features(c, m, images, order, NULL, NULL);
    if (mx_ok(c))
        mx_linear(c, logits, pooled, mx_weight(&m->params, m->head_w), mx_weight(&m->params, m->head_b));
    mx_arena_release(c->arena, mark);
}

void mx_drop_path_draw(mx_drop_scale *drop, float *memory, int blocks, int batch, double rate, uint64_t seed,
                       uint64_t step, uint32_t micro) {
    mx_rng r = mx_rng_make(seed, MX_RNG_DROPPATH, step, micro);
    for (int i = 0; i < blocks; i++) {
        double p = blocks > 1 ? rate * i / (blocks - 1) : 0;
        drop[i] = (mx_drop_scale){0};
        if (p <= 0) continue;
        for (int branch = 0; branch < 2; branch++) {
            float *f = memory + (size_t)(2 * i + branch) * (size_t)batch;
            for (int b = 0; b < batch; b++) f[b] = mx_rng_uniform(&r) < 1 - p ? (float)(1 / (1 - p)) : 0.0f;
            *(branch ? &drop[i].mlp : &drop[i].attention) = mx_view(f, MX_F32, batch, 0, 0, 0, 0);
        }
    }
}

/* linear layers of a block per token 12 C², attention 2 n C with n tokens attended to */
static double block_macs(double tokens, double width, double attended) {
    return tokens * (12 * width * width + 2 * attended * width);
}

double mx_model_forward_macs(const mx_model_config *m) {
    double macs = 0;
    for (int k = 0; k < m->stages; k++) {
        double tokens = (double)mx_grid_h(m, k) * mx_grid_w(m, k), width = mx_stage_width(m, k);
        double window = (double)mx_window_h(m, k) * mx_window_w(m, k);
        if (k == 0) macs += tokens * width * m->channels * m->patch * m->patch;
        macs += m->depths[k] * block_macs(tokens, width, window);
        if (k + 1 < m->stages) macs += tokens / 4 * 8 * width * width;
        if (k + 1 < m->stages || !m->decoder_dim) continue;
        double d = m->decoder_dim, pixels = (double)mx_model_stride(m) * mx_model_stride(m) * m->channels;
        macs +=
            tokens * width * d + 2 * (m->decoder_depth * block_macs(tokens, d, tokens) + tokens * d * pixels);
    }
    if (m->classes) macs += (double)mx_stage_width(m, m->stages - 1) * m->classes;
    return macs;
}
