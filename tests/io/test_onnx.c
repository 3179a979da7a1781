/* ONNX export (checkpoint/export_onnx.h, io/onnx.h): files are read back and computed by the tests' own
 * interpreter (onnx_graph.h), and the numbers must be those of the reference backend. Also weights in a
 * second file, metadata, what the graph builder refuses, and that a failed write leaves nothing. */
#include "onnx_graph.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rng.h"
#include "io/file.h"
#include "io/onnx.h"
#include "checkpoint/export_onnx.h"
#include "model/session.h"

static char folder[64], path[128], beside_path[128];

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/mx-onnx-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    snprintf(beside_path, sizeof beside_path, "%s/model.onnx.data", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path), unlink(beside_path);
    return rmdir(folder);
}

/* Every weight random: zeros and ones would hide a forgotten or exchanged tensor. */
static void make_model(mx_model *m, const mx_model_config *config) {
    mx_error e = {0};
    if (mx_model_make(m, config, MX_PARAMS_WEIGHTS, &e)) fail_msg("%s", e.text);
    mx_params_init(&m->params, 1);
    mx_rng r = mx_rng_make(2, MX_RNG_TEST, 0, 0);
    for (int64_t i = 0; i < m->params.total; i++) m->params.weight[i] += (float)(0.2 * mx_rng_normal(&r));
}

static Onnx__Model *read_model(void) {
    void *bytes = NULL;
    size_t size = 0;
    mx_error e = {0};
    if (mx_file_read(path, 1 << 26, &bytes, &size, &e)) fail_msg("%s", e.text);
    Onnx__Model *m = onnx__model__unpack(NULL, size, bytes);
    assert_non_null(m);
    free(bytes);
    return m;
}

static Onnx__Model *export_and_read(const mx_model *m, const mx_onnx_notes *notes) {
    mx_error e = {0};
    if (mx_export_onnx(m, notes, path, &e)) fail_msg("%s", e.text);
    return read_model();
}

static int files_in_folder(void) {
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *x; (x = readdir(d));) n += x->d_name[0] != '.';
    closedir(d);
    return n;
}

/* ---- what we compute --------------------------------------------------------------------------------------
 */

enum { BATCH = 2 };

typedef struct {
    mx_model *model;
    mx_token_tables tables;
    float *images, *out;
    int64_t width;
} job;

static void run(mx_ctx *c, void *user) {
    job *j = user;
    const mx_model_config *m = &j->model->config;
    mx_tensor images = mx_images_view(m, j->images, BATCH);
    if (m->classes) {
        mx_classify_logits(c, j->model, mx_view(j->out, MX_F32, BATCH, m->classes, 0, 0, 0), images,
                           &j->tables);
        return;
    }
    mx_encoded v;
    mx_encode(c, j->model, &v, images, &j->tables);
    if (!c->planning) memcpy(j->out, v.pooled.data, sizeof *j->out * (size_t)(BATCH * j->width));
    mx_arena_release(c->arena, 0);
}

static job start(mx_model *m) {
    const mx_model_config *c = &m->config;
    size_t n = (size_t)BATCH * (size_t)c->channels * (size_t)c->image_h * (size_t)c->image_w;
    job j = {.model = m, .width = c->classes ? c->classes : mx_stage_width(c, c->stages - 1)};
    j.images = malloc(sizeof *j.images * n);
    j.out = calloc((size_t)(BATCH * j.width), sizeof *j.out);
    mx_rng r = mx_rng_make(3, MX_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n; i++) j.images[i] = (float)mx_rng_normal(&r);
    mx_error e = {0};
    mx_session s;
    if (mx_token_tables_make(&j.tables, c, BATCH, false, &e)) fail_msg("%s", e.text);
    if (mx_session_make(&s, &(mx_compute){.device = "ref", .threads = 1}, run, &j, NULL, &e))
        fail_msg("%s", e.text);
    run(&s.ctx, &j);
    if (mx_session_error(&s, &e)) fail_msg("%s", e.text);
    mx_session_free(&s);
    mx_token_tables_free(&j.tables);
    return j;
}

static void finish(job *j) {
    free(j->images);
    free(j->out);
    mx_model_free(j->model);
}

