/* The interfaces model/encoder and model/head: a kind that this build does not list works wherever a
 * configuration names it. An encoder of rows (patches, one block over the whole grid) and a head without bias
 * are trained, shaped, counted, resized and refused through their structs alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/interpolate.h"
#include "model/model.h"
#include "model/session.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/export_onnx.h"
#include "checkpoint/init.h"

enum { BATCH = 2, WIDTH = 8, CLASSES = 3 };

/* ---- an encoder -------------------------------------------------------------------------------------------
 */

typedef struct {
    mx_block block;
    mx_pid w, pos;
    mx_tensor patches, gradient;
} rows;

static mx_status rows_check(const mx_model_config *c, mx_error *e) {
    if (c->image_h % c->patch) return mx_fail(e, MX_ERR_ARGUMENT, "rows: no whole patches");
    return MX_OK;
}

static mx_stage_shape rows_stage(const mx_model_config *c, int k) {
    (void)k;
    int h = c->image_h / c->patch, w = c->image_w / c->patch;
    return (mx_stage_shape){h, w, h, w, c->embed_dim};
}

static int rows_stride(const mx_model_config *c) { return c->patch; }

static double rows_macs(const mx_model_config *c) { return 1000 * c->embed_dim; }

static bool rows_table(const mx_model_config *c, const char *name, int *height, int *width) {
    *height = c->image_h / c->patch, *width = c->image_w / c->patch;
    return !strcmp(name, "rows.table");
}

static mx_status rows_make(mx_encoder *en, mx_error *e) {
    const mx_model_config *c = en->config;
    rows *r = en->parts = calloc(1, sizeof *r);
    if (!r) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    const mx_stage_shape s = rows_stage(c, 0);
    en->blocks = 1;
    r->pos = mx_params_add(en->params, MX_INIT_POSITION, s.grid_h, "rows.table", 1, s.grid_h * s.grid_w,
                           s.width, 0);
    en->params->item[r->pos].fan2 = s.grid_w;
    r->w = mx_params_add(en->params, MX_INIT_XAVIER, 0, "rows.weight", s.width,
                         c->channels * c->patch * c->patch, 0, 0);
    mx_block_add(&r->block, en->params, "rows.", s.width, 2, 0, 1);
    return MX_OK;
}

static void rows_free(mx_encoder *en) { free(en->parts); }

static void rows_forward(mx_ctx *c, const mx_encoder *en, mx_encoded *out, mx_tensor images,
                         const mx_token_tables *tables, const mx_drop_scale *drop, mx_block_saved *saved) {
    rows *r = en->parts;
    const mx_model_config *m = en->config;
    int64_t b = images.dim[0], l = tables->layout[0].tokens;
    mx_tensor patches = mx_alloc(c, MX_F32, 3, (int64_t[]){b, l, m->channels * m->patch * m->patch});
    mx_tensor x = mx_alloc(c, MX_F32, 3, (int64_t[]){b, l, m->embed_dim});
    if (saved) r->patches = patches, r->gradient = mx_alloc_like(c, x);
    if (!mx_ok(c)) return;
    mx_patch_rows(c, patches, images, &tables->layout[0], m->patch);
    mx_linear(c, x, patches, mx_weight(en->params, r->w), MX_ABSENT);
    mx_add_position(c, x, mx_reshape(mx_weight(en->params, r->pos), l, m->embed_dim, 0, 0, 0),
                    &tables->layout[0]);
    out->tokens = mx_block_forward(c, &r->block, MX_ABSENT, x, &tables->layout[0],
                                   drop ? *drop : (mx_drop_scale){0}, (mx_selected_rows){0}, saved);
    out->stage[0] = out->merged[0] = out->tokens;
}

static void rows_backward(mx_ctx *c, const mx_encoder *en, const mx_encoded *d, const mx_token_tables *tables,
                          mx_block_saved *saved) {
    rows *r = en->parts;
    if (!mx_ok(c)) return;
    mx_copy(c, r->gradient, d->tokens); /* d lies above what the block gives back */
    mx_block_backward(c, &r->block, saved, &tables->layout[0], r->gradient, MX_ABSENT);
    mx_linear_back(c, MX_ABSENT, mx_grad(en->params, r->w), MX_ABSENT, r->gradient, r->patches,
                   mx_weight(en->params, r->w));
}

