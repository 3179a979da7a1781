/* `mixmae embed`: writes features of images for NumPy or safetensors, and the images' names to a second file.
 *
 * A .npy is written as it is computed; a safetensors file needs its data in memory. An image that cannot be
 * read gets a row of NaN, so that rows and names stay in step. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/escape.h"
#include "base/json_text.h"
#include "base/say.h"
#include "command/command.h"
#include "infer/one_output.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "run/check_data.h"
#include "train/open_data.h"

typedef struct {
    mx_inference f;
    mx_one_output one;
    const mx_options *o;
    const mixmae_sink *sink;
    mx_dataset *data; /* or NULL: the files of the command line */
    int64_t count, broken;
    bool tensors;   /* safetensors */
    mx_file *rows;  /* .npy */
    float *all;     /* safetensors: [count, one.each_out] */
    int64_t *label; /* safetensors of labelled data: [count] */
    mx_file *names;
} embedder;

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static mx_status choose_layer(const mx_options *o, mx_output *output, int *stage, mx_error *e) {
    int used = 0;
    *stage = 0;
    if (!strcmp(o->layer, "pooled"))
        *output = MX_OUT_POOLED;
    else if (!strcmp(o->layer, "tokens"))
        *output = MX_OUT_TOKENS;
    else if (sscanf(o->layer, "stage%d%n", stage, &used) == 1 && !o->layer[used])
        *output = MX_OUT_STAGE, --*stage;
    else
        return mx_fail(e, MX_ERR_ARGUMENT, "--layer: expected pooled, tokens, stage1, stage2, ..., found %s",
                       o->layer);
    return MX_OK;
}

static const char *name_of(const embedder *m, int64_t i) {
    return m->data ? mx_dataset_path(m->data, i) : m->o->images[i];
}

static mx_status put_name(embedder *m, int64_t i, mx_error *e) {
    const char *name = name_of(m, i);
    for (const char *p = name; *p; p++) { /* one line, even for a name with line breaks */
        char quoted[8];
        bool plain = (unsigned char)*p >= 32 && *p != 127 && *p != '\\';
        int n = snprintf(quoted, sizeof quoted,
                         plain        ? "%c"
                         : *p == '\\' ? "\\\\"
                                      : "\\x%02x",
                         plain ? *p : (unsigned char)*p);
        if (mx_file_put(m->names, quoted, (size_t)n, e)) return e->status;
    }
    return mx_file_put(m->names, "\n", 1, e);
}

/* Writes row i from item k of the batch. whole: the image was read. */
static mx_status put_row(embedder *m, int64_t i, int k, bool whole, mx_error *e) {
    size_t each = (size_t)m->one.each_out;
    float *row = m->one.out + (size_t)k * each;
    for (size_t j = 0; !whole && j < each; j++) row[j] = NAN;
    m->broken += !whole;
    if (m->label) m->label[i] = mx_dataset_label(m->data, i);
    if (m->tensors)
        memcpy(m->all + (size_t)i * each, row, sizeof *row * each);
    else if (mx_file_put(m->rows, row, sizeof *row * each, e))
        return e->status;
    return put_name(m, i, e);
}

static mx_status check_stop(const embedder *m, int64_t done, mx_error *e) {
    if (!m->sink->stop || !m->sink->stop(m->sink->user)) return e->status;
    return mx_fail(e, MX_ERR_INTERRUPTED,
                   "stopped after %" PRId64 " of %" PRId64 " images: nothing is written", done, m->count);
}

static mx_status from_data(embedder *m, mx_error *e) {
    mx_loader_config config = mx_one_output_loader(&m->one, m->data);
    mx_loader *loader = NULL;
    if (mx_loader_open(&loader, &config, e)) return e->status;
    for (int64_t at = 0; at < m->count && !e->status; at += m->f.batch) {
        mx_batch b;
        if (check_stop(m, at, e) || mx_loader_next(loader, &b, e) ||
            mx_one_output_run(&m->one, b.images, m->count - at, e))
            break;
        for (int k = 0; k < m->f.batch && at + k < m->count && !e->status; k++)
            put_row(m, at + k, k, b.index[k] >= 0, e);
    }
    mx_loader_close(loader);
    return e->status;
}

