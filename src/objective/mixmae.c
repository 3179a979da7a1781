/* Pretraining: two images mixed, both reconstructed. Source: paper, section 3; docs/MODEL.md, "From pixels to
 * the loss". */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "objective/mixmae_view.h"
#include "objective/objective.h"

#define MX_SHOWN    4   /* most images in a picture of reconstructions */
#define MX_HELD_OUT 512 /* most held-out images to measure */

typedef struct {
    const mx_objective_settings *settings;
    uint64_t seed;
    int batch, shown;
    mx_token_tables tables;
    mx_token_tables show; /* for a picture of `shown` images */
    uint8_t *mask;        /* [units] */
    float held_loss;
} mixmae;

static mx_status model(mx_model_config *m, mx_error *e) {
    if (m->decoder_dim) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "--decoder-dim must be positive: pretraining needs a decoder");
}

static mx_status settings(mx_objective_settings *s, mx_transform *t, const mx_model_config *m, int batch,
                          const mx_options *o, const mx_recipe *recipe, mx_error *e) {
    (void)t, (void)batch, (void)recipe;
    s->mask_ratio = o->mask_ratio, s->mask_range = o->range_mask_ratio;
    int last = m->stages - 1, units = mx_grid_h(m, last) * mx_grid_w(m, last);
    double least = s->mask_ratio, most = s->mask_ratio + s->mask_range;
    if (!(least > 0) || !(most < 1 + 1e-12))
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--mask-ratio %g with --range-mask-ratio %g: the ratio must stay above 0 and not above 1", least,
            s->mask_range);
    if ((int)(units * least) < 1)
        return mx_fail(e, MX_ERR_ARGUMENT, "--mask-ratio %g of %d mask units masks none: use at least %.3g",
                       least, units, 1.0 / units + 0.0005);
    return MX_OK;
}

static int count_shown(int batch) { return batch < MX_SHOWN ? batch : MX_SHOWN; }

