/* `mixmae convert`: a model from PyTorch's files, safetensors or a run's state, written as another kind of
 * file, see convert.h. The kind of the input is told by its content, that of the output by its name's end. */
#include "train/convert.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/say.h"
#include "io/pth_write.h"
#include "train/export_onnx.h"
#include "train/foreign.h"
#include "train/settings.h"

/* ---- reading --------------------------------------------------------------------------------------------
 */

/* Is it a file of this program: a safetensors file with our configuration? What cannot be opened or read at
 * all is an error, and not another program's file. */
static mx_status is_ours(bool *ours, const char *path, mx_error *e) {
    mx_st *st = NULL;
    mx_error why = {0};
    *ours = false;
    if (mx_pth_is_file(path)) return MX_OK;
    if (mx_st_open(&st, path, &why)) {
        if (why.status == MX_ERR_IO || why.status == MX_ERR_MEMORY) *e = why;
        return e->status;
    }
    *ours = mx_st_meta(st, "config") != NULL;
    mx_st_close(st);
    return MX_OK;
}

mx_status mx_model_read_any(mx_model *m, mx_pixels *pixels, const char *path, mx_params_use use,
                            mx_error *e) {
    return mx_model_read_with(m, pixels, path, NULL, use, e);
}

mx_status mx_model_read_with(mx_model *m, mx_pixels *pixels, const char *path, const mx_foreign_hints *hints,
                             mx_params_use use, mx_error *e) {
    bool ours;
    if (is_ours(&ours, path, e)) return e->status;
    if (ours) return mx_checkpoint_read_weights(m, pixels, path, hints ? hints->weights : NULL, use, e);
    return mx_foreign_read(m, pixels, path, hints, use == MX_PARAMS_MAPPED ? MX_PARAMS_WEIGHTS : use, e);
}

mx_status mx_model_config_any(mx_model_config *config, const char *path, const mx_foreign_hints *hints,
                              mx_error *e) {
    bool ours;
    if (is_ours(&ours, path, e)) return e->status;
    if (ours) return mx_checkpoint_config(config, path, e);
    return mx_foreign_read_config(config, path, hints, e);
}

static void note(void *user, const char *line) {
    if (user) mx_notice(user, "%s", line);
}

mx_foreign_hints mx_weights_hints(const mx_options *o, const mixmae_sink *sink) {
    return (mx_foreign_hints){.weights = o->weights, .note = note, .user = (void *)(uintptr_t)sink};
}

/* ---- writing --------------------------------------------------------------------------------------------
 */

mx_status mx_model_write_pth(const char *path, const mx_model *m, const mx_pixels *pixels, mx_error *e) {
    const mx_params *p = &m->params;
    mx_st_tensor *t = calloc((size_t)p->count + 1, sizeof *t);
    bool failed = false;
    char *config = mx_config_to_json(&m->config), *px = mx_pixels_to_json(pixels, m->config.channels);
    char *classes = mx_class_names_to_json(m, &failed);
    const mx_st_pair text[] = {{"config", config}, {"pixels", px}, {"classes", classes}};
    if (!t || !config || !px || failed) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
    } else {
        for (int i = 0; i < p->count; i++) {
            const mx_param *q = &p->item[i];
            t[i] = (mx_st_tensor){.name = q->name, .dtype = "F32", .ndim = q->ndim};
            memcpy(t[i].dim, q->dim, sizeof q->dim);
            t[i].data = (q->fixed ? p->fixed : p->weight) + q->offset;
            t[i].bytes = sizeof(float) * (size_t)q->count;
        }
        mx_pth_write(path, t, p->count, text, classes ? 3 : 2, e);
    }
    free(classes);
    free(px);
    free(config);
    free(t);
    return e->status;
}

typedef enum { UNKNOWN, PTH, SAFETENSORS, ONNX } kind;

static kind kind_of(const char *path) {
    static const struct {
        const char *end;
        kind kind;
    } known[] = {{".pth", PTH}, {".pt", PTH}, {".safetensors", SAFETENSORS}, {".onnx", ONNX}};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t end = strlen(known[i].end);
        if (n > end && !strcasecmp(path + n - end, known[i].end)) return known[i].kind;
    }
    return UNKNOWN;
}