static const mx_encoder_kind rows_kind = {.name = "rows",
                                          .pixels = "rows.weight",
                                          .check = rows_check,
                                          .stage = rows_stage,
                                          .stride = rows_stride,
                                          .macs = rows_macs,
                                          .table = rows_table,
                                          .make = rows_make,
                                          .free = rows_free,
                                          .forward = rows_forward,
                                          .backward = rows_backward};

/* ---- a head -----------------------------------------------------------------------------------------------
 */

static mx_status tail_check(const mx_model_config *c, mx_error *e) {
    return c->classes < 9 ? MX_OK : mx_fail(e, MX_ERR_ARGUMENT, "tail: too many classes");
}

static double tail_macs(const mx_model_config *c) { return c->classes; }

static mx_status tail_make(mx_head *h, int layer, mx_error *e) {
    (void)e;
    mx_pid w = mx_params_add(h->params, MX_INIT_XAVIER, 0, "tail.weight", h->config->classes,
                             mx_stage_width(h->config, h->config->stages - 1), 0, 0);
    h->params->item[w].layer = layer;
    return MX_OK;
}

static void tail_free(mx_head *h) { (void)h; }

static mx_pid tail_weight(const mx_head *h) { return mx_params_find(h->params, "tail.weight"); }

static void tail_init(const mx_head *h, uint64_t seed, double std) {
    mx_tensor w = mx_weight(h->params, tail_weight(h));
    for (int64_t i = 0; i < mx_count(w); i++) mx_f32(w)[i] = (float)(std * (double)(seed + (uint64_t)i));
}

static void tail_forward(mx_ctx *c, const mx_head *h, mx_tensor out, mx_encoded *x, bool train) {
    (void)train;
    mx_encoded_mean(c, x);
    if (mx_ok(c)) mx_linear(c, out, x->pooled, mx_weight(h->params, tail_weight(h)), MX_ABSENT);
}

static void tail_backward(mx_ctx *c, const mx_head *h, mx_encoded *dx, mx_tensor dout, const mx_encoded *x) {
    mx_tensor dpooled = mx_alloc_like(c, x->pooled);
    dx->tokens = mx_alloc_like(c, x->tokens);
    if (!mx_ok(c)) return;
    mx_linear_back(c, dpooled, mx_grad(h->params, tail_weight(h)), MX_ABSENT, dout, x->pooled,
                   mx_weight(h->params, tail_weight(h)));
    mx_mean_rows_back(c, dx->tokens, dpooled);
}

/* As an upernet would: from the first stage's map too. */
static void reaching_backward(mx_ctx *c, const mx_head *h, mx_encoded *dx, mx_tensor dout,
                              const mx_encoded *x) {
    tail_backward(c, h, dx, dout, x);
    dx->stage[0] = mx_alloc_like(c, x->stage[0]);
}

#define TAIL(back)                                                                                           \
    {                                                                                                        \
        .name = "tail", .prefix = "tail.", .check = tail_check, .macs = tail_macs, .make = tail_make,        \
        .free = tail_free, .init = tail_init, .forward = tail_forward, .backward = back                      \
    }
static const mx_head_kind tail_kind = TAIL(tail_backward), reaching_kind = TAIL(reaching_backward);

/* ---- what is tried ----------------------------------------------------------------------------------------
 */

static mx_model_config config(int side) {
    return (mx_model_config){.name = "custom",
                             .image_h = side,
                             .image_w = side,
                             .patch = 4,
                             .channels = 3,
                             .stages = 1,
                             .embed_dim = WIDTH,
                             .depths = {1},
                             .heads = {2},
                             .windows = {4},
                             .encoder = &rows_kind,
                             .norm_pix = true};
}

static mx_model_config classifier(int side) {
    mx_model_config c = config(side);
    c.classes = CLASSES, c.head = &tail_kind;
    return c;
}

static mx_model_config pretrainer(int side) {
    mx_model_config c = config(side);
    c.decoder_dim = 8, c.decoder_depth = 1, c.decoder_heads = 2;
    return c;
}

typedef struct {
    mx_model model;
    mx_token_tables tables;
    mx_session session;
    float *images;
    float loss, logits[BATCH * CLASSES], targets[BATCH * CLASSES];
} trial;

static void pass(mx_ctx *c, void *user) {
    trial *t = user;
    const mx_model_config *m = &t->model.config;
    mx_tensor loss = mx_view(&t->loss, MX_F32, 1, 0, 0, 0, 0), images = mx_images_view(m, t->images, BATCH);
    if (m->classes)
        mx_classify_pass(c, &t->model, loss, mx_view(t->logits, MX_F32, BATCH, CLASSES, 0, 0, 0), images,
                         mx_view(t->targets, MX_F32, BATCH, CLASSES, 0, 0, 0), &t->tables, NULL, 1);
    else
        mx_pretrain_pass(c, &t->model, loss, images, &t->tables, 1);
}

