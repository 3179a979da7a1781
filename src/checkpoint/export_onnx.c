/* A model as an ONNX graph, see export_onnx.h: the nodes follow mx_encode and mx_head_forward. */
#include "checkpoint/export_onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/export_classifier.h"
#include "checkpoint/export_graph.h"
#include "checkpoint/export_swin.h"

/* ---- the kinds of encoder and head that have a graph ---- */

typedef struct {
    const char *name;
    void (*build)(mx_graph_scope *s, const mx_model_config *m, mx_graph_encoded *out, mx_onnx_value images);
} encoder_row;

typedef struct {
    const char *name;
    void (*build)(mx_graph_scope *s, const mx_model_config *m, mx_graph_encoded *x);
} head_row;

static const encoder_row encoders[] = {{"swin", mx_export_swin}};
static const head_row heads[] = {{"classifier", mx_export_classifier}};

static mx_status encoder_graph(mx_graph_scope *s, const mx_model *m, mx_graph_encoded *out) {
    const mx_model_config *c = &m->config;
    const int64_t input[] = {MX_ONNX_BATCH, c->channels, c->image_h, c->image_w};
    const char *name = m->encoder.kind->name;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        if (strcmp(encoders[i].name, name)) continue;
        encoders[i].build(s, c, out, mx_onnx_input(s->g, "images", 4, input));
        return s->e->status;
    }
    return mx_fail(s->e, MX_ERR_UNSUPPORTED, "the encoder %s cannot be written as an ONNX file", name);
}

static mx_status head_graph(mx_graph_scope *s, const mx_model *m, mx_graph_encoded *x) {
    const char *name = m->head.kind->name;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (strcmp(heads[i].name, name)) continue;
        heads[i].build(s, &m->config, x);
        return s->e->status;
    }
    return mx_fail(s->e, MX_ERR_UNSUPPORTED, "the head %s cannot be written as an ONNX file", name);
}

static void build(mx_graph_scope *s, const mx_model *m) {
    const int64_t output[] = {MX_ONNX_BATCH, mx_stage_width(&m->config, m->config.stages - 1)};
    mx_graph_encoded x = {0};
    if (encoder_graph(s, m, &x)) return;
    if (m->config.classes) {
        head_graph(s, m, &x);
        return;
    }
    mx_graph_mean(s, &x);
    mx_onnx_output(s->g, x.pooled, 2, output);
}

/* ---- metadata ---- */

/* The shortest decimal that reads back as this float. */
static void put_number(char *text, size_t size, float x) {
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, size, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) return;
    }
}

static void put_numbers(mx_onnx *g, const char *key, const float *x, int count) {
    char text[MX_MAX_CHANNELS * 20 + 4] = "[", one[32];
    for (int i = 0; i < count && i < MX_MAX_CHANNELS; i++) {
        put_number(one, sizeof one, x[i]);
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s", i ? "," : "", one);
    }
    strcat(text, "]");
    mx_onnx_meta(g, key, text);
}

/* Gives the graph a text and frees it. */
static void put_text(mx_onnx *g, const char *key, char *text) {
    if (text) mx_onnx_meta(g, key, text);
    free(text);
}

static void describe(mx_onnx *g, const mx_model *m, const mx_pixels *pixels, mx_error *e) {
    bool failed = false;
    char range[32], *config = mx_config_to_json(&m->config);
    if (!config) failed = true;
    put_text(g, "config", config);
    put_text(g, "classes", m->config.classes ? mx_class_names_to_json(m, &failed) : NULL);
    if (failed) mx_fail(e, MX_ERR_MEMORY, "out of memory for an ONNX file's metadata");
    if (!pixels) return;
    put_numbers(g, "mean", pixels->mean, m->config.channels);
    put_numbers(g, "std", pixels->std, m->config.channels);
    put_number(range, sizeof range, pixels->value_range);
    mx_onnx_meta(g, "value_range", range);
}

mx_status mx_export_onnx(const mx_model *m, const mx_onnx_notes *notes, const char *path, mx_error *e) {
    const mx_onnx_notes none = {0};
    mx_onnx *g = mx_onnx_new(m->config.classes ? "mixmae_classifier" : "mixmae_encoder");
    if (!g) return mx_fail(e, MX_ERR_MEMORY, "out of memory for an ONNX graph");
    mx_graph_scope s = {.g = g, .params = &m->params, .e = e};
    if (!notes) notes = &none;
    describe(g, m, notes->pixels, e);
    build(&s, m);
    if (!e->status) mx_onnx_write(g, path, notes->limit, e);
    mx_onnx_free(g);
    return e->status;
}
