/* Using a pretrained model: weights copied into another model (checkpoint/init.h), ranks and top-k, nearest
 * neighbours and the linear probe on features with known answers (infer/features.h, optim/lars.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/interpolate.h"
#include "optim/lars.h"
#include "objective/evaluate.h"
#include "infer/features.h"
#include "checkpoint/init.h"

static mx_model_config config(int side, int window) {
    return (mx_model_config){.name = "test",
                             .image_h = side,
                             .image_w = side,
                             .patch = 2,
                             .channels = 3,
                             .stages = 2,
                             .embed_dim = 16,
                             .depths = {1, 1},
                             .heads = {2, 4},
                             .windows = {window, window},
                             .decoder_dim = 16,
                             .decoder_depth = 1,
                             .decoder_heads = 2,
                             .norm_pix = true};
}

static void make(mx_model *m, mx_model_config c, uint64_t seed) {
    mx_error e = {0};
    if (mx_model_make(m, &c, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    mx_params_init(&m->params, seed);
}

static mx_model_config classifier(int side, int window, int classes) {
    mx_model_config c = config(side, window);
    c.decoder_dim = c.decoder_depth = c.decoder_heads = 0, c.classes = classes;
    return c;
}

typedef struct {
    char text[4096];
} notes;

static void note(void *user, const char *line) {
    notes *n = user;
    strncat(n->text, line, sizeof n->text - strlen(n->text) - 2);
    strcat(n->text, "\n");
}

static const float *weight(const mx_model *m, const char *name) {
    mx_pid id = mx_params_find(&m->params, name);
    assert_true(id >= 0);
    return mx_f32(mx_weight(&m->params, id));
}

static void same_geometry_moves_all(void **state) {
    (void)state;
    mx_model from, to;
    mx_error e = {0};
    notes n = {""};
    make(&from, config(16, 4), 1), make(&to, classifier(16, 4, 3), 2);
    const mx_init_config c = {false, false, false, note, &n};
    float head = weight(&to, "head.weight")[5];
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_OK);
    for (int i = 0; i < to.params.count; i++) {
        const mx_param *q = &to.params.item[i];
        if (!strncmp(q->name, "head.", 5)) continue;
        assert_memory_equal(weight(&to, q->name), weight(&from, q->name), sizeof(float) * (size_t)q->count);
    }
    assert_true(weight(&to, "head.weight")[5] == head); /* the caller's to fill */
    assert_non_null(strstr(n.text, "decoder and mask token"));
    mx_head_init(&to, 3, 2e-5);
    double square = 0;
    for (int i = 0; i < 96; i++) square += pow((double)weight(&to, "head.weight")[i], 2);
    assert_true(fabs(sqrt(square / 96) / 2e-5 - 1) < 0.25 && weight(&to, "head.bias")[1] == 0);
    mx_model_free(&from), mx_model_free(&to);
}

static void other_resolution_resizes(void **state) {
    (void)state;
    mx_model from, to;
    mx_error e = {0};
    notes n = {""};
    make(&from, config(16, 4), 1), make(&to, classifier(24, 6, 3), 2);
    const mx_init_config c = {false, false, false, note, &n};
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_OK);
    float want[11 * 11 * 2];
    const char *table = "layers.0.blocks.0.attn.relative_position_bias_table";
    mx_interpolate_bicubic(want, 11, 11, weight(&from, table), 7, 7, 2);
    assert_memory_equal(weight(&to, table), want, sizeof want);
    float *pos = malloc(sizeof *pos * 12 * 12 * 16);
    mx_interpolate_bicubic(pos, 12, 12, weight(&from, "absolute_pos_embed"), 8, 8, 16);
    assert_memory_equal(weight(&to, "absolute_pos_embed"), pos, sizeof *pos * 12 * 12 * 16);
    free(pos);
    assert_non_null(strstr(n.text, "3 tables")); /* the position embedding and one table a block */
    mx_model_free(&from), mx_model_free(&to);
}