/* ‖file − ours‖ / ‖ours‖ */
static void agrees(const Onnx__Model *o, const unsigned char *beside, const job *j) {
    int64_t count = 0;
    double *theirs = evaluate(o, beside, j->images, BATCH, &count), gap = 0, norm = 0;
    assert_int_equal(count, BATCH * j->width);
    for (int64_t i = 0; i < count; i++) {
        double d = theirs[i] - (double)j->out[i];
        gap += d * d, norm += (double)j->out[i] * (double)j->out[i];
    }
    free(theirs);
    assert_true(norm > 0.01);
    if (!(sqrt(gap / norm) < 1e-5)) fail_msg("distance %g", sqrt(gap / norm));
}

static const mx_model_config three_stages = {.name = "custom",
                                             .image_h = 32,
                                             .image_w = 32,
                                             .patch = 2,
                                             .channels = 3,
                                             .stages = 3,
                                             .embed_dim = 8,
                                             .depths = {1, 2, 1},
                                             .heads = {1, 2, 4},
                                             .windows = {4, 8, 4},
                                             .classes = 10};
/* windows cut to the grid on one axis (12 of 8 columns), a single channel, more rows than columns */
static const mx_model_config tall = {.name = "custom",
                                     .image_h = 96,
                                     .image_w = 32,
                                     .patch = 4,
                                     .channels = 1,
                                     .stages = 2,
                                     .embed_dim = 8,
                                     .depths = {1, 1},
                                     .heads = {2, 4},
                                     .windows = {12, 3 * 4},
                                     .classes = 3};
/* a pretrained model: no head, and a decoder that stays out */
static const mx_model_config headless = {.name = "custom",
                                         .image_h = 16,
                                         .image_w = 48,
                                         .patch = 4,
                                         .channels = 3,
                                         .stages = 2,
                                         .embed_dim = 16,
                                         .depths = {1, 1},
                                         .heads = {1, 2},
                                         .windows = {2, 2},
                                         .decoder_dim = 16,
                                         .decoder_depth = 1,
                                         .decoder_heads = 2,
                                         .norm_pix = true};

static void same_numbers(const mx_model_config *config, const char *output) {
    mx_model m;
    make_model(&m, config);
    Onnx__Model *o = export_and_read(&m, NULL);
    assert_string_equal(o->graph->output[0]->name, output);
    job j = start(&m);
    agrees(o, NULL, &j);
    onnx__model__free_unpacked(o, NULL);
    finish(&j);
}

static void three_stages_give_our_logits(void **state) {
    (void)state;
    same_numbers(&three_stages, "logits");
}

static void windows_cut_to_the_grid_give_our_logits(void **state) {
    (void)state;
    same_numbers(&tall, "logits");
}

static void a_model_without_a_head_gives_its_features(void **state) {
    (void)state;
    same_numbers(&headless, "features");
}

/* ---- the file ---------------------------------------------------------------------------------------------
 */

static void the_head_of_the_file(void **state) {
    (void)state;
    mx_model m;
    make_model(&m, &three_stages);
    Onnx__Model *o = export_and_read(&m, NULL);
    const Onnx__TensorShape *in = o->graph->input[0]->type->tensor_type->shape;
    assert_int_equal(o->ir_version, 8);
    assert_int_equal(o->n_opset_import, 1);
    assert_string_equal(o->opset_import[0]->domain, "");
    assert_int_equal(o->opset_import[0]->version, 17);
    assert_string_equal(o->producer_name, "mixmae");
    assert_true(o->graph->name && *o->graph->name);
    assert_int_equal(o->graph->n_input, 1);
    assert_int_equal(o->graph->n_output, 1);
    assert_string_equal(o->graph->input[0]->name, "images");
    assert_int_equal(o->graph->input[0]->type->tensor_type->elem_type, 1);
    assert_int_equal(in->n_dim, 4);
    assert_string_equal(in->dim[0]->dim_param, "N");
    assert_int_equal(in->dim[1]->dim_value, 3);
    assert_int_equal(in->dim[2]->dim_value, 32);
    assert_string_equal(o->graph->output[0]->type->tensor_type->shape->dim[0]->dim_param, "N");
    onnx__model__free_unpacked(o, NULL);
    mx_model_free(&m);
}

