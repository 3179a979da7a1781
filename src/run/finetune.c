/* How `mixmae finetune` starts a run (run.h). The model of --init gives the pixel statistics, the weights and every
 * setting that no option overrides. The data's labels are the classes of the head. Source: paper, section 4.1;
 * docs/MODEL.md, "From pixels to the loss". */
#include <stdlib.h>

#include "base/say.h"
#include "checkpoint/init.h"
#include "checkpoint/read_any.h"
#include "run/run.h"

#define MX_HEAD_STD 2e-5 /* of a fresh head on a pretrained encoder */

static void note(void *user, const char *line) { mx_notice(((mx_run *)user)->sink, "init      %s", line); }

static mx_status settings(mx_run *run, mx_error *e) {
    mx_model_config start;
    if (run->resumed) {
        if (mx_checkpoint_config(&start, run->paths.state, e)) return e->status;
        return mx_settings_make(&run->settings, &mx_classify, &run->o, &start, e);
    }
    if (!run->o.init) return mx_settings_make(&run->settings, &mx_classify, &run->o, NULL, e);
    const mx_foreign_hints hints = {
        .weights = run->o.weights, .partial = run->o.partial, .note = note, .user = run};
    if (mx_model_read_with(&run->source, &run->source_pixels, run->o.init, &hints, MX_PARAMS_WEIGHTS, e))
        return mx_fail_where(e, "--init");
    return mx_settings_make(&run->settings, &mx_classify, &run->o, &run->source.config, e);
}

static mx_status choose_pixels(mx_run *run, mx_error *e) {
    bool given = run->o.stats || run->o.mean_count || run->o.std_count;
    if (!run->o.init || given) return mx_settings_pixels(&run->settings, &run->o, run->data, &run->pixels, e);
    if (run->source.config.channels != run->settings.model.channels) {
        if (run->o.adapt_channels)
            return mx_settings_pixels(&run->settings, &run->o, run->data, &run->pixels, e);
        return mx_fail(e, MX_ERR_ARGUMENT, "--channels %d: the checkpoint was trained with %d%s",
                       run->settings.model.channels, run->source.config.channels,
                       run->source.config.channels == 3 ? " (--adapt-channels adapts it)" : "");
    }
    run->pixels = run->source_pixels;
    if (run->o.value_range > 0) run->pixels.value_range = (float)run->o.value_range;
    mx_settings_use_pixels(&run->settings, &run->pixels);
    return MX_OK;
}

static mx_status name_classes(mx_run *run, mx_error *e) {
    int n = mx_dataset_classes(run->data);
    const char **names = calloc((size_t)n, sizeof *names);
    for (int i = 0; names && i < n; i++) names[i] = mx_dataset_class_name(run->data, i);
    mx_status s = names ? mx_model_name_classes(&run->stepper.model, names, e)
                        : mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of %d classes", n);
    free(names);
    return s;
}

static mx_status first_weights(mx_run *run, mx_error *e) {
    const mx_init_config config = {run->o.partial, run->o.keep_head, run->o.adapt_channels, note, run};
    if (name_classes(run, e) || !run->o.init) return e->status;
    if (mx_init_from(&run->stepper.model, &run->source, &config, e))
        return mx_fail_where(e, "--init %s", run->o.init);
    if (!run->o.keep_head) mx_head_init(&run->stepper.model, run->settings.seed, MX_HEAD_STD);
    mx_model_free(&run->source);
    run->source = (mx_model){0};
    return MX_OK;
}

const mx_run_kind mx_finetune_run = {MX_CMD_FINETUNE, settings, choose_pixels, first_weights};
