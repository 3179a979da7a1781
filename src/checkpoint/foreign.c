/* Copying the tensors of a foreign file into a model: see foreign.h. */
#include "checkpoint/foreign.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/pixels.h"

void mx_foreign_note(const mx_foreign_hints *h, const char *format, ...) {
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (h->note) h->note(h->user, text);
}

/* ---- the weights ---- */

mx_status mx_unfold_columns(float *w, int64_t rows, int64_t columns, mx_error *e) {
    int64_t width = columns / 4;
    float *row = malloc(sizeof *row * (size_t)columns);
    if (!row) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a row of %" PRId64 " numbers", columns);
    for (int64_t r = 0; r < rows; r++, w += columns) {
        memcpy(row, w, sizeof *row * (size_t)columns);
        for (int64_t c = 0; c < width; c++)
            for (int64_t cell = 0; cell < 4; cell++) /* cell = 2·row + col in nn.Unfold, 2·col + row here */
                w[(cell % 2 * 2 + cell / 2) * width + c] = row[4 * c + cell];
    }
    free(row);
    return MX_OK;
}

/* The tensor that a parameter is read from; NULL: none. */
static const mx_foreign_tensor *source_of(const mx_foreign *f, const mx_param *q) {
    const mx_foreign_tensor *t = mx_foreign_find(f, q->name);
    return t && mx_param_shaped(q, t->ndim, t->dim) && !t->repeats ? t : NULL;
}

/* Compares a parameter with the file: it fits, or gets a note, or is an error. */
static mx_status check(const mx_foreign *f, const mx_param *q, const mx_foreign_hints *h, mx_error *e) {
    const mx_foreign_tensor *t = mx_foreign_find(f, q->name);
    char want[128], have[128];
    if (source_of(f, q)) return MX_OK;
    mx_shape_text(want, q->ndim, q->dim);
    mx_shape_text(have, t ? t->ndim : 0, t ? t->dim : NULL);
    if (!t && q->fixed)
        mx_foreign_note(h, "%s is not in the file: computed", q->name);
    else if (h->partial && t)
        mx_foreign_note(h, "left out: %s, expected shape [%s], found [%s]", t->original, want, have);
    else if (h->partial)
        mx_foreign_note(h, "missing: %s [%s]", q->name, want);
    else if (t)
        mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected shape [%s], found [%s]%s", t->original, want, have,
                t->repeats ? " of repeated elements" : "");
    else
        mx_fail(e, MX_ERR_FORMAT, "tensor %s is missing: expected shape [%s]%s%s", q->name, want,
                *f->prefix ? ", after the prefix " : "", f->prefix);
    return e->status;
}

/* Compares the whole file with a planned model before allocating it: a small file must not ask for a large model. */
static mx_status check_all(const mx_params *p, const mx_foreign *f, const mx_model_config *c,
                           const mx_foreign_hints *h, mx_error *e) {
    int64_t all = 0, found = 0;
    for (int i = 0; i < p->count; i++) {
        if (check(f, &p->item[i], h, e)) return e->status;
        all += p->item[i].count;
        if (source_of(f, &p->item[i])) found += p->item[i].count;
    }
    if (h->partial && found < all / 2)
        return mx_fail(e, MX_ERR_FORMAT,
                       "only %" PRId64 " of the model's %" PRId64 " elements are in the file", found, all);
    for (int i = 0; i < f->count; i++) {
        if (mx_params_find(p, f->at[i].name) != MX_NO_PARAM) continue;
        if (!h->partial)
            return mx_fail(e, MX_ERR_FORMAT, "tensor %s has no place in this model (%s)", f->at[i].original,
                           c->name);
        mx_foreign_note(h, "left out: %s has no place in this model", f->at[i].original);
    }
    return MX_OK;
}

