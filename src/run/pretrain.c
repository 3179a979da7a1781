/* How `mixmae pretrain` starts a run (run.h): from a named model, with the weights of --init if given. */
#include "base/say.h"
#include "checkpoint/init.h"
#include "checkpoint/read_any.h"
#include "run/run.h"

static mx_status settings(mx_run *run, mx_error *e) {
    return mx_settings_make(&run->settings, &mx_mixmae, &run->o, NULL, e);
}

static mx_status pixels(mx_run *run, mx_error *e) {
    return mx_settings_pixels(&run->settings, &run->o, run->data, &run->pixels, e);
}

static void note(void *user, const char *line) { mx_notice(((mx_run *)user)->sink, "init      %s", line); }

static mx_status first_weights(mx_run *run, mx_error *e) {
    const mx_init_config config = {.adapt_channels = run->o.adapt_channels, .note = note, .user = run};
    if (!run->o.init) return MX_OK;
    const mx_foreign_hints hints = {.weights = run->o.weights, .note = note, .user = run};
    if (mx_model_read_with(&run->source, NULL, run->o.init, &hints, MX_PARAMS_WEIGHTS, e))
        return mx_fail_where(e, "--init");
    if (mx_init_from(&run->stepper.model, &run->source, &config, e))
        return mx_fail_where(e, "--init %s", run->o.init);
    mx_model_free(&run->source);
    run->source = (mx_model){0};
    return MX_OK;
}

const mx_run_kind mx_pretrain_run = {MX_CMD_PRETRAIN, settings, pixels, first_weights};