static void misfits_are_named(void **state) {
    (void)state;
    mx_model from, to;
    mx_error e = {0};
    notes n = {""};
    mx_model_config other = classifier(16, 4, 3);
    other.heads[1] = 2; /* a bias table with another number of heads */
    make(&from, config(16, 4), 1), make(&to, other, 2);
    mx_init_config c = {false, false, false, note, &n};
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_ERR_SHAPE);
    assert_non_null(strstr(e.text, "layers.1.blocks.0.attn.relative_position_bias_table"));
    assert_non_null(strstr(e.text, "expected shape [49,2], found [49,4]"));
    e = (mx_error){0}, c.partial = true;
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_OK);
    assert_non_null(
        strstr(n.text, "left as first drawn: layers.1.blocks.0.attn.relative_position_bias_table"));
    mx_model_free(&to);
    other = classifier(16, 4, 3), other.depths[1] = 2;
    make(&to, other, 2);
    c.partial = false;
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_ERR_SHAPE);
    assert_non_null(
        strstr(e.text, "layers.1.blocks.1.norm1.weight: expected shape [32], found no such tensor"));
    mx_model_free(&from), mx_model_free(&to);
    e = (mx_error){0}; /* the other way round: what has no place */
    make(&from, other, 1), make(&to, classifier(16, 4, 3), 2);
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_ERR_SHAPE);
    assert_non_null(strstr(e.text, "has no place"));
    mx_model_free(&from), mx_model_free(&to);
}

/* timm's rule, by hand: the sum for one channel; c % 3 times 3/N for N; never unasked, never from another
 * number. */
static void channels_are_adapted_on_request(void **state) {
    (void)state;
    mx_model from, to;
    mx_error e = {0};
    notes n = {""};
    mx_init_config c = {.note = note, .user = &n};
    make(&from, config(16, 4), 1);
    const float *w = weight(&from, "patch_embed.proj.weight");
    for (int channels = 1; channels <= 8; channels++) {
        mx_model_config other = config(16, 4);
        other.channels = channels;
        make(&to, other, 2);
        c.adapt_channels = false;
        if (channels != 3) {
            assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_ERR_SHAPE);
            assert_non_null(
                strstr(e.text, "found 3: --channels 3 takes the checkpoint as it is, --adapt-channels"));
            e = (mx_error){0};
        }
        c.adapt_channels = true;
        if (mx_init_from(&to, &from, &c, &e)) fail_msg("%s", e.text);
        const float *got = weight(&to, "patch_embed.proj.weight");
        for (int r = 0; r < 16; r++)
            for (int k = 0; k < channels; k++)
                for (int i = 0; i < 4; i++) {
                    const float *three = w + r * 12 + i;
                    float want = channels == 1 ? three[0] + three[4] + three[8]
                                               : three[k % 3 * 4] * (3.0f / (float)channels);
                    assert_true(got[(r * channels + k) * 4 + i] == want);
                }
        assert_memory_equal(weight(&to, "norm.weight"), weight(&from, "norm.weight"), 4 * 32);
        mx_model_free(&to);
    }
    assert_non_null(strstr(n.text, "adapted   patch_embed.proj.weight from 3 channels to 1 (their sum)"));
    assert_non_null(strstr(n.text, "left as first drawn: decoder_pred.weight"));
    mx_model_config four = config(16, 4);
    four.channels = 4;
    make(&to, four, 2);
    assert_int_equal(mx_init_from(&from, &to, &c, &e), MX_ERR_SHAPE);
    assert_non_null(strstr(e.text, "--adapt-channels: expected a checkpoint of 3 channels"));
    mx_model_free(&to), mx_model_free(&from);
}

static void heads_are_kept_on_request(void **state) {
    (void)state;
    mx_model from, to;
    mx_error e = {0};
    make(&from, classifier(16, 4, 3), 1), make(&to, classifier(16, 4, 3), 2);
    const char *const a[] = {"ant", "bee", "cat"}, *const b[] = {"ant", "bee", "dog"};
    mx_init_config c = {false, true, false, NULL, NULL};
    mx_model_name_classes(&from, a, &e), mx_model_name_classes(&to, a, &e);
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_OK);
    assert_memory_equal(weight(&to, "head.weight"), weight(&from, "head.weight"), sizeof(float) * 96);
    mx_model_name_classes(&to, b, &e);
    assert_int_equal(mx_init_from(&to, &from, &c, &e), MX_ERR_DATA);
    assert_non_null(strstr(e.text, "class 2 is dog in the data and cat in the checkpoint"));
    mx_model_free(&from), mx_model_free(&to);
}

/* The file's header one byte longer: its tensors lie off their alignment then. */
static void shift_data(const char *from, const char *to) {
    FILE *f = fopen(from, "rb"), *g = fopen(to, "wb");
    uint64_t n = 0;
    assert_true(f && g && fread(&n, 8, 1, f) == 1);
    char *header = malloc(n + 1);
    assert_int_equal(fread(header, 1, n, f), n);
    header[n++] = ' ';
    fwrite(&n, 8, 1, g), fwrite(header, 1, n, g);
    for (int c; (c = getc(f)) != EOF;) putc(c, g);
    fclose(f), fclose(g);
    free(header);
}

