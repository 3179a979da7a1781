/* Loading a golden model and comparing gradients and updated weights, see exam.h. */
#include "verify/exam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"

static double meta_number(mx_report_card *card, const char *key) {
    const char *text = mx_st_meta(card->golden, key);
    char *end = NULL;
    double v = text ? strtod(text, &end) : 0;
    if (!text || *end) mx_fail(&card->error, MX_ERR_FORMAT, "metadata \"%s\" must be a number", key);
    return v;
}

static void read_settings(mx_exam *x) {
    mx_report_card *card = x->card;
    const char *betas = mx_st_meta(card->golden, "betas");
    x->batch = (int)meta_number(card, "batch");
    x->steps = (int)meta_number(card, "steps");
    x->lr = meta_number(card, "lr");
    x->adamw = (mx_adamw_config){
        .weight_decay = meta_number(card, "weight_decay"), .eps = meta_number(card, "eps"), .layer_decay = 1};
    if (!betas || sscanf(betas, "%lf,%lf", &x->adamw.beta1, &x->adamw.beta2) != 2)
        mx_fail(&card->error, MX_ERR_FORMAT, "metadata \"betas\" must be two numbers");
    if (mx_st_meta(card->golden, "layer_decay")) x->adamw.layer_decay = meta_number(card, "layer_decay");
}

static void read_config(mx_exam *x, mx_model_config *config, bool masked) {
    mx_report_card *card = x->card;
    const char *text = mx_st_meta(card->golden, "config"), *norm = mx_st_meta(card->golden, "norm_pix_loss");
    if (!text)
        mx_fail(&card->error, MX_ERR_FORMAT, "no \"config\" in the metadata");
    else if (!mx_config_from_json(config, text, &card->error) && masked != (config->decoder_dim > 0))
        mx_fail(&card->error, MX_ERR_FORMAT, "the configuration %s a decoder", masked ? "lacks" : "has");
    if (norm) config->norm_pix = !strcmp(norm, "True");
}

void mx_exam_open(mx_exam *x, mx_report_card *card, bool masked) {
    mx_model_config config;
    int64_t pixels = 0;
    memset(x, 0, sizeof *x);
    x->card = card;
    read_settings(x);
    read_config(x, &config, masked);
    if (card->error.status || mx_model_make(&x->model, &config, MX_PARAMS_TRAIN, &card->error)) return;
    x->adamw.layers = x->model.encoder.blocks;
    mx_exam_reset(x);
    if (card->error.status || !(x->images = mx_card_read(card, "images", &pixels))) return;
    if (x->batch < 1 || pixels != x->batch * mx_image_floats(&config)) {
        mx_fail(&card->error, MX_ERR_SHAPE, "images do not have the shape that configuration and batch say");
        return;
    }
    x->image_tensor = mx_images_view(&config, x->images, x->batch);
    mx_token_tables_make(&x->tables, &config, x->batch, masked, &card->error);
}

void mx_exam_plan(mx_exam *x, const mx_compute *how, mx_session_work *work) {
    mx_ctx *c = &x->session.ctx;
    if (x->card->error.status || mx_session_make(&x->session, how, work, x, NULL, &x->card->error)) return;
    mx_params_attach(c, &x->model.params);
    mx_token_tables_attach(c, &x->tables);
    mx_attach(c, &x->loss, sizeof x->loss);
    mx_attach(c, x->update, sizeof x->update);
    if (x->logits) mx_attach(c, x->logits, sizeof *x->logits * (size_t)(x->batch * x->model.config.classes));
    mx_params_upload(c, &x->model.params);
    mx_upload(c, x->update, x->update, sizeof x->update);
}

void mx_exam_close(mx_exam *x) {
    mx_session_free(&x->session);
    mx_token_tables_free(&x->tables);
    mx_model_free(&x->model);
    free(x->images);
    free(x->targets), free(x->logits);
}

bool mx_exam_ok(mx_exam *x) {
    mx_session_error(&x->session, &x->card->error);
    return x->card->error.status == MX_OK;
}

void mx_exam_reset(mx_exam *x) {
    mx_params *p = &x->model.params;
    mx_weights_load(&x->model, x->card->golden, "param.", false, &x->card->error);
    memset(p->m, 0, sizeof(float) * (size_t)p->total);
    memset(p->v, 0, sizeof(float) * (size_t)p->total);
    memset(x->update, 0, sizeof x->update);
    x->update[MX_UPDATE_LR] = x->lr;
    if (!x->session.ctx.backend) return; /* not planned yet: mx_exam_plan uploads */
    mx_params_upload(&x->session.ctx, p);
    mx_upload(&x->session.ctx, x->update, x->update, sizeof x->update);
}

void mx_exam_update(mx_exam *x, mx_ctx *c) {
    mx_adamw_update(c, &x->model.params, &x->adamw, mx_view(x->update, MX_F64, MX_UPDATE, 0, 0, 0, 0),
                    MX_ABSENT, mx_view(&x->loss, MX_F32, 1, 0, 0, 0, 0));
}

void mx_exam_compare_gradients(mx_exam *x) {
    const mx_params *p = &x->model.params;
    mx_params_download(&x->session.ctx, &x->model.params);
    for (int i = 0; i < p->count; i++) {
        const mx_param *q = &p->item[i];
        char name[128];
        snprintf(name, sizeof name, "grad.%s", q->name);
        if (!q->fixed) mx_card_compare(x->card, name, p->grad + q->offset, q->count, MX_CHECK_GRADIENT);
    }
}

/* The key third of qkv.bias (rows C..2C-1) only has to stay near its start. Sets it to the golden values, so that the
 * caller can compare the rest. */
static void compare_qkv_bias(mx_exam *x, const mx_param *q, const char *name) {
    char start_name[128], row[160];
    snprintf(start_name, sizeof start_name, "param.%s", q->name);
    snprintf(row, sizeof row, "%s (key third)", name);
    int64_t width = q->count / 3, n = 0, m = 0;
    float *after = x->model.params.weight + q->offset, *start = mx_card_read(x->card, start_name, &n);
    float *golden = mx_card_read(x->card, name, &m), *merged = malloc(sizeof *merged * (size_t)q->count);
    if (start && golden && merged && n == q->count && m == q->count) {
        double far = 0;
        for (int64_t i = width; i < 2 * width; i++)
            far = fmax(far, fabs((double)after[i] - (double)start[i]));
        memcpy(merged, after, sizeof *merged * (size_t)q->count);
        memcpy(merged + width, golden + width, sizeof *merged * (size_t)width);
        mx_card_compare(x->card, name, merged, q->count, MX_CHECK_AFTER);
        mx_card_add(x->card, row, far, MX_CHECK_KEY_BIAS);
    } else
        mx_fail(&x->card->error, MX_ERR_SHAPE, "tensor %s does not have %lld elements", name,
                (long long)q->count);
    free(start), free(golden), free(merged);
}

void mx_exam_compare_after(mx_exam *x) {
    const mx_params *p = &x->model.params;
    mx_params_download(&x->session.ctx, &x->model.params);
    for (int i = 0; i < p->count && !x->card->error.status; i++) {
        const mx_param *q = &p->item[i];
        size_t n = strlen(q->name);
        char name[128];
        snprintf(name, sizeof name, "after.%s", q->name);
        if (q->fixed) continue;
        if (n >= 13 && !strcmp(q->name + n - 13, "attn.qkv.bias"))
            compare_qkv_bias(x, q, name);
        else
            mx_card_compare(x->card, name, p->weight + q->offset, q->count, MX_CHECK_AFTER);
    }
}
