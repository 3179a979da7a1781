/* What a pretraining run shows: progress, log.jsonl, TensorBoard, the held-out loss, pictures, the report.
 * Nothing here changes the training state but the sums since the last log line. */
#include "train/pretrain.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "train/process.h"
#include "train/reconstruct.h"
#include "train/report.h"

static double epoch_of(const mx_pretraining *p) {
    return (double)p->state.step / (double)p->settings.steps_per_epoch;
}

/* Appends {"step":…,"epoch":…, more…}; takes `o` over. */
static mx_status append(mx_pretraining *p, json_t *o, mx_error *e) {
    json_object_set_new(o, "step", json_integer(p->state.step));
    json_object_set_new(o, "epoch", json_real(epoch_of(p)));
    char *line = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    mx_status status =
        line ? mx_jsonl_append(p->paths.log, line, e) : mx_fail(e, MX_ERR_MEMORY, "out of memory");
    free(line);
    json_decref(o);
    return status;
}

/* A number that may be not finite (JSON has none: null then). */
static void put(json_t *o, const char *key, double v) {
    json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

void mx_observe_event(mx_pretraining *p, const char *line) {
    json_t *o = json_object();
    json_object_set_new(o, "event", json_string(line));
    append(p, o, NULL); /* the log is a convenience here: what matters is said through the sink */
    mx_notice(p->sink, "%s", line);
}

mx_status mx_observe_begin(mx_pretraining *p, mx_error *e) {
    if (p->resumed && mx_jsonl_cut(p->paths.log, p->state.step, e)) return e->status;
    if (!p->resumed && mx_jsonl_cut(p->paths.log, -1, e)) return e->status; /* killed before its first save */
    return mx_events_open(&p->events, p->paths.root, p->resumed ? p->state.step : 0, e);
}

static void tell_progress(mx_pretraining *p, const mx_step_result *r) {
    if (!p->sink->progress) return;
    double elapsed = mx_clock_now() - p->started,
           images = (double)p->steps_here * p->settings.batch * p->settings.accum;
    double rate = elapsed > 0 ? images / elapsed : 0;
    double left = (double)(p->settings.steps - p->state.step) * p->settings.batch * p->settings.accum;
    mixmae_progress progress = {.epoch = epoch_of(p),
                                .epochs = p->settings.epochs,
                                .step = p->state.step,
                                .steps = p->settings.steps,
                                .loss = r->loss,
                                .lr = r->lr,
                                .images_per_second = rate,
                                .wait_share = elapsed > 0 ? p->wait_total / elapsed : 0,
                                .seconds_left = rate > 0 ? left / rate : 0,
                                .memory = mx_process_resident()};
    p->sink->progress(p->sink->user, &progress);
}

static mx_status write_log(mx_pretraining *p, const mx_step_result *r, mx_error *e) {
    mx_run_state *s = &p->state;
    double now = mx_clock_now(), span = now - p->last_logged;
    double loss = s->loss_count ? s->loss_sum / (double)s->loss_count : NAN;
    double norm = s->norm_count ? s->norm_sum / (double)s->norm_count : NAN;
    double images = (double)p->steps_since_log * p->settings.batch * p->settings.accum;
    json_t *o = json_object();
    put(o, "loss", loss), put(o, "lr", r->lr), put(o, "grad_norm", norm);
    put(o, "images_per_second", span > 0 ? images / span : 0);
    put(o, "wait_share", span > 0 ? p->wait_since_log / span : 0);
    if (append(p, o, e) || mx_events_scalar(p->events, "train_loss", s->step, loss, e) ||
        mx_events_scalar(p->events, "lr", s->step, r->lr, e) ||
        mx_events_scalar(p->events, "grad_norm", s->step, norm, e) ||
        mx_events_scalar(p->events, "images_per_second", s->step, span > 0 ? images / span : 0, e))
        return e->status;
    s->loss_sum = s->norm_sum = 0, s->loss_count = s->norm_count = 0;
    p->last_logged = now, p->steps_since_log = 0, p->wait_since_log = 0;
    return MX_OK;
}

/* Mean loss over the held-out images, always under the same masks, without augmentation. */
static mx_status held_out_loss(mx_pretraining *p, double *loss, mx_error *e) {
    mx_trainer *t = &p->trainer;
    mx_loader_config config = mx_settings_loader(&p->settings, p->held);
    int64_t images = mx_dataset_count(p->held) < MX_HELD_OUT ? mx_dataset_count(p->held) : MX_HELD_OUT;
    int64_t batches = images / p->settings.batch > 0 ? images / p->settings.batch : 1;
    mx_loader *loader = NULL;
    float sum = 0;
    config.transform.augment = false, config.batches_per_epoch = batches, config.log = NULL;
    if (mx_loader_open(&loader, &config, e)) return e->status;
    for (int64_t i = 0; i < batches && !e->status; i++) {
        mx_batch b;
        if (mx_loader_next(loader, &b, e)) break;
        mx_rng r = mx_rng_make(p->settings.seed, MX_RNG_HOLDOUT, (uint64_t)i, 0);
        mx_mask_draw(t->mask, t->mix.units, p->settings.mask_ratio, 0, &r);
        mx_mixing_set(&t->mix, t->mask);
        const mx_model_config *m = &t->model.config;
        mx_pretrain_loss(
            &t->session.ctx, &t->model, mx_view(&sum, MX_F32, 1, 0, 0, 0, 0),
            mx_view((void *)b.images, MX_F32, p->settings.batch, m->channels, m->image_h, m->image_w, 0),
            &t->mix, 1.0f / (float)batches);
        mx_session_error(&t->session, e);
    }
    mx_loader_close(loader);
    *loss = (double)sum;
    return e->status;
}

static mx_status observe_held_out(mx_pretraining *p, mx_error *e) {
    double loss = 0;
    if (held_out_loss(p, &loss, e)) return mx_fail_where(e, "held-out images");
    json_t *o = json_object();
    put(o, "val_loss", loss);
    if (append(p, o, e) || mx_events_scalar(p->events, "val_loss", p->state.step, loss, e)) return e->status;
    mx_notice(p->sink, "epoch %.4g: held-out loss %.4f", epoch_of(p), loss);
    return MX_OK;
}

/* A grid of a few images, spread evenly over the held-out set (or the training set), under one fixed mask. */
static mx_status observe_picture(mx_pretraining *p, mx_error *e) {
    mx_trainer *t = &p->trainer;
    const mx_dataset *from = p->held ? p->held : p->data;
    mx_image grid = {0};
    char *path = NULL;
    void *png = NULL;
    size_t size = 0;
    if (mx_show_dataset(t, from, &p->pixels, &grid, e)) goto done;
    if (asprintf(&path, "%s/step-%08" PRId64 ".png", p->paths.pictures, p->state.step) < 0) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
        goto done;
    }
    if (mx_image_encode_png(&png, &size, &grid, e) || mx_image_write_png(&grid, path, e)) goto done;
    mx_events_image(p->events, "reconstruction", p->state.step, grid.width, grid.height, png, size, e);
done:
    free(png);
    free(path);
    mx_image_free(&grid);
    return mx_fail_where(e, "picture of reconstructions");
}

