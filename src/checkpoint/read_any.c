/* Reading models from files recognised by content, and writing for torch.load, see read_any.h. */
#include "checkpoint/read_any.h"

#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "checkpoint/foreign.h"
#include "io/pth_write.h"

/* ---- reading ---- */

mx_status mx_model_is_ours(bool *ours, const char *path, mx_error *e) {
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

mx_status mx_model_read_with(mx_model *m, mx_pixels *pixels, const char *path, const mx_foreign_hints *hints,
                             mx_params_use use, mx_error *e) {
    bool ours;
    if (mx_model_is_ours(&ours, path, e)) return e->status;
    if (ours) return mx_checkpoint_read_weights(m, pixels, path, hints ? hints->weights : NULL, use, e);
    return mx_foreign_read(m, pixels, path, hints, use == MX_PARAMS_MAPPED ? MX_PARAMS_WEIGHTS : use, e);
}

mx_status mx_model_config_any(mx_model_config *config, const char *path, const mx_foreign_hints *hints,
                              mx_error *e) {
    bool ours;
    if (mx_model_is_ours(&ours, path, e)) return e->status;
    if (ours) return mx_checkpoint_config(config, path, e);
    return mx_foreign_read_config(config, path, hints, e);
}

static void note(void *user, const char *line) {
    if (user) mx_notice(user, "%s", line);
}

mx_foreign_hints mx_weights_hints(const mx_options *o, const mixmae_sink *sink) {
    return (mx_foreign_hints){.weights = o->weights, .note = note, .user = (void *)(uintptr_t)sink};
}

/* ---- writing ---- */

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
            t[i].data = mx_param_at(p, q, p->weight);
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
