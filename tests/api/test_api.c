/* The public C API (include/mixmae.h): shapes, errors, equal results for any batch, threads and concurrency,
 * preprocessing compared with the data module, the commands' outputs compared with the handle's, and the trainer
 * compared with the checkpoints it writes. Uses mixmae.h, as a user would; inner headers serve to make the
 * checkpoints and to compute as the commands do. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mixmae.h"
#include "checkpoint/checkpoint.h"
#include "infer/one_output.h"

static char folder[64], with_head[128], without_head[128], named[128], text[1024];

/* Windows smaller than the grid, a rectangle; `classes` 0 and a decoder, or a head. */
static mx_model_config config(int classes) {
    mx_model_config c = {.name = "custom",
                         .image_h = 32,
                         .image_w = 48,
                         .patch = 4,
                         .channels = 3,
                         .stages = 2,
                         .embed_dim = 16,
                         .depths = {1, 2},
                         .heads = {1, 2},
                         .windows = {4, 2},
                         .classes = classes};
    if (!classes) c.decoder_dim = 16, c.decoder_depth = 1, c.decoder_heads = 2, c.norm_pix = true;
    return c;
}

static const mx_pixels pixel_statistics = {.mean = {0.4f, 0.5f, 0.6f}, .std = {0.2f, 0.25f, 0.3f}};

static void write_checkpoint(const char *path, int classes) {
    mx_model m;
    mx_error e = {0};
    mx_model_config c = config(classes);
    assert_int_equal(mx_model_make(&m, &c, MX_PARAMS_WEIGHTS, &e), MX_OK);
    mx_params_init(&m.params, 5);
    assert_int_equal(mx_checkpoint_write(path, &m, &pixel_statistics, &e), MX_OK);
    mx_model_free(&m);
}

