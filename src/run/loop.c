/* The steps of a training run and when it saves, see run.h. */
#include "run/run.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "io/file.h"

mx_status mx_training_save(mx_training *p, mx_error *e) {
    if (p->unlogged.status) return mx_fail(e, p->unlogged.status, "%s", p->unlogged.text);
    mx_stepper_download(&p->stepper);
    if (mx_session_error(&p->stepper.session, e)) return e->status;
    /* Export first, so that a state marked finished always has its model. */
    if (mx_checkpoint_write(p->paths.model, &p->stepper.model, &p->pixels, e)) return e->status;
    if (mx_events_flush(p->events, e))
        return e->status; /* the events must be on disk before the state that continues after them */
    if (mx_state_write(p->paths.state, &p->stepper.model, &p->state, &p->pixels, e)) return e->status;
    p->last_saved = mx_clock_now();
    return MX_OK;
}

static bool save_due(const mx_training *p) {
    const mx_settings *s = &p->settings;
    if (s->save_steps) return p->state.step % s->save_steps == 0;
    return mx_clock_now() - p->last_saved >= s->save_seconds;
}

static bool stop_asked(const mx_training *p) { return p->sink->stop && p->sink->stop(p->sink->user); }

/* A step's result joins the log; too many that are not finite in a row end the run. */
static mx_status take_result(mx_training *p, const mx_step_result *r, mx_error *e) {
    mx_observe_result(p, r);
    if (!r->skipped) return MX_OK;
    char line[160];
    snprintf(line, sizeof line, "step %" PRId64 ": loss %g, gradient norm %g: update skipped", r->step,
             r->loss, r->norm);
    mx_observe_event(p, r->step, line);
    if (p->state.skipped_in_row < p->settings.max_skipped) return MX_OK;
    return mx_fail(e, MX_ERR_NUMERIC,
                   "loss or gradients were not finite in %d updates in a row, the last at step %" PRId64
                   " (loss %g, gradient norm %g); %s: a lower --blr or --clip-grad may help",
                   p->state.skipped_in_row, r->step, r->loss, r->norm,
                   mx_path_exists(p->paths.state) ? "the last saved state is kept" : "nothing was saved yet");
}

/* Takes the results of all steps so far, which completes the state. */
static mx_status take_results(mx_training *p, mx_error *e) {
    mx_step_result r;
    while (mx_step_result_next(&p->stepper, &p->state, &r))
        if (take_result(p, &r, e)) return e->status;
    return mx_session_error(&p->stepper.session, e);
}

static mx_status stopped(mx_training *p, mx_error *e) {
    if (take_results(p, e) || mx_training_save(p, e)) return e->status;
    return mx_fail(e, MX_ERR_INTERRUPTED,
                   "stopped at step %" PRId64 " of %" PRId64 ", saved; continue with --resume %s",
                   p->state.step, p->settings.steps, p->paths.root);
}

/* Runs one step; on a device only starts it. A stop asked for in the middle leaves the state at the last
 * whole step: gradients of a half-done step are zeroed by the next one. */
static mx_status one_step(mx_training *p, mx_error *e) {
    mx_batch batch;
    int64_t seen = 0, bad = 0;
    for (int j = 0; j < p->settings.accum; j++) {
        if (stop_asked(p)) return stopped(p, e);
        if (mx_loader_next(p->loader, &batch, e)) return e->status;
        p->wait_since_log += batch.wait_seconds, p->wait_total += batch.wait_seconds;
        seen = batch.bad_seen, bad = batch.bad_count;
        mx_step_micro(&p->stepper, p->state.step, j, batch.images, batch.label);
        if (mx_session_error(&p->stepper.session, e)) return e->status;
    }
    p->state.bad_seen = seen, p->state.bad_count = bad;
    mx_step_update(&p->stepper, &p->state);
    return mx_session_error(&p->stepper.session, e);
}

static mx_status all_steps(mx_training *p, mx_error *e) {
    while (p->state.step < p->settings.steps) {
        if (one_step(p, e)) return e->status;
        bool last = p->state.step == p->settings.steps, save = !last && save_due(p);
        if (!last && !save && !mx_observe_due(p) && !mx_step_results_full(&p->stepper)) continue;
        if (take_results(p, e)) return e->status;
        if (mx_observe_step(p, e)) {
            p->untold =
                e->status == MX_ERR_IO || e->status == MX_ERR_MEMORY; /* not damage of held-out images */
            return e->status;
        }
        if (save && mx_training_save(p, e)) return e->status;
    }
    return MX_OK;
}

/* If files or memory end the run, all steps so far are valid and are saved. If writing the log or a picture
 * failed, nothing is saved: the run resumes from its last save, or its log would lack a step for ever. */
mx_status mx_training_loop(mx_training *p, mx_error *e) {
    mx_status status = all_steps(p, e);
    bool files =
        status == MX_ERR_DATA || status == MX_ERR_FORMAT || status == MX_ERR_IO || status == MX_ERR_MEMORY;
    if (!files || !p->steps_here || p->untold) return status;
    mx_error own = {0}; /* the failure above is the one to report */
    if (!take_results(p, &own) && !mx_training_save(p, &own))
        mx_fail_way(e, "step %" PRId64 " is saved: --resume %s goes on from there", p->state.step,
                    p->paths.root);
    return status;
}
