/* Features without a mask (mx_encode): raster order and values of the stage maps compared with plain loops,
 * the pooled vector compared with the classifier of the golden files, equal results for any batch, memory as
 * planned. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "checkpoint/checkpoint.h"
#include "model/session.h"

static mx_model_config config(void) { /* windows smaller than the grid, a rectangle, a decoder and a head */
    return (mx_model_config){.image_h = 32,
                             .image_w = 48,
                             .patch = 4,
                             .channels = 2,
                             .stages = 2,
                             .embed_dim = 8,
                             .depths = {2, 1},
                             .heads = {2, 2},
                             .windows = {4, 2},
                             .decoder_dim = 8,
                             .decoder_depth = 1,
                             .decoder_heads = 1,
                             .classes = 3};
}

typedef struct {
    mx_model model;
    mx_token_tables tables;
    mx_session session;
    mx_tensor images;
    float *pixels;
    float *raster[MX_MAX_STAGES], *pooled, *logits; /* NULL while planning */
} trial;

/* Everything a caller may ask for; the stage maps leave through the helper. */
static void work(mx_ctx *c, void *user) {
    trial *t = user;
    const mx_model_config *m = &t->model.config;
    size_t mark = c->arena->used;
    mx_encoded v;
    mx_encode(c, &t->model, &v, t->images, &t->tables);
    for (int k = 0; k < m->stages && mx_ok(c); k++) {
        mx_tensor raster = mx_alloc_like(c, v.stage[k]);
        mx_map_to_raster(c, raster, v.stage[k], &t->tables.layout[k]);
        if (!c->planning) memcpy(t->raster[k], raster.data, mx_bytes(raster));
    }
    if (m->classes && mx_ok(c)) {
        mx_tensor logits = mx_alloc(c, MX_F32, 2, (int64_t[]){t->images.dim[0], m->classes});
        mx_head_forward(c, &t->model, logits, &v);
        if (!c->planning) memcpy(t->logits, logits.data, mx_bytes(logits));
    }
    if (!c->planning && mx_ok(c)) memcpy(t->pooled, v.pooled.data, mx_bytes(v.pooled));
    mx_arena_release(c->arena, mark);
}

static void run(trial *t, int batch) {
    const mx_model_config *m = &t->model.config;
    mx_error e = {0};
    t->images = mx_images_view(m, t->pixels, batch);
    assert_int_equal(mx_token_tables_make(&t->tables, m, batch, false, &e), MX_OK);
    for (int k = 0; k < m->stages; k++)
        t->raster[k] =
            calloc((size_t)(batch * t->tables.layout[k].tokens * mx_stage_width(m, k)), sizeof(float));
    t->pooled = calloc((size_t)(batch * mx_stage_width(m, m->stages - 1)), sizeof(float));
    t->logits = calloc((size_t)(batch * (m->classes + 1)), sizeof(float));
    assert_int_equal(
        mx_session_make(&t->session, &(mx_compute){.device = "ref", .threads = 1}, work, t, NULL, &e), MX_OK);
    work(&t->session.ctx, t);
    assert_string_equal(t->session.ctx.error.text, "");
    assert_int_equal(t->session.arena.peak, t->session.planned);
}

static void finish(trial *t) {
    for (int k = 0; k < t->model.config.stages; k++) free(t->raster[k]);
    free(t->pooled), free(t->logits), free(t->pixels);
    mx_session_free(&t->session);
    mx_token_tables_free(&t->tables);
    mx_model_free(&t->model);
}

static void make(trial *t, int batch) {
    mx_model_config c = config();
    mx_error e = {0};
    int64_t n = (int64_t)batch * c.channels * c.image_h * c.image_w;
    *t = (trial){0};
    assert_int_equal(mx_model_make(&t->model, &c, MX_PARAMS_WEIGHTS, &e), MX_OK);
    mx_params_init(&t->model.params, 3);
    t->pixels = malloc(sizeof(float) * (size_t)n);
    mx_rng r = mx_rng_make(9, MX_RNG_TEST, 0, 0);
    for (int64_t i = 0; i < n; i++) t->pixels[i] = (float)(2 * mx_rng_uniform(&r) - 1);
}

static const float *weight(const trial *t, const char *name) {
    mx_pid id = mx_params_find(&t->model.params, name);
    assert_true(id >= 0);
    return mx_f32(mx_weight(&t->model.params, id));
}

static void zero(trial *t, const char *name) {
    mx_tensor w = mx_weight(&t->model.params, mx_params_find(&t->model.params, name));
    assert_true(mx_present(w));
    memset(w.data, 0, mx_bytes(w));
}

static void normalise(double *x, int n) {
    double mean = 0, var = 0;
    for (int i = 0; i < n; i++) mean += x[i] / n;
    for (int i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean) / n;
    for (int i = 0; i < n; i++) x[i] = (x[i] - mean) / sqrt(var + 1e-5);
}

