/* Fine-tuning on labels: mixed images with soft targets, dropped paths, cross entropy; held-out images give
 * top-1, top-5 and loss. Source: paper, section 4.1 and table 10; docs/MODEL.md, "From pixels to the loss";
 * docs/AUGMENT.md. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objective/evaluate.h"
#include "objective/objective.h"

#define MX_EVALUATED_BYTES 16 /* a held-out image's index, label and prediction (evaluate.h) */

typedef struct {
    const mx_objective_settings *settings;
    uint64_t seed;
    int batch, classes, blocks;
    mx_model_config config;
    mx_token_tables tables;
    float *targets, *logits; /* [batch,classes] */
    mx_drop_scale *drop;     /* [encoder blocks] drop-path factors, stored in drop_memory */
    float *drop_memory;
    int32_t *no_labels; /* [batch] zeros: class 0, for steps without labels */
} classify;

static mx_status model(mx_model_config *m, mx_error *e) {
    m->decoder_dim = m->decoder_depth = m->decoder_heads = 0, m->classes = 0;
    return e->status;
}

/* Sets *out to the index of text in names. The error lists the names. */
static mx_status choose(int *out, const char *option, const char *text, const char *const names[3],
                        mx_error *e) {
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *out = i;
            return MX_OK;
        }
    return mx_fail(e, MX_ERR_ARGUMENT, "--%s: expected %s, %s or %s, found %s", option, names[0], names[1],
                   names[2], text);
}

static bool needs_even(const mx_objective_settings *s) { return mx_mixup_on(&s->mixup); }

static mx_status augmentation(mx_objective_settings *s, mx_transform *t, int batch, const mx_options *o,
                              mx_error *e) {
    static const char *const modes[3] = {"pixel", "rand", "const"}, *const mixes[3] = {"batch", "pair",
                                                                                       "elem"};
    int mode = 0, mix = 0;
    if (mx_randaugment_parse(&t->randaugment, o->aa ? o->aa : "none", e)) return mx_fail_where(e, "--aa");
    if (choose(&mode, "remode", o->remode, modes, e) || choose(&mix, "mixup-mode", o->mixup_mode, mixes, e))
        return e->status;
    t->color_jitter = t->randaugment.on ? 0 : o->color_jitter;
    t->erase = (mx_erase){.probability = o->reprob,
                          .area_lo = 0.02,
                          .area_hi = 1.0 / 3,
                          .aspect_lo = 0.3,
                          .count = (int)o->recount};
    t->erase.mode = mode;
    s->mixup = (mx_mixup){.mixup = o->mixup,
                          .cutmix = o->cutmix,
                          .cutmix_minmax = {o->cutmix_minmax[0], o->cutmix_minmax[1]},
                          .probability = o->mixup_prob,
                          .switch_probability = o->mixup_switch_prob,
                          .smoothing = o->smoothing};
    s->mixup.mode = mix;
    if (needs_even(s) && batch % 2)
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--batch-size %d is odd: mixup and cutmix pair each image of a batch with another one; "
            "--batch-size %d works, or --mixup-prob 0",
            batch, batch > 1 ? batch - 1 : 2);
    return MX_OK;
}

static mx_status settings(mx_objective_settings *s, mx_transform *t, const mx_model_config *m, int batch,
                          const mx_options *o, const mx_recipe *recipe, mx_error *e) {
    (void)m;
    s->layer_decay = o->layer_decay >= 0 ? o->layer_decay : o->init ? recipe->layer_decay : 1;
    s->drop_path = o->drop_path >= 0 ? o->drop_path : recipe->drop_path;
    s->label_fraction = o->label_fraction;
    s->balance = o->balance;
    return augmentation(s, t, batch, o, e);
}

static void effective(const mx_objective_settings *s, mx_options *o) {
    o->layer_decay = s->layer_decay, o->drop_path = s->drop_path;
}

static mx_status data(const mx_objective_settings *s, mx_model_config *m, mx_dataset *d, mx_dataset *held,
                      uint64_t seed, mx_error *e) {
    int classes = mx_dataset_classes(d);
    if (mx_dataset_check_classes(d, true, e) || (held && mx_dataset_check_classes(held, false, e)))
        return e->status;
    if (mx_dataset_need_classes(d, 2, e)) return e->status;
    if (held && mx_dataset_same_classes(d, held, e)) return e->status;
    if (s->label_fraction < 1 && mx_dataset_take_fraction(d, s->label_fraction, seed, e)) return e->status;
    m->classes = classes;
    return MX_OK;
}

static mx_status make(void **state, const mx_objective_config *c, mx_error *e) {
    classify *x = *state = calloc(1, sizeof *x);
    if (!x) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *x = (classify){.settings = c->settings,
                    .seed = c->seed,
                    .batch = c->batch,
                    .classes = c->model->config.classes,
                    .blocks = c->model->encoder.blocks,
                    .config = c->model->config};
    size_t batch = (size_t)x->batch, blocks = (size_t)x->blocks, cells = batch * (size_t)x->classes;
    if (mx_token_tables_make(&x->tables, &x->config, x->batch, false, e)) return e->status;
    x->targets = calloc(cells, sizeof *x->targets);
    x->logits = calloc(cells, sizeof *x->logits);
    x->drop = calloc(blocks, sizeof *x->drop);
    x->drop_memory = calloc(2 * blocks * batch, sizeof *x->drop_memory);
    x->no_labels = calloc(batch, sizeof *x->no_labels);
    if (!x->targets || !x->logits || !x->drop || !x->drop_memory || !x->no_labels)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the targets of %zu images", batch);
    /* for the dry run: a block that drops paths needs other memory */
    mx_drop_path_draw(x->drop, x->drop_memory, x->blocks, x->batch, x->settings->drop_path, 0, 0, 0);
    return MX_OK;
}

