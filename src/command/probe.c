/* `mixmae probe`: measures frozen features by nearest neighbours and by a linear layer. */
#include <inttypes.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/json_text.h"
#include "base/say.h"
#include "command/command.h"
#include "infer/features.h"
#include "optim/schedule.h"
#include "run/check_data.h"
#include "train/open_data.h"

#define MX_PROBE_KS 4
static const int neighbours[MX_PROBE_KS] = {10, 20, 100, 200}; /* docs/TRAINING.md, "The probes" */

typedef struct {
    const mx_options *o;
    const mixmae_sink *sink;
    bool warmup_given; /* by --warmup-epochs */
    mx_inference f;
    mx_one_output one; /* pooled features */
    mx_dataset *train_data, *test_data;
    mx_features train, views, test; /* views: empty without --views */
    int classes;
} prober;

static mx_status say(const prober *p, const char *what, int64_t k, const mx_accuracy *a, mx_error *e) {
    if (p->o->json) {
        json_t *o = json_pack("{s:s,s:f,s:f}", "probe", what, "top1", a->top1, "top5", a->top5);
        bool failed = k && json_object_set_new(o, "k", json_integer(k));
        char *text = failed ? NULL : mx_json_text(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (text)
            mx_say(p->sink, "%s", text);
        else
            mx_fail(e, MX_ERR_MEMORY, "out of memory for the result of %s", what);
        free(text);
        json_decref(o);
    } else if (k)
        mx_say(p->sink, "%-6s k %-4" PRId64 "  top-1 %6.2f %%   top-5 %6.2f %%", what, k, a->top1, a->top5);
    else
        mx_say(p->sink, "%-6s         top-1 %6.2f %%   top-5 %6.2f %%", what, a->top1, a->top5);
    return e->status;
}

static mx_status read_data(prober *p, mx_error *e) {
    const mx_options *o = p->o;
    if (!o->data) return mx_fail(e, MX_ERR_ARGUMENT, "--data DIR is needed: labelled images");
    if (mx_open_training_data(&p->train_data, &p->test_data, o, NULL, e)) return e->status;
    if (!p->test_data)
        return mx_fail(e, MX_ERR_DATA,
                       "%s has no held-out part to test on: --val-data DIR names one, "
                       "--val-share 0.1 splits one off",
                       o->data);
    mx_notice_data(p->sink, p->train_data, p->test_data);
    if (mx_dataset_check_classes(p->train_data, true, e) || mx_dataset_check_classes(p->test_data, false, e))
        return e->status;
    p->classes = mx_dataset_classes(p->train_data);
    if (mx_dataset_need_classes(p->train_data, 2, e)) return e->status;
    if (mx_dataset_same_classes(p->train_data, p->test_data, e)) return e->status;
    if (o->label_fraction < 1)
        return mx_dataset_take_fraction(p->train_data, o->label_fraction, (uint64_t)o->seed, e);
    return MX_OK;
}

static mx_status nearest(const prober *p, mx_error *e) {
    mx_accuracy a[MX_PROBE_KS];
    int n = 0;
    while (n < MX_PROBE_KS && neighbours[n] <= p->train.count) n++;
    if (!n ||
        mx_knn(a, &p->train, &p->test, p->classes, neighbours, n, p->o->temperature, &p->f.session.ctx, e))
        return e->status;
    for (int i = 0; i < n && !e->status; i++) say(p, "k-NN", neighbours[i], &a[i], e);
    return MX_OK;
}

static mx_status linear(const prober *p, mx_error *e) {
    double warmup = p->o->warmup_epochs;
    if (!p->warmup_given) warmup = mx_warmup_bound(warmup, p->o->epochs);
    const mx_linear_probe_config config = {p->o->epochs, warmup, p->o->lr, (uint64_t)p->o->seed};
    mx_linear_probe_result r;
    const mx_features *from = p->views.x ? &p->views : &p->train;
    if (mx_linear_probe(&r, from, &p->test, p->classes, &config, &p->f.session.ctx, e)) return e->status;
    mx_notice(p->sink, "linear    %g epochs (warm-up %g), %" PRId64 " steps of %d, LARS at %.3g",
              config.epochs, config.warmup_epochs, r.steps, r.batch, config.lr);
    return say(p, "linear", 0, &r.test, e);
}

static mx_status probe(prober *p, mx_error *e) {
    const mx_options *o = p->o;
    uint64_t seed = (uint64_t)o->seed;
    if (mx_one_output_open(&p->one, &p->f, o, MX_OUT_POOLED, 0, p->sink, e) || read_data(p, e))
        return e->status;
    mx_inference_notice(&p->f, p->sink);
    mx_check_used_data(p->sink, &p->f.pixels, p->f.model.config.channels, p->train_data);
    mx_check_used_data(p->sink, &p->f.pixels, p->f.model.config.channels, p->test_data);
    if (mx_features_make(&p->train, &p->one, p->train_data, 0, seed, e) ||
        mx_features_make(&p->test, &p->one, p->test_data, 0, seed, e))
        return e->status;
    if (o->views > 0 && o->epochs > 0 &&
        mx_features_make(&p->views, &p->one, p->train_data, o->views, seed, e))
        return e->status;
    mx_notice(p->sink,
              "features  %" PRId64 " training and %" PRId64 " held-out images, %" PRId64
              " numbers each, %d classes",
              p->train.count, p->test.count, p->train.width, p->classes);
    if (nearest(p, e)) return e->status;
    return o->epochs > 0 ? linear(p, e) : MX_OK;
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    int row = mx_option_find("warmup-epochs", MX_CMD_PROBE);
    prober p = {.o = &options->o, .sink = sink, .warmup_given = options->given[row]};
    probe(&p, e);
    mx_features_free(&p.train), mx_features_free(&p.views), mx_features_free(&p.test);
    mx_dataset_close(p.train_data), mx_dataset_close(p.test_data);
    mx_one_output_free(&p.one);
    mx_inference_free(&p.f);
    return e->status;
}

const mx_command_about mx_about_probe = {
    .brief = "how good frozen features are: k nearest neighbours and a linear probe",
    .usage = "mixmae probe --checkpoint FILE --data DIR",
    .text =
        "Computes each image's features once, then classifies the held-out images by the weighted vote "
        "of their nearest training images (as in DINO: k 10, 20, 100, 200), and by a linear layer trained "
        "on the features (MAE's recipe: batch normalisation, LARS).",
    .examples = {"mixmae probe --checkpoint run1/model.safetensors --data photos",
                 "mixmae probe --checkpoint run1/model.safetensors --data photos --label-fraction 0.1 "
                 "--views 4"},
    .run = run,
};
