/* `mixmae eval`: measures a classifier on labelled images. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/escape.h"
#include "base/json_text.h"
#include "base/say.h"
#include "command/command.h"
#include "data/compose.h"
#include "infer/one_output.h"
#include "report/evaluation.h"
#include "run/check_data.h"
#include "train/open_data.h"

/* The class with this name. Several may share it (ImageNet's two cranes): prefers `first`. */
static int class_by_name(const mx_model *m, const char *name, int first) {
    if (first < m->config.classes && !strcmp(m->class_name[first], name)) return first;
    for (int i = 0; i < m->config.classes; i++)
        if (!strcmp(m->class_name[i], name)) return i;
    for (int i = 0; i < m->config.classes; i++) /* any class: the data may number them otherwise */
        if (mx_name_same(m->class_name[i], name)) return i;
    return -1;
}

/* (*map)[label of the data] = class of the model, matched by name if the model has names. Free *map; NULL: labels and
 * classes are the same. */
static mx_status match_classes(const mx_model *m, const mx_dataset *data, int32_t **map, mx_error *e) {
    int n = mx_dataset_classes(data);
    *map = NULL;
    if (mx_dataset_need_classes(data, 1, e)) return e->status;
    if (mx_dataset_check_classes(data, false, e)) return e->status;
    if (!m->class_name && n == m->config.classes) return MX_OK;
    if (!m->class_name)
        return mx_fail(e, MX_ERR_DATA,
                       "the model has %d classes without names, the data has %d: they must be equal",
                       m->config.classes, n);
    if (!(*map = malloc(sizeof **map * (size_t)n))) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int i = 0; i < n && !e->status; i++) {
        char *name = mx_escape_utf8(mx_dataset_class_name(data, i)); /* as models store names */
        if (!name)
            mx_fail(e, MX_ERR_MEMORY, "out of memory");
        else if (((*map)[i] = class_by_name(m, name, i)) < 0)
            mx_fail(e, MX_ERR_DATA, "class %s of the data is not one of the model's %d classes (%s, ...)",
                    name, m->config.classes, m->class_name[0]);
        free(name);
    }
    return e->status;
}

static mx_status write_report(const mx_inference *f, const mx_evaluation *v, const mx_dataset *data,
                              const mx_options *o, mx_error *e) {
    int n = f->model.config.classes;
    const char **names = calloc((size_t)n, sizeof *names);
    char(*numbers)[16] = calloc((size_t)n, sizeof *numbers);
    if (names && numbers) {
        for (int i = 0; i < n; i++) names[i] = mx_inference_class(f, i, numbers[i]);
        const mx_eval_story story = {v, n, names, o->checkpoint, mx_dataset_root(data), data};
        mx_eval_report(&story, o->output, e);
    } else
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of %d classes", n);
    free(names), free(numbers);
    return e->status;
}

static mx_status print(const mx_evaluation *v, bool as_json, const mixmae_sink *sink, mx_error *e) {
    if (as_json) {
        json_t *o = json_pack("{s:I,s:I,s:f,s:f,s:o}", "images", (json_int_t)v->images, "broken",
                              (json_int_t)v->broken, "top1", v->top1, "top5", v->top5, "loss",
                              isfinite(v->loss) ? json_real(v->loss) : json_null());
        char *text = mx_json_text(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (text)
            mx_say(sink, "%s", text);
        else
            mx_fail(e, MX_ERR_MEMORY, "out of memory for the result");
        free(text);
        json_decref(o);
        return e->status;
    }
    mx_say(sink, "top-1 %.2f %%, top-5 %.2f %%, loss %.4f, %" PRId64 " images", v->top1, v->top5, v->loss,
           v->images);
    if (v->broken) mx_notice(sink, "%" PRId64 " images could not be read and were left out", v->broken);
    return MX_OK;
}

static const float *scores(void *user, const float *images, mx_error *e) {
    mx_one_output *logits = user;
    return mx_one_output_run(logits, images, logits->f->batch, e) ? NULL : logits->out;
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    mx_inference f = {0};
    mx_one_output logits = {0};
    mx_evaluation v = {0};
    mx_dataset *data = NULL;
    int32_t *map = NULL;
    if (mx_one_output_open(&logits, &f, o, MX_OUT_LOGITS, 0, sink, e) || mx_open_part(&data, o, "val", e) ||
        match_classes(&f.model, data, &map, e))
        goto done;
    mx_inference_notice(&f, sink);
    mx_notice_data(sink, data, NULL);
    mx_check_used_data(sink, &f.pixels, f.model.config.channels, data);
    mx_loader_config config = mx_one_output_loader(&logits, data);
    const mx_classifier model = {scores, &logits, f.batch, f.model.config.classes};
    if (mx_evaluate(&v, &model, &config, map, e)) goto done;
    if (!print(&v, o->json, sink, e) && o->output && !write_report(&f, &v, data, o, e))
        mx_notice(sink, "wrote %s/report.html, confusion.csv, per_class.csv, predictions.csv", o->output);
done:
    free(map);
    mx_evaluation_free(&v);
    mx_dataset_close(data);
    mx_one_output_free(&logits);
    mx_inference_free(&f);
    return e->status;
}

const mx_command_about mx_about_eval = {
    .brief = "top-1, top-5 and loss of a classifier on labelled images",
    .usage = "mixmae eval --checkpoint FILE --data DIR [--output DIR]",
    .text = "Classifies every image once, without augmentation. With --output: confusion.csv, "
            "per_class.csv, predictions.csv and report.html. The data's classes are matched to the model's "
            "by name.",
    .examples = {"mixmae eval --checkpoint tuned/best.safetensors --data photos --output result"},
    .run = run,
};
