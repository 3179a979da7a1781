/* Output of a training run: progress, log.jsonl, TensorBoard, held-out images, pictures, the report. Nothing
 * here changes the training state except the sums since the last log line. */
#include "run/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/json_text.h"
#include "base/say.h"
#include "base/process.h"
#include "report/report.h"

static double epoch_at(const mx_training *p, int64_t step) {
    return (double)step / (double)p->settings.steps_per_epoch;
}

double mx_training_epoch(const mx_training *p) { return epoch_at(p, p->state.step); }

static mx_status append_at(mx_training *p, int64_t step, json_t *o, mx_error *e) {
    bool failed = json_object_set_new(o, "step", json_integer(step)) ||
                  json_object_set_new(o, "epoch", json_real(epoch_at(p, step)));
    char *line = failed ? NULL : mx_json_text(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    if (line)
        mx_jsonl_append(p->paths.log, line, e);
    else
        mx_fail(e, MX_ERR_MEMORY, "out of memory for a line of %s", p->paths.log);
    free(line);
    json_decref(o);
    return e->status;
}

mx_status mx_observe_numbers(mx_training *p, const mx_observe_number *n, int count, mx_error *e) {
    json_t *o = json_object();
    for (int i = 0; i < count; i++)
        if (json_object_set_new(o, n[i].key,
                                n[i].whole             ? json_integer((json_int_t)n[i].value)
                                : isfinite(n[i].value) ? json_real(n[i].value)
                                                       : json_null())) {
            json_decref(o);
            o = NULL; /* a line that lacks a number is none */
        }
    return append_at(p, p->state.step, o, e);
}

void mx_observe_event(mx_training *p, int64_t step, const char *line) {
    json_t *o = json_object();
    char *text = mx_escape_control(line); /* it names files */
    mx_error why = {0};
    if (!text || json_object_set_new(o, "event", json_string(text))) {
        json_decref(o);
        o = NULL;
    }
    free(text);
    if (append_at(p, step, o, &why)) p->unlogged = why; /* an error when the run saves next */
    mx_notice(p->sink, "%s", line);
}

mx_status mx_observe_begin(mx_training *p, mx_error *e) {
    if (p->resumed && mx_jsonl_cut(p->paths.log, p->state.step, e)) return e->status;
    if (!p->resumed && mx_jsonl_cut(p->paths.log, -1, e)) return e->status; /* killed before its first save */
    return mx_events_open(&p->events, p->paths.root, p->resumed ? p->state.step : 0, e);
}

static void tell_progress(mx_training *p) {
    if (!p->sink->progress) return;
    double elapsed = mx_clock_now() - p->started,
           images = (double)p->steps_here * p->settings.batch * p->settings.accum;
    double rate = elapsed > 0 ? images / elapsed : 0;
    double left = (double)(p->settings.steps - p->state.step) * p->settings.batch * p->settings.accum;
    mixmae_progress progress = {.epoch = mx_training_epoch(p),
                                .epochs = p->settings.epochs,
                                .step = p->state.step,
                                .steps = p->settings.steps,
                                .loss = p->last.loss,
                                .lr = p->last.lr,
                                .images_per_second = rate,
                                .wait_share = elapsed > 0 ? p->wait_total / elapsed : 0,
                                .seconds_left = rate > 0 ? left / rate : 0,
                                .memory = mx_process_resident()};
    p->sink->progress(p->sink->user, &progress);
}

static mx_status write_log(mx_training *p, mx_error *e) {
    mx_run_state *s = &p->state;
    double lr = p->last.lr;
    double now = mx_clock_now(), span = now - p->last_logged;
    double loss = s->loss_count ? s->loss_sum / (double)s->loss_count : NAN;
    double norm = s->norm_count ? s->norm_sum / (double)s->norm_count : NAN;
    double images = (double)p->steps_since_log * p->settings.batch * p->settings.accum;
    double rate = span > 0 ? images / span : 0, wait = span > 0 ? p->wait_since_log / span : 0;
    const mx_observe_number line[] = {{"loss", loss, false},
                                      {"lr", lr, false},
                                      {"grad_norm", norm, false},
                                      {"images_per_second", rate, false},
                                      {"wait_share", wait, false}};
    if (mx_observe_numbers(p, line, 5, e) ||
        mx_events_scalar(p->events, p->settings.objective->loss_tag, s->step, loss, e) ||
        mx_events_scalar(p->events, "lr", s->step, lr, e) ||
        mx_events_scalar(p->events, "grad_norm", s->step, norm, e) ||
        mx_events_scalar(p->events, "images_per_second", s->step, rate, e))
        return e->status;
    s->loss_sum = s->norm_sum = 0, s->loss_count = s->norm_count = 0;
    p->last_logged = now, p->steps_since_log = 0, p->wait_since_log = 0;
    return MX_OK;
}

static bool at_end(const mx_training *p) { return p->state.step == p->settings.steps; }

static bool picture_due(const mx_training *p) {
    int64_t every = p->settings.picture_every;
    if (every < 0 || mx_image_png_check(NULL)) return false;
    if (every == 0) every = p->settings.steps / MX_PICTURES > 0 ? p->settings.steps / MX_PICTURES : 1;
    return p->state.step % every == 0 || at_end(p);
}

static bool log_due(const mx_training *p) {
    int every = p->settings.log_every;
    return every && (p->state.step % every == 0 || at_end(p));
}

static bool held_out_due(const mx_training *p) {
    return p->held && (p->state.step % p->settings.steps_per_epoch == 0 || at_end(p));
}

bool mx_observe_due(const mx_training *p) { return log_due(p) || held_out_due(p) || picture_due(p); }

void mx_observe_result(mx_training *p, const mx_step_result *r) {
    mx_run_state *s = &p->state;
    if (isfinite(r->loss)) s->loss_sum += r->loss, s->loss_count++;
    if (isfinite(r->norm)) s->norm_sum += r->norm, s->norm_count++;
    p->steps_since_log++, p->steps_here++;
    p->last = *r;
}

mx_status mx_observe_step(mx_training *p, mx_error *e) {
    tell_progress(p);
    if (log_due(p) && write_log(p, e)) return e->status;
    double before = mx_clock_now();
    bool reads = held_out_due(p) || picture_due(p); /* images: not while training's are decoded too */
    if (reads) mx_loader_pause(p->loader, true);
    if (held_out_due(p) && mx_measure_held_out(p, e)) return e->status;
    if (picture_due(p) && mx_measure_picture(p, e)) return e->status;
    if (reads && !at_end(p)) mx_loader_pause(p->loader, false);
    double spent = mx_clock_now() - before; /* rates are of training alone */
    p->started += spent, p->last_logged += spent;
    return MX_OK;
}

mx_status mx_observe_end(mx_training *p, mx_error *e) {
    if (mx_events_flush(p->events, e)) return e->status;
    return mx_report_write(p->paths.root, e);
}