static void metadata_tells_the_pixels_and_classes(void **state) {
    (void)state;
    const mx_pixels pixels = {
        .mean = {0.4914f, 0.5f, 1.0f / 3}, .std = {0.25f, 2, 1e-3f}, .value_range = 255};
    const char *const names[] = {"a", "b \"c\"",
                                 "\xff"}; /* the last is not UTF-8 and must not shift the list */
    const char *const expected[][2] = {{"classes", "[\"a\",\"b \\\"c\\\"\",\"\\\\xff\"]"},
                                       {"mean", "[0.4914,0.5,0.33333334]"},
                                       {"std", "[0.25,2,0.001]"},
                                       {"value_range", "255"}};
    mx_model_config c = three_stages;
    mx_error e = {0};
    mx_model m;
    c.classes = 3;
    make_model(&m, &c);
    assert_int_equal(mx_model_name_classes(&m, names, &e), MX_OK);
    Onnx__Model *o = export_and_read(&m, &(mx_onnx_notes){.pixels = &pixels});
    assert_int_equal(o->n_metadata_props, 5);
    assert_string_equal(o->metadata_props[0]->key, "config");
    char *config = mx_config_to_json(&c);
    assert_string_equal(o->metadata_props[0]->value, config);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(o->metadata_props[i + 1]->key, expected[i][0]);
        assert_string_equal(o->metadata_props[i + 1]->value, expected[i][1]);
    }
    free(config);
    onnx__model__free_unpacked(o, NULL);
    mx_model_free(&m);
}

/* 50,000 bytes hold the graph but not the weights, as 2 GiB do for a large model. */
static void weights_move_out_of_a_large_file(void **state) {
    (void)state;
    mx_model m;
    make_model(&m, &three_stages);
    Onnx__Model *o = export_and_read(&m, &(mx_onnx_notes){.limit = 50000});
    void *beside = NULL;
    size_t size = 0;
    mx_error e = {0};
    if (mx_file_read(beside_path, 1 << 26, &beside, &size, &e)) fail_msg("%s", e.text);
    int outside = 0;
    for (size_t i = 0; i < o->graph->n_initializer; i++) {
        const Onnx__Tensor *t = o->graph->initializer[i];
        if (t->data_location != 1) continue;
        uint64_t offset = strtoull(t->external_data[1]->value, NULL, 10);
        assert_string_equal(t->external_data[0]->key, "location");
        assert_string_equal(t->external_data[0]->value, "model.onnx.data");
        assert_int_equal(offset % 4096, 0);
        assert_true(offset + strtoull(t->external_data[2]->value, NULL, 10) <= size);
        outside++;
    }
    assert_true(outside > 10);
    job j = start(&m);
    agrees(o, beside, &j);
    free(beside);
    onnx__model__free_unpacked(o, NULL);
    finish(&j);
}

static void a_failed_write_leaves_nothing(void **state) {
    (void)state;
    mx_model m;
    make_model(&m, &three_stages);
    mx_error e = {0};
    unlink(path), unlink(beside_path);
    assert_int_equal(mx_export_onnx(&m, NULL, "/nowhere/at/all.onnx", &e), MX_ERR_IO);
    e = (mx_error){0}; /* not even the graph fits */
    assert_int_equal(mx_export_onnx(&m, &(mx_onnx_notes){.limit = 1000}, path, &e), MX_ERR_UNSUPPORTED);
    e = (mx_error){0}; /* a folder is in its place */
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(mx_export_onnx(&m, NULL, path, &e), MX_ERR_IO);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(rmdir(path), 0);
    mx_model_free(&m);
}

/* Of the writes that follow, the number `flip` (from 1) leaves one bit changed on the disk, in the given eighth
 * of its bytes. */
static int flip, eighth, writes;

ssize_t write(int fd, const void *bytes, size_t n) {
    static unsigned char changed[1 << 20];
    if (++writes == flip && n && n <= sizeof changed) {
        memcpy(changed, bytes, n);
        changed[n * (size_t)eighth / 8] ^= 1;
        bytes = changed;
    }
    return syscall(SYS_write, fd, bytes, n);
}