static mx_status make(void **state, const mx_objective_config *c, mx_error *e) {
    mixmae *x = *state = calloc(1, sizeof *x);
    if (!x) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    x->settings = c->settings, x->seed = c->seed, x->batch = c->batch, x->shown = count_shown(c->batch);
    if (mx_token_tables_make(&x->tables, &c->model->config, x->batch, true, e) ||
        mx_token_tables_make(&x->show, &c->model->config, x->shown, true, e))
        return e->status;
    if (!(x->mask = malloc((size_t)x->tables.units)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for a mask");
    return MX_OK;
}

static void release(void *state) {
    mixmae *x = state;
    if (!x) return;
    mx_token_tables_free(&x->tables);
    mx_token_tables_free(&x->show);
    free(x->mask);
    free(x);
}

static size_t bytes(const mx_model *m, int batch, int64_t held) {
    (void)held;
    return mx_token_tables_bytes(&m->config, batch) + mx_token_tables_bytes(&m->config, count_shown(batch));
}

static void attach(void *state, mx_ctx *c) {
    mixmae *x = state;
    mx_token_tables_attach(c, &x->tables);
    mx_token_tables_attach(c, &x->show);
    mx_attach(c, &x->held_loss, sizeof x->held_loss);
}

/* Masks a random share of the units: mask_ratio (by default half), plus a random number up to mask_range. */
static void draw(void *state, mx_ctx *c, float *images, const int32_t *labels) {
    (void)images, (void)labels;
    mixmae *x = state;
    mx_rng r = mx_rng_make(x->seed, MX_RNG_MASK, c->step, c->micro);
    mx_mask_draw(x->mask, x->tables.units, x->settings->mask_ratio, x->settings->mask_range, &r);
    mx_token_tables_set(&x->tables, x->mask);
}

static void pass(void *state, mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, float scale) {
    mixmae *x = state;
    mx_pretrain_pass(c, m, loss, images, &x->tables, scale);
}

static void plan_between(void *state, mx_ctx *c, mx_model *m, mx_tensor images) {
    mixmae *x = state;
    mx_pretrain_outputs outputs;
    images.dim[0] = x->shown;
    mx_pretrain_forward(c, m, &outputs, images, &x->show);
}

/* A mask from the seed and n alone, so that all measures of a run use the same masks, and all its pictures. */
static void fixed_mask(mixmae *x, mx_token_tables *tables, uint64_t n) {
    mx_rng r = mx_rng_make(x->seed, MX_RNG_HOLDOUT, n, 0);
    mx_mask_draw(x->mask, tables->units, x->settings->mask_ratio, 0, &r);
    mx_token_tables_set(tables, x->mask);
}

/* Mean loss over whole batches of held-out images. */
static mx_status held_out(void *state, mx_session *s, mx_model *m, const mx_loader_config *config,
                          mx_measure *out, mx_error *e) {
    mixmae *x = state;
    mx_ctx *c = &s->ctx;
    mx_loader_config each = *config;
    mx_loader *loader = NULL;
    int64_t images =
        mx_dataset_count(config->data) < MX_HELD_OUT ? mx_dataset_count(config->data) : MX_HELD_OUT;
    int64_t batches = each.batches_per_epoch = images / x->batch > 0 ? images / x->batch : 1;
    if (mx_loader_open(&loader, &each, e)) return e->status;
    x->held_loss = 0;
    mx_upload(c, &x->held_loss, &x->held_loss, sizeof x->held_loss);
    for (int64_t i = 0; i < batches && !e->status; i++) {
        mx_batch b;
        if (mx_loader_next(loader, &b, e)) break;
        out->left_out = b.bad_count;
        fixed_mask(x, &x->tables, (uint64_t)i);
        mx_pretrain_loss(c, m, mx_view(&x->held_loss, MX_F32, 1, 0, 0, 0, 0),
                         mx_images_view(&m->config, b.images, x->batch), &x->tables, 1.0f / (float)batches);
        mx_session_error(s, e);
    }
    mx_loader_close(loader);
    mx_download(c, &x->held_loss, &x->held_loss, sizeof x->held_loss);
    double loss = (double)x->held_loss;
    out->count = 1, out->score = NAN;
    out->number[0].key = out->number[0].tag = "val_loss", out->number[0].value = loss;
    snprintf(out->text, sizeof out->text, "held-out loss %.4f", loss);
    return e->status;
}

static int shown(const void *state) { return ((const mixmae *)state)->shown; }

/* Images, three drawn for each, the decoder's rows of both sequences; the grid and its PNG. */
static size_t view_bytes(const mx_model *m, int batch) {
    const mx_model_config *c = &m->config;
    size_t pixels = (size_t)c->image_h * (size_t)c->image_w,
           zoom = (size_t)mx_cell_zoom(c->image_h, c->image_w);
    size_t floats = (1 + 3 + 2) * pixels * (size_t)c->channels,
           grid = MX_VIEW_COLUMNS * 3 * pixels * zoom * zoom;
    return (size_t)count_shown(batch) * (floats * sizeof(float) + 2 * grid);
}

static mx_status view(void *state, mx_ctx *c, mx_model *m, const float *images, mx_panels *out, mx_error *e) {
    mixmae *x = state;
    fixed_mask(x, &x->show, UINT64_MAX);
    return mx_mixmae_view(c, m, &x->show, images, out, e);
}

const mx_objective mx_mixmae = {.name = "mixmae",
                                .command = "pretrain",
                                .title = "MixMAE pretraining",
                                .loss_tag = "train_loss",
                                .pretrains = true,
                                .pairs = true,
                                .held_most = MX_HELD_OUT,
                                .model = model,
                                .settings = settings,
                                .make = make,
                                .free = release,
                                .bytes = bytes,
                                .attach = attach,
                                .draw = draw,
                                .pass = pass,
                                .plan_between = plan_between,
                                .held_out = held_out,
                                .shown = shown,
                                .view_bytes = view_bytes,
                                .view = view};