static mx_status from_files(embedder *m, mx_error *e) {
    const mx_inference *f = &m->f;
    mx_one_output *one = &m->one;
    bool *whole = calloc((size_t)f->batch, sizeof *whole);
    if (!whole) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int64_t at = 0; at < m->count && !e->status; at += f->batch) {
        int n = m->count - at < f->batch ? (int)(m->count - at) : f->batch;
        if (check_stop(m, at, e)) break;
        for (int k = 0; k < n; k++) {
            mx_image im = {0};
            mx_error broken = {0};
            whole[k] = !mx_image_read(&im, name_of(m, at + k), f->model.config.channels,
                                      m->o->exif_orientation, &broken) &&
                       !mx_transform_image(&f->transform, &im, one->images + k * one->each_in, &broken);
            if (!whole[k]) mx_notice(m->sink, "%s", broken.text);
            mx_image_free(&im);
        }
        if (mx_one_output_run(one, one->images, n, e)) break;
        for (int k = 0; k < n && !e->status; k++) put_row(m, at + k, k, whole[k], e);
    }
    free(whole);
    return e->status;
}

static mx_status open_outputs(embedder *m, mx_error *e) {
    const char *path = m->o->output;
    int64_t dim[4] = {m->count};
    char *names = NULL;
    memcpy(dim + 1, m->one.shape, sizeof *dim * (size_t)m->one.shape_count);
    if (asprintf(&names, "%s.txt", path) < 0) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    mx_file_begin(&m->names, names, e);
    free(names);
    if (e->status) return e->status;
    if (!m->tensors)
        return mx_file_begin(&m->rows, path, e) ? e->status
                                                : mx_npy_header(m->rows, dim, m->one.shape_count + 1, e);
    m->all = malloc(sizeof *m->all * (size_t)m->count * (size_t)m->one.each_out);
    bool labelled = m->data && mx_dataset_classes(m->data);
    if (labelled) m->label = malloc(sizeof *m->label * (size_t)m->count);
    if (m->all && (m->label || !labelled)) return MX_OK;
    return mx_fail(e, MX_ERR_MEMORY,
                   "out of memory for %" PRId64 " x %" PRId64
                   " features: --output FEATURES.npy is written as it goes",
                   m->count, m->one.each_out);
}

