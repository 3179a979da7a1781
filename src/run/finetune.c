/* How `mixmae finetune` starts a run (run.h). Its settings override those of the model given by --init, whose
 * statistics and weights it takes. Labels become the head's classes. Source: paper, section 4.1;
 * docs/MODEL.md, "From pixels to the loss". */
#include <stdlib.h>

#include "base/say.h"
#include "checkpoint/read_any.h"
#include "checkpoint/init.h"
#include "run/run.h"

#define MX_HEAD_STD 2e-5 /* of a fresh head on a pretrained encoder */

static void tell(void *user, const char *line) {
    mx_notice(((mx_training *)user)->sink, "init      %s", line);
}

static mx_status settings(mx_training *p, mx_error *e) {
    mx_model_config start;
    if (p->resumed) {
        if (mx_checkpoint_config(&start, p->paths.state, e)) return e->status;
        return mx_settings_make(&p->settings, &mx_classify, &p->o, &start, e);
    }
    if (!p->o.init) return mx_settings_make(&p->settings, &mx_classify, &p->o, NULL, e);
    const mx_foreign_hints hints = {
        .weights = p->o.weights, .partial = p->o.partial, .note = tell, .user = p};
    if (mx_model_read_with(&p->source, &p->source_pixels, p->o.init, &hints, MX_PARAMS_WEIGHTS, e))
        return mx_fail_where(e, "--init");
    return mx_settings_make(&p->settings, &mx_classify, &p->o, &p->source.config, e);
}

static mx_status choose_pixels(mx_training *p, mx_error *e) {
    bool told = p->o.stats || p->o.mean_count || p->o.std_count;
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

static mx_status name_classes(mx_training *p, mx_error *e) {
    int n = mx_dataset_classes(p->data);
    const char **names = calloc((size_t)n, sizeof *names);
    for (int i = 0; names && i < n; i++) names[i] = mx_dataset_class_name(p->data, i);
    mx_status s = names ? mx_model_name_classes(&p->stepper.model, names, e)
                        : mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of %d classes", n);
    free(names);
    return s;
}

static mx_status first_weights(mx_training *p, mx_error *e) {
    const mx_init_config config = {p->o.partial, p->o.keep_head, p->o.adapt_channels, tell, p};
    if (name_classes(p, e) || !p->o.init) return e->status;
    if (mx_init_from(&p->stepper.model, &p->source, &config, e))
        return mx_fail_where(e, "--init %s", p->o.init);
    if (!p->o.keep_head) mx_head_init(&p->stepper.model, p->settings.seed, MX_HEAD_STD);
    mx_model_free(&p->source);
    p->source = (mx_model){0};
    return MX_OK;
}

const mx_training_task mx_finetune_task = {MX_CMD_FINETUNE, settings, choose_pixels, first_weights};
