/* One optimiser step, see step.h. */
#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/ema.h"

static mx_tensor images_tensor(const mx_stepper *stepper, const float *images) {
    return mx_images_view(&stepper->model.config, images, stepper->settings.batch);
}

static mx_tensor loss_tensor(mx_stepper *stepper) { return mx_view(&stepper->loss, MX_F32, 1, 0, 0, 0, 0); }
static mx_tensor update_tensor(mx_stepper *stepper) {
    return mx_view(stepper->update, MX_F64, MX_UPDATE, 0, 0, 0, 0);
}
static mx_tensor log_tensor(mx_stepper *stepper) {
    return mx_view(stepper->log, MX_F64, MX_UNREAD, MX_UPDATE, 0, 0, 0);
}

static void micro(mx_stepper *stepper, mx_ctx *c, const float *images) {
    stepper->settings.objective->pass(stepper->objective, c, &stepper->model, loss_tensor(stepper),
                                      images_tensor(stepper, images), 1.0f / (float)stepper->settings.accum);
}

typedef struct {
    mx_stepper *stepper;
    const float *images;
} micro_work;

static void run_micro(mx_ctx *c, void *user) {
    const micro_work *w = user;
    micro(w->stepper, c, w->images);
}

static void run_update(mx_ctx *c, void *user) {
    mx_stepper *stepper = user;
    const mx_adamw_config a = mx_settings_adamw(&stepper->settings);
    mx_adamw_update(c, &stepper->model.params, &a, update_tensor(stepper), log_tensor(stepper),
                    loss_tensor(stepper));
}

/* Plans the work between steps (measures, pictures), which uses the same arena. A step's FLOPs and products do
 * not include it. */
static void dry_between(mx_ctx *c, mx_stepper *stepper) {
    size_t mark = c->arena->used;
    double flops = c->flops;
    mx_products *products = c->products;
    c->products = NULL;
    stepper->settings.objective->plan_between(stepper->objective, c, &stepper->model,
                                              images_tensor(stepper, (const float *)stepper));
    mx_arena_release(c->arena, mark);
    c->flops = flops, c->products = products;
}

/* Plans a step. A dry run never reads the images, so any address will do. */
static void dry_step(mx_ctx *c, void *user) {
    mx_stepper *stepper = user;
    mx_gradients_zero(c, &stepper->model.params);
    micro(stepper, c, (const float *)stepper);
    run_update(c, stepper);
    dry_between(c, stepper);
}

static void set_levels(mx_stepper *stepper, const uint8_t *recompute) {
    for (int i = 0; i < mx_model_blocks(&stepper->model) && i < MX_MAX_BLOCKS; i++)
        stepper->model.saved[i].recompute = (mx_recompute)recompute[i];
}

static void attach(mx_stepper *stepper) {
    mx_ctx *c = &stepper->session.ctx;
    mx_params_attach(c, &stepper->model.params);
    mx_attach(c, &stepper->loss, sizeof stepper->loss);
    mx_attach(c, stepper->update, sizeof stepper->update);
    mx_attach(c, stepper->log, sizeof stepper->log);
    stepper->settings.objective->attach(stepper->objective, c);
}

mx_status mx_stepper_make(mx_stepper *stepper, const mx_settings *s, bool plan_only, mx_products *products,
                          mx_error *e) {
    memset(stepper, 0, sizeof *stepper);
    stepper->settings = *s;
    if (mx_model_make(&stepper->model, &s->model, plan_only ? MX_PARAMS_PLAN : mx_settings_params_use(s), e))
        return e->status;
    set_levels(stepper, s->recompute);
    const mx_objective_config config = {&stepper->model, &stepper->settings.objective_settings, s->batch,
                                        s->seed};
    if (s->objective->make(&stepper->objective, &config, e)) return e->status;
    const mx_compute how = mx_settings_compute(s);
    if (plan_only) return mx_session_plan(&stepper->session, &how, dry_step, stepper, products, e);
    if (!mx_session_make(&stepper->session, &how, dry_step, stepper, products, e)) attach(stepper);
    return mx_session_error(&stepper->session, e);
}

void mx_stepper_upload(mx_stepper *stepper) {
    mx_params_upload(&stepper->session.ctx, &stepper->model.params);
}
void mx_stepper_download(mx_stepper *stepper) {
    mx_params_download(&stepper->session.ctx, &stepper->model.params);
}

