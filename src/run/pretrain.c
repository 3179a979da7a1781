/* How `mixmae pretrain` starts a run (run.h): from a named model, with weights of --init where given. */
#include "base/say.h"
#include "checkpoint/read_any.h"
#include "checkpoint/init.h"
#include "run/run.h"

static mx_status settings(mx_training *p, mx_error *e) {
    return mx_settings_make(&p->settings, &mx_mixmae, &p->o, NULL, e);
}

static mx_status pixels(mx_training *p, mx_error *e) {
    return mx_settings_pixels(&p->settings, &p->o, p->data, &p->pixels, e);
}

static void tell(void *user, const char *line) {
    mx_notice(((mx_training *)user)->sink, "init      %s", line);
}

static mx_status first_weights(mx_training *p, mx_error *e) {
    const mx_init_config config = {.adapt_channels = p->o.adapt_channels, .notice = tell, .user = p};
    if (!p->o.init) return MX_OK;
    const mx_foreign_hints hints = {.weights = p->o.weights, .note = tell, .user = p};
    if (mx_model_read_with(&p->source, NULL, p->o.init, &hints, MX_PARAMS_WEIGHTS, e))
        return mx_fail_where(e, "--init");
    if (mx_init_from(&p->stepper.model, &p->source, &config, e))
        return mx_fail_where(e, "--init %s", p->o.init);
    mx_model_free(&p->source);
    p->source = (mx_model){0};
    return MX_OK;
}

const mx_training_task mx_pretrain_task = {MX_CMD_PRETRAIN, settings, pixels, first_weights};