static bool picture_due(const mx_pretraining *p) {
    int64_t every = p->settings.picture_every;
    if (every < 0) return false;
    if (every == 0) every = p->settings.steps / MX_PICTURES > 0 ? p->settings.steps / MX_PICTURES : 1;
    return p->state.step % every == 0 || p->state.step == p->settings.steps;
}

mx_status mx_observe_step(mx_pretraining *p, const mx_step_result *r, double wait, mx_error *e) {
    mx_run_state *s = &p->state;
    bool last = s->step == p->settings.steps;
    if (isfinite(r->loss)) s->loss_sum += r->loss, s->loss_count++;
    if (isfinite(r->norm)) s->norm_sum += r->norm, s->norm_count++;
    p->steps_since_log++, p->steps_here++;
    p->wait_since_log += wait, p->wait_total += wait;
    tell_progress(p, r);
    if (p->settings.log_every && (s->step % p->settings.log_every == 0 || last) && write_log(p, r, e))
        return e->status;
    double before = mx_clock_now();
    if (p->held && (s->step % p->settings.steps_per_epoch == 0 || last) && observe_held_out(p, e))
        return e->status;
    if (picture_due(p) && observe_picture(p, e)) return e->status;
    double spent = mx_clock_now() - before; /* rates are of training alone */
    p->started += spent, p->last_logged += spent;
    return MX_OK;
}

mx_status mx_observe_end(mx_pretraining *p, mx_error *e) {
    if (mx_events_flush(p->events, e)) return e->status;
    return mx_report_write(p->paths.root, e);
}
