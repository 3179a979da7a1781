/* Copying weights from one model into another, see init.h. */
#include "checkpoint/init.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/interpolate.h"

typedef struct {
    mx_model *to;
    const mx_model *from;
    const mx_init_config *config;
    int resized, kept; /* tables resized; tensors of `to` that kept their first values */
} transfer;

static void note(const transfer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const transfer *t, const char *format, ...) {
    char line[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (t->config->note) t->config->note(t->config->user, line);
}

/* Of *to, which is written, or of *from, which may lie in a mapped file. */
static float *values(const mx_model *m, const mx_param *q) {
    return mx_weight(&m->params, (mx_pid)(q - m->params.item)).data;
}

/* The one place where a tensor goes from model to model. false: another shape, nothing is copied. */
static bool copy_tensor(const mx_model *to, const mx_param *q, const mx_model *from, const mx_param *f) {
    if (!mx_param_shaped(q, f->ndim, f->dim)) return false;
    memcpy(values(to, q), values(from, f), sizeof(float) * (size_t)q->count);
    return true;
}

static bool table_sides(const mx_model *m, const char *name, int *height, int *width) {
    return m->encoder.kind->table(&m->config, name, height, width) ||
           mx_decoder_table(&m->config, name, height, width);
}

/* Resizes a table whose channels agree and whose sides differ. */
static bool resizable(const transfer *t, const mx_param *to, const mx_param *from, int side[4]) {
    if (!table_sides(t->to, to->name, &side[0], &side[1]) ||
        !table_sides(t->from, from->name, &side[2], &side[3]))
        return false;
    int64_t width = to->dim[to->ndim - 1];
    return width == from->dim[from->ndim - 1] && to->count == width * side[0] * side[1] &&
           from->count == width * side[2] * side[3];
}

static mx_status keep(transfer *t, const mx_param *q, mx_error *e, const char *found) {
    char want[128];
    mx_shape_text(want, q->ndim, q->dim);
    if (!t->config->partial)
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected shape [%s], found %s", q->name, want, found);
    note(t, "left as first drawn: %s (expected shape [%s], found %s)", q->name, want, found);
    t->kept++;
    return MX_OK;
}

void mx_adapt_channels(float *to, const float *from, int64_t rows, int channels, int64_t each) {
    for (int64_t r = 0; r < rows; r++)
        for (int c = 0; c < channels; c++)
            for (int64_t i = 0; i < each; i++) {
                const float *three = from + 3 * r * each + i;
                to[(r * channels + c) * each + i] = channels == 1
                                                        ? three[0] + three[each] + three[2 * each]
                                                        : three[c % 3 * each] * (3.0f / (float)channels);
            }
}

/* If the numbers of channels differ: adapts the projection of patches, and leaves the decoder's prediction of pixels
 * as it was drawn. *done: q needs nothing more. */
static mx_status change_channels(transfer *t, bool *done, const mx_param *q, const mx_param *f, mx_error *e) {
    int want = t->to->config.channels, have = t->from->config.channels;
    bool patches = !strcmp(q->name, t->to->encoder.kind->pixels),
         pixels = !strncmp(q->name, "decoder_pred.", 13);
    if (want == have || (!patches && !pixels)) return MX_OK;
    if (!t->config->adapt_channels)
        return !patches || t->config->partial ? MX_OK
                                              : mx_fail(e, MX_ERR_SHAPE,
                                                        "tensor %s: expected %d channel%s, found %d: "
                                                        "--channels %d takes the checkpoint as it "
                                                        "is, --adapt-channels adapts it",
                                                        q->name, want, want == 1 ? "" : "s", have, have);
    *done = true;
    if (pixels) {
        note(t, "left as first drawn: %s, since the number of channels is another", q->name);
        return MX_OK;
    }
    if (have != 3 || q->ndim != 4 || f->ndim != 4 || q->dim[0] != f->dim[0] || q->dim[2] != f->dim[2])
        return mx_fail(
            e, MX_ERR_SHAPE,
            "--adapt-channels: expected a checkpoint of 3 channels and the same width and patches, found "
            "%d channels, width %" PRId64 " and patches of %" PRId64,
            have, f->dim[0], f->dim[2]);
    mx_adapt_channels(values(t->to, q), values(t->from, f), q->dim[0], want, q->dim[2] * q->dim[3]);
    note(t, "adapted   %s from 3 channels to %d (%s)", q->name, want,
         want == 1 ? "their sum" : "repeated, times 3 / channels");
    return MX_OK;
}

static mx_status move_tensor(transfer *t, const mx_param *q, mx_error *e) {
    mx_pid id = mx_params_find(&t->from->params, q->name);
    if (id == MX_NO_PARAM) return keep(t, q, e, "no such tensor");
    const mx_param *f = &t->from->params.item[id];
    int side[4] = {0};
    bool done = false;
    if (change_channels(t, &done, q, f, e) || done) return e->status;
    /* Compare sides first: a table of the same count may be another rectangle. */
    if (resizable(t, q, f, side) && (side[0] != side[2] || side[1] != side[3])) {
        mx_interpolate_bicubic(values(t->to, q), side[0], side[1], values(t->from, f), side[2], side[3],
                               (int)q->dim[q->ndim - 1]);
        t->resized++;
        return MX_OK;
    }
    if (copy_tensor(t->to, q, t->from, f)) return MX_OK;
    char found[128], text[132];
    mx_shape_text(found, f->ndim, f->dim);
    snprintf(text, sizeof text, "[%s]", found);
    return keep(t, q, e, text);
}

/* A kept head must have the classes of the data. */
static mx_status check_head(const transfer *t, mx_error *e) {
    const mx_model *a = t->to, *b = t->from;
    if (!b->config.classes) return mx_fail(e, MX_ERR_DATA, "--keep-head: the checkpoint has no head");
    if (a->config.classes != b->config.classes)
        return mx_fail(e, MX_ERR_SHAPE, "--keep-head: the data has %d classes, the checkpoint's head %d",
                       a->config.classes, b->config.classes);
    for (int i = 0; a->class_name && b->class_name && i < a->config.classes; i++)
        if (strcmp(a->class_name[i], b->class_name[i]))
            return mx_fail(e, MX_ERR_DATA, "--keep-head: class %d is %s in the data and %s in the checkpoint",
                           i, a->class_name[i], b->class_name[i]);
    return MX_OK;
}

/* Notes tensors of the file without a place in the model; others are an error. */
static mx_status leave_out(const transfer *t, mx_error *e) {
    const mx_params *p = &t->from->params;
    int decoder = 0, head = 0;
    for (int i = 0; i < p->count; i++) {
        const char *name = p->item[i].name;
        bool unused = mx_params_find(&t->to->params, name) == MX_NO_PARAM;
        if (mx_head_owns(name) && (unused || !t->config->keep_head))
            head++;
        else if (unused && mx_decoder_owns(name))
            decoder++;
        else if (unused && !t->config->partial)
            return mx_fail(e, MX_ERR_SHAPE, "tensor %s of the checkpoint has no place in this model", name);
        else if (unused)
            note(t, "left out: %s", name);
    }
    if (decoder) note(t, "left out  the decoder and mask token of the checkpoint (%d tensors)", decoder);
    if (head && t->to->config.classes)
        note(t, "left out  the checkpoint's head of %d classes: a new one starts (--keep-head keeps it)",
             t->from->config.classes);
    else if (head)
        note(t, "left out  the checkpoint's head of %d classes", t->from->config.classes);
    return MX_OK;
}

mx_status mx_init_from(mx_model *m, const mx_model *from, const mx_init_config *config, mx_error *e) {
    transfer t = {.to = m, .from = from, .config = config};
    if (config->keep_head && check_head(&t, e)) return e->status;
    for (int i = 0; i < m->params.count; i++) {
        const mx_param *q = &m->params.item[i];
        if (mx_head_owns(q->name) && !config->keep_head) continue;
        if (move_tensor(&t, q, e)) return e->status;
    }
    if (leave_out(&t, e)) return e->status;
    if (t.resized)
        note(&t, "resized   %d tables (position embedding, relative-position biases) bicubically", t.resized);
    if (t.kept) note(&t, "warning: %d tensors were not in the checkpoint", t.kept);
    return MX_OK;
}

mx_status mx_init_whole(mx_model *m, const mx_model *from, mx_error *e) {
    for (int i = 0; i < m->params.count; i++) {
        const mx_param *q = &m->params.item[i];
        mx_pid id = mx_params_find(&from->params, q->name);
        if (id == MX_NO_PARAM) return mx_fail(e, MX_ERR_FORMAT, "tensor %s is missing", q->name);
        if (!copy_tensor(m, q, from, &from->params.item[id]))
            return mx_fail(e, MX_ERR_SHAPE, "tensor %s has another shape than the model's", q->name);
    }
    return MX_OK;
}
