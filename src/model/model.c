/* A whole model, see model.h. */
#include "model/model.h"

#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

mx_status mx_model_make(mx_model *m, const mx_model_config *config, mx_params_use use, mx_error *e) {
    *m = (mx_model){.config = *config};
    if (mx_model_check(config, e) || mx_encoder_make(&m->encoder, &m->config, &m->params, e))
        return e->status;
    if (config->decoder_dim && mx_decoder_add(&m->decoder, &m->params, &m->config, e)) return e->status;
    if (config->classes && mx_head_make(&m->head, &m->config, &m->params, m->encoder.blocks, e))
        return e->status;
    int blocks = mx_model_blocks(m);
    m->saved = calloc((size_t)blocks, sizeof *m->saved);
    m->scratch = calloc((size_t)blocks, sizeof *m->scratch);
    if (!m->saved || !m->scratch)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory while building a model of %d blocks", blocks);
    for (int i = 0; i < blocks; i++) m->scratch[i].recompute = MX_RECOMPUTE_BLOCK;
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

void mx_head_init(mx_model *m, uint64_t seed, double std) { m->head.kind->init(&m->head, seed, std); }

void mx_model_free(mx_model *m) {
    if (!m) return;
    mx_model_name_classes(m, NULL, NULL);
    mx_encoder_free(&m->encoder);
    mx_decoder_free(&m->decoder);
    mx_head_free(&m->head);
    mx_params_free(&m->params);
    free(m->saved), free(m->scratch);
    m->saved = m->scratch = NULL;
}

mx_tensor mx_images_view(const mx_model_config *m, const float *images, int64_t n) {
    return mx_view((void *)(uintptr_t)images, MX_F32, n, m->channels, m->image_h, m->image_w, 0);
}

int64_t mx_image_floats(const mx_model_config *m) { return (int64_t)m->channels * m->image_h * m->image_w; }

static void encode(mx_ctx *c, const mx_model *m, mx_encoded *out, mx_tensor images,
                   const mx_token_tables *tables, const mx_drop_scale *drop, mx_block_saved *saved) {
    *out = (mx_encoded){0};
    m->encoder.kind->forward(c, &m->encoder, out, images, tables, drop, saved);
}

static void encode_backward(mx_ctx *c, const mx_model *m, const mx_encoded *d,
                            const mx_token_tables *tables) {
    m->encoder.kind->backward(c, &m->encoder, d, tables, m->saved);
}

static void pretrain(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_tables *tables,
                     float scale, bool backward) {
    size_t mark = c->arena->used;
    mx_encoded x, d = {0};
    mx_decoder_saved ds = {.block = (backward ? m->saved : m->scratch) + m->encoder.blocks};
    mx_token_tables_upload(c, tables);
    images = mx_stage(c, images);
    encode(c, m, &x, images, tables, NULL, backward ? m->saved : NULL);
    if (mx_ok(c) && backward) d.tokens = mx_alloc_like(c, x.tokens);
    mx_tensor pred = mx_ok(c) ? mx_decoder_forward(c, &m->decoder, x.tokens, tables, false, &ds) : MX_ABSENT;
    const mx_targets targets = {tables->row_image, tables->row_patch, mx_model_stride(&m->config),
                                m->config.norm_pix};
    /* With backward, pred's gradient overwrites pred. */
    if (mx_ok(c)) mx_pixel_loss(c, loss, backward ? pred : MX_ABSENT, pred, images, &targets, scale);
    if (mx_ok(c) && backward) {
        mx_decoder_backward(c, &m->decoder, &ds, tables, d.tokens, pred);
        encode_backward(c, m, &d, tables);
    }
    mx_arena_release(c->arena, mark);
}

void mx_pretrain_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_tables *tables,
                      float scale) {
    pretrain(c, m, loss, images, tables, scale, true);
}

void mx_pretrain_loss(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_tables *tables,
                      float scale) {
    pretrain(c, m, loss, images, tables, scale, false);
}

void mx_pretrain_forward(mx_ctx *c, mx_model *m, mx_pretrain_outputs *out, mx_tensor images,
                         const mx_token_tables *tables) {
    mx_encoded x;
    mx_decoder_saved ds = {.block = m->scratch + m->encoder.blocks};
    mx_token_tables_upload(c, tables);
    images = mx_stage(c, images);
    encode(c, m, &x, images, tables, NULL, m->scratch);
    out->features = x.tokens;
    if (!mx_ok(c)) return;
    out->reconstruction = mx_decoder_forward(c, &m->decoder, out->features, tables, true, &ds);
    memcpy(out->stage, x.merged, sizeof out->stage);
}

void mx_encode(mx_ctx *c, const mx_model *m, mx_encoded *out, mx_tensor images,
               const mx_token_tables *tables) {
    mx_token_tables_upload(c, tables);
    encode(c, m, out, mx_stage(c, images), tables, NULL, NULL);
    mx_encoded_mean(c, out);
}

void mx_head_forward(mx_ctx *c, const mx_model *m, mx_tensor out, mx_encoded *x) {
    if (mx_ok(c)) m->head.kind->forward(c, &m->head, out, x, false);
}

void mx_map_to_raster(mx_ctx *c, mx_tensor raster, mx_tensor map, const mx_layout *lay) {
    if (!mx_ok(c)) return;
    mx_scatter_rows(c, mx_reshape(raster, map.dim[0], map.dim[1], map.dim[2], 0, 0), map, lay->raster);
}

void mx_classify_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor logits, mx_tensor images,
                      mx_tensor targets, const mx_token_tables *tables, const mx_drop_scale *drop,
                      float scale) {
    size_t mark = c->arena->used;
    const mx_head *head = &m->head;
    mx_encoded x, d = {0};
    mx_token_tables_upload(c, tables);
    encode(c, m, &x, mx_stage(c, images), tables, drop, m->saved);
    if (mx_ok(c)) head->kind->forward(c, head, logits, &x, true);
    if (mx_ok(c)) {
        mx_tensor dlogits = mx_alloc_like(c, logits);
        mx_soft_cross_entropy(c, loss, dlogits, logits, mx_stage(c, targets), scale);
        head->kind->backward(c, head, &d, dlogits, &x);
        encode_backward(c, m, &d, tables);
    }
    mx_arena_release(c->arena, mark);
}

void mx_classify_logits(mx_ctx *c, mx_model *m, mx_tensor logits, mx_tensor images,
                        const mx_token_tables *tables) {
    size_t mark = c->arena->used;
    mx_encoded x;
    mx_token_tables_upload(c, tables);
    encode(c, m, &x, mx_stage(c, images), tables, NULL, NULL);
    mx_head_forward(c, m, logits, &x);
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

double mx_model_forward_macs(const mx_model_config *m) {
    double macs = mx_encoder_of(m)->macs(m);
    if (m->decoder_dim) macs += mx_decoder_macs(m);
    if (m->classes) macs += mx_head_of(m)->macs(m);
    return macs;
}
