/* Reading and writing models and run states, see checkpoint.h. */
#include "checkpoint/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/json_text.h"

/* ---- weights ---- */

static mx_status shape_error(const mx_param *q, const mx_st_tensor *t, mx_error *e) {
    char want[96] = "", have[128] = "";
    size_t w = 0, h = 0;
    for (int i = 0; i < q->ndim; i++)
        w += (size_t)snprintf(want + w, sizeof want - w, "%s%" PRId64, i ? "," : "", q->dim[i]);
    for (int i = 0; i < t->ndim && h < sizeof have - 24; i++)
        h += (size_t)snprintf(have + h, sizeof have - h, "%s%" PRId64, i ? "," : "", t->dim[i]);
    return mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected shape [%s], found [%s]", t->name, want, have);
}

static bool same_shape(const mx_param *q, const mx_st_tensor *t) {
    if (q->ndim != t->ndim) return false;
    for (int i = 0; i < q->ndim; i++)
        if (q->dim[i] != t->dim[i]) return false;
    return true;
}

/* Buffers that old programs store and no model needs (docs/FORMATS.md, "PyTorch files"). */
static bool ignorable(const char *name) {
    return strstr(name, "relative_position_index") || strstr(name, "attn_mask");
}

/* Copies prefix+name of every parameter into base (indexed by the parameters' offsets); fixed ones into
 * p->fixed. */
static mx_status load_set(const mx_params *p, float *base, const mx_st *st, const char *prefix, bool fixed,
                          mx_error *e) {
    for (int i = 0; i < p->count; i++) {
        const mx_param *q = &p->item[i];
        if (q->fixed && !fixed) continue;
        char name[160];
        snprintf(name, sizeof name, "%s%s", prefix, q->name);
        const mx_st_tensor *t = mx_st_find(st, name);
        if (!t) return mx_fail(e, MX_ERR_FORMAT, "tensor %s is missing", name);
        if (!same_shape(q, t)) return shape_error(q, t, e);
        if (mx_st_copy_f32(t, (q->fixed ? p->fixed : base) + q->offset, q->count, e)) return e->status;
        mx_st_done(st, t); /* a resumed run must not need twice its memory */
    }
    return MX_OK;
}

/* Refuses tensors that have no place in the model. */
static mx_status refuse_others(const mx_model *m, const mx_st *st, const char *prefix, bool partial,
                               mx_error *e) {
    size_t n = strlen(prefix);
    for (int i = 0; i < mx_st_count(st) && !partial; i++) {
        const char *name = mx_st_at(st, i)->name;
        if (strncmp(name, prefix, n) || ignorable(name)) continue;
        if (mx_params_find(&m->params, name + n) == MX_NO_PARAM)
            return mx_fail(e, MX_ERR_FORMAT, "tensor %s has no place in this model", name);
    }
    return MX_OK;
}

mx_status mx_weights_load(mx_model *m, const mx_st *st, const char *prefix, bool partial, mx_error *e) {
    if (load_set(&m->params, m->params.weight, st, prefix, true, e)) return e->status;
    return refuse_others(m, st, prefix, partial, e);
}

/* May every tensor be used in place? */
static bool mappable(const mx_st *st) {
    for (int i = 0; i < mx_st_count(st); i++) {
        const mx_st_tensor *t = mx_st_at(st, i);
        if (strcmp(t->dtype, "F32") || (uintptr_t)t->data % sizeof(float)) return false;
    }
    return true;
}

static void close_file(void *st) { mx_st_close(st); }

/* As mx_weights_load, without a copy; the model keeps st, also after a failure. */
static mx_status map_weights(mx_model *m, mx_st *st, const char *prefix, bool partial, mx_error *e) {
    mx_params *p = &m->params;
    p->file = st, p->close = close_file;
    for (int i = 0; i < p->count; i++) {
        mx_param *q = &p->item[i];
        char name[160];
        snprintf(name, sizeof name, "%s%s", prefix, q->name);
        const mx_st_tensor *t = mx_st_find(st, name);
        if (!t) return mx_fail(e, MX_ERR_FORMAT, "tensor %s is missing", name);
        if (!same_shape(q, t)) return shape_error(q, t, e);
        q->mapped = t->data;
    }
    return refuse_others(m, st, prefix, partial, e);
}

/* ---- metadata ---- */