static mx_status copy(mx_model *m, mx_foreign *f, const mx_param *q, mx_error *e) {
    const mx_foreign_tensor *t = source_of(f, q);
    float *to = mx_param_at(&m->params, q, m->params.weight);
    if (!t && q->fixed) mx_position_table(to, q->fan, q->fan2, (int)q->dim[q->ndim - 1]);
    if (!t) return MX_OK;
    if (t->pth ? mx_pth_copy_f32(f->pth, t->pth, to, q->count, e) : mx_st_copy_f32(t->st, to, q->count, e))
        return e->status;
    if (t->st) mx_st_done(f->st, t->st);
    if (f->unfold && strstr(q->name, ".downsample."))
        return mx_unfold_columns(to, q->count / q->dim[q->ndim - 1], q->dim[q->ndim - 1], e);
    return MX_OK;
}

static mx_status fill(mx_model *m, mx_foreign *f, const mx_model_config *c, mx_params_use use,
                      const mx_foreign_hints *h, mx_error *e) {
    mx_model plan;
    if (!mx_model_make(&plan, c, MX_PARAMS_PLAN, e)) check_all(&plan.params, f, c, h, e);
    mx_model_free(&plan);
    if (e->status || mx_model_make(m, c, use, e)) return e->status;
    if (h->partial) mx_params_init(&m->params, 0);
    for (int i = 0; i < m->params.count && !e->status; i++) copy(m, f, &m->params.item[i], e);
    return e->status;
}

/* Without a hint: ImageNet's, which the authors trained on. */
static mx_status fill_pixels(mx_pixels *px, const mx_foreign *f, const mx_model_config *c,
                             const mx_foreign_hints *h, mx_error *e) {
    char *text = f->pth ? mx_pth_text(f->pth, "pixels", e) : NULL;
    if (e->status) return e->status;
    if (h->pixels && h->channels != c->channels)
        mx_fail(e, MX_ERR_ARGUMENT, "--mean and --std must both hold %d numbers, one a channel; found %d",
                c->channels, h->channels);
    else if (h->pixels)
        *px = *h->pixels;
    else if (text)
        mx_pixels_from_json(px, text, c->channels, e);
    else if (c->channels == 3)
        *px = mx_pixels_imagenet();
    else
        mx_fail(
            e, MX_ERR_FORMAT,
            "the file does not say mean and standard deviation of its %d channels: convert it with --mean "
            "and --std",
            c->channels);
    free(text);
    return e->status;
}

static mx_status read_config(mx_model_config *c, mx_foreign *f, const mx_foreign_hints *h, mx_error *e) {
    char *text = f->pth ? mx_pth_text(f->pth, "config", e) : NULL;
    if (e->status) return e->status;
    if (text && text[0] == '{')
        mx_config_from_json(c, text, e); /* written by this program */
    else
        mx_foreign_config(c, f, h, e);
    free(text);
    return e->status;
}

/* Names the file, unless the error already does. */
static mx_status in_file(mx_error *e, const char *path) {
    return strstr(e->text, path) ? e->status : mx_fail_where(e, "%s", path);
}

mx_status mx_foreign_read_config(mx_model_config *config, const char *path, const mx_foreign_hints *hints,
                                 mx_error *e) {
    static const mx_foreign_hints nothing;
    const mx_foreign_hints *h = hints ? hints : &nothing;
    mx_foreign f;
    if (!mx_foreign_open(&f, path, h, e)) read_config(config, &f, h, e);
    mx_foreign_close(&f);
    return in_file(e, path);
}

mx_status mx_foreign_read(mx_model *m, mx_pixels *pixels, const char *path, const mx_foreign_hints *hints,
                          mx_params_use use, mx_error *e) {
    static const mx_foreign_hints nothing;
    const mx_foreign_hints *h = hints ? hints : &nothing;
    mx_foreign f;
    mx_model_config config;
    mx_pixels unused;
    *m = (mx_model){0};
    if (!mx_foreign_open(&f, path, h, e) && !read_config(&config, &f, h, e) &&
        !fill_pixels(pixels ? pixels : &unused, &f, &config, h, e) && !fill(m, &f, &config, use, h, e) &&
        f.pth) {
        char *classes = mx_pth_text(f.pth, "classes", e);
        if (!e->status) mx_class_names_from_json(m, classes, e);
        free(classes);
    }
    mx_foreign_close(&f);
    return in_file(e, path);
}
