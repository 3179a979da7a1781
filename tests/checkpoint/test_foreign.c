/* Models from files without our configuration: what the shapes show and what they cannot, the names of
 * mmpretrain and its order of patch merging, every refusal by name, and --partial. The files hold a model's
 * own tensors under other names or in other shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/pth_write.h"
#include "checkpoint/read_any.h"
#include "checkpoint/foreign.h"

static char base[64], path[96];

static int make_base(void **state) {
    (void)state;
    snprintf(base, sizeof base, "/tmp/test_foreign_XXXXXX");
    if (!mkdtemp(base)) return -1;
    snprintf(path, sizeof path, "%s/model.pth", base);
    return 0;
}

static int remove_base(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

/* ---- files ----------------------------------------------------------------------------------------------
 */

#define MOST 400
static char names_of[MOST][160], notes[64][512];
static int noted;

static void keep_note(void *user, const char *line) {
    (void)user;
    if (noted < 64) snprintf(notes[noted++], sizeof *notes, "%s", line);
}

static bool was_noted(const char *part) {
    for (int i = 0; i < noted; i++)
        if (strstr(notes[i], part)) return true;
    return false;
}

static mx_model model_of(const char *name, int classes, bool decoder) {
    mx_model m;
    mx_model_config c;
    mx_error e = {0};
    assert_true(mx_model_named(name, &c, NULL));
    c.classes = classes;
    if (!decoder) c.decoder_dim = c.decoder_depth = c.decoder_heads = 0;
    if (mx_model_make(&m, &c, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    mx_params_init(&m.params, 3);
    for (int i = 0; i < m.params.count; i++) { /* no tensor constant; the padding between them stays 0 */
        const mx_param *q = &m.params.item[i];
        for (int64_t j = 0; !q->fixed && j < q->count; j++)
            m.params.weight[q->offset + j] += (float)((q->offset + j) % 101) * 0.01f;
    }
    return m;
}

static int list_of(mx_st_tensor *t, const mx_model *m) {
    for (int i = 0; i < m->params.count; i++) {
        const mx_param *q = &m->params.item[i];
        snprintf(names_of[i], sizeof names_of[i], "%s", q->name);
        t[i] = (mx_st_tensor){.name = names_of[i], .dtype = "F32", .ndim = q->ndim};
        memcpy(t[i].dim, q->dim, sizeof q->dim);
        t[i].data = (q->fixed ? m->params.fixed : m->params.weight) + q->offset;
        t[i].bytes = sizeof(float) * (size_t)q->count;
    }
    return m->params.count;
}

static mx_st_tensor *named(mx_st_tensor *t, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(t[i].name, name)) return &t[i];
    fail_msg("no %s", name);
    return NULL;
}

static int without(mx_st_tensor *t, int n, const char *name) {
    *named(t, n, name) = t[n - 1];
    return n - 1;
}

static void write(const mx_st_tensor *t, int n) {
    mx_error e = {0};
    if (mx_pth_write(path, t, n, NULL, 0, &e)) fail_msg("%s", e.text);
}

static void same_weights(const mx_model *a, const mx_model *b) {
    assert_int_equal(a->params.total, b->params.total);
    assert_memory_equal(a->params.weight, b->params.weight, sizeof(float) * (size_t)a->params.total);
    assert_memory_equal(a->params.fixed, b->params.fixed, sizeof(float) * (size_t)a->params.fixed_total);
}

static void same_config(const mx_model *a, const mx_model *b) {
    char *x = mx_config_to_json(&a->config), *y = mx_config_to_json(&b->config);
    assert_string_equal(x, y);
    free(x), free(y);
}

/* Reads it, expecting success. */
static mx_model read_model(const mx_foreign_hints *h, mx_pixels *px) {
    mx_model m;
    mx_error e = {0};
    noted = 0;
    if (mx_foreign_read(&m, px, path, h, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    return m;
}

static void refuse(const mx_foreign_hints *h, mx_status status, const char *why) {
    mx_model m;
    mx_pixels px;
    mx_error e = {0};
    noted = 0;
    mx_foreign_read(&m, &px, path, h, MX_PARAMS_WEIGHTS, &e);
    if (e.status != status || !strstr(e.text, why) || !strstr(e.text, path))
        fail_msg("expected \"%s\", found %s: %s", why, mx_status_name(e.status), e.text);
    mx_model_free(&m);
}

/* ---- tests ----------------------------------------------------------------------------------------------
 */

static void inferred(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int classes;
        bool decoder;
    } kinds[] = {{"nano", 0, true}, {"nano", 5, false}, {"micro", 3, true}, {"micro", 0, false}};
    const mx_foreign_hints h = {.note = keep_note};
    for (int i = 0; i < 4; i++) {
        mx_model m = model_of(kinds[i].name, kinds[i].classes, kinds[i].decoder);
        mx_st_tensor t[MOST];
        int n = list_of(t, &m);
        mx_pixels px;
        write(t, n);
        mx_model r = read_model(&h, &px);
        same_config(&m, &r);
        same_weights(&m, &r);
        assert_true(px.mean[0] == 0.485f && px.std[2] == 0.225f && px.value_range == 0);
        assert_int_equal(was_noted("heads in the decoder"), kinds[i].decoder);
        mx_model_free(&r);
        mx_error e = {0};
        mx_model_config c;
        assert_int_equal(mx_model_read_with(&r, &px, path, NULL, MX_PARAMS_TRAIN, &e), MX_OK);
        same_weights(&m, &r);
        assert_non_null(r.params.grad);
        assert_int_equal(mx_model_config_any(&c, path, NULL, &e), MX_OK);
        assert_int_equal(c.classes, kinds[i].classes);
        mx_model_free(&r), mx_model_free(&m);
    }
}

/* A model that is none of the named ones: all widths, windows and heads from shapes alone. */
static void a_model_of_its_own(void **state) {
    (void)state;
    const mx_model_config c = {.name = "custom",
                               .image_h = 48,
                               .image_w = 96,
                               .patch = 4,
                               .channels = 2,
                               .stages = 2,
                               .embed_dim = 16,
                               .depths = {1, 3},
                               .heads = {2, 8},
                               .windows = {12, 3},
                               .decoder_dim = 64,
                               .decoder_depth = 1,
                               .decoder_heads = 4,
                               .norm_pix = true};
    mx_model m;
    mx_error e = {0};
    mx_pixels px, given = {.mean = {0.1f, 0.2f}, .std = {1, 2}, .value_range = 9};
    mx_st_tensor t[MOST];
    if (mx_model_make(&m, &c, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    mx_params_init(&m.params, 1);
    write(t, list_of(t, &m));
    mx_foreign_hints h = {0};
    refuse(&h, MX_ERR_FORMAT, "288 tokens, which is not a square");
    h.image_h = 48, h.image_w = 96;
    refuse(&h, MX_ERR_FORMAT, "its 2 channels: convert it with --mean");
    h.pixels = &given, h.channels = 3;
    refuse(&h, MX_ERR_ARGUMENT, "2 numbers, one a channel; found 3");
    h.channels = 2, h.decoder_heads = 4;
    mx_model r = read_model(&h, &px);
    same_config(&m, &r);
    same_weights(&m, &r);
    assert_memory_equal(&px, &given, sizeof px);
    mx_model_free(&r);
    h.image_h = 96, h.image_w = 48; /* as many tokens, but the windows tell */
    r = read_model(&h, &px);
    assert_true(r.config.image_h == 96);
    mx_model_free(&r);
    h.image_h = 24, h.image_w = 192;
    refuse(&h, MX_ERR_SHAPE, "rows fit no window on a map of 6x48 tokens");
    h.image_h = 64, h.image_w = 64;
    refuse(&h, MX_ERR_SHAPE, "expected 256 tokens of a 64x64 image in patches of 4, found 288");
    mx_model_free(&m);
}

static void refusals(void **state) {
    (void)state;
    mx_model m = model_of("nano", 5, false);
    mx_st_tensor t[MOST];
    int n = list_of(t, &m);
    const mx_foreign_hints none = {0}, base_model = {.model = "base"}, nonsense = {.model = "giant"};
    write(t, n);
    refuse(&base_model, MX_ERR_SHAPE, "expected base (width 128, 4 stages");
    refuse(&nonsense, MX_ERR_ARGUMENT, "no model giant");
    t[n] = (mx_st_tensor){"extra.bias", "F32", 1, {1}, m.params.weight, 4};
    write(t, n + 1);
    refuse(&none, MX_ERR_FORMAT, "extra.bias has no place in this model (nano)");
    write(t, without(t, n, "norm.bias"));
    refuse(&none, MX_ERR_FORMAT, "norm.bias is missing: expected shape [128]");
    list_of(t, &m);
    named(t, n, "layers.1.blocks.0.mlp.fc1.weight")->dim[0] = 64,
                named(t, n, "layers.1.blocks.0.mlp.fc1.weight")->dim[1] = 256;
    write(t, n);
    refuse(&none, MX_ERR_SHAPE, "layers.1.blocks.0.mlp.fc1.weight: expected shape [256,64], found [64,256]");
    list_of(t, &m);
    named(t, n, "norm.bias")->dtype = "I32";
    write(t, n);
    refuse(&none, MX_ERR_FORMAT, "norm.bias: expected floating-point numbers, found I32");
    list_of(t, &m);
    named(t, n, "layers.0.blocks.0.attn.relative_position_bias_table")->dim[0] -= 1;
    named(t, n, "layers.0.blocks.0.attn.relative_position_bias_table")->bytes -= 8;
    write(t, n);
    refuse(&none, MX_ERR_SHAPE, "224 rows fit no window");
    list_of(t, &m);
    write(t, without(t, n, "patch_embed.proj.weight"));
    refuse(&none, MX_ERR_FORMAT, "patch_embed.proj.weight is missing");
    list_of(t, &m);
    snprintf(names_of[0], sizeof names_of[0], "module.%s", m.params.item[1].name);
    write(t, n);
    refuse(&none, MX_ERR_FORMAT, "are both");
    mx_model_free(&m);
}

/* A file of kilobytes whose first tensor claims a width of 4096: refused before memory is taken. */
static void small_file_large_model(void **state) {
    (void)state;
    enum { C = 4096 };
    static float zeros[C * 64];
    mx_st_tensor t[70] = {{"patch_embed.proj.weight", "F32", 4, {C, 3, 1, 1}, zeros, 4 * C * 3}};
    for (int i = 0; i < 64; i++) {
        snprintf(names_of[i], sizeof names_of[i], "layers.%d.blocks.%d.attn.relative_position_bias_table",
                 i / 16, i % 16);
        t[1 + i] = (mx_st_tensor){names_of[i], "F32", 2, {1, 1}, zeros, 4};
    }
    t[65] = (mx_st_tensor){"absolute_pos_embed", "F32", 3, {1, 64, C}, zeros, sizeof zeros};
    write(t, 66);
    const mx_foreign_hints none = {.image_h = 8, .image_w = 8},
                           partial = {.image_h = 8, .image_w = 8, .partial = true};
    refuse(&none, MX_ERR_FORMAT, "is missing");
    refuse(&partial, MX_ERR_FORMAT, "only ");
}

static void partial(void **state) {
    (void)state;
    mx_model m = model_of("nano", 5, false);
    mx_st_tensor t[MOST];
    int n = list_of(t, &m);
    mx_pixels px;
    t[n++] = (mx_st_tensor){"extra.bias", "F32", 1, {1}, m.params.weight, 4};
    n = without(t, n, "norm.weight");
    n = without(t, n, "absolute_pos_embed");
    named(t, n, "norm.bias")->ndim = 2, named(t, n, "norm.bias")->dim[0] = 2,
                named(t, n, "norm.bias")->dim[1] = 64;
    write(t, n);
    mx_foreign_hints h = {.partial = true, .note = keep_note};
    refuse(&h, MX_ERR_FORMAT, "give the size of the images with --image-size");
    h.image_h = h.image_w = 64;
    mx_model r = read_model(&h, &px);
    assert_true(was_noted("missing: norm.weight [128]"));
    assert_true(was_noted("left out: norm.bias, expected shape [128], found [2,64]"));
    assert_true(was_noted("left out: extra.bias"));
    assert_true(was_noted("absolute_pos_embed is not in the file: computed"));
    assert_int_equal(noted, 4);
    const mx_param *w = &r.params.item[mx_params_find(&r.params, "norm.weight")];
    const mx_param *b = &r.params.item[mx_params_find(&r.params, "norm.bias")];
    for (int i = 0; i < 128; i++) { /* first values; all else as in the file */
        assert_true(r.params.weight[w->offset + i] == 1 && r.params.weight[b->offset + i] == 0);
        m.params.weight[w->offset + i] = 1, m.params.weight[b->offset + i] = 0;
    }
    same_weights(&m, &r);
    mx_model_free(&r), mx_model_free(&m);
}

static const char *mm_name(char out[160], const char *name) {
    static const char *const map[][2] = {{"patch_embed.proj.", "patch_embed.projection."},
                                         {"mlp.fc1.", "ffn.layers.0.0."},
                                         {"mlp.fc2.", "ffn.layers.1."},
                                         {".norm1.", ".ln1."}};
    bool neck = !strncmp(name, "decoder", 7) || !strcmp(name, "mask_token");
    snprintf(out, 160, "%s%s", neck ? "neck." : "backbone.", name);
    for (int i = 0; i < 4; i++) {
        char *at = strstr(out, map[i][0]), rest[160];
        if (!at) continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(map[i][0]));
        snprintf(at, (size_t)(160 - (at - out)), "%s%s", map[i][1], rest);
    }
    return out;
}

/* Only patch merging changes, and there by the definition: ours [(2·col + row)·C + c] = theirs [4c + 2·row +
 * col]. */
static void mmpretrain(void **state) {
    (void)state;
    mx_model m = model_of("nano", 0, true);
    mx_st_tensor t[MOST];
    int n = list_of(t, &m), merged = 0;
    mx_pixels px;
    for (int i = 0; i < n; i++) mm_name(names_of[i], m.params.item[i].name);
    float mean[3] = {0};
    t[n] = (mx_st_tensor){"data_preprocessor.mean", "F32", 3, {3, 1, 1}, mean, 12};
    write(t, n + 1);
    mx_model r = read_model(NULL, &px);
    same_config(&m, &r);
    for (int i = 0; i < n; i++) {
        const mx_param *q = &m.params.item[i];
        const float *theirs = t[i].data, *ours = (q->fixed ? r.params.fixed : r.params.weight) + q->offset;
        if (!strstr(q->name, "downsample")) {
            assert_memory_equal(ours, theirs, t[i].bytes);
            continue;
        }
        int64_t columns = q->dim[q->ndim - 1], width = columns / 4;
        for (int64_t row = 0; row < q->count / columns; row++)
            for (int64_t c = 0; c < width; c++)
                for (int64_t y = 0; y < 2; y++)
                    for (int64_t x = 0; x < 2; x++)
                        assert_true(ours[row * columns + (2 * x + y) * width + c] ==
                                    theirs[row * columns + 4 * c + 2 * y + x]);
        merged++;
    }
    assert_int_equal(merged, 6);
    mx_model_free(&r);
    for (int i = 0; i < n; i++) /* the authors' names under a prefix: nothing is permuted */
        snprintf(names_of[i], sizeof names_of[i], "backbone.%s", m.params.item[i].name);
    write(t, n);
    r = read_model(NULL, &px);
    same_weights(&m, &r);
    mx_model_free(&r), mx_model_free(&m);
}

static void other_tensors(void **state) {
    (void)state;
    char st[96];
    mx_error e = {0};
    mx_model m = model_of("nano", 0, false), r;
    mx_st_tensor t[MOST];
    int n = list_of(t, &m);
    int64_t index[4] = {0};
    mx_pixels px;
    t[n] = (mx_st_tensor){"layers.0.blocks.0.attn.relative_position_index", "I64", 2, {2, 2}, index, 32};
    t[n + 1] = (mx_st_tensor){"layers.0.blocks.0.attn_mask", "F32", 1, {1}, index, 4};
    write(t, n + 2);
    r = read_model(NULL, &px);
    same_weights(&m, &r);
    mx_model_free(&r);
    snprintf(st, sizeof st, "%s/foreign.safetensors", base); /* the same tensors, no configuration */
    if (mx_st_write(st, t, n + 2, NULL, 0, &e)) fail_msg("%s", e.text);
    if (mx_model_read_with(&r, &px, st, NULL, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    same_weights(&m, &r);
    mx_model_free(&r), mx_model_free(&m);
}

/* ---- names ----------------------------------------------------------------------------------------------
 */

static void names(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"patch_embed.proj.weight", "patch_embed.proj.weight"},
        {"backbone.patch_embed.projection.bias", "patch_embed.proj.bias"},
        {"backbone.layers.2.blocks.17.ffn.layers.0.0.weight", "layers.2.blocks.17.mlp.fc1.weight"},
        {"module.layers.2.blocks.17.mlp.fc2.bias", "layers.2.blocks.17.mlp.fc2.bias"},
        {"neck.decoder_blocks.3.ffn.layers.1.bias", "decoder_blocks.3.mlp.fc2.bias"},
        {"neck.decoder_blocks.3.ln1.bias", "decoder_blocks.3.norm1.bias"},
        {"backbone.layers.0.blocks.0.attn.w_msa.qkv.weight", "layers.0.blocks.0.attn.qkv.weight"},
        {"head.fc.weight", "head.weight"},
        {"neck.mask_token", "mask_token"}};
    char out[160], longest[400];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_true(mx_foreign_name(out, pairs[i][0]));
        assert_string_equal(out, pairs[i][1]);
    }
    memset(longest, 'x', sizeof longest - 1), longest[sizeof longest - 1] = 0;
    assert_false(mx_foreign_name(out, longest));
}

/* Written out by hand for two channels: Unfold's c0:(r0c0 r0c1 r1c0 r1c1) c1:(…) → (r0c0)(r1c0)(r0c1)(r1c1).
 */
static void unfold(void **state) {
    (void)state;
    float w[2][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {10, 11, 12, 13, 14, 15, 16, 17}};
    static const float want[8] = {0, 4, 2, 6, 1, 5, 3, 7};
    mx_error e = {0};
    assert_int_equal(mx_unfold_columns(w[0], 2, 8, &e), MX_OK);
    for (int i = 0; i < 8; i++) assert_true(w[0][i] == want[i] && w[1][i] == want[i] + 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inferred),      cmocka_unit_test(a_model_of_its_own),
        cmocka_unit_test(refusals),      cmocka_unit_test(small_file_large_model),
        cmocka_unit_test(partial),       cmocka_unit_test(mmpretrain),
        cmocka_unit_test(other_tensors), cmocka_unit_test(names),
        cmocka_unit_test(unfold)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