/* What is on the disk is not what was written: an error, and the old files stay. */
static void a_changed_bit_is_found(void **state) {
    (void)state;
    static const uint64_t limit[] = {0, 50000}; /* the latter with a second file */
    mx_model m;
    make_model(&m, &three_stages);
    for (int i = 0; i < 2; i++) {
        mx_error e = {0};
        unlink(path), unlink(beside_path);
        assert_int_equal(mx_file_write(path, "old", 3, &e), MX_OK);
        int files = 1, tried = 0;
        for (bool done = false; !done; tried++) {
            mx_error found = {0};
            writes = 0, flip = tried / 8 + 1, eighth = tried % 8;
            mx_export_onnx(&m, &(mx_onnx_notes){.limit = limit[i]}, path, &found);
            done = writes < flip; /* nothing was changed: the last round writes the file */
            flip = 0;
            if (done) files = 1 + i;
            if (!found.status != done) fail_msg("write %d: %s", tried, done ? found.text : "not found");
            if (!done && !strstr(found.text, "read back while writing ")) fail_msg("%s", found.text);
            assert_int_equal(files_in_folder(), files);
            void *bytes;
            size_t size;
            assert_int_equal(mx_file_read(path, 1 << 26, &bytes, &size, &e), MX_OK);
            assert_int_equal(size == 3 && !memcmp(bytes, "old", 3), !done);
            free(bytes);
        }
        assert_true(tried > 16);
    }
    mx_model_free(&m);
}

/* ---- the builder ------------------------------------------------------------------------------------------
 */

static void refused(mx_onnx *g, const char *word) {
    mx_error e = {0};
    assert_int_equal(mx_onnx_write(g, path, 0, &e), MX_ERR_ARGUMENT);
    if (!strstr(e.text, word)) fail_msg("%s", e.text);
    assert_false(mx_path_exists(path));
    mx_onnx_free(g);
}

static void the_builder_refuses_what_no_reader_takes(void **state) {
    (void)state;
    const int64_t dim[] = {MX_ONNX_BATCH, 2};
    unlink(path);
    mx_onnx *g = mx_onnx_new("twice");
    mx_onnx_value x = mx_onnx_input(g, "x", 2, dim);
    assert_null(mx_onnx_node(g, "x", "Erf", 1, &x));
    assert_null(mx_onnx_node(g, "y", "Erf", 1, &x)); /* the failure stays */
    mx_onnx_int(g, "axis", 1);                       /* and is harmless */
    mx_onnx_output(g, NULL, 2, dim);
    assert_null(mx_onnx_taken(g, "t", 2, dim, malloc(4)));
    refused(g, "x");
    g = mx_onnx_new("unknown");
    assert_null(mx_onnx_node(g, "y", "Erf", 1, (mx_onnx_value[]){"nothing"}));
    refused(g, "nothing");
}

static void equal_constants_are_one(void **state) {
    (void)state;
    mx_onnx *g = mx_onnx_new("shared");
    const int64_t list[] = {-1, 2, 3};
    mx_onnx_value a = mx_onnx_list(g, 3, list), one = mx_onnx_scalar(g, 1.0f);
    assert_ptr_equal(a, mx_onnx_list(g, 3, list));
    assert_ptr_not_equal(a, mx_onnx_list(g, 2, list));
    assert_ptr_equal(one, mx_onnx_scalar(g, 1.0f));
    assert_ptr_not_equal(one, mx_onnx_scalar(g, nextafterf(1.0f, 2.0f)));
    assert_ptr_not_equal(mx_onnx_index(g, 1), mx_onnx_list(g, 1, (int64_t[]){1}));
    mx_onnx_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_stages_give_our_logits),
        cmocka_unit_test(windows_cut_to_the_grid_give_our_logits),
        cmocka_unit_test(a_model_without_a_head_gives_its_features),
        cmocka_unit_test(the_head_of_the_file),
        cmocka_unit_test(metadata_tells_the_pixels_and_classes),
        cmocka_unit_test(weights_move_out_of_a_large_file),
        cmocka_unit_test(a_failed_write_leaves_nothing),
        cmocka_unit_test(a_changed_bit_is_found),
        cmocka_unit_test(the_builder_refuses_what_no_reader_takes),
        cmocka_unit_test(equal_constants_are_one),
    };
    return cmocka_run_group_tests_name("onnx", tests, set_up, tear_down);
}
