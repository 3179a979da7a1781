/* `mixmae convert`: reads a model from PyTorch's files, safetensors or a run's state and writes it as another kind of
 * file. The input's kind is recognised by content, the output's by the ending of its name. */
#include <string.h>
#include <strings.h>

#include "base/say.h"
#include "checkpoint/export_onnx.h"
#include "checkpoint/foreign.h"
#include "checkpoint/read_any.h"
#include "command/command.h"

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

/* Refuses options that contradict a file written by this program. */
static mx_status refuse_hints(const mx_foreign_hints *h, const char *path, mx_error *e) {
    mx_model_config c;
    if (!h->image_h && !h->model && !h->decoder_heads && !h->pixels && !h->partial) return MX_OK;
    if (h->image_h && mx_checkpoint_config(&c, path, e)) return e->status;
    if (h->image_h && (h->image_h != c.image_h || h->image_w != c.image_w))
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--image-size %dx%d: %s is a model of %dx%d pixels, and convert keeps that size (in ONNX only the "
            "batch is free); finetune --init FILE --image-size makes one of another size",
            h->image_h, h->image_w, path, c.image_h, c.image_w);
    return mx_fail(
        e, MX_ERR_ARGUMENT,
        "%s holds its whole configuration: --model, --image-size, --decoder-num-heads, --mean, --std "
        "and --partial are for files that do not",
        path);
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
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
    if (mx_model_is_ours(&ours, path, e)) return e->status;
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

const mx_command_about mx_about_convert = {
    .brief = "models between PyTorch, safetensors and ONNX",
    .usage = "mixmae convert IN --output OUT.safetensors|.pth|.onnx",
    .text = "Reads .pth files of the authors' program or of mmpretrain without Python, safetensors files "
            "and a run's state. If the file has no configuration, it is derived from the tensors' shapes. A "
            "tensor that is missing, left over or of another shape is an error that names it. "
            "Optimiser states are not copied.",
    .examples = {"mixmae convert mixmae_base_600ep.pth --output base.safetensors",
                 "mixmae convert run1/model.safetensors --output run1.pth",
                 "mixmae convert tuned/best.safetensors --output classifier.onnx"},
    .run = run,
};