/* Mapped weights are the file's own bytes; where they cannot be used in place they are copied. */
static void weights_are_mapped_where_they_can_be(void **state) {
    (void)state;
    const char *path[] = {"build_test_mapped.safetensors", "build_test_shifted.safetensors"};
    mx_model a;
    mx_pixels pixels = {.mean = {1, 2, 3}, .std = {1, 2, 3}, .value_range = 255};
    mx_error e = {0};
    make(&a, classifier(16, 4, 5), 3);
    if (mx_checkpoint_write(path[0], &a, &pixels, &e)) fail_msg("%s", e.text);
    shift_data(path[0], path[1]);
    for (int i = 0; i < 2; i++) {
        mx_model b;
        if (mx_checkpoint_read(&b, NULL, path[i], MX_PARAMS_MAPPED, &e)) fail_msg("%s", e.text);
        assert_true((b.params.close != NULL) == (i == 0) && (b.params.weight == NULL) == (i == 0));
        remove(path[i]); /* the mapping stays */
        for (int k = 0; k < a.params.count; k++) {
            mx_tensor x = mx_weight(&a.params, k), y = mx_weight(&b.params, k);
            assert_true(x.ndim == y.ndim && mx_count(x) == mx_count(y));
            assert_memory_equal(x.data, y.data, mx_bytes(x));
        }
        mx_model_free(&b);
    }
    mx_model_free(&a);
}

/* A model that goes on as it is: every tensor, from a mapped file too; what is more is left aside. */
static void whole_models_move_as_they_are(void **state) {
    (void)state;
    const char *path = "build_test_whole.safetensors";
    mx_model a, b, mapped;
    mx_pixels pixels = {.std = {1, 1, 1}};
    mx_error e = {0};
    make(&a, config(16, 4), 3), make(&b, config(16, 4), 4);
    if (mx_checkpoint_write(path, &a, &pixels, &e)) fail_msg("%s", e.text);
    if (mx_checkpoint_read(&mapped, NULL, path, MX_PARAMS_MAPPED, &e)) fail_msg("%s", e.text);
    remove(path);
    if (mx_init_whole(&b, &mapped, &e)) fail_msg("%s", e.text);
    assert_memory_equal(b.params.weight, a.params.weight, sizeof(float) * (size_t)a.params.total);
    assert_memory_equal(b.params.fixed, a.params.fixed, sizeof(float) * (size_t)a.params.fixed_total);
    mx_model_free(&b);
    make(&b, classifier(16, 4, 3), 4);
    assert_int_equal(mx_init_whole(&b, &mapped, &e), MX_ERR_FORMAT);
    assert_string_equal(e.text, "tensor head.weight is missing");
    mx_model_free(&b), e = (mx_error){0};
    make(&b, config(24, 6), 4);
    assert_int_equal(mx_init_whole(&b, &mapped, &e), MX_ERR_SHAPE);
    assert_string_equal(e.text, "tensor absolute_pos_embed has another shape than the model's");
    mx_model_free(&b), mx_model_free(&mapped), mx_model_free(&a);
}

static void ranks_break_ties_by_index(void **state) {
    (void)state;
    const float x[] = {1, 3, 3, 0, 2, NAN};
    int best[4];
    assert_int_equal(mx_rank_of(x, 5, 1), 0);
    assert_int_equal(mx_rank_of(x, 5, 2), 1);
    assert_int_equal(mx_rank_of(x, 5, 3), 4);
    assert_int_equal(mx_rank_of(x, 6, 5), 6); /* not a number is never right */
    mx_top_k(x, 5, 4, best);
    assert_true(best[0] == 1 && best[1] == 2 && best[2] == 4 && best[3] == 0);
}

/* Clusters around the axes: class c near axis c. */
static mx_features clusters(int64_t count, int classes, double noise, uint64_t seed) {
    mx_features x = {.count = count, .width = 8, .views = 1};
    x.x = calloc((size_t)(count * x.width), sizeof *x.x), x.label = calloc((size_t)count, sizeof *x.label);
    mx_rng r = mx_rng_make(seed, MX_RNG_TEST, 0, 0);
    for (int64_t i = 0; i < count; i++) {
        x.label[i] = (int32_t)(i % classes);
        for (int64_t j = 0; j < x.width; j++)
            x.x[i * x.width + j] = (float)((j == x.label[i] ? 3 : 0) + noise * mx_rng_normal(&r));
    }
    return x;
}

static mx_ctx like(void) { return (mx_ctx){.backend = mx_backend_find("ref"), .threads = 1}; }

