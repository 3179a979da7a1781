/* What fine-tuning does of its own in a run (training.h). Its settings lie over the model that --init holds,
 * labels become the head's classes, the held-out images give top-1, top-5 and loss, and the
 * best model is kept. Source: objective.md "Fine-tuning", schedule.md 3-5, augment.md (b)-(e). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "train/ema.h"
#include "train/convert.h"
#include "train/evaluate.h"
#include "train/held_out.h"
#include "train/init.h"
#include "train/training.h"

#define MX_HEAD_STD 2e-5 /* of a fresh head on a pretrained encoder */

static void tell(void *user, const char *line) {
    mx_notice(((mx_training *)user)->sink, "init      %s", line);
}

static mx_status settings(mx_training *p, mx_error *e) {
    mx_model_config start;
    if (p->resumed) {
        if (mx_checkpoint_config(&start, p->paths.state, e)) return e->status;
        return mx_settings_finetune(&p->settings, &p->o, &start, e);
    }
    if (!p->o.init) return mx_settings_finetune(&p->settings, &p->o, NULL, e);
    const mx_foreign_hints hints = {
        .weights = p->o.weights, .partial = p->o.partial, .note = tell, .user = p};
    if (mx_model_read_with(&p->source, &p->source_pixels, p->o.init, &hints, MX_PARAMS_WEIGHTS, e))
        return mx_fail_where(e, "--init");
    return mx_settings_finetune(&p->settings, &p->o, &p->source.config, e);
}

static mx_status choose_pixels(mx_training *p, mx_error *e) {
    bool told = p->o.stats || p->o.mean_count || p->o.std_count;
    if (p->resumed) return MX_OK;
    if (!p->o.init || told) return mx_settings_pixels(&p->settings, &p->o, p->data, &p->pixels, e);
    if (p->source.config.channels != p->settings.model.channels) {
        if (p->o.adapt_channels) return mx_settings_pixels(&p->settings, &p->o, p->data, &p->pixels, e);
        return mx_fail(e, MX_ERR_ARGUMENT, "--channels %d: the checkpoint was trained with %d%s",
                       p->settings.model.channels, p->source.config.channels,
                       p->source.config.channels == 3 ? " (--adapt-channels adapts it)" : "");
    }
    p->pixels = p->source_pixels;
    if (p->o.value_range > 0) p->pixels.value_range = (float)p->o.value_range;
    mx_settings_use_pixels(&p->settings, &p->pixels);
    return MX_OK;
}

static mx_status use_data(mx_training *p, mx_error *e) {
    int classes = mx_dataset_classes(p->data);
    if (mx_dataset_check_classes(p->data, true, e) ||
        (p->held && mx_dataset_check_classes(p->held, false, e)))
        return e->status;
    if (mx_dataset_need_classes(p->data, 2, e)) return e->status;
    if (p->held && mx_dataset_same_classes(p->data, p->held, e)) return e->status;
    if (p->settings.label_fraction < 1 &&
        mx_dataset_take_fraction(p->data, p->settings.label_fraction, p->settings.seed, e))
        return e->status;
    p->settings.model.classes = classes;
    return choose_pixels(p, e);
}

static mx_status name_classes(mx_training *p, mx_error *e) {
    int n = mx_dataset_classes(p->data);
    const char **names = calloc((size_t)n, sizeof *names);
    for (int i = 0; names && i < n; i++) names[i] = mx_dataset_class_name(p->data, i);
    mx_status s = names ? mx_model_name_classes(&p->trainer.model, names, e)
                        : mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of %d classes", n);
    free(names);
    return s;
}

static mx_status first_weights(mx_training *p, mx_error *e) {
    const mx_init_config config = {p->o.partial, p->o.keep_head, p->o.adapt_channels, tell, p};
    if (name_classes(p, e) || !p->o.init) return e->status;
    if (mx_init_from(&p->trainer.model, &p->source, &config, e))
        return mx_fail_where(e, "--init %s", p->o.init);
    if (!p->o.keep_head) mx_head_init(&p->trainer.model, p->settings.seed, MX_HEAD_STD);
    mx_model_free(&p->source);
    p->source = (mx_model){0};
    return MX_OK;
}

static mx_status log_evaluation(mx_training *p, const mx_evaluation *v, mx_error *e) {
    int64_t step = p->state.step, left_out = p->held_left_out + v->broken;
    const mx_observe_number line[] = {{"val_loss", v->loss, false},
                                      {"val_top1", v->top1, false},
                                      {"val_top5", v->top5, false},
                                      {"val_left_out", (double)left_out, true}};
    if (mx_observe_numbers(p, line, left_out ? 4 : 3, e) ||
        mx_events_scalar(p->events, "perf/test_acc1", step, v->top1, e) ||
        mx_events_scalar(p->events, "perf/test_acc5", step, v->top5, e))
        return e->status;
    return mx_events_scalar(p->events, "perf/test_loss", step, v->loss, e);
}

static mx_status held_out(mx_training *p, mx_error *e) {
    mx_trainer *t = &p->trainer;
    mx_evaluation v;
    mx_loader_config config = mx_held_out_loader(p);
    mx_average_exchange(t);
    mx_evaluate(&v, &t->session, &t->model, &t->mix, t->logits, &config, NULL, e);
    mx_average_exchange(t);
    if (!e->status) log_evaluation(p, &v, e);
    bool better = !e->status && v.top1 > p->state.best;
    if (better) {
        p->state.best = v.top1;
        mx_trainer_download(t);
        mx_checkpoint_write(p->paths.best, &t->model, &p->pixels, e);
    }
    if (!e->status)
        mx_notice(p->sink,
                  "epoch %.4g: top-1 %.2f %%, top-5 %.2f %%, loss %.4f of %" PRId64 " held-out images%s%s",
                  mx_training_epoch(p), v.top1, v.top5, v.loss, v.images,
                  v.broken + p->held_left_out ? ", broken ones left out" : "", better ? " (best)" : "");
    mx_evaluation_free(&v);
    return mx_fail_where(e, "held-out images");
}

const mx_training_task mx_finetune_task = {MX_CMD_FINETUNE, "loss",   settings, use_data,
                                           first_weights,   held_out, NULL,     0};