/* The same file with class names in its metadata. */
static void add_names(const char *to, const char *from, const char *names) {
    mx_st *st = NULL;
    mx_error e = {0};
    assert_int_equal(mx_st_open(&st, from, &e), MX_OK);
    mx_st_tensor tensors[128];
    mx_st_pair meta[16];
    int count = mx_st_count(st), metas = 0;
    for (int i = 0; i < count; i++) tensors[i] = *mx_st_at(st, i);
    for (int i = 0; i < mx_st_meta_count(st); i++) {
        mx_st_meta_at(st, i, &meta[metas].key, &meta[metas].value);
        if (strcmp(meta[metas].key, "format")) metas++;
    }
    meta[metas++] = (mx_st_pair){"classes", names};
    assert_int_equal(mx_st_write(to, tensors, count, meta, metas, &e), MX_OK);
    mx_st_close(st);
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/mx-api-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(with_head, sizeof with_head, "%s/head.safetensors", folder);
    snprintf(without_head, sizeof without_head, "%s/model.safetensors", folder);
    snprintf(named, sizeof named, "%s/named.safetensors", folder);
    write_checkpoint(with_head, 7);
    write_checkpoint(without_head, 0);
    add_names(named, with_head, "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    const char *const names[] = {"head", "model", "named", "bad", "saved", "state", "old", "other", "set"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s.safetensors", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *device; /* all tests run with the default and, in builds that have it, with "mock" */

static mixmae_model *load(const char *path, int max_batch, int threads) {
    mixmae_model *m;
    const mixmae_load_options o = {.max_batch = max_batch, .threads = threads, .device = device};
    if (mixmae_model_load(&m, path, &o, text, sizeof text)) fail_msg("%s", text);
    return m;
}

#define EACH  (3 * 32 * 48)
#define MANY  7
#define MAP0  (8 * 12 * 16)
#define MAP1  (4 * 6 * 32)
#define WIDTH 32

/* What every entry point says about MANY images. */
typedef struct {
    float features[MANY * WIDTH], map[2][MANY * MAP0], tokens[MANY * MAP1], logits[MANY * 7], p[MANY * 7];
} answers;

static float *make_images(int count) {
    float *x = malloc(sizeof(float) * (size_t)count * EACH);
    mx_rng r = mx_rng_make(1, MX_RNG_TEST, 0, 0);
    for (int i = 0; i < count * EACH; i++) x[i] = (float)mx_rng_normal(&r);
    return x;
}

/* Also from threads of its own: nothing shared, no assertion inside. */
static mixmae_status try_all(mixmae_model *m, const float *images, answers *a, char *message, size_t size) {
    const mixmae_outputs out = {.features = a->features,
                                .stage = {a->map[0], a->map[1]},
                                .tokens = a->tokens,
                                .logits = a->logits,
                                .probabilities = a->p};
    return mixmae_model_forward(m, images, MANY, &out, message, size);
}

static answers *ask(mixmae_model *m, const float *images) {
    answers *a = calloc(1, sizeof *a);
    if (try_all(m, images, a, text, sizeof text)) fail_msg("%s", text);
    return a;
}

static void describes(void **state) {
    (void)state;
    mixmae_model_info i;
    mixmae_model *m = load(with_head, 3, 1);
    mixmae_model_describe(m, &i);
    assert_string_equal(i.name, "custom");
    assert_int_equal(i.image_height, 32);
    assert_int_equal(i.image_width, 48);
    assert_int_equal(i.channels, 3);
    assert_int_equal(i.stages, 2);
    assert_int_equal(i.stage[0].height, 8);
    assert_int_equal(i.stage[0].width, 12);
    assert_int_equal(i.stage[0].channels, 16);
    assert_int_equal(i.stage[1].height * i.stage[1].width * i.stage[1].channels, MAP1);
    assert_int_equal(i.features, WIDTH);
    assert_int_equal(i.classes, 7);
    assert_false(i.decoder);
    assert_true(i.mean[2] == 0.6f && i.std[1] == 0.25f && i.value_range == 0);
    assert_int_equal(i.max_batch, 3);
    assert_int_equal(i.threads, 1);
    assert_true(i.memory > 10000 && i.parameters > 10000);
    assert_null(mixmae_model_class_name(m, 0));
    mixmae_model_free(m);
    m = load(without_head, 0, 0);
    mixmae_model_describe(m, &i);
    assert_true(i.decoder && i.classes == 0 && i.max_batch >= 1 && i.threads >= 1);
    mixmae_model_free(m);
    m = load(named, 1, 1);
    assert_string_equal(mixmae_model_class_name(m, 6), "g");
    assert_null(mixmae_model_class_name(m, 7));
    assert_null(mixmae_model_class_name(m, -1));
    mixmae_model_free(m);
    mixmae_model_free(NULL);
    assert_string_equal(mixmae_status_name(MIXMAE_ERR_SHAPE), "shape");
}

static void same(const answers *a, const answers *b) { assert_memory_equal(a, b, sizeof *a); }

/* Pieces of every size, threads, the separate entry points, memory that is only aligned to a float. */
static void any_batch_gives_the_same(void **state) {
    (void)state;
    float *images = make_images(MANY + 1);
    mixmae_model *m = load(with_head, MANY, 1);
    answers *all = ask(m, images);
    if (device) {
        const char *was = device;
        device = NULL;
        mixmae_model *n = load(with_head, MANY, 1);
        answers *near = ask(n, images);
        same(all, near);
        free(near), mixmae_model_free(n);
        device = was;
    }
    for (int r = 0; r < MANY; r++) { /* probabilities are the logits' softmax */
        double sum = 0, z = 0;
        for (int k = 0; k < 7; k++)
            sum += exp((double)all->logits[r * 7 + k]), z += (double)all->p[r * 7 + k];
        assert_true(fabs(z - 1) < 1e-6);
        for (int k = 0; k < 7; k++)
            assert_true(fabs(exp((double)all->logits[r * 7 + k]) / sum - (double)all->p[r * 7 + k]) < 1e-6);
    }
    for (int c = 0; c < WIDTH; c++) { /* features are the mean of the tokens */
        double mean = 0;
        for (int t = 0; t < 24; t++) mean += (double)all->tokens[t * WIDTH + c] / 24;
        assert_true(fabs(mean - (double)all->features[c]) < 1e-5);
    }
    assert_true(memcmp(all->features, all->features + WIDTH, sizeof(float) * WIDTH) != 0); /* images differ */
    mixmae_model_free(m);
    for (int max = 1; max < MANY; max++) {
        m = load(with_head, max, max % 3 + 1);
        answers *pieces = ask(m, images);
        same(all, pieces);
        memset(pieces, 0, sizeof *pieces);
        assert_int_equal(mixmae_model_encode(m, images, MANY, pieces->features, NULL, 0), MIXMAE_OK);
        for (int k = 0; k < 2; k++)
            assert_int_equal(mixmae_model_stage_map(m, images, MANY, k, pieces->map[k], NULL, 0), MIXMAE_OK);
        assert_int_equal(mixmae_model_classify(m, images, MANY, pieces->logits, pieces->p, NULL, 0),
                         MIXMAE_OK);
        memcpy(pieces->tokens, all->tokens, sizeof all->tokens);
        same(all, pieces);
        memmove(images + 1, images, sizeof(float) * MANY * EACH);
        free(pieces);
        pieces = ask(m, images + 1);
        same(all, pieces);
        memmove(images, images + 1, sizeof(float) * MANY * EACH);
        free(pieces);
        mixmae_model_free(m);
    }
    free(all), free(images);
}

static const char *auto_type(void) {
    const mx_backend *b = mx_backend_find(device ? device : "cpu");
    return b && mx_backend_bf16(b) ? "bf16" : "f32";
}

/* The default is auto: one of the two, and exactly that one's numbers. */
static void computes_in_a_type(void **state) {
    (void)state;
    static const char *const types[] = {"f32", "bf16", NULL};
    float *images = make_images(MANY);
    answers *a[3];
    const char *was[3];
    for (int i = 0; i < 3; i++) {
        mixmae_model *m;
        mixmae_model_info info;
        const mixmae_load_options o = {.device = device, .dtype = types[i]};
        assert_int_equal(mixmae_model_load(&m, with_head, &o, text, sizeof text), MIXMAE_OK);
        mixmae_model_describe(m, &info);
        was[i] = info.dtype;
        a[i] = ask(m, images);
        mixmae_model_free(m);
    }
    for (int i = 0; i < 2; i++) assert_string_equal(was[i], types[i]);
    assert_true(memcmp(a[0], a[1], sizeof *a[0]) != 0);
    assert_string_equal(was[2], auto_type());
    same(a[2], a[!strcmp(was[2], "bf16")]);
    for (int i = 0; i < 3; i++) free(a[i]);
    free(images);
}

static void says_what_is_wrong(void **state) {
    (void)state;
    float *images = make_images(1), out[MAP0];
    mixmae_model *m = load(without_head, 2, 1), *none = m;
    const uint8_t grey[64] = {0};
    char bad[128];
    assert_int_equal(mixmae_model_classify(m, images, 1, out, NULL, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_non_null(strstr(text, "no head"));
    const mixmae_outputs third = {.stage = {[2] = out}};
    assert_int_equal(mixmae_model_forward(m, images, 1, &third, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_int_equal(mixmae_model_stage_map(m, images, 1, 2, out, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_non_null(strstr(text, "from 0 to 1, found 2"));
    assert_int_equal(mixmae_model_stage_map(m, images, 1, -1, out, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_int_equal(mixmae_model_encode(m, images, 0, out, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_int_equal(mixmae_model_encode(m, NULL, 1, out, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_int_equal(mixmae_model_preprocess_pixels(m, grey, 8, 8, 1, images, text, sizeof text),
                     MIXMAE_ERR_ARGUMENT);
    assert_non_null(strstr(text, "3 channels, found 1"));
    assert_int_equal(mixmae_model_preprocess_pixels(m, grey, 0, 8, 3, images, text, sizeof text),
                     MIXMAE_ERR_ARGUMENT);
    assert_int_equal(mixmae_model_preprocess(m, grey, sizeof grey, images, text, sizeof text),
                     MIXMAE_ERR_FORMAT);
    assert_int_equal(mixmae_model_read_image(m, "/nowhere.png", images, text, sizeof text), MIXMAE_ERR_IO);
    assert_non_null(strstr(text, "/nowhere.png"));
    assert_int_equal(mixmae_model_encode(m, images, 1, out, text, sizeof text), MIXMAE_OK); /* still in use */
    assert_string_equal(text, "");
    mixmae_model_free(m);

    assert_int_equal(mixmae_model_load(&none, "/nowhere", NULL, text, sizeof text), MIXMAE_ERR_IO);
    assert_null(none);
    assert_int_equal(mixmae_model_load(&none, "/nowhere", NULL, NULL, 0), MIXMAE_ERR_IO);
    char few[8];
    mixmae_model_load(&none, "/nowhere", NULL, few, sizeof few);
    assert_int_equal(strlen(few), 7);
    assert_int_equal(mixmae_model_load(&none, NULL, NULL, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    mixmae_load_options o = {.device = "abacus"};
    assert_int_equal(mixmae_model_load(&none, with_head, &o, text, sizeof text), MIXMAE_ERR_UNSUPPORTED);
    o = (mixmae_load_options){.dtype = "half"};
    assert_int_equal(mixmae_model_load(&none, with_head, &o, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    assert_non_null(strstr(text, "expected auto, f32 or bf16, found half"));
    o = (mixmae_load_options){.max_batch = -1};
    assert_int_equal(mixmae_model_load(&none, with_head, &o, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    o = (mixmae_load_options){.threads = -1};
    assert_int_equal(mixmae_model_load(&none, with_head, &o, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    snprintf(bad, sizeof bad, "%s/bad.safetensors", folder);
    const char *const names[] = {"[\"a\"]", "[1,2,3,4,5,6,7]", "nonsense", "{}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        add_names(bad, with_head, names[i]);
        assert_int_equal(mixmae_model_load(&none, bad, NULL, text, sizeof text), MIXMAE_ERR_FORMAT);
        assert_non_null(strstr(text, "\"classes\""));
        assert_null(none);
    }
    free(images);
}

/* 64x48 samples, encoded and plain: the same tensor, the one that the data module makes. */
static void preprocesses_by_the_models_statistics(void **state) {
    (void)state;
    mixmae_model *m = load(with_head, 1, 1);
    mx_image im;
    mx_error e = {0};
    void *png = NULL;
    size_t bytes = 0;
    float *plain = calloc(EACH, sizeof(float)), *decoded = calloc(EACH, sizeof(float)),
          *want = calloc(EACH, sizeof(float));
    assert_int_equal(mx_image_make(&im, 64, 48, 3, MX_PIXEL_U8, &e), MX_OK);
    uint8_t *p = im.pixels;
    for (int i = 0; i < 64 * 48 * 3; i++) p[i] = (uint8_t)(i * 7919 >> 4);
    assert_int_equal(mixmae_model_preprocess_pixels(m, p, 48, 64, 3, plain, text, sizeof text), MIXMAE_OK);
    assert_int_equal(mx_image_encode_png(&png, &bytes, &im, &e), MX_OK);
    assert_int_equal(mixmae_model_preprocess(m, png, bytes, decoded, text, sizeof text), MIXMAE_OK);
    assert_memory_equal(plain, decoded, sizeof(float) * EACH);
    mx_transform t = {.height = 32, .width = 48, .channels = 3};
    memcpy(t.mean, pixel_statistics.mean, sizeof t.mean);
    memcpy(t.std, pixel_statistics.std, sizeof t.std);
    assert_int_equal(mx_transform_image(&t, &im, want, &e), MX_OK);
    assert_memory_equal(plain, want, sizeof(float) * EACH);
    memset(p, 255, 64 * 48 * 3); /* white is (1 - mean) / std everywhere */
    assert_int_equal(mixmae_model_preprocess_pixels(m, p, 48, 64, 3, plain, text, sizeof text), MIXMAE_OK);
    for (int i = 0; i < EACH; i++)
        assert_true(fabs((double)plain[i] -
                         (1 - (double)t.mean[i / (32 * 48)]) / (double)t.std[i / (32 * 48)]) < 1e-5);
    free(png), free(plain), free(decoded), free(want);
    mx_image_free(&im);
    mixmae_model_free(m);
}

typedef struct {
    mixmae_model *model;
    const float *images;
    const answers *want;
    int wrong;
} caller;

static void *call_often(void *user) {
    caller *c = user;
    for (int i = 0; i < 10; i++) {
        char message[128];
        answers *a = calloc(1, sizeof *a);
        c->wrong += try_all(c->model, c->images, a, message, sizeof message) || memcmp(a, c->want, sizeof *a);
        free(a);
    }
    return NULL;
}

/* Two threads on one handle, and one on another, all at once. */
static void threads_share_handles(void **state) {
    (void)state;
    float *images = make_images(MANY);
    mixmae_model *one = load(with_head, 3, 2), *other = load(with_head, 2, 1);
    answers *want = ask(one, images);
    caller callers[3] = {{one, images, want, 0}, {one, images, want, 0}, {other, images, want, 0}};
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_often, &callers[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(callers[i].wrong, 0);
    free(want), free(images);
    mixmae_model_free(one), mixmae_model_free(other);
}

/* ---- training -------------------------------------------------------------------------------------------
 */

static mixmae_trainer *make_trainer(int argc, char **argv) {
    mixmae_trainer *t;
    char *all[32] = {"--device", (char *)(uintptr_t)(device ? device : mx_backend_default())};
    memcpy(all + 2, argv, sizeof *argv * (size_t)argc);
    mixmae_options *o = mixmae_options_make("pretrain", argc + 2, all, NULL, text, sizeof text);
    if (!o) fail_msg("%s", text);
    if (mixmae_trainer_make(&t, o, 10, text, sizeof text)) fail_msg("%s", text);
    mixmae_options_free(o);
    return t;
}

static mixmae_step step(mixmae_trainer *t, const float *images) {
    mixmae_step r;
    if (mixmae_trainer_step(t, images, &r, text, sizeof text)) fail_msg("%s", text);
    return r;
}

static void trains_and_goes_on(void **state) {
    (void)state;
    char *flags[] = {"--init",    without_head, "--batch-size", "2", "--accum-steps",   "2",
                     "--lr",      "0.003",      "--epochs",     "2", "--warmup-epochs", "0.1",
                     "--threads", "1",          "--seed",       "4"};
    char saved[128], kept[128];
    const int flag_count = (int)(sizeof flags / sizeof *flags);
    snprintf(saved, sizeof saved, "%s/saved.safetensors", folder);
    snprintf(kept, sizeof kept, "%s/state.safetensors", folder);
    float *images = make_images(4);
    mixmae_trainer_info info;
    mixmae_trainer *t = make_trainer(flag_count, flags);
    mixmae_trainer_describe(t, &info);
    assert_int_equal(info.images_per_step, 4);
    assert_int_equal(info.image_width, 48);
    assert_int_equal(info.steps, 20);
    assert_string_equal(info.dtype, auto_type());
    assert_int_equal(info.step, 0);
    assert_true(info.mean[0] == 0.4f && info.std[2] == 0.3f); /* the checkpoint's */

    /* --init: before the first update the weights are the file's */
    assert_int_equal(mixmae_trainer_save(t, saved, text, sizeof text), MIXMAE_OK);
    mixmae_model *a = load(without_head, 4, 1), *b = load(saved, 4, 1);
    float first[4 * WIDTH], second[4 * WIDTH];
    mixmae_model_encode(a, images, 4, first, NULL, 0);
    mixmae_model_encode(b, images, 4, second, NULL, 0);
    assert_memory_equal(first, second, sizeof first);
    mixmae_model_free(b);

    mixmae_step begin = step(t, images), r = begin;
    assert_true(begin.learning_rate == 0 && begin.gradient_norm > 0 && begin.step == 1 && !begin.skipped);
    for (int i = 1; i < 8; i++) r = step(t, images);
    assert_true(r.step == 8 && r.learning_rate > 0 && r.loss < begin.loss);
    assert_int_equal(mixmae_trainer_save_state(t, kept, text, sizeof text), MIXMAE_OK);

    /* another trainer goes on from the state as the first one does, to the bit */
    mixmae_trainer *u = make_trainer(flag_count, flags);
    assert_int_equal(mixmae_trainer_load_state(u, kept, text, sizeof text), MIXMAE_OK);
    for (int i = 0; i < 3; i++) {
        mixmae_step x = step(t, images), y = step(u, images);
        assert_true(x.loss == y.loss && x.gradient_norm == y.gradient_norm && x.step == y.step);
    }
    assert_int_equal(mixmae_trainer_save(u, saved, text, sizeof text), MIXMAE_OK);
    b = load(saved, 4, 1);
    mixmae_model_encode(b, images, 4, second, NULL, 0);
    assert_true(memcmp(first, second, sizeof first) != 0);
    assert_int_equal(mixmae_trainer_load_state(u, saved, text, sizeof text), MIXMAE_ERR_FORMAT);
    mixmae_model_free(a), mixmae_model_free(b);
    mixmae_trainer_free(t), mixmae_trainer_free(u);
    free(images);
}

/* The state at `to` as another instruction set would have written it; NULL: as an older version. */
static void rewrite_set(const char *to, const char *from, const char *set) {
    mx_st *st;
    mx_error e = {0};
    mx_st_pair meta[40];
    int metas = 0;
    if (mx_st_open(&st, from, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < mx_st_meta_count(st); i++) {
        mx_st_meta_at(st, i, &meta[metas].key, &meta[metas].value);
        bool ours = !strcmp(meta[metas].key, "instruction_set");
        if (ours && set) meta[metas].value = set;
        if (strncmp(meta[metas].key, "crc32c_", 7) && strcmp(meta[metas].key, "format") && (!ours || set))
            metas++;
    }
    if (mx_st_write(to, mx_st_at(st, 0), mx_st_count(st), meta, metas, &e)) fail_msg("%s", e.text);
    mx_st_close(st);
}

static void another_instruction_set(void **state) {
    (void)state;
    char kept[128], other[128], old[128];
    char *flags[] = {"--init", without_head, "--batch-size", "2", "--threads", "1", "--other-machine"};
    snprintf(kept, sizeof kept, "%s/set.safetensors", folder);
    snprintf(other, sizeof other, "%s/other.safetensors", folder);
    snprintf(old, sizeof old, "%s/old.safetensors", folder);
    float *images = malloc(2 * 3 * 48 * 48 * sizeof *images);
    for (int i = 0; i < 2 * 3 * 48 * 48; i++) images[i] = (float)(i % 17) / 17;
    mixmae_trainer *t = make_trainer(6, flags), *u = make_trainer(6, flags), *v = make_trainer(7, flags);
    step(t, images);
    assert_int_equal(mixmae_trainer_save_state(t, kept, text, sizeof text), MIXMAE_OK);
    rewrite_set(other, kept, "elsewhere");
    rewrite_set(old, kept, NULL);
    assert_int_equal(mixmae_trainer_load_state(u, other, text, sizeof text), MIXMAE_ERR_UNSUPPORTED);
    if (!strstr(text, "instruction set elsewhere, this") || !strstr(text, "--other-machine"))
        fail_msg("%s", text);
    assert_int_equal(step(u, images).step, 1); /* as it was made */
    assert_int_equal(mixmae_trainer_load_state(u, old, text, sizeof text), MIXMAE_OK);
    assert_int_equal(mixmae_trainer_load_state(v, other, text, sizeof text), MIXMAE_OK);
    mixmae_step x = step(t, images), y = step(u, images), z = step(v, images);
    assert_true(x.step == 2 && x.loss == y.loss && x.loss == z.loss && z.step == 2);
    /* from there on it is this machine's */
    assert_int_equal(mixmae_trainer_save_state(v, other, text, sizeof text), MIXMAE_OK);
    assert_int_equal(mixmae_trainer_load_state(u, other, text, sizeof text), MIXMAE_OK);
    mixmae_trainer_free(t), mixmae_trainer_free(u), mixmae_trainer_free(v);
    free(images);
}

static void refuse(mixmae_status want, const char *word, const char *command, int64_t steps, int argc,
                   char **argv) {
    mixmae_trainer *t = (mixmae_trainer *)text;
    mixmae_options *o = mixmae_options_make(command, argc, argv, NULL, text, sizeof text);
    if (!o) fail_msg("%s", text);
    assert_int_equal(mixmae_trainer_make(&t, o, steps, text, sizeof text), want);
    assert_null(t);
    if (!strstr(text, word)) fail_msg("no \"%s\" in: %s", word, text);
    mixmae_options_free(o);
}

static void trainer_says_what_is_wrong(void **state) {
    (void)state;
    char *grey[] = {"--model", "nano", "--channels", "1"}, *nowhere[] = {"--init", "/nowhere"};
    char *other[] = {"--init", without_head, "--embed-dim", "32"}, *headed[] = {"--init", with_head};
    refuse(MIXMAE_ERR_ARGUMENT, "--mean and --std", "pretrain", 1, 4, grey);
    refuse(MIXMAE_ERR_IO, "/nowhere", "pretrain", 1, 2, nowhere);
    refuse(MIXMAE_ERR_SHAPE, "absolute_pos_embed", "pretrain", 1, 4, other);
    refuse(MIXMAE_ERR_FORMAT, "is missing", "pretrain", 1, 2, headed);
    refuse(MIXMAE_ERR_ARGUMENT, "steps_per_epoch", "pretrain", 0, 0, NULL);
    refuse(MIXMAE_ERR_ARGUMENT, "pretrain", "plan", 1, 0, NULL);
    mixmae_trainer_free(NULL);

    /* not-finite images: skipped, then an error */
    char *flags[] = {"--init", without_head, "--batch-size", "1", "--max-skipped", "2", "--threads", "1"};
    mixmae_trainer *t = make_trainer(8, flags);
    float *images = make_images(1);
    images[0] = NAN;
    assert_true(step(t, images).skipped);
    assert_int_equal(mixmae_trainer_step(t, images, NULL, text, sizeof text), MIXMAE_ERR_NUMERIC);
    assert_int_equal(mixmae_trainer_step(t, NULL, NULL, text, sizeof text), MIXMAE_ERR_ARGUMENT);
    free(images);
    mixmae_trainer_free(t);
}

/* One output, three images at a time, as the commands compute it. */
static void same_as_command(const float *images, mx_output output, int stage, const float *want) {
    const mixmae_sink silent = {0};
    mx_options o = {0};
    mx_inference f;
    mx_one_output one;
    mx_error e = {0};
    if (mx_options_init(&o, &e) || mx_options_defaults(&o, MX_CMD_EMBED, &e) ||
        mx_options_set(&o, "checkpoint", with_head, &e) || mx_options_set(&o, "batch-size", "3", &e) ||
        (device && mx_options_set(&o, "device", device, &e)) ||
        mx_one_output_open(&one, &f, &o, output, stage, &silent, &e))
        fail_msg("%s", e.text);
    assert_true(f.batch == 3 && one.each_in == EACH);
    for (int at = 0; at < MANY; at += 3) {
        int n = MANY - at < 3 ? MANY - at : 3; /* of more than a batch, the first images */
        if (mx_one_output_run(&one, images + at * EACH, MANY - at, &e)) fail_msg("%s", e.text);
        assert_memory_equal(one.out, want + at * one.each_out, sizeof(float) * (size_t)(n * one.each_out));
    }
    mx_one_output_free(&one);
    mx_inference_free(&f);
    mx_options_free(&o);
}

static void commands_compute_the_same(void **state) {
    (void)state;
    mixmae_model *m = load(with_head, 5, 1);
    float *images = make_images(MANY);
    answers *a = ask(m, images);
    same_as_command(images, MX_OUT_POOLED, 0, a->features);
    same_as_command(images, MX_OUT_LOGITS, 0, a->logits);
    same_as_command(images, MX_OUT_TOKENS, 0, a->tokens);
    for (int k = 0; k < 2; k++) same_as_command(images, MX_OUT_STAGE, k, a->map[k]);
    free(a), free(images);
    mixmae_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(describes),
                                       cmocka_unit_test(any_batch_gives_the_same),
                                       cmocka_unit_test(computes_in_a_type),
                                       cmocka_unit_test(says_what_is_wrong),
                                       cmocka_unit_test(preprocesses_by_the_models_statistics),
                                       cmocka_unit_test(threads_share_handles),
                                       cmocka_unit_test(commands_compute_the_same),
                                       cmocka_unit_test(trains_and_goes_on),
                                       cmocka_unit_test(another_instruction_set),
                                       cmocka_unit_test(trainer_says_what_is_wrong)};
    char about[512];
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    mixmae_about(about, sizeof about);
    if (!strstr(about, ", mock")) return failed;
    device = "mock";
    return failed + cmocka_run_group_tests_name("mock", tests, set_up, tear_down);
}
