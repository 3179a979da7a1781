/* `mixmae predict`: prints class names and probabilities of images. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/again.h"
#include "base/escape.h"
#include "base/json_text.h"
#include "base/say.h"
#include "command/command.h"
#include "infer/one_output.h"
#include "objective/evaluate.h"
#include "run/check_data.h"
#include "train/open_data.h"

typedef struct {
    mx_inference f;
    mx_one_output one; /* logits */
    const mx_options *o;
    const mixmae_sink *sink;
    char **path; /* [batch] of the images in one.images, owned */
    int waiting, top;
    int *best;      /* [top] */
    double *chance; /* [classes] */
    int64_t broken;
} predictor;

static void softmax(double *p, const float *x, int n) {
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) most = fmax(most, (double)x[i]);
    for (int i = 0; i < n; i++) sum += p[i] = exp((double)x[i] - most);
    for (int i = 0; i < n; i++) p[i] /= sum;
}

/* A line; NULL: out of memory. */
static mx_status print_json(const predictor *p, const char *path, mx_error *e) {
    char number[16], *name = mx_escape_utf8(path);
    json_t *o = json_object(), *list = json_array();
    bool failed = !name || json_object_set_new(o, "file", json_string(name));
    free(name);
    for (int k = 0; k < p->top && !failed; k++) {
        double chance = p->chance[p->best[k]];
        const char *class = mx_inference_class(&p->f, p->best[k], number);
        json_t *item = json_object();
        failed = json_object_set_new(item, "class", json_string(class)) ||
                 json_object_set_new(item, "probability", isfinite(chance) ? json_real(chance) : json_null());
        if (json_array_append(list, item)) failed = true;
        json_decref(item);
    }
    if (json_object_set_new(o, "predictions", list)) failed = true;
    char *text = failed ? NULL : mx_json_text(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text)
        mx_say_json(p->sink, text);
    else
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the line of %s", path);
    free(text);
    json_decref(o);
    return e->status;
}

static void print_table(const predictor *p, const char *path) {
    char number[16];
    mx_say(p->sink, "%s", path);
    for (int k = 0; k < p->top; k++)
        mx_say(p->sink, "  %6.2f %%  %s", 100 * p->chance[p->best[k]],
               mx_inference_class(&p->f, p->best[k], number));
}

static mx_status flush(predictor *p, mx_error *e) {
    int classes = p->f.model.config.classes;
    if (!p->waiting || mx_one_output_run(&p->one, p->one.images, p->waiting, e)) return e->status;
    for (int i = 0; i < p->waiting; i++) {
        const float *logits = p->one.out + (size_t)i * (size_t)classes;
        softmax(p->chance, logits, classes);
        mx_top_k(logits, classes, p->top, p->best);
        if (!p->o->json)
            print_table(p, p->path[i]);
        else if (print_json(p, p->path[i], e))
            return e->status;
        free(p->path[i]);
        p->path[i] = NULL;
    }
    p->waiting = 0;
    return MX_OK;
}

/* Takes over an image and its name. Names an image that could not be read (`broken`); the others go on. */
static mx_status add_image(predictor *p, mx_image *im, const char *name, mx_error *broken, mx_error *e) {
    const mx_inference *f = &p->f;
    float *chw = p->one.images + p->waiting * p->one.each_in;
    if (broken->status || mx_transform_image(&f->transform, im, chw, broken)) {
        mx_notice(p->sink, "%s", broken->text);
        p->broken++;
    } else if (!(p->path[p->waiting++] = strdup(name)))
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
    mx_image_free(im);
    return !e->status && p->waiting == f->batch ? flush(p, e) : e->status;
}

static mx_status add_file(predictor *p, const char *path, mx_error *e) {
    mx_image im = {0};
    mx_error broken = {0};
    mx_image_read(&im, path, p->f.model.config.channels, p->o->exif_orientation, &broken);
    return add_image(p, &im, path, &broken, e);
}

/* All images of a folder, or of another data set stored in one. */
static mx_status add_folder(predictor *p, const char *root, mx_error *e) {
    mx_dataset *d = NULL;
    mx_error unread = {0};
    if (mx_dataset_open_split(&d, root, MX_SPLIT_EVERY, NULL, &unread)) {
        if (unread.status == MX_ERR_MEMORY) return mx_fail(e, unread.status, "%s", unread.text);
        mx_notice(p->sink, "%s", unread.text);
        p->broken++;
        return MX_OK;
    }
    mx_dataset_turn(d, p->o->exif_orientation);
    mx_notice_unread(p->sink, d);
    mx_check_used_data(p->sink, &p->f.pixels, p->f.model.config.channels, d);
    for (int64_t i = 0; i < mx_dataset_count(d) && !e->status; i++) {
        mx_image im = {0};
        mx_error broken = {0};
        char *name = NULL;
        mx_dataset_read(d, i, p->f.model.config.channels, &im, &broken);
        if (asprintf(&name, "%s/%s", root, mx_dataset_path(d, i)) < 0)
            mx_fail(e, MX_ERR_MEMORY, "out of memory");
        else
            add_image(p, &im, name, &broken, e);
        free(name);
    }
    mx_dataset_close(d);
    return e->status;
}

static mx_status open_predictor(predictor *p, mx_error *e) {
    if (!p->o->image_count)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "predict needs images: mixmae predict --checkpoint FILE IMAGES...");
    if (mx_one_output_open(&p->one, &p->f, p->o, MX_OUT_LOGITS, 0, p->sink, e)) return e->status;
    if (!p->o->json) mx_inference_notice(&p->f, p->sink);
    int classes = p->f.model.config.classes;
    p->top = p->o->top < classes ? (int)p->o->top : classes;
    p->path = calloc((size_t)p->f.batch, sizeof *p->path);
    p->best = calloc((size_t)p->top, sizeof *p->best);
    p->chance = calloc((size_t)classes, sizeof *p->chance);
    return p->path && p->best && p->chance ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    predictor p = {.o = &options->o, .sink = sink};
    struct stat st;
    if (open_predictor(&p, e)) goto done;
    mx_check_used_files(sink, &p.f.pixels, p.f.model.config.channels, p.o->images, p.o->image_count);
    for (int i = 0; i < p.o->image_count && !e->status; i++) {
        const char *path = p.o->images[i];
        if (!mx_stat(path, &st) && S_ISDIR(st.st_mode))
            add_folder(&p, path, e);
        else
            add_file(&p, path, e);
    }
    if (!e->status && !flush(&p, e) && p.broken)
        mx_fail(e, MX_ERR_DATA, "%lld of the images or folders could not be read", (long long)p.broken);
done:
    for (int i = 0; p.path && i < p.f.batch; i++) free(p.path[i]);
    free(p.path), free(p.best), free(p.chance);
    mx_one_output_free(&p.one);
    mx_inference_free(&p.f);
    return e->status;
}

const mx_command_about mx_about_predict = {
    .brief = "class names and probabilities of images",
    .usage = "mixmae predict --checkpoint FILE IMAGES...",
    .text = "Prints one line per image and class, or JSON. A folder stands for all its images. Files that "
            "cannot be read are named; the others are still classified.",
    .examples = {"mixmae predict --checkpoint tuned/best.safetensors cat.jpg dog.png",
                 "mixmae predict --checkpoint tuned/best.safetensors --json --top 3 photos"},
    .run = run,
};