/* With blocks that add nothing, stage 0 is LN(convolution) + position and stage 1 its merged cells. */
static void maps_are_in_raster_order(void **state) {
    (void)state;
    trial t;
    const char *const silent[] = {"layers.0.blocks.0.attn.proj.weight", "layers.0.blocks.0.mlp.fc2.weight",
                                  "layers.0.blocks.1.attn.proj.weight", "layers.0.blocks.1.mlp.fc2.weight",
                                  "layers.1.blocks.0.attn.proj.weight", "layers.1.blocks.0.mlp.fc2.weight"};
    make(&t, 2);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) zero(&t, silent[i]);
    run(&t, 2);
    const float *w = weight(&t, "patch_embed.proj.weight"), *b = weight(&t, "patch_embed.proj.bias");
    const float *pos = weight(&t, "absolute_pos_embed"),
                *merge = weight(&t, "layers.0.downsample.reduction.weight");
    for (int n = 0; n < 2; n++)
        for (int row = 0; row < 8; row++)
            for (int col = 0; col < 12; col++) {
                double x[8];
                for (int o = 0; o < 8; o++) {
                    x[o] = (double)b[o];
                    for (int ch = 0; ch < 2; ch++)
                        for (int i = 0; i < 16; i++)
                            x[o] +=
                                (double)w[(o * 2 + ch) * 16 + i] *
                                (double)
                                    t.pixels[((n * 2 + ch) * 32 + row * 4 + i / 4) * 48 + col * 4 + i % 4];
                }
                normalise(x, 8);
                for (int o = 0; o < 8; o++)
                    assert_true(fabs(x[o] + (double)pos[(row * 12 + col) * 8 + o] -
                                     (double)t.raster[0][((n * 8 + row) * 12 + col) * 8 + o]) < 1e-5);
            }
    for (int n = 0; n < 2; n++)
        for (int row = 0; row < 4; row++)
            for (int col = 0; col < 6; col++) {
                double x[32];
                for (int j = 0; j < 4; j++) /* row parity fastest */
                    for (int o = 0; o < 8; o++)
                        x[8 * j + o] =
                            (double)
                                t.raster[0][((n * 8 + 2 * row + (j & 1)) * 12 + 2 * col + (j >> 1)) * 8 + o];
                normalise(x, 32);
                for (int o = 0; o < 16; o++) {
                    double y = 0;
                    for (int i = 0; i < 32; i++) y += (double)merge[o * 32 + i] * x[i];
                    assert_true(fabs(y - (double)t.raster[1][((n * 4 + row) * 6 + col) * 16 + o]) < 1e-5);
                }
            }
    finish(&t);
}

/* An image's features do not depend on its neighbours in the batch. */
static void batches_do_not_matter(void **state) {
    (void)state;
    trial three, one;
    make(&three, 3);
    run(&three, 3);
    for (int i = 0; i < 3; i++) {
        make(&one, 3);
        memmove(one.pixels, one.pixels + i * 2 * 32 * 48, sizeof(float) * 2 * 32 * 48);
        run(&one, 1);
        assert_memory_equal(one.pooled, three.pooled + i * 16, sizeof(float) * 16);
        assert_memory_equal(one.logits, three.logits + i * 3, sizeof(float) * 3);
        assert_memory_equal(one.raster[0], three.raster[0] + i * 96 * 8, sizeof(float) * 96 * 8);
        assert_memory_equal(one.raster[1], three.raster[1] + i * 24 * 16, sizeof(float) * 24 * 16);
        finish(&one);
    }
    finish(&three);
}

/* The classifier of the golden files: its logits are head(pooled). */
static void golden_logits(void **state) {
    (void)state;
    const char *path = "tests/golden/finetune_32.safetensors";
    trial t = {0};
    mx_st *st = NULL;
    mx_error e = {0};
    mx_model_config c;
    assert_int_equal(mx_st_open(&st, path, &e), MX_OK);
    assert_int_equal(mx_config_from_json(&c, mx_st_meta(st, "config"), &e), MX_OK);
    assert_int_equal(mx_model_make(&t.model, &c, MX_PARAMS_WEIGHTS, &e), MX_OK);
    assert_int_equal(mx_weights_load(&t.model, st, "param.", false, &e), MX_OK);
    const mx_st_tensor *images = mx_st_find(st, "images"), *want = mx_st_find(st, "logits");
    int batch = (int)images->dim[0];
    int64_t pixels = (int64_t)batch * c.channels * c.image_h * c.image_w, n = (int64_t)batch * c.classes;
    float *golden = malloc(sizeof(float) * (size_t)n);
    t.pixels = malloc(sizeof(float) * (size_t)pixels);
    assert_int_equal(mx_st_copy_f32(images, t.pixels, pixels, &e), MX_OK);
    assert_int_equal(mx_st_copy_f32(want, golden, n, &e), MX_OK);
    run(&t, batch);
    double far = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)t.logits[i] - (double)golden[i];
        far += d * d, norm += (double)golden[i] * (double)golden[i];
    }
    assert_true(sqrt(far / norm) < 2e-6); /* the golden files' limit of a forward pass */
    free(golden);
    mx_st_close(st);
    finish(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(maps_are_in_raster_order),
                                       cmocka_unit_test(batches_do_not_matter),
                                       cmocka_unit_test(golden_logits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
