/* One optimiser step, see step.h. */
#include "train/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/ema.h"

static mx_tensor images_tensor(const mx_trainer *t, const float *images) {
    const mx_model_config *m = &t->model.config;
    return mx_view((void *)images, MX_F32, t->settings.batch, m->channels, m->image_h, m->image_w, 0);
}

static bool classifies(const mx_trainer *t) { return t->settings.task == MX_TASK_FINETUNE; }

static mx_tensor loss_tensor(mx_trainer *t) { return mx_view(&t->loss, MX_F32, 1, 0, 0, 0, 0); }
static mx_tensor update_tensor(mx_trainer *t) { return mx_view(t->update, MX_F64, MX_UPDATE, 0, 0, 0, 0); }
static mx_tensor log_tensor(mx_trainer *t) { return mx_view(t->log, MX_F64, MX_UNREAD, MX_UPDATE, 0, 0, 0); }

static mx_tensor classes_tensor(const mx_trainer *t, float *data) {
    return mx_view(data, MX_F32, t->settings.batch, t->model.config.classes, 0, 0, 0);
}

static void micro(mx_trainer *t, mx_ctx *c, const float *images) {
    mx_tensor loss = loss_tensor(t);
    float scale = 1.0f / (float)t->settings.accum;
    if (classifies(t))
        mx_classify_pass(c, &t->model, loss, classes_tensor(t, t->logits), images_tensor(t, images),
                         classes_tensor(t, t->targets), &t->mix, t->keep, scale);
    else
        mx_pretrain_pass(c, &t->model, loss, images_tensor(t, images), &t->mix, scale);
}

/* What is done between steps on the same arena: pictures of reconstructions, or the held-out images. */
static void dry_between(mx_ctx *c, mx_trainer *t) {
    mx_tensor few = images_tensor(t, (const float *)t);
    mx_pretrain_views views;
    size_t mark = c->arena->used;
    double flops = c->flops;
    mx_products *products = c->products;
    c->products = NULL;
    if (classifies(t))
        mx_classify_logits(c, &t->model, classes_tensor(t, t->logits), few, &t->mix);
    else {
        few.dim[0] = t->shown;
        mx_pretrain_view(c, &t->model, &views, few, &t->show);
    }
    mx_arena_release(c->arena, mark);
    c->flops = flops, c->products = products;
}

/* What a step does, for the dry run; the address of the images is never read then. */
static void dry_step(mx_ctx *c, void *user) {
    mx_trainer *t = user;
    mx_adamw_config a = mx_settings_adamw(&t->settings);
    mx_gradients_zero(c, &t->model.params);
    micro(t, c, (const float *)t);
    mx_adamw_update(c, &t->model.params, &a, update_tensor(t), log_tensor(t), loss_tensor(t));
    dry_between(c, t);
}

/* Fine-tuning's own buffers. */
static mx_status make_classifier(mx_trainer *t, mx_error *e) {
    size_t batch = (size_t)t->settings.batch, blocks = (size_t)t->model.encoder.blocks;
    size_t cells = batch * (size_t)t->model.config.classes;
    t->targets = calloc(cells, sizeof *t->targets);
    t->logits = calloc(cells, sizeof *t->logits);
    t->keep = calloc(blocks, sizeof *t->keep);
    t->keep_memory = calloc(2 * blocks * batch, sizeof *t->keep_memory);
    t->no_labels = calloc(batch, sizeof *t->no_labels);
    if (!t->targets || !t->logits || !t->keep || !t->keep_memory || !t->no_labels)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the targets of %zu images", batch);
    /* the dry run must see which blocks drop paths */
    mx_drop_path_draw(t->keep, t->keep_memory, (int)blocks, (int)batch, t->settings.drop_path, 0, 0, 0);
    return MX_OK;
}

static void set_levels(mx_trainer *t, const uint8_t *save) {
    for (int i = 0; i < mx_model_blocks(&t->model) && i < MX_MAX_SAVED; i++)
        t->model.saved[i].recompute = (mx_recompute)save[i];
}

/* Bytes of the factors of dropped paths. */
static size_t keep_bytes(const mx_trainer *t) {
    return sizeof *t->keep_memory * 2 * (size_t)t->model.encoder.blocks * (size_t)t->settings.batch;
}

static void attach(mx_trainer *t) {
    mx_ctx *c = &t->session.ctx;
    mx_params_attach(c, &t->model.params);
    mx_token_order_attach(c, &t->mix);
    mx_attach(c, &t->loss, sizeof t->loss);
    mx_attach(c, &t->held_loss, sizeof t->held_loss);
    mx_attach(c, t->update, sizeof t->update);
    mx_attach(c, t->log, sizeof t->log);
    if (classifies(t)) {
        mx_attach(c, t->keep_memory, keep_bytes(t));
        mx_attach(c, t->logits, mx_bytes(classes_tensor(t, t->logits)));
    } else
        mx_token_order_attach(c, &t->show);
}