static float *random_images(const mx_model_config *c) {
    size_t n = (size_t)(BATCH * c->channels * c->image_h * c->image_w);
    float *x = malloc(n * sizeof *x);
    mx_rng r = mx_rng_make(7, MX_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)mx_rng_normal(&r);
    return x;
}

static void start(trial *t, mx_model_config c) {
    mx_error e = {0};
    memset(t, 0, sizeof *t);
    t->images = random_images(&c);
    if (mx_model_make(&t->model, &c, MX_PARAMS_GRADS, &e) ||
        mx_token_tables_make(&t->tables, &c, BATCH, c.decoder_dim > 0, &e) ||
        mx_session_make(&t->session, &(mx_compute){.device = "ref", .threads = 1}, pass, t, NULL, &e))
        fail_msg("%s", e.text);
    mx_params_init(&t->model.params, 5);
    for (int b = 0; b < BATCH; b++) t->targets[b * CLASSES + b] = 1;
    uint8_t mask[16] = {1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0};
    if (c.decoder_dim) mx_token_tables_set(&t->tables, mask);
}

static void finish(trial *t) {
    mx_session_free(&t->session);
    mx_token_tables_free(&t->tables);
    mx_model_free(&t->model);
    free(t->images);
}

static double loss(trial *t) {
    t->loss = 0;
    pass(&t->session.ctx, t);
    assert_string_equal(t->session.ctx.error.text, "");
    return (double)t->loss;
}

/* The largest gradient of the tensor against the slope of the loss there. */
static void check_gradient(trial *t, const char *name) {
    mx_params *p = &t->model.params;
    mx_pid id = mx_params_find(p, name);
    assert_true(id >= 0);
    mx_tensor w = mx_weight(p, id), g = mx_grad(p, id);
    memset(p->grad, 0, sizeof(float) * (size_t)p->total);
    loss(t);
    int64_t at = 0;
    for (int64_t i = 0; i < mx_count(g); i++)
        if (fabsf(mx_f32(g)[i]) > fabsf(mx_f32(g)[at])) at = i;
    double gradient = (double)mx_f32(g)[at], h = 0.02;
    float *x = &mx_f32(w)[at], was = *x;
    *x = was + (float)h;
    double above = loss(t);
    *x = was - (float)h;
    double slope = (above - loss(t)) / (2 * h);
    *x = was;
    assert_true(fabs(gradient) > 1e-3);
    if (fabs(slope - gradient) > 0.01 * fabs(gradient)) fail_msg("%s: %g, slope %g", name, gradient, slope);
}

static void it_is_trained(void **state) {
    (void)state;
    trial t;
    start(&t, classifier(16));
    check_gradient(&t, "rows.weight");
    check_gradient(&t, "rows.mlp.fc1.weight");
    check_gradient(&t, "tail.weight");
    assert_int_equal(t.model.params.item[mx_params_find(&t.model.params, "tail.weight")].layer, 1);
    mx_head_init(&t.model, 3, 0.5);
    assert_true(mx_f32(mx_weight(&t.model.params, tail_weight(&t.model.head)))[4] == 3.5f);
    finish(&t);
    start(&t, pretrainer(16));
    check_gradient(&t, "rows.weight");
    check_gradient(&t, "rows.attn.proj.weight");
    finish(&t);
}

static void it_is_asked(void **state) {
    (void)state;
    mx_model_config c = classifier(24), d = pretrainer(24);
    mx_error e = {0};
    assert_true(mx_grid_h(&c, 0) == 6 && mx_window_w(&c, 0) == 6 && mx_stage_width(&c, 0) == WIDTH);
    assert_int_equal(mx_model_stride(&c), 4);
    assert_true(mx_model_forward_macs(&c) == 1000 * WIDTH + CLASSES);
    assert_true(mx_model_forward_macs(&d) > 1000 * WIDTH);
    c.image_h = 25;
    assert_int_equal(mx_model_check(&c, &e), MX_ERR_ARGUMENT);
    assert_string_equal(e.text, "rows: no whole patches");
    c.image_h = 24, c.classes = 9, e = (mx_error){0};
    assert_int_equal(mx_model_check(&c, &e), MX_ERR_ARGUMENT);
    assert_string_equal(e.text, "tail: too many classes");
}

