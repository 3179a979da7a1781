/* Golden checks of pretraining: stages, features, reconstruction, loss, gradients, AdamW steps; and of
 * interpolation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "model/interpolate.h"
#include "verify/exam.h"

static mx_tensor loss_of(mx_exam *x) { return mx_view(&x->loss, MX_F32, 1, 0, 0, 0, 0); }

static void pass(mx_exam *x, mx_ctx *c) {
    x->loss = 0;
    mx_upload(c, &x->loss, &x->loss, sizeof x->loss);
    mx_gradients_zero(c, &x->model.params);
    mx_pretrain_pass(c, &x->model, loss_of(x), x->image_tensor, &x->tables, 1.0f);
    mx_download(c, &x->loss, &x->loss, sizeof x->loss);
}

/* Dry run of both passes: the larger one decides the memory. */
static void both(mx_ctx *c, void *user) {
    mx_exam *x = user;
    mx_pretrain_outputs v;
    pass(x, c);
    mx_exam_update(x, c);
    size_t mark = c->arena->used;
    mx_pretrain_forward(c, &x->model, &v, x->image_tensor, &x->tables);
    mx_arena_release(c->arena, mark);
}

/* Compares [n,L,W] tokens, stored in layout order, with a golden tensor in raster order. */
static void compare_tokens(mx_exam *x, const char *name, mx_tensor t, int64_t n, const mx_layout *lay) {
    int64_t width = mx_width(t), tokens = lay->tokens;
    float *raster = malloc(mx_bytes(t)), *stored = malloc(mx_bytes(t));
    if (raster && stored) {
        mx_download(&x->session.ctx, stored, t.data, mx_bytes(t));
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < tokens; j++)
                memcpy(raster + (i * tokens + lay->raster[j]) * width, stored + (i * tokens + j) * width,
                       sizeof *raster * (size_t)width);
        mx_card_compare(x->card, name, raster, mx_count(t), MX_CHECK_FORWARD);
    } else
        mx_fail(&x->card->error, MX_ERR_MEMORY, "out of memory while comparing %s", name);
    free(raster), free(stored);
}

static void compare_forward(mx_exam *x) {
    mx_pretrain_outputs v = {0};
    mx_pretrain_forward(&x->session.ctx, &x->model, &v, x->image_tensor, &x->tables);
    if (!mx_exam_ok(x)) return;
    int last = x->tables.stages - 1;
    for (int k = 0; k <= last; k++) {
        char name[16];
        snprintf(name, sizeof name, "stage%d", k);
        compare_tokens(x, name, v.stage[k], x->batch, &x->tables.layout[k < last ? k + 1 : last]);
    }
    compare_tokens(x, "features", v.features, x->batch, &x->tables.layout[last]);
    compare_tokens(x, "reconstruction", v.reconstruction, 2 * x->batch, &x->tables.decoder);
    mx_arena_release(x->session.ctx.arena, 0);
}

/* Sets the mask from f32 values; false and an error if it is not one of [units]. */
static bool set_mask(mx_exam *x, const float *values, int64_t count) {
    uint8_t *mask = malloc((size_t)x->tables.units);
    if (!values || !mask || count != x->tables.units) {
        mx_fail(&x->card->error, MX_ERR_SHAPE, "a mask must have %d elements, found %lld", x->tables.units,
                (long long)count);
        free(mask);
        return false;
    }
    for (int i = 0; i < x->tables.units; i++) mask[i] = values[i] != 0;
    mx_token_tables_set(&x->tables, mask);
    free(mask);
    return true;
}

static void compare_steps(mx_exam *x) {
    int64_t n = 0, units = x->tables.units;
    if (!x->steps || x->card->activations == MX_BF16 || !mx_exam_ok(x)) return;
    float *masks = mx_card_read(x->card, "steps.masks", &n),
          *losses = calloc((size_t)x->steps, sizeof *losses);
    if (losses && masks && n == x->steps * units) {
        mx_exam_reset(x);
        for (int t = 0; t < x->steps && set_mask(x, masks + t * units, units); t++) {
            pass(x, &x->session.ctx);
            losses[t] = x->loss;
            mx_exam_update(x, &x->session.ctx);
        }
        if (mx_exam_ok(x)) {
            mx_card_compare(x->card, "steps.losses", losses, x->steps, MX_CHECK_LOSS);
            mx_exam_compare_after(x);
        }
    } else
        mx_fail(&x->card->error, MX_ERR_SHAPE, "steps.masks must hold %d masks", x->steps);
    free(losses);
    free(masks);
}

void mx_verify_pretrain(mx_report_card *card, const mx_compute *how) {
    mx_exam x;
    int64_t n = 0;
    mx_exam_open(&x, card, true);
    mx_exam_plan(&x, how, both);
    float *mask = card->error.status ? NULL : mx_card_read(card, "mask", &n);
    if (!card->error.status && set_mask(&x, mask, n)) {
        compare_forward(&x);
        pass(&x, &x.session.ctx);
        if (mx_exam_ok(&x)) {
            mx_card_compare(card, "loss", &x.loss, 1, MX_CHECK_LOSS);
            mx_exam_compare_gradients(&x);
        }
        compare_steps(&x);
        if (mx_exam_ok(&x) && x.session.arena.peak != x.session.planned)
            mx_fail(&card->error, MX_ERR_MEMORY, "%zu bytes of working memory were planned, %zu used",
                    x.session.planned, x.session.arena.peak);
    }
    free(mask);
    mx_exam_close(&x);
}

/* Checks one table or embedding: a square map of `channels`. */
static void compare_resized(mx_report_card *card, const char *name, int64_t channels) {
    char to[160];
    int64_t n = 0, m = 0;
    snprintf(to, sizeof to, "to.%s", name + 5);
    float *from = mx_card_read(card, name, &n), *golden = mx_card_read(card, to, &m), *out = NULL;
    int side_in = (int)lround(sqrt((double)(n / channels))),
        side_out = (int)lround(sqrt((double)(m / channels)));
    if (from && golden && (int64_t)side_in * side_in * channels == n &&
        (int64_t)side_out * side_out * channels == m)
        out = malloc(sizeof *out * (size_t)m);
    if (out) {
        mx_interpolate_bicubic(out, side_out, side_out, from, side_in, side_in, (int)channels);
        mx_card_compare(card, to, out, m, MX_CHECK_TABLE);
    } else
        mx_fail(&card->error, MX_ERR_SHAPE, "%s and %s are not square images of %lld channels", name, to,
                (long long)channels);
    free(from), free(golden), free(out);
}

void mx_verify_interpolate(mx_report_card *card) {
    for (int i = 0; i < mx_st_count(card->golden) && !card->error.status; i++) {
        const mx_st_tensor *t = mx_st_at(card->golden, i);
        if (strncmp(t->name, "from.", 5)) continue;
        if (t->ndim < 1 || t->dim[t->ndim - 1] < 1)
            mx_fail(&card->error, MX_ERR_SHAPE, "tensor %s has no channels", t->name);
        else
            compare_resized(card, t->name, t->dim[t->ndim - 1]);
    }
}