mx_status mx_trainer_make(mx_trainer *t, const mx_settings *s, bool plan_only, mx_products *products,
                          mx_error *e) {
    memset(t, 0, sizeof *t);
    t->settings = *s;
    if (mx_model_make(&t->model, &s->model, plan_only ? MX_PARAMS_PLAN : mx_settings_use(s), e))
        return e->status;
    set_levels(t, s->save);
    t->shown = s->batch < MX_SHOWN ? s->batch : MX_SHOWN;
    if (mx_token_order_make(&t->mix, &t->model.config, s->batch, !classifies(t), e)) return e->status;
    if (classifies(t)) {
        t->shown = 0;
        if (make_classifier(t, e)) return e->status;
    } else if (mx_token_order_make(&t->show, &t->model.config, t->shown, true, e))
        return e->status;
    if (!(t->mask = malloc((size_t)t->mix.units)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for a mask");
    const mx_compute how = mx_settings_compute(s);
    if (plan_only) return mx_session_plan(&t->session, &how, dry_step, t, products, e);
    if (!mx_session_make(&t->session, &how, dry_step, t, products, e)) attach(t);
    return mx_session_error(&t->session, e);
}

void mx_trainer_upload(mx_trainer *t) { mx_params_upload(&t->session.ctx, &t->model.params); }
void mx_trainer_download(mx_trainer *t) { mx_params_download(&t->session.ctx, &t->model.params); }

mx_status mx_trainer_replan(mx_trainer *t, const uint8_t *save, mx_error *e) {
    const mx_compute how = mx_settings_compute(&t->settings);
    set_levels(t, save);
    return mx_session_plan(&t->session, &how, dry_step, t, NULL, e);
}

void mx_trainer_free(mx_trainer *t) {
    if (!t) return;
    mx_session_free(&t->session);
    mx_token_order_free(&t->mix);
    mx_token_order_free(&t->show);
    mx_model_free(&t->model);
    free(t->mask), free(t->targets), free(t->logits), free(t->keep), free(t->keep_memory);
    free(t->no_labels);
}

double mx_trainer_lr(const mx_trainer *t, int64_t step) {
    return mx_schedule_at(&t->settings.schedule, (double)step / (double)t->settings.steps_per_epoch);
}

/* The step's random part of pretraining: the mask. */
static void draw_mask(mx_trainer *t, int64_t step, int j) {
    mx_rng r = mx_rng_make(t->settings.seed, MX_RNG_MASK, (uint64_t)step, (uint32_t)j);
    mx_mask_draw(t->mask, t->mix.units, t->settings.mask_ratio, t->settings.mask_range, &r);
    mx_token_order_set(&t->mix, t->mask);
}

/* The step's random part of fine-tuning: mixed images with their targets, and the paths that are dropped. */
static void draw_mixup(mx_trainer *t, int64_t step, int j, float *images, const int32_t *labels) {
    const mx_settings *s = &t->settings;
    const mx_model_config *m = &t->model.config;
    mx_mixup_apply(&s->mixup, images, labels, t->targets, s->batch, m->channels, m->image_h, m->image_w,
                   m->classes, s->seed, (uint64_t)step, (uint32_t)j, &t->session.ctx.error);
    mx_drop_path_draw(t->keep, t->keep_memory, t->model.encoder.blocks, s->batch, s->drop_path, s->seed,
                      (uint64_t)step, (uint32_t)j);
    mx_upload(&t->session.ctx, t->keep_memory, t->keep_memory, keep_bytes(t));
}

void mx_step_micro(mx_trainer *t, int64_t step, int j, float *images, const int32_t *labels) {
    mx_ctx *c = &t->session.ctx;
    c->seed = t->settings.seed, c->step = (uint64_t)step, c->micro = (uint32_t)j;
    if (j == 0) {
        t->loss = 0;
        mx_upload(c, &t->loss, &t->loss, sizeof t->loss);
        mx_gradients_zero(c, &t->model.params);
    }
    if (classifies(t))
        draw_mixup(t, step, j, images, labels);
    else
        draw_mask(t, step, j);
    if (mx_ok(c)) micro(t, c, images);
}

void mx_step_update(mx_trainer *t, mx_run_state *s) {
    mx_ctx *c = &t->session.ctx;
    double *u = t->update;
    mx_adamw_config a = mx_settings_adamw(&t->settings);
    u[MX_UPDATE_LR] = mx_trainer_lr(t, s->step);
    mx_upload(c, &u[MX_UPDATE_LR], &u[MX_UPDATE_LR], sizeof *u);
    if (t->updated - t->told == MX_UNREAD)
        mx_fail(&c->error, MX_ERR_ARGUMENT, "the results of %d steps were not read", MX_UNREAD);
    if (t->updated == t->told && t->count != (double)s->updates) { /* a state was read from a file */
        u[MX_UPDATE_COUNT] = t->count = (double)s->updates;
        mx_upload(c, &u[MX_UPDATE_COUNT], &u[MX_UPDATE_COUNT], sizeof *u);
    }
    mx_adamw_update(c, &t->model.params, &a, update_tensor(t), log_tensor(t), loss_tensor(t));
    mx_average_step(t);
    s->step++, t->updated++;
}

bool mx_step_results_full(const mx_trainer *t) {
    return t->updated - t->told >= (mx_backend_far(t->session.ctx.backend) ? MX_UNREAD : 1);
}

bool mx_step_result_next(mx_trainer *t, mx_run_state *s, mx_step_result *r) {
    mx_ctx *c = &t->session.ctx;
    if (t->told == t->updated) return false;
    if (t->fetched != t->updated) mx_download(c, t->log, t->log, sizeof t->log);
    t->fetched = t->updated;
    const double *u = t->log[t->told % MX_UNREAD];
    *r = (mx_step_result){.step = s->step - (t->updated - t->told) + 1,
                          .loss = u[MX_UPDATE_LOSS],
                          .lr = u[MX_UPDATE_LR],
                          .norm = u[MX_UPDATE_NORM],
                          .skipped = u[MX_UPDATE_FINITE] == 0};
    t->told++;
    t->count = u[MX_UPDATE_COUNT];
    s->updates = (int64_t)t->count;
    s->skipped += r->skipped;
    s->skipped_in_row = r->skipped ? s->skipped_in_row + 1 : 0;
    return true;
}