/* Exact decimal text of pixel statistics; free() it. */
char *mx_pixels_to_json(const mx_pixels *px, int channels) {
    json_t *o = json_object(), *mean = json_array(), *std = json_array();
    bool failed = false;
    for (int i = 0; i < channels && !failed; i++)
        failed = json_array_append_new(mean, json_real((double)px->mean[i])) ||
                 json_array_append_new(std, json_real((double)px->std[i]));
    if (json_object_set_new(o, "mean", mean)) failed = true;
    if (json_object_set_new(o, "std", std)) failed = true;
    if (json_object_set_new(o, "value_range", json_real((double)px->value_range))) failed = true;
    char *text = failed ? NULL : mx_json_text(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    json_decref(o);
    return text;
}

static bool read_floats(const json_t *a, float *out, int n) {
    if (!json_is_array(a) || json_array_size(a) != (size_t)n) return false;
    for (int i = 0; i < n; i++) {
        if (!json_is_number(json_array_get(a, (size_t)i))) return false;
        out[i] = (float)json_number_value(json_array_get(a, (size_t)i));
    }
    return true;
}

mx_status mx_pixels_from_json(mx_pixels *px, const char *text, int channels, mx_error *e) {
    bool memory = false;
    json_t *o = text ? mx_json_parse(text, strlen(text), JSON_REJECT_DUPLICATES, NULL, &memory) : NULL;
    if (memory) return mx_fail(e, MX_ERR_MEMORY, "out of memory for metadata \"pixels\"");
    bool ok = read_floats(json_object_get(o, "mean"), px->mean, channels) &&
              read_floats(json_object_get(o, "std"), px->std, channels);
    px->value_range = (float)json_number_value(json_object_get(o, "value_range"));
    for (int i = 0; ok && i < channels; i++) ok = px->std[i] > 0;
    json_decref(o);
    return ok ? MX_OK
              : mx_fail(e, MX_ERR_FORMAT,
                        "metadata \"pixels\" must hold mean and std of %d channels, found %.80s", channels,
                        text ? text : "nothing");
}

char *mx_class_names_to_json(const mx_model *m, bool *failed) {
    if (!m->class_name) return NULL;
    json_t *a = json_array();
    for (int i = 0; i < m->config.classes; i++)
        if (json_array_append_new(a, json_string(m->class_name[i]))) *failed = true;
    char *text = *failed ? NULL : mx_json_text(a, JSON_COMPACT);
    json_decref(a);
    if (!text) *failed = true;
    return text;
}

mx_status mx_class_names_from_json(mx_model *m, const char *text, mx_error *e) {
    int classes = m->config.classes;
    if (!text || !classes) return MX_OK;
    bool memory = false;
    json_t *a = mx_json_parse(text, strlen(text), JSON_REJECT_DUPLICATES, NULL, &memory);
    const char **names = calloc((size_t)classes, sizeof *names);
    if (!names || memory)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of %d classes", classes);
    else if (!json_is_array(a) || json_array_size(a) != (size_t)classes)
        mx_fail(e, MX_ERR_FORMAT, "metadata \"classes\" must be a list of %d names", classes);
    for (int i = 0; i < classes && !e->status; i++)
        if (!(names[i] = json_string_value(json_array_get(a, (size_t)i))))
            mx_fail(e, MX_ERR_FORMAT, "metadata \"classes\": entry %d is not a text", i);
    if (!e->status) mx_model_name_classes(m, names, e);
    free(names);
    json_decref(a);
    return e->status;
}

/* One line for every counter of a run state, so that reader and writer cannot drift apart. */
typedef struct {
    const char *key;
    int kind;
    size_t at, size;
} state_field; /* kind: 0 int64, 1 int, 2 double, 3 bool, 4 int64 and 5 text that older files lack */
#define FIELD(name, kind)                                                                                    \
    { #name, kind, offsetof(mx_run_state, name), sizeof((mx_run_state *)0)->name }
static const state_field fields[] = {
    FIELD(step, 0),       FIELD(updates, 0),          FIELD(skipped, 0),         FIELD(skipped_in_row, 1),
    FIELD(bad_seen, 0),   FIELD(bad_count, 0),        FIELD(loss_sum, 2),        FIELD(norm_sum, 2),
    FIELD(loss_count, 0), FIELD(norm_count, 0),       FIELD(fingerprint, 0),     FIELD(finished, 3),
    FIELD(best, 2),       FIELD(held_fingerprint, 4), FIELD(instruction_set, 5), FIELD(decoders, 5),
    FIELD(held_out, 5),   FIELD(options, 5),          FIELD(best_sum, 4)};
#define MX_STATE_TEXT MX_OPTIONS_KEPT /* of a value, at most: the longest text of mx_run_state */
#define FIELD_COUNT   (sizeof fields / sizeof *fields)

static void field_print(const mx_run_state *s, const state_field *f, char text[MX_STATE_TEXT]) {
    const char *at = (const char *)s + f->at;
    if (f->kind == 0 || f->kind == 4)
        snprintf(text, 40, "%" PRId64, *(const int64_t *)at);
    else if (f->kind == 1)
        snprintf(text, 40, "%d", *(const int *)at);
    else if (f->kind == 2)
        snprintf(text, 40, "%.17g", *(const double *)at);
    else if (f->kind == 5)
        snprintf(text, MX_STATE_TEXT, "%s", at);
    else
        snprintf(text, 40, "%d", *(const bool *)at);
}

static mx_status field_parse(mx_run_state *s, const state_field *f, const char *text, mx_error *e) {
    char *at = (char *)s + f->at, *end = NULL;
    if (f->kind == 5) snprintf(at, f->size, "%s", text ? text : "");
    if (f->kind == 5 || (!text && f->kind == 4)) return MX_OK;
    if (!text || !*text)
        return mx_fail(e, MX_ERR_FORMAT, "metadata \"%s\" of the run state is missing", f->key);
    double number = f->kind == 2 ? strtod(text, &end) : 0;
    int64_t whole = f->kind == 2 ? 0 : strtoll(text, &end, 10);
    if (*end)
        return mx_fail(e, MX_ERR_FORMAT, "metadata \"%s\" of the run state: %.40s is not a number", f->key,
                       text);
    if (f->kind == 0 || f->kind == 4)
        *(int64_t *)at = whole;
    else if (f->kind == 1)
        *(int *)at = (int)whole;
    else if (f->kind == 2)
        *(double *)at = number;
    else
        *(bool *)at = whole != 0;
    return MX_OK;
}

/* ---- files ---- */

#define MAX_META (FIELD_COUNT + 5)

/* Lists the model's tensors under prefix; names are made in the `names` buffer of 160 bytes each. */
static int list_tensors(mx_st_tensor *out, char (*names)[160], const mx_params *p, float *base,
                        const char *prefix, bool fixed) {
    int n = 0;
    for (int i = 0; i < p->count; i++) {
        const mx_param *q = &p->item[i];
        if (q->fixed && !fixed) continue;
        snprintf(names[n], sizeof names[n], "%s%s", prefix, q->name);
        out[n] = (mx_st_tensor){.name = names[n], .dtype = "F32", .ndim = q->ndim};
        memcpy(out[n].dim, q->dim, sizeof q->dim);
        out[n].data = (q->fixed ? p->fixed : base) + q->offset;
        out[n].bytes = sizeof(float) * (size_t)q->count;
        n++;
    }
    return n;
}

static mx_status write_file(const char *path, const mx_model *m, const mx_run_state *s,
                            const mx_pixels *pixels, mx_error *e) {
    const mx_params *p = &m->params;
    size_t most = (size_t)p->count * (s ? 4 : 1);
    mx_st_tensor *tensors = malloc(most * sizeof *tensors);
    char(*names)[160] = malloc(most * sizeof *names), values[FIELD_COUNT][MX_STATE_TEXT];
    char *config = mx_config_to_json(&m->config), *px = mx_pixels_to_json(pixels, m->config.channels);
    mx_st_pair meta[MAX_META] = {
        {"config", config}, {"pixels", px}, {"program", "mixmae"}, {"kind", s ? "state" : "model"}};
    int metas = 4, n = 0;
    bool failed = false;
    char *classes = mx_class_names_to_json(m, &failed);
    if (classes) meta[metas++] = (mx_st_pair){"classes", classes};
    if (!tensors || !names || !config || !px || failed) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
        goto done;
    }
    float *weights = s || !p->average ? p->weight : p->average;
    n = list_tensors(tensors, names, p, weights, s ? "param." : "", true);
    if (s) {
        n += list_tensors(tensors + n, names + n, p, p->m, "m.", false);
        n += list_tensors(tensors + n, names + n, p, p->v, "v.", false);
        if (p->average) n += list_tensors(tensors + n, names + n, p, p->average, "ema.", true);
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            field_print(s, &fields[i], values[i]);
            meta[metas++] = (mx_st_pair){fields[i].key, values[i]};
        }
    }
    (s ? mx_st_write_summed : mx_st_write)(path, tensors, n, meta, metas, e);
done:
    free(classes);
    free(px);
    free(config);
    free(names);
    free(tensors);
    return e->status;
}

