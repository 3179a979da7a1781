/* One optimiser step, see step.h. */
#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/ema.h"

static mx_tensor images_tensor(const mx_stepper *t, const float *images) {
    return mx_images_view(&t->model.config, images, t->settings.batch);
}

static mx_tensor loss_tensor(mx_stepper *t) { return mx_view(&t->loss, MX_F32, 1, 0, 0, 0, 0); }
static mx_tensor update_tensor(mx_stepper *t) { return mx_view(t->update, MX_F64, MX_UPDATE, 0, 0, 0, 0); }
static mx_tensor log_tensor(mx_stepper *t) { return mx_view(t->log, MX_F64, MX_UNREAD, MX_UPDATE, 0, 0, 0); }

static void micro(mx_stepper *t, mx_ctx *c, const float *images) {
    t->settings.objective->pass(t->objective, c, &t->model, loss_tensor(t), images_tensor(t, images),
                                1.0f / (float)t->settings.accum);
}

/* Work between steps on the same arena. Its products do not count towards a step. */
static void dry_between(mx_ctx *c, mx_stepper *t) {
    size_t mark = c->arena->used;
    double flops = c->flops;
    mx_products *products = c->products;
    c->products = NULL;
    t->settings.objective->plan_between(t->objective, c, &t->model, images_tensor(t, (const float *)t));
    mx_arena_release(c->arena, mark);
    c->flops = flops, c->products = products;
}

/* The step as planned by the dry run, which never reads the address of the images. */
static void dry_step(mx_ctx *c, void *user) {
    mx_stepper *t = user;
    mx_adamw_config a = mx_settings_adamw(&t->settings);
    mx_gradients_zero(c, &t->model.params);
    micro(t, c, (const float *)t);
    mx_adamw_update(c, &t->model.params, &a, update_tensor(t), log_tensor(t), loss_tensor(t));
    dry_between(c, t);
}

static void set_levels(mx_stepper *t, const uint8_t *recompute) {
    for (int i = 0; i < mx_model_blocks(&t->model) && i < MX_MAX_BLOCKS; i++)
        t->model.saved[i].recompute = (mx_recompute)recompute[i];
}

static void attach(mx_stepper *t) {
    mx_ctx *c = &t->session.ctx;
    mx_params_attach(c, &t->model.params);
    mx_attach(c, &t->loss, sizeof t->loss);
    mx_attach(c, t->update, sizeof t->update);
    mx_attach(c, t->log, sizeof t->log);
    t->settings.objective->attach(t->objective, c);
}

mx_status mx_stepper_make(mx_stepper *t, const mx_settings *s, bool plan_only, mx_products *products,
                          mx_error *e) {
    memset(t, 0, sizeof *t);
    t->settings = *s;
    if (mx_model_make(&t->model, &s->model, plan_only ? MX_PARAMS_PLAN : mx_settings_use(s), e))
        return e->status;
    set_levels(t, s->recompute);
    const mx_objective_config config = {&t->model, &t->settings.objective_settings, s->batch, s->seed};
    if (s->objective->make(&t->objective, &config, e)) return e->status;
    const mx_compute how = mx_settings_compute(s);
    if (plan_only) return mx_session_plan(&t->session, &how, dry_step, t, products, e);
    if (!mx_session_make(&t->session, &how, dry_step, t, products, e)) attach(t);
    return mx_session_error(&t->session, e);
}

void mx_stepper_upload(mx_stepper *t) { mx_params_upload(&t->session.ctx, &t->model.params); }
void mx_stepper_download(mx_stepper *t) { mx_params_download(&t->session.ctx, &t->model.params); }

mx_status mx_stepper_replan(mx_stepper *t, const uint8_t *recompute, mx_error *e) {
    const mx_compute how = mx_settings_compute(&t->settings);
    set_levels(t, recompute);
    return mx_session_plan(&t->session, &how, dry_step, t, NULL, e);
}

void mx_stepper_free(mx_stepper *t) {
    if (!t) return;
    mx_session_free(&t->session);
    if (t->objective) t->settings.objective->free(t->objective);
    mx_model_free(&t->model);
}

double mx_stepper_lr(const mx_stepper *t, int64_t step) {
    return mx_schedule_at(&t->settings.schedule, (double)step / (double)t->settings.steps_per_epoch);
}

void mx_step_micro(mx_stepper *t, int64_t step, int j, float *images, const int32_t *labels) {
    mx_ctx *c = &t->session.ctx;
    c->seed = t->settings.seed, c->step = (uint64_t)step, c->micro = (uint32_t)j;
    if (j == 0) {
        t->loss = 0;
        mx_upload(c, &t->loss, &t->loss, sizeof t->loss);
        mx_gradients_zero(c, &t->model.params);
    }
    t->settings.objective->draw(t->objective, c, images, labels);
    if (mx_ok(c)) micro(t, c, images);
}

void mx_step_update(mx_stepper *t, mx_run_state *s) {
    mx_ctx *c = &t->session.ctx;
    double *u = t->update;
    mx_adamw_config a = mx_settings_adamw(&t->settings);
    u[MX_UPDATE_LR] = mx_stepper_lr(t, s->step);
    mx_upload(c, &u[MX_UPDATE_LR], &u[MX_UPDATE_LR], sizeof *u);
    if (t->updated - t->returned == MX_UNREAD)
        mx_fail(&c->error, MX_ERR_ARGUMENT, "the results of %d steps were not read", MX_UNREAD);
    if (t->updated == t->returned && t->count != (double)s->updates) { /* a state was read from a file */
        u[MX_UPDATE_COUNT] = t->count = (double)s->updates;
        mx_upload(c, &u[MX_UPDATE_COUNT], &u[MX_UPDATE_COUNT], sizeof *u);
    }
    mx_adamw_update(c, &t->model.params, &a, update_tensor(t), log_tensor(t), loss_tensor(t));
    mx_average_step(t);
    s->step++, t->updated++;
}

bool mx_step_results_full(const mx_stepper *t) {
    return t->updated - t->returned >= (mx_backend_is_device(t->session.ctx.backend) ? MX_UNREAD : 1);
}

bool mx_step_result_next(mx_stepper *t, mx_run_state *s, mx_step_result *r) {
    mx_ctx *c = &t->session.ctx;
    if (t->returned == t->updated) return false;
    if (t->fetched != t->updated) mx_download(c, t->log, t->log, sizeof t->log);
    t->fetched = t->updated;
    const double *u = t->log[t->returned % MX_UNREAD];
    *r = (mx_step_result){.step = s->step - (t->updated - t->returned) + 1,
                          .loss = u[MX_UPDATE_LOSS],
                          .lr = u[MX_UPDATE_LR],
                          .norm = u[MX_UPDATE_NORM],
                          .skipped = u[MX_UPDATE_FINITE] == 0};
    t->returned++;
    t->count = u[MX_UPDATE_COUNT];
    s->updates = (int64_t)t->count;
    s->skipped += r->skipped;
    s->skipped_in_row = r->skipped ? s->skipped_in_row + 1 : 0;
    return true;
}