static void release(void *state) {
    classify *x = state;
    if (!x) return;
    mx_token_tables_free(&x->tables);
    free(x->targets), free(x->logits), free(x->drop), free(x->drop_memory), free(x->no_labels);
    free(x);
}

static size_t bytes(const mx_model *m, int batch, int64_t held) {
    size_t each = 2 * (size_t)m->config.classes + 2 * (size_t)m->encoder.blocks;
    return mx_token_tables_bytes(&m->config, batch) + (size_t)batch * each * sizeof(float) +
           (size_t)held * MX_EVALUATED_BYTES;
}

static mx_tensor classes_tensor(const classify *x, float *data) {
    return mx_view(data, MX_F32, x->batch, x->classes, 0, 0, 0);
}

/* Bytes of the drop-path factors. */
static size_t drop_bytes(const classify *x) {
    return sizeof *x->drop_memory * 2 * (size_t)x->blocks * (size_t)x->batch;
}

static void attach(void *state, mx_ctx *c) {
    classify *x = state;
    mx_token_tables_attach(c, &x->tables);
    mx_attach(c, x->drop_memory, drop_bytes(x));
    mx_attach(c, x->logits, mx_bytes(classes_tensor(x, x->logits)));
}

/* Mixes images and targets; draws the paths to drop. */
static void draw(void *state, mx_ctx *c, float *images, const int32_t *labels) {
    classify *x = state;
    const mx_model_config *m = &x->config;
    mx_mixup_apply(&x->settings->mixup, images, labels ? labels : x->no_labels, x->targets, x->batch,
                   m->channels, m->image_h, m->image_w, x->classes, x->seed, c->step, c->micro, &c->error);
    mx_drop_path_draw(x->drop, x->drop_memory, x->blocks, x->batch, x->settings->drop_path, x->seed, c->step,
                      c->micro);
    mx_upload(c, x->drop_memory, x->drop_memory, drop_bytes(x));
}

static void pass(void *state, mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, float scale) {
    classify *x = state;
    mx_classify_pass(c, m, loss, classes_tensor(x, x->logits), images, classes_tensor(x, x->targets),
                     &x->tables, x->drop, scale);
}

static void plan_between(void *state, mx_ctx *c, mx_model *m, mx_tensor images) {
    classify *x = state;
    mx_classify_logits(c, m, classes_tensor(x, x->logits), images, &x->tables);
}

/* Parts of a measure. */
typedef struct {
    classify *x;
    mx_session *s;
    mx_model *m;
} measuring;

static const float *scores(void *user, const float *images, mx_error *e) {
    const measuring *k = user;
    mx_tensor logits = classes_tensor(k->x, k->x->logits);
    mx_tensor batch = mx_images_view(&k->m->config, images, k->x->batch);
    mx_classify_logits(&k->s->ctx, k->m, logits, batch, &k->x->tables);
    mx_fetch(&k->s->ctx, logits, logits);
    return mx_session_error(k->s, e) ? NULL : k->x->logits;
}

static mx_status held_out(void *state, mx_session *s, mx_model *m, const mx_loader_config *loader,
                          mx_measure *out, mx_error *e) {
    classify *x = state;
    mx_evaluation v;
    measuring k = {x, s, m};
    const mx_classifier classifier = {scores, &k, x->batch, x->classes};
    if (!mx_evaluate(&v, &classifier, loader, NULL, e)) {
        const mx_measure all = {.number = {{"val_loss", "perf/test_loss", v.loss},
                                           {"val_top1", "perf/test_acc1", v.top1},
                                           {"val_top5", "perf/test_acc5", v.top5}},
                                .count = 3,
                                .left_out = loader->bad_count + v.broken,
                                .score = v.top1};
        *out = all;
        snprintf(out->text, sizeof out->text,
                 "top-1 %.2f %%, top-5 %.2f %%, loss %.4f of %" PRId64 " held-out images%s", v.top1, v.top5,
                 v.loss, v.images, all.left_out ? ", broken ones left out" : "");
    }
    mx_evaluation_free(&v);
    return e->status;
}

const mx_objective mx_classify = {.name = "classify",
                                  .command = "finetune",
                                  .title = "Fine-tuning",
                                  .loss_tag = "loss",
                                  .labels = true,
                                  .model = model,
                                  .settings = settings,
                                  .effective = effective,
                                  .needs_even = needs_even,
                                  .data = data,
                                  .make = make,
                                  .free = release,
                                  .bytes = bytes,
                                  .attach = attach,
                                  .draw = draw,
                                  .pass = pass,
                                  .plan_between = plan_between,
                                  .held_out = held_out};