mx_status mx_checkpoint_write(const char *path, const mx_model *m, const mx_pixels *pixels, mx_error *e) {
    return write_file(path, m, NULL, pixels, e);
}

mx_status mx_state_write(const char *path, const mx_model *m, const mx_run_state *s, const mx_pixels *pixels,
                         mx_error *e) {
    return write_file(path, m, s, pixels, e);
}

static mx_status copy_weights(mx_model *m, mx_st *st, const char *prefix, bool partial, mx_error *e) {
    return mx_weights_load(m, st, prefix, partial, e);
}

mx_status mx_checkpoint_read(mx_model *m, mx_pixels *pixels, const char *path, mx_params_use use,
                             mx_error *e) {
    return mx_checkpoint_read_weights(m, pixels, path, NULL, use, e);
}

/* The prefix of the names of the requested weights. */
static mx_status weights_prefix(const char **prefix, const mx_st *st, const char *weights, mx_error *e) {
    const char *kind = mx_st_meta(st, "kind");
    bool state = kind && !strcmp(kind, "state"),
         average = mx_st_find(st, "ema.patch_embed.proj.weight") != NULL;
    *prefix = state ? "param." : "";
    if (!weights || !strcmp(weights, "model")) return MX_OK;
    if (strcmp(weights, "ema"))
        return mx_fail(e, MX_ERR_ARGUMENT, "--weights %s: expected %s", weights,
                       average ? "model or ema" : "model, the only ones in the file");
    *prefix = "ema.";
    return average ? MX_OK
                   : mx_fail(e, MX_ERR_ARGUMENT,
                             "--weights ema: the file holds no moving average of its weights");
}