static void its_table_is_resized(void **state) {
    (void)state;
    mx_model_config small = config(16), large = config(24);
    mx_model from, to;
    mx_error e = {0};
    const mx_init_config how = {0};
    float want[6 * 6 * WIDTH];
    if (mx_model_make(&from, &small, MX_PARAMS_WEIGHTS, &e) ||
        mx_model_make(&to, &large, MX_PARAMS_WEIGHTS, &e))
        fail_msg("%s", e.text);
    mx_params_init(&from.params, 1);
    if (mx_init_from(&to, &from, &how, &e)) fail_msg("%s", e.text);
    mx_interpolate_bicubic(want, 6, 6, mx_f32(mx_weight(&from.params, 0)), 4, 4, WIDTH);
    assert_memory_equal(mx_f32(mx_weight(&to.params, 0)), want, sizeof want);
    mx_model_free(&from), mx_model_free(&to);
}

/* An encoder of one channel from one of three: the tensor that reads the images is adapted. */
static void its_pixels_are_adapted(void **state) {
    (void)state;
    mx_model_config grey = config(16), colour = config(16);
    mx_model from, to;
    mx_error e = {0};
    grey.channels = 1;
    if (mx_model_make(&from, &colour, MX_PARAMS_WEIGHTS, &e) ||
        mx_model_make(&to, &grey, MX_PARAMS_WEIGHTS, &e))
        fail_msg("%s", e.text);
    assert_int_equal(mx_init_from(&to, &from, &(mx_init_config){0}, &e), MX_ERR_SHAPE);
    assert_non_null(strstr(e.text, "tensor rows.weight: expected 1 channel, found 3"));
    mx_model_free(&from), mx_model_free(&to);
}

static void files_name_it(void **state) {
    (void)state;
    mx_model_config c = classifier(16), read;
    mx_error e = {0};
    char *text = mx_config_to_json(&c);
    assert_non_null(strstr(text, "\"encoder\":\"rows\""));
    assert_non_null(strstr(text, "\"head\":\"tail\""));
    assert_int_equal(mx_config_from_json(&read, text, &e), MX_ERR_FORMAT);
    assert_string_equal(e.text, "configuration: \"encoder\" must be one of swin, found rows");
    free(text);
    c.encoder = mx_encoder_find("swin"), e = (mx_error){0};
    text = mx_config_to_json(&c);
    assert_null(strstr(text, "encoder"));
    assert_int_equal(mx_config_from_json(&read, text, &e), MX_ERR_FORMAT);
    assert_string_equal(e.text, "configuration: \"head\" must be one of classifier, found tail");
    free(text);
    c.head = NULL, e = (mx_error){0};
    text = mx_config_to_json(&c);
    assert_null(strstr(text, "\"head\""));
    assert_int_equal(mx_config_from_json(&read, text, &e), MX_OK);
    free(text);
    assert_string_equal(mx_encoder_of(&read)->name, mx_encoder_names());
    assert_string_equal(mx_head_of(&read)->name, mx_head_names());
}

static void what_cannot_be_done_is_refused(void **state) {
    (void)state;
    mx_model_config c = classifier(16);
    trial t;
    mx_error e = {0};
    start(&t, c);
    assert_int_equal(mx_export_onnx(&t.model, NULL, "/nowhere/never.onnx", &e), MX_ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "the encoder rows cannot"));
    finish(&t);
    c.encoder = NULL, e = (mx_error){0};
    start(&t, c);
    assert_int_equal(mx_export_onnx(&t.model, NULL, "/nowhere/never.onnx", &e), MX_ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "the head tail cannot"));
    finish(&t);
    c.head = &reaching_kind;
    memset(&t, 0, sizeof t), e = (mx_error){0};
    t.images = random_images(&c);
    if (mx_model_make(&t.model, &c, MX_PARAMS_GRADS, &e) ||
        mx_token_tables_make(&t.tables, &c, BATCH, false, &e))
        fail_msg("%s", e.text);
    assert_int_equal(
        mx_session_plan(&t.session, &(mx_compute){.device = "ref", .threads = 1}, pass, &t, NULL, &e),
        MX_ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "found one of stage 0's map"));
    finish(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_trained),        cmocka_unit_test(it_is_asked),
        cmocka_unit_test(its_table_is_resized), cmocka_unit_test(its_pixels_are_adapted),
        cmocka_unit_test(files_name_it),        cmocka_unit_test(what_cannot_be_done_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