static mx_status write_as(kind to, const char *path, const mx_model *m, const mx_pixels *pixels,
                          mx_error *e) {
    const mx_onnx_notes notes = {.pixels = pixels};
    switch (to) {
    case PTH: return mx_model_write_pth(path, m, pixels, e);
    case ONNX: return mx_export_onnx(m, &notes, path, e);
    default: return mx_checkpoint_write(path, m, pixels, e);
    }
}

/* ---- the command ----------------------------------------------------------------------------------------
 */

static mx_status read_hints(mx_foreign_hints *h, mx_pixels *px, const mixmae_options *options,
                            const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    int model = mx_option_find("model", MX_CMD_CONVERT);
    *h = mx_weights_hints(o, sink);
    h->image_h = o->image_size[0], h->image_w = o->image_size[1];
    h->model = options->given[model] ? o->model : NULL;
    h->decoder_heads = o->decoder_num_heads > 0 ? o->decoder_num_heads : 0;
    h->partial = o->partial;
    if (!o->mean_count && !o->std_count) return MX_OK;
    if (o->mean_count != o->std_count)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--mean and --std must hold one number a channel each; found %d and %d", o->mean_count,
                       o->std_count);
    *px = (mx_pixels){.value_range = (float)o->value_range};
    for (int i = 0; i < o->mean_count; i++) {
        px->mean[i] = o->mean[i], px->std[i] = o->std[i];
        if (!(px->std[i] > 0))
            return mx_fail(e, MX_ERR_ARGUMENT, "--std must be positive, found %g", (double)o->std[i]);
    }
    h->pixels = px, h->channels = o->mean_count;
    return MX_OK;
}

/* What a file of this program says itself must not be contradicted. */
static mx_status refuse_hints(const mx_foreign_hints *h, const char *path, mx_error *e) {
    mx_model_config c;
    if (!h->image_h && !h->model && !h->decoder_heads && !h->pixels && !h->partial) return MX_OK;
    if (h->image_h && mx_checkpoint_config(&c, path, e)) return e->status;
    if (h->image_h && (h->image_h != c.image_h || h->image_w != c.image_w))
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--image-size %dx%d: %s is a model of %dx%d pixels, and stays one in whatever file (in ONNX "
            "only the batch is free); finetune --init FILE --image-size makes one of another size",
            h->image_h, h->image_w, path, c.image_h, c.image_w);
    return mx_fail(
        e, MX_ERR_ARGUMENT,
        "%s holds its whole configuration: --model, --image-size, --decoder-num-heads, --mean, --std "
        "and --partial are for files that do not",
        path);
}

mx_status mx_run_convert(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    mx_model m = {0};
    mx_pixels pixels, given;
    mx_foreign_hints hints;
    if (o->image_count != 1 || !o->output)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "convert needs one file and --output: mixmae convert IN --output OUT");
    kind to = kind_of(o->output);
    if (to == UNKNOWN)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--output %s: expected a name that ends in .pth, .pt, .safetensors or .onnx",
                       o->output);
    const char *path = o->images[0];
    if (read_hints(&hints, &given, options, sink, e)) return e->status;
    bool ours;
    if (is_ours(&ours, path, e)) return e->status;
    if (!ours)
        mx_foreign_read(&m, &pixels, path, &hints, MX_PARAMS_WEIGHTS, e);
    else if (!refuse_hints(&hints, path, e))
        mx_checkpoint_read_weights(&m, &pixels, path, hints.weights, MX_PARAMS_WEIGHTS, e);
    if (!e->status && !write_as(to, o->output, &m, &pixels, e)) {
        const mx_model_config *c = &m.config;
        mx_say(sink, "%s: %s, %dx%d pixels, width %d, %d stages%s%s, %d tensors", o->output, c->name,
               c->image_h, c->image_w, c->embed_dim, c->stages, c->decoder_dim ? ", decoder" : "",
               c->classes ? ", head" : "", m.params.count);
        if (to == ONNX)
            mx_notice(sink, "input \"images\" [N,%d,%d,%d]: N is free, height and width are fixed",
                      c->channels, c->image_h, c->image_w);
    }
    mx_model_free(&m);
    return e->status;
}