mx_status mx_checkpoint_read_weights(mx_model *m, mx_pixels *pixels, const char *path, const char *weights,
                                     mx_params_use use, mx_error *e) {
    mx_st *st = NULL;
    const char *prefix = "";
    mx_model_config config;
    *m = (mx_model){0};
    if (mx_st_open(&st, path, e)) return e->status;
    const char *text = mx_st_meta(st, "config");
    if (use == MX_PARAMS_MAPPED && !mappable(st)) use = MX_PARAMS_WEIGHTS;
    mx_status (*load)(mx_model *, mx_st *, const char *, bool, mx_error *) =
        use == MX_PARAMS_MAPPED ? map_weights : copy_weights;
    if (!text)
        mx_fail(e, MX_ERR_FORMAT, "no \"config\" in the metadata: this is not a checkpoint of this program");
    else if (!mx_st_check(st, e) && !weights_prefix(&prefix, st, weights, e) &&
             !mx_config_from_json(&config, text, e) && !mx_model_make(m, &config, use, e) &&
             !load(m, st, prefix, *prefix != 0, e) &&
             !mx_class_names_from_json(m, mx_st_meta(st, "classes"), e) && pixels)
        mx_pixels_from_json(pixels, mx_st_meta(st, "pixels"), config.channels, e);
    if (!m->params.close) mx_st_close(st);
    return mx_fail_where(e, "%s", path);
}

mx_status mx_checkpoint_config(mx_model_config *config, const char *path, mx_error *e) {
    mx_st *st = NULL;
    if (mx_st_open(&st, path, e)) return e->status;
    const char *text = mx_st_meta(st, "config");
    if (!text)
        mx_fail(e, MX_ERR_FORMAT, "no \"config\" in the metadata: this is not a checkpoint of this program");
    else
        mx_config_from_json(config, text, e);
    mx_st_close(st);
    return mx_fail_where(e, "%s", path);
}

static mx_status read_counters(mx_run_state *s, const mx_st *st, mx_error *e) {
    const char *kind = mx_st_meta(st, "kind");
    if (!kind || strcmp(kind, "state"))
        mx_fail(e, MX_ERR_FORMAT, "expected a run state, found %s", kind ? kind : "another kind of file");
    for (size_t i = 0; i < FIELD_COUNT && !e->status; i++)
        field_parse(s, &fields[i], mx_st_meta(st, fields[i].key), e);
    return e->status;
}

mx_status mx_state_counters(mx_run_state *s, const char *path, mx_error *e) {
    mx_st *st = NULL;
    if (mx_st_open(&st, path, e)) return e->status;
    read_counters(s, st, e);
    mx_st_close(st);
    return mx_fail_where(e, "%s", path);
}

mx_status mx_state_read(mx_model *m, mx_run_state *s, mx_pixels *pixels, const char *path, mx_error *e) {
    mx_st *st = NULL;
    if (mx_st_open(&st, path, e)) return e->status;
    if (!mx_st_check(st, e)) read_counters(s, st, e);
    if (!e->status) load_set(&m->params, m->params.weight, st, "param.", true, e);
    if (!e->status) load_set(&m->params, m->params.m, st, "m.", false, e);
    if (!e->status) load_set(&m->params, m->params.v, st, "v.", false, e);
    if (!e->status && m->params.average) load_set(&m->params, m->params.average, st, "ema.", true, e);
    if (!e->status) mx_class_names_from_json(m, mx_st_meta(st, "classes"), e);
    if (!e->status) mx_pixels_from_json(pixels, mx_st_meta(st, "pixels"), m->config.channels, e);
    mx_st_close(st);
    return mx_fail_where(e, "%s", path);
}