static void neighbours_vote(void **state) {
    (void)state;
    mx_features train = clusters(300, 4, 0.5, 1), test = clusters(101, 4, 0.5, 2);
    mx_accuracy a[2];
    mx_ctx c = like();
    mx_error e = {0};
    assert_int_equal(mx_knn(a, &train, &test, 4, (const int[]){1, 20}, 2, 0.07, &c, &e), MX_OK);
    assert_true(a[0].top1 > 97 && a[1].top1 > 97 && a[1].top5 == 100);
    assert_true(a[0].top5 == a[0].top1); /* one neighbour votes for one class: top-5 is its top-1 */
    for (int64_t i = 0; i < train.count; i++)
        train.label[i] = (train.label[i] + 1) % 4; /* it must be able to fail */
    assert_int_equal(mx_knn(a, &train, &test, 4, (const int[]){1, 20}, 2, 0.07, &c, &e), MX_OK);
    assert_true(a[1].top1 < 3);
    mx_features_free(&train), mx_features_free(&test);
}

/* Three votes by hand: two near neighbours of class 0 against one nearer of class 1, cold and warm. */
static void votes_weigh_by_similarity(void **state) {
    (void)state;
    float x[] = {1, 0.5f, 1, -0.5f, 1, 0.1f}, q[] = {1, 0};
    int32_t label[] = {0, 0, 1}, truth[] = {1};
    mx_features train = {3, 2, 1, x, label}, test = {1, 2, 1, q, truth};
    mx_accuracy a[1];
    mx_ctx c = like();
    mx_error e = {0};
    assert_int_equal(mx_knn(a, &train, &test, 2, (const int[]){3}, 1, 0.07, &c, &e), MX_OK);
    assert_true(a[0].top1 == 100); /* exp(.995/.07) > 2 exp(.894/.07) */
    assert_int_equal(mx_knn(a, &train, &test, 2, (const int[]){3}, 1, 10, &c, &e), MX_OK);
    assert_true(a[0].top1 == 0);
    assert_int_equal(mx_knn(a, &train, &test, 2, (const int[]){3}, 1, 1e-4, &c, &e), MX_OK);
    assert_true(a[0].top1 == 100); /* the nearest alone counts; its vote is a number, not infinity */
    assert_int_equal(mx_knn(a, &train, &test, 2, (const int[]){3}, 1, 1e-6, &c, &e), MX_OK);
    assert_true(a[0].top1 == 100);
}

static void probe_learns(void **state) {
    (void)state;
    mx_features train = clusters(1024, 4, 1.2, 1), test = clusters(400, 4, 1.2, 2);
    mx_linear_probe_config config = {20, 2, 6.4, 5};
    mx_linear_probe_result r, again;
    mx_ctx c = like();
    mx_error e = {0};
    assert_int_equal(mx_linear_probe(&r, &train, &test, 4, &config, &c, &e), MX_OK);
    assert_true(r.test.top1 > 85 && r.test.top5 == 100 && r.batch == 256 && r.steps == 80);
    assert_int_equal(mx_linear_probe(&again, &train, &test, 4, &config, &c, &e), MX_OK);
    assert_true(r.test.top1 == again.test.top1);
    config.lr = 0;
    assert_int_equal(mx_linear_probe(&r, &train, &test, 4, &config, &c, &e), MX_OK);
    assert_true(r.test.top1 < 70);
    mx_features_free(&train), mx_features_free(&test);
}

static void lars_by_hand(void **state) {
    (void)state;
    float w[] = {3, 4}, g[] = {0, 2}, mu[] = {1, 0};
    const mx_lars_config c = {2, 0, 0.9, 0.001};
    mx_lars_update(w, g, mu, 2, true, &c); /* |w| 5, |g| 2: the gradient is scaled by 0.0025 */
    assert_true(fabs((double)mu[0] - 0.9) < 1e-7 && fabs((double)mu[1] - 0.005) < 1e-9);
    assert_true(fabs((double)w[0] - 1.2) < 1e-6 && fabs((double)w[1] - 3.99) < 1e-6);
    float b[] = {3, 4}, h[] = {0, 2}, nu[] = {0, 0};
    mx_lars_update(b, h, nu, 2, false, &c); /* one-dimensional: as it is */
    assert_true(b[0] == 3 && fabs((double)b[1] - 0) < 1e-7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_geometry_moves_all),
        cmocka_unit_test(other_resolution_resizes),
        cmocka_unit_test(misfits_are_named),
        cmocka_unit_test(channels_are_adapted_on_request),
        cmocka_unit_test(heads_are_kept_on_request),
        cmocka_unit_test(weights_are_mapped_where_they_can_be),
        cmocka_unit_test(whole_models_move_as_they_are),
        cmocka_unit_test(ranks_break_ties_by_index),
        cmocka_unit_test(neighbours_vote),
        cmocka_unit_test(votes_weigh_by_similarity),
        cmocka_unit_test(probe_learns),
        cmocka_unit_test(lars_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
