/* The steps of a training run and when it saves, see loop.h. */
#include "run/loop.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "io/file.h"
#include "run/observe.h"

mx_status mx_run_save(mx_run *run, mx_error *e) {
    if (run->log_error.status) return mx_fail(e, run->log_error.status, "%s", run->log_error.text);
    mx_stepper_download(&run->stepper);
    if (mx_session_error(&run->stepper.session, e)) return e->status;
    /* Export first, so that a state marked finished always has its model. */
    if (mx_checkpoint_write(run->paths.model, &run->stepper.model, &run->pixels, e)) return e->status;
    if (mx_events_flush(run->events, e))
        return e->status; /* the events must be on disk before the state that continues after them */
    if (mx_state_write(run->paths.state, &run->stepper.model, &run->state, &run->pixels, e)) return e->status;
    run->last_saved = mx_clock_now();
    return MX_OK;
}

static bool save_due(const mx_run *run) {
    const mx_settings *s = &run->settings;
    if (s->save_steps) return run->state.step % s->save_steps == 0;
    return mx_clock_now() - run->last_saved >= s->save_seconds;
}

static bool stop_asked(const mx_run *run) { return run->sink->stop && run->sink->stop(run->sink->user); }

/* Adds a step's result to the log. Too many in a row that are not finite end the run. */
static mx_status take_result(mx_run *run, const mx_step_result *r, mx_error *e) {
    mx_observe_result(run, r);
    if (!r->skipped) return MX_OK;
    char line[160];
    snprintf(line, sizeof line, "step %" PRId64 ": loss %g, gradient norm %g: update skipped", r->step,
             r->loss, r->norm);
    mx_observe_event(run, r->step, line);
    if (run->state.skipped_in_row < run->settings.max_skipped) return MX_OK;
    return mx_fail(e, MX_ERR_NUMERIC,
                   "loss or gradients were not finite in %d updates in a row, the last at step %" PRId64
                   " (loss %g, gradient norm %g); %s: a lower --blr or --clip-grad may help",
                   run->state.skipped_in_row, r->step, r->loss, r->norm,
                   mx_path_exists(run->paths.state) ? "the last saved state is kept"
                                                    : "nothing was saved yet");
}

/* Takes the results of all steps so far, which completes the state. */
static mx_status take_results(mx_run *run, mx_error *e) {
    mx_step_result r;
    while (mx_step_result_next(&run->stepper, &run->state, &r))
        if (take_result(run, &r, e)) return e->status;
    return mx_session_error(&run->stepper.session, e);
}

static mx_status stopped(mx_run *run, mx_error *e) {
    if (take_results(run, e) || mx_run_save(run, e)) return e->status;
    return mx_fail(e, MX_ERR_INTERRUPTED,
                   "stopped at step %" PRId64 " of %" PRId64 ", saved; continue with --resume %s",
                   run->state.step, run->settings.steps, run->paths.root);
}

/* Does one step; a device only begins it. A stop in the middle leaves the state at the last whole step: the next step
 * zeroes the gradients of the unfinished one. */
static mx_status one_step(mx_run *run, mx_error *e) {
    mx_batch batch;
    int64_t seen = 0, bad = 0;
    for (int j = 0; j < run->settings.accum; j++) {
        if (stop_asked(run)) return stopped(run, e);
        if (mx_loader_next(run->loader, &batch, e)) return e->status;
        run->wait_since_log += batch.wait_seconds, run->wait_total += batch.wait_seconds;
        seen = batch.bad_seen, bad = batch.bad_count;
        mx_step_micro(&run->stepper, run->state.step, j, batch.images, batch.label);
        if (mx_session_error(&run->stepper.session, e)) return e->status;
    }
    run->state.bad_seen = seen, run->state.bad_count = bad;
    mx_step_update(&run->stepper, &run->state);
    return mx_session_error(&run->stepper.session, e);
}

static mx_status all_steps(mx_run *run, mx_error *e) {
    while (run->state.step < run->settings.steps) {
        if (one_step(run, e)) return e->status;
        bool last = run->state.step == run->settings.steps, save = !last && save_due(run);
        if (!last && !save && !mx_observe_due(run) && !mx_step_results_full(&run->stepper)) continue;
        if (take_results(run, e)) return e->status;
        if (mx_observe_step(run, e)) {
            run->unreported =
                e->status == MX_ERR_IO || e->status == MX_ERR_MEMORY; /* not damage of held-out images */
            return e->status;
        }
        if (save && mx_run_save(run, e)) return e->status;
    }
    return MX_OK;
}

/* If files or memory end the run, all steps so far are valid and are saved. If the log or a picture could not be
 * written, nothing is saved: the run resumes from its last save, so that its log never lacks a step. */
mx_status mx_run_loop(mx_run *run, mx_error *e) {
    mx_status status = all_steps(run, e);
    bool files =
        status == MX_ERR_DATA || status == MX_ERR_FORMAT || status == MX_ERR_IO || status == MX_ERR_MEMORY;
    if (!files || !run->steps_here || run->unreported) return status;
    mx_error own = {0}; /* the failure above is the one to report */
    if (!take_results(run, &own) && !mx_run_save(run, &own))
        mx_fail_way(e, "step %" PRId64 " is saved: --resume %s continues from there", run->state.step,
                    run->paths.root);
    return status;
}
