/* Output of a training run: progress, log.jsonl, TensorBoard, held-out images, pictures, the report. Of the training
 * state this changes only the sums since the last log line. */
#include "run/observe.h"

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
#include "run/measure.h"

#define MX_PICTURES 10 /* about so many pictures a run, without --picture-every */

static double epoch_at(const mx_run *run, int64_t step) {
    return (double)step / (double)run->settings.steps_per_epoch;
}

double mx_run_epoch(const mx_run *run) { return epoch_at(run, run->state.step); }

static mx_status append_at(mx_run *run, int64_t step, json_t *o, mx_error *e) {
    bool failed = json_object_set_new(o, "step", json_integer(step)) ||
                  json_object_set_new(o, "epoch", json_real(epoch_at(run, step)));
    char *line = failed ? NULL : mx_json_text(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    if (line)
        mx_jsonl_append(run->paths.log, line, e);
    else
        mx_fail(e, MX_ERR_MEMORY, "out of memory for a line of %s", run->paths.log);
    free(line);
    json_decref(o);
    return e->status;
}

mx_status mx_observe_numbers(mx_run *run, const mx_observe_number *n, int count, mx_error *e) {
    json_t *o = json_object();
    for (int i = 0; i < count; i++)
        if (json_object_set_new(o, n[i].key,
                                n[i].whole             ? json_integer((json_int_t)n[i].value)
                                : isfinite(n[i].value) ? json_real(n[i].value)
                                                       : json_null())) {
            json_decref(o);
            o = NULL; /* do not write a line that lacks a number */
        }
    return append_at(run, run->state.step, o, e);
}

void mx_observe_event(mx_run *run, int64_t step, const char *line) {
    json_t *o = json_object();
    char *text = mx_escape_control(line); /* file names may hold control characters */
    mx_error why = {0};
    if (!text || json_object_set_new(o, "event", json_string(text))) {
        json_decref(o);
        o = NULL;
    }
    free(text);
    if (append_at(run, step, o, &why)) run->log_error = why; /* the next save returns it */
    mx_notice(run->sink, "%s", line);
}

mx_status mx_observe_begin(mx_run *run, mx_error *e) {
    if (run->resumed && mx_jsonl_cut(run->paths.log, run->state.step, e)) return e->status;
    if (!run->resumed && mx_jsonl_cut(run->paths.log, -1, e))
        return e->status; /* the folder's last run was killed before its first save */
    return mx_events_open(&run->events, run->paths.root, run->resumed ? run->state.step : 0, e);
}

static void report_progress(mx_run *run) {
    if (!run->sink->progress) return;
    double elapsed = mx_clock_now() - run->started,
           images = (double)run->steps_here * run->settings.batch * run->settings.accum;
    double rate = elapsed > 0 ? images / elapsed : 0;
    double left = (double)(run->settings.steps - run->state.step) * run->settings.batch * run->settings.accum;
    mixmae_progress progress = {.epoch = mx_run_epoch(run),
                                .epochs = run->settings.epochs,
                                .step = run->state.step,
                                .steps = run->settings.steps,
                                .loss = run->last.loss,
                                .lr = run->last.lr,
                                .images_per_second = rate,
                                .wait_share = elapsed > 0 ? run->wait_total / elapsed : 0,
                                .seconds_left = rate > 0 ? left / rate : 0,
                                .memory = mx_process_resident()};
    run->sink->progress(run->sink->user, &progress);
}

static mx_status write_log(mx_run *run, mx_error *e) {
    mx_run_state *s = &run->state;
    double lr = run->last.lr;
    double now = mx_clock_now(), span = now - run->last_logged;
    double loss = s->loss_count ? s->loss_sum / (double)s->loss_count : NAN;
    double norm = s->norm_count ? s->norm_sum / (double)s->norm_count : NAN;
    double images = (double)run->steps_since_log * run->settings.batch * run->settings.accum;
    double rate = span > 0 ? images / span : 0, wait = span > 0 ? run->wait_since_log / span : 0;
    const mx_observe_number line[] = {{"loss", loss, false},
                                      {"lr", lr, false},
                                      {"grad_norm", norm, false},
                                      {"images_per_second", rate, false},
                                      {"wait_share", wait, false}};
    if (mx_observe_numbers(run, line, 5, e) ||
        mx_events_scalar(run->events, run->settings.objective->loss_tag, s->step, loss, e) ||
        mx_events_scalar(run->events, "lr", s->step, lr, e) ||
        mx_events_scalar(run->events, "grad_norm", s->step, norm, e) ||
        mx_events_scalar(run->events, "images_per_second", s->step, rate, e))
        return e->status;
    s->loss_sum = s->norm_sum = 0, s->loss_count = s->norm_count = 0;
    run->last_logged = now, run->steps_since_log = 0, run->wait_since_log = 0;
    return MX_OK;
}

static bool at_end(const mx_run *run) { return run->state.step == run->settings.steps; }

static bool picture_due(const mx_run *run) {
    int64_t every = run->settings.picture_every;
    if (every < 0 || mx_image_png_check(NULL)) return false;
    if (every == 0) every = run->settings.steps / MX_PICTURES > 0 ? run->settings.steps / MX_PICTURES : 1;
    return run->state.step % every == 0 || at_end(run);
}

static bool log_due(const mx_run *run) {
    int every = run->settings.log_every;
    return every && (run->state.step % every == 0 || at_end(run));
}

static bool held_out_due(const mx_run *run) {
    return run->held && (run->state.step % run->settings.steps_per_epoch == 0 || at_end(run));
}

bool mx_observe_due(const mx_run *run) { return log_due(run) || held_out_due(run) || picture_due(run); }

void mx_observe_result(mx_run *run, const mx_step_result *r) {
    mx_run_state *s = &run->state;
    if (isfinite(r->loss)) s->loss_sum += r->loss, s->loss_count++;
    if (isfinite(r->norm)) s->norm_sum += r->norm, s->norm_count++;
    run->steps_since_log++, run->steps_here++;
    run->last = *r;
}

mx_status mx_observe_step(mx_run *run, mx_error *e) {
    report_progress(run);
    if (log_due(run) && write_log(run, e)) return e->status;
    double before = mx_clock_now();
    bool reads = held_out_due(run) || picture_due(run); /* images: not while training's are decoded too */
    if (reads) mx_loader_pause(run->loader, true);
    if (held_out_due(run) && mx_measure_held_out(run, e)) return e->status;
    if (picture_due(run) && mx_measure_picture(run, e)) return e->status;
    if (reads && !at_end(run)) mx_loader_pause(run->loader, false);
    double spent = mx_clock_now() - before; /* rates are of training alone */
    run->started += spent, run->last_logged += spent;
    return MX_OK;
}

mx_status mx_observe_end(mx_run *run, mx_error *e) {
    if (mx_events_flush(run->events, e)) return e->status;
    return mx_report_write(run->paths.root, e);
}