mx_status mx_stepper_replan(mx_stepper *stepper, const uint8_t *recompute, mx_error *e) {
    const mx_compute how = mx_settings_compute(&stepper->settings);
    set_levels(stepper, recompute);
    return mx_session_plan(&stepper->session, &how, dry_step, stepper, NULL, e);
}

void mx_stepper_free(mx_stepper *stepper) {
    if (!stepper) return;
    mx_replay_free(&stepper->session.ctx, &stepper->passes);
    mx_replay_free(&stepper->session.ctx, &stepper->updates);
    mx_session_free(&stepper->session);
    if (stepper->objective) stepper->settings.objective->free(stepper->objective);
    mx_model_free(&stepper->model);
}

double mx_stepper_lr(const mx_stepper *stepper, int64_t step) {
    const int64_t each = stepper->settings.steps_per_epoch; /* 0: a plan without data */
    return mx_schedule_at(&stepper->settings.schedule, each > 0 ? (double)step / (double)each : 0);
}

void mx_step_micro(mx_stepper *stepper, int64_t step, int j, float *images, const int32_t *labels) {
    mx_ctx *c = &stepper->session.ctx;
    c->seed = stepper->settings.seed, c->step = (uint64_t)step, c->micro = (uint32_t)j;
    if (j == 0) {
        stepper->loss = 0;
        mx_upload(c, &stepper->loss, &stepper->loss, sizeof stepper->loss);
        mx_gradients_zero(c, &stepper->model.params);
    }
    stepper->settings.objective->draw(stepper->objective, c, images, labels);
    if (!mx_ok(c)) return;
    const size_t bytes = mx_bytes(images_tensor(stepper, images));
    mx_replay(c, &stepper->passes, images, bytes, run_micro, &(micro_work){stepper, images});
}

void mx_step_update(mx_stepper *stepper, mx_run_state *s) {
    mx_ctx *c = &stepper->session.ctx;
    double *u = stepper->update;
    u[MX_UPDATE_LR] = mx_stepper_lr(stepper, s->step);
    mx_upload(c, &u[MX_UPDATE_LR], &u[MX_UPDATE_LR], sizeof *u);
    if (stepper->updated - stepper->returned == MX_UNREAD)
        mx_fail(&c->error, MX_ERR_ARGUMENT, "the results of %d steps were not read", MX_UNREAD);
    if (stepper->updated == stepper->returned &&
        stepper->count != (double)s->updates) { /* the state was read from a file */
        u[MX_UPDATE_COUNT] = stepper->count = (double)s->updates;
        mx_upload(c, &u[MX_UPDATE_COUNT], &u[MX_UPDATE_COUNT], sizeof *u);
    }
    mx_replay(c, &stepper->updates, NULL, 0, run_update, stepper);
    mx_average_step(stepper);
    s->step++, stepper->updated++;
}

bool mx_step_results_full(const mx_stepper *stepper) {
    return stepper->updated - stepper->returned >=
           (mx_backend_is_device(stepper->session.ctx.backend) ? MX_UNREAD : 1);
}

bool mx_step_result_next(mx_stepper *stepper, mx_run_state *s, mx_step_result *r) {
    mx_ctx *c = &stepper->session.ctx;
    if (stepper->returned == stepper->updated) return false;
    if (stepper->fetched != stepper->updated) mx_download(c, stepper->log, stepper->log, sizeof stepper->log);
    stepper->fetched = stepper->updated;
    const double *u = stepper->log[stepper->returned % MX_UNREAD];
    *r = (mx_step_result){.step = s->step - (stepper->updated - stepper->returned) + 1,
                          .loss = u[MX_UPDATE_LOSS],
                          .lr = u[MX_UPDATE_LR],
                          .norm = u[MX_UPDATE_NORM],
                          .skipped = u[MX_UPDATE_FINITE] == 0};
    stepper->returned++;
    stepper->count = u[MX_UPDATE_COUNT];
    s->updates = (int64_t)stepper->count;
    s->skipped += r->skipped;
    s->skipped_in_row = r->skipped ? s->skipped_in_row + 1 : 0;
    return true;
}