/* The classes' names in the order of their labels, as a JSON list; NULL: no memory. The caller frees it. */
static char *class_names(const embedder *m) {
    json_t *list = json_array();
    bool failed = false;
    for (int c = 0; c < mx_dataset_classes(m->data) && !failed; c++) {
        char *name = mx_escape_utf8(mx_dataset_class_name(m->data, c));
        failed = !name || json_array_append_new(list, json_string(name));
        free(name);
    }
    char *text = failed ? NULL : mx_json_text(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

/* Labels of a held-out part use the training part's numbers, whichever classes it has itself. */
static void number_as_training(embedder *m) {
    const char *split = m->o->split;
    mx_dataset *train = NULL;
    mx_error none = {0}; /* keep the part's own numbers if there is no training part, or it lacks a class */
    if (!m->data || !split || (strcmp(split, "val") && strcmp(split, "test"))) return;
    if (mx_dataset_classes(m->data) && !mx_open_spec(&train, m->o, m->o->data, MX_SPLIT_TRAIN, NULL, &none) &&
        train)
        mx_dataset_same_classes(train, m->data, &none);
    mx_dataset_close(train);
}

static mx_status commit(embedder *m, mx_error *e) {
    if (m->tensors) {
        mx_st_tensor t[2] = {{.name = "features",
                              .dtype = "F32",
                              .ndim = m->one.shape_count + 1,
                              .dim = {m->count},
                              .data = m->all,
                              .bytes = sizeof *m->all * (size_t)m->count * (size_t)m->one.each_out},
                             {.name = "labels",
                              .dtype = "I64",
                              .ndim = 1,
                              .dim = {m->count},
                              .data = m->label,
                              .bytes = sizeof *m->label * (size_t)m->count}};
        memcpy(t[0].dim + 1, m->one.shape, sizeof *m->one.shape * (size_t)m->one.shape_count);
        char *classes = m->label ? class_names(m) : NULL;
        const mx_st_pair meta[] = {{"layer", m->o->layer},
                                   {"computed_in", mx_dtype_name(m->f.how.activations)},
                                   {"program", "mixmae"},
                                   {"classes", classes}};
        mx_st_write(m->o->output, t, m->label ? 2 : 1, meta, classes ? 4 : 3, e);
        free(classes);
        if (e->status) return e->status;
    } else {
        mx_file *rows = m->rows;
        m->rows = NULL;
        if (mx_file_commit(rows, e)) return e->status;
    }
    mx_file *names = m->names;
    m->names = NULL;
    return mx_file_commit(names, e);
}

static mx_status prepare(embedder *m, mx_error *e) {
    mx_output output = MX_OUT_POOLED;
    int stage = 0;
    const mx_options *o = m->o;
    if (!o->output || !(ends_with(o->output, ".npy") || ends_with(o->output, ".safetensors")))
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--output FILE is needed: a name that ends with .npy or .safetensors");
    if (!o->data == !o->image_count)
        return mx_fail(e, MX_ERR_ARGUMENT, "embed needs either --data or images: found %s",
                       o->data ? "both" : "neither");
    m->tensors = ends_with(o->output, ".safetensors");
    if (choose_layer(o, &output, &stage, e) ||
        mx_one_output_open(&m->one, &m->f, o, output, stage, m->sink, e))
        return e->status;
    mx_inference_notice(&m->f, m->sink);
    if (o->data && mx_open_part(&m->data, o, "all", e)) return e->status;
    number_as_training(m);
    if (m->data) mx_notice_data(m->sink, m->data, NULL);
    if (m->data)
        mx_check_used_data(m->sink, &m->f.pixels, m->f.model.config.channels, m->data);
    else
        mx_check_used_files(m->sink, &m->f.pixels, m->f.model.config.channels, o->images, o->image_count);
    m->count = m->data ? mx_dataset_count(m->data) : o->image_count;
    return open_outputs(m, e);
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    embedder m = {.o = &options->o, .sink = sink};
    if (!prepare(&m, e) && !(m.data ? from_data(&m, e) : from_files(&m, e)) && !commit(&m, e)) {
        mx_notice(sink, "wrote %" PRId64 " rows of %" PRId64 " numbers to %s, names to %s.txt", m.count,
                  m.one.each_out, m.o->output, m.o->output);
        if (m.broken)
            mx_fail(e, MX_ERR_DATA, "%" PRId64 " of %" PRId64 " images could not be read: their rows are NaN",
                    m.broken, m.count);
    }
    mx_file_drop(m.rows), mx_file_drop(m.names);
    free(m.all), free(m.label);
    mx_dataset_close(m.data);
    mx_one_output_free(&m.one);
    mx_inference_free(&m.f);
    return e->status;
}

const mx_command_about mx_about_embed = {
    .brief = "features of images, as .npy or safetensors",
    .usage = "mixmae embed --checkpoint FILE --data DIR|IMAGES... --output FEATURES.npy",
    .text =
        "Writes one row per image, and the images' names in FEATURES.npy.txt. Layers: the pooled vector, or "
        "any stage's map [H,W,C]. In safetensors the tensors are \"features\" and, for labelled data, "
        "\"labels\". An image that cannot be read is named, its row is NaN, and the exit code is 4.",
    .examples = {"mixmae embed --checkpoint run1/model.safetensors --data photos --output photos.npy",
                 "mixmae embed --checkpoint run1/model.safetensors --layer stage2 a.jpg b.jpg "
                 "--output maps.safetensors"},
    .stoppable = true,
    .run = run,
};
