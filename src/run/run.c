/* Start, resume and end of a training run, see run.h. */
#include "run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/say.h"
#include "io/file.h"
#include "run/best.h"
#include "run/check_data.h"
#include "train/ema.h"
#include "run/held_out.h"
#include "run/loop.h"
#include "run/observe.h"
#include "train/open_data.h"
#include "train/memory.h"
#include "base/process.h"
#include "report/report.h"
#include "run/same_data.h"

/* Loads the saved state; a new run draws weights from the seed, then the command may replace them. */
static mx_status fill_state(mx_run *run, mx_error *e) {
    mx_model *m = &run->stepper.model;
    if (!run->resumed) {
        mx_params_init(&m->params, run->settings.seed);
        run->state = (mx_run_state){.fingerprint = mx_dataset_fingerprint(run->data), .best = -1};
        if (!run->kind->weights(run, e)) mx_average_start(&run->stepper);
        return e->status;
    }
    if (mx_state_read(m, &run->state, &run->pixels, run->paths.state, e)) return e->status;
    mx_settings_use_pixels(&run->settings, &run->pixels);
    return MX_OK;
}

/* Does this machine compute the same bytes as the one that began the run? */
static mx_status check_isa(mx_run *run, mx_error *e) {
    const mx_compute how = mx_settings_compute(&run->settings);
    const char *was = run->state.instruction_set, *now = mx_compute_isa(&how);
    if (!*was || !strcmp(was, now) || run->state.finished) return MX_OK;
    snprintf(run->former_isa, sizeof run->former_isa, "%s", was);
    if (run->o.other_machine || run->paths.dtype_changed) return MX_OK;
    mx_fail(e, MX_ERR_UNSUPPORTED,
            "%s was computed with instruction set %s, here it would be %s, which rounds differently: the run "
            "would end in other bytes than one that never stopped",
            run->paths.state, was, now);
    return mx_fail_way(e, "--other-machine continues anyway");
}

static void decoders_now(const mx_run *run, char text[MX_DECODERS]) {
    mx_image_decoders(mx_dataset_formats(run->data) | (run->held ? mx_dataset_formats(run->held) : 0), text,
                      MX_DECODERS);
}

/* Do these libraries decode images to the pixels that they had when the run began? */
static mx_status check_decoders(mx_run *run, mx_error *e) {
    char now[MX_DECODERS];
    decoders_now(run, now);
    if (run->state.finished ||
        !mx_image_decoders_differ(run->state.decoders, now, run->other_decoders,
                                  sizeof run->other_decoders) ||
        run->o.other_machine)
        return MX_OK;
    mx_fail(e, MX_ERR_UNSUPPORTED,
            "%s was computed from images decoded by %s: pixels may differ, and the run would end in other "
            "bytes than one that never stopped",
            run->paths.state, run->other_decoders);
    return mx_fail_way(e, "--other-machine continues anyway");
}

/* Records in the state what computes and decodes from now on, and the options. */
static mx_status note_machine(mx_run *run, mx_error *e) {
    const mx_compute how = mx_settings_compute(&run->settings);
    snprintf(run->state.instruction_set, sizeof run->state.instruction_set, "%s", mx_compute_isa(&how));
    decoders_now(run, run->state.decoders);
    mx_same_data_note(run);
    return mx_options_kept(&run->o, run->kind->command, run->state.options, e);
}

/* Compares the stored options with those that the state was computed with. */
static mx_status check_options(mx_run *run, mx_error *e) {
    if (!run->resumed || mx_state_counters(&run->state, run->paths.state, e)) return e->status;
    return mx_options_same(&run->o, run->kind->command, run->state.options, run->paths.options, e);
}

/* Compares data and machine with the state. Call before allocating anything by the size of the data. */
static mx_status check_same(mx_run *run, mx_error *e) {
    if (!run->resumed || mx_state_counters(&run->state, run->paths.state, e)) return e->status;
    mx_status status = check_isa(run, e) || check_decoders(run, e) ? e->status : mx_same_data_check(run, e);
    mx_same_data_drop(run, !status);
    return status;
}

static void describe_warmup(const mx_run *run) {
    const mx_settings *s = &run->settings;
    if (s->recipe_warmup > s->schedule.warmup_epochs)
        mx_notice(run->sink,
                  "warm-up   %g epochs, a fifth of this run, where the recipe has %g for a longer one; "
                  "--warmup-epochs changes it",
                  s->schedule.warmup_epochs, s->recipe_warmup);
    if (mx_warmup_long(&s->schedule))
        mx_notice(run->sink,
                  "warning: warm-up takes %g of %g epochs: the learning rate %s; --warmup-epochs %g would be "
                  "a fifth of the run",
                  s->schedule.warmup_epochs, s->epochs,
                  s->schedule.warmup_epochs < s->epochs ? "falls only after that" : "only rises",
                  s->epochs / 5);
}

/* Files of mixmae's own among the data. Only a new listing counts them: once a run, unless the data change. */
static void describe_own(const mx_run *run) {
    const char *first;
    int64_t n = mx_dataset_passed_over(run->data, &first);
    if (n)
        mx_notice(run->sink, "          passed over: %s%s, written by mixmae, not data", first,
                  n > 1 ? " and others" : "");
}

static void describe_memory(const mx_run *run) {
    const mx_settings *s = &run->settings;
    const mixmae_sink *sink = run->sink;
    mx_memory_plan memory;
    mx_plan_memory(&memory, &run->stepper, run->data, run->held);
    char recompute[256];
    mx_memory_text(s, mx_model_blocks(&run->stepper.model), recompute, sizeof recompute);
    if (recompute[0]) mx_notice(sink, "recompute %s", recompute);
    size_t available = mx_machine_available();
    char device[64] = "";
    if (memory.device)
        snprintf(device, sizeof device, "; %.0f MB on the device", (double)memory.device / 1e6);
    mx_notice(sink, "memory    %.0f MB expected, %.0f MB available%s", (double)memory.total / 1e6,
              (double)available / 1e6, device);
    if (available && memory.total > available)
        mx_notice(sink, "warning: that is more than there is; %s", mx_memory_way(&memory));
    if (memory.device_free && memory.device > memory.device_free)
        mx_notice(sink, "warning: only %.0f MB are free on the device; --memory takes less",
                  (double)memory.device_free / 1e6);
}

static void describe(mx_run *run) {
    const mx_settings *s = &run->settings;
    const mixmae_sink *sink = run->sink;
    mx_notice(sink, "model     %s, %.1f M parameters, %dx%d pixels, %d channel%s", s->model.name,
              (double)mx_params_trainable(&run->stepper.model.params) / 1e6, s->model.image_h,
              s->model.image_w, s->model.channels, s->model.channels > 1 ? "s" : "");
    mx_notice_data(sink, run->data, run->held);
    describe_own(run);
    mx_notice(sink, "training  %g epochs of %" PRId64 " steps, %d x %d images a step, learning rate %.3g",
              s->epochs, s->steps_per_epoch, s->accum, s->batch, s->schedule.lr);
    describe_warmup(run);
    char machine[160];
    const mx_compute how = mx_settings_compute(s);
    mx_compute_text(&how, machine, sizeof machine);
    mx_notice(sink, "machine   %s, %d loader worker%s, step memory %.0f MB, state %.0f MB", machine,
              s->workers, s->workers == 1 ? "" : "s", (double)run->stepper.session.planned / 1e6,
              (double)run->stepper.model.params.bytes / 1e6);
    mx_error no_pictures = {0};
    if (s->picture_every >= 0 && mx_image_png_check(&no_pictures))
        mx_notice(sink, "pictures  none: %s", no_pictures.text);
    describe_memory(run);
    if (s->batch % 2 && s->objective->pairs)
        mx_notice(
            sink,
            "warning: an odd batch mixes its middle image with itself; an even --batch-size wastes nothing");
    if (run->paths.unsaved_run)
        mx_notice(sink, "output    %s held a run that had saved nothing: begun anew", run->paths.root);
    if (run->resumed) mx_notice(sink, "resumed   at step %" PRId64 " of %" PRId64, run->state.step, s->steps);
}

static void log_bad_file(void *user, const char *line) {
    mx_run *run = user;
    mx_observe_event(run, run->state.step, line);
}

static mx_status open_loader(mx_run *run, mx_error *e) {
    const mx_settings *s = &run->settings;
    mx_loader_config config = mx_settings_loader(s, run->data);
    config.first_batch = run->state.step * s->accum;
    config.bad_seen = run->state.bad_seen, config.bad_count = run->state.bad_count;
    config.log = log_bad_file, config.user = run;
    return mx_loader_open(&run->loader, &config, e);
}

/* Sets the model's classes and the pixel statistics from the data. */
static mx_status use_data(mx_run *run, mx_error *e) {
    mx_settings *s = &run->settings;
    if (s->objective->data &&
        s->objective->data(&s->objective_settings, &s->model, run->data, run->held, s->seed, e))
        return e->status;
    return run->resumed ? MX_OK : run->kind->pixels(run, e);
}

static mx_status load_everything(mx_run *run, mx_error *e) {
    mx_same_data_keep(run);
    if (mx_open_training_data(&run->data, &run->held, &run->o, run->paths.index, e)) {
        mx_same_data_drop(run, true);
        return run->resumed ? mx_fail_way(e, "if it was moved: --resume %s --data NEW%s", run->paths.root,
                                          run->o.val_data ? " --val-data NEW" : "")
                            : e->status;
    }
    if (mx_check_data(run, e) || use_data(run, e) || mx_check_values(run, e) || check_same(run, e) ||
        mx_settings_data(&run->settings, mx_dataset_count(run->data), e)) {
        mx_same_data_drop(run, false); /* not compared: keep the old list */
        return e->status;
    }
    if (mx_memory_fit(&run->settings, run->data, run->held, e) ||
        mx_stepper_make(&run->stepper, &run->settings, false, NULL, e) || fill_state(run, e))
        return e->status;
    mx_stepper_upload(&run->stepper);
    run->stepper.settings = run->settings;
    return note_machine(run, e);
}

static mx_status prepare(mx_run *run, const bool *given, bool *begun, mx_error *e) {
    bool stored = false;
    mx_command command = run->kind->command;
    if (mx_run_folder_open(&run->paths, command, &run->o, given, &stored, &run->resumed, e) ||
        check_options(run, e) || run->kind->settings(run, e))
        return e->status;
    if (!stored && (mx_settings_effective(&run->settings, &run->o, e) ||
                    mx_run_folder_start(&run->paths, command, &run->o, e)))
        return e->status;
    if (load_everything(run, e) || (!run->state.finished && open_loader(run, e)))
        if (!stored) mx_run_folder_undo(&run->paths);
    *begun = !stored;
    if (!e->status && run->paths.data_moved) mx_run_folder_move(&run->paths, command, &run->o, e);
    return e->status;
}

/* A run that cannot continue in the type that auto chose was resumed with another: stores that type in options.ini
 * for every later resume. */
static mx_status keep_dtype(mx_run *run, mx_error *e) {
    char *was = NULL, line[160];
    if (mx_run_folder_dtype(&run->paths, run->kind->command, &run->o, &was, e) || !was) goto done;
    snprintf(line, sizeof line, "from here on in %s, as --dtype says: the run began in %s",
             mx_dtype_name(run->settings.activations), was);
    mx_observe_event(run, run->state.step, line);
done:
    free(was);
    return e->status;
}

/* Reports the changes that --other-machine allowed, unless a new --dtype has already been reported. */
static void notice_machine(mx_run *run) {
    char line[600];
    if (*run->other_decoders) {
        snprintf(line, sizeof line,
                 "from here on images are decoded by other versions, as --other-machine says: %s",
                 run->other_decoders);
        mx_observe_event(run, run->state.step, line);
    }
    if (!*run->former_isa || run->paths.dtype_changed) return;
    snprintf(line, sizeof line, "from here on with instruction set %s, as --other-machine says: it was %s",
             run->state.instruction_set, run->former_isa);
    mx_observe_event(run, run->state.step, line);
}

static mx_status finish(mx_run *run, mx_error *e) {
    if (!run->state.updates)
        return mx_fail(
            e, MX_ERR_NUMERIC,
            "nothing was learnt: loss or gradients were not finite in all %" PRId64
            " updates (loss %g, gradient norm %g); are the values of the images finite and of one range?",
            run->settings.steps, run->last.loss, run->last.norm);
    run->state.finished = true;
    if (mx_run_save(run, e) || mx_observe_end(run, e) || mx_best_check(run, e)) return e->status;
    mx_notice(run->sink, "finished  %" PRId64 " steps in %.0f s, peak memory %.0f MB: %s, %s",
              run->state.step, mx_clock_now() - run->started, (double)mx_process_peak() / 1e6,
              run->paths.model, run->paths.report);
    return MX_OK;
}

/* Writes again what a killed process did not write, or what was damaged since. */
static mx_status finished_before(mx_run *run, mx_error *e) {
    mx_stepper_download(&run->stepper);
    if (mx_session_error(&run->stepper.session, e) ||
        mx_checkpoint_write(run->paths.model, &run->stepper.model, &run->pixels, e) ||
        mx_report_write(run->paths.root, e) || mx_best_check(run, e))
        return e->status;
    mx_notice(run->sink,
              "%s is finished: nothing to do; to train on, start another run from its weights: mixmae %s "
              "--config %s --init %s%s --output NEW",
              run->paths.root, mx_command_name(run->kind->command), run->paths.options, run->paths.model,
              run->kind->command == MX_CMD_FINETUNE ? " --keep-head" : "");
    return MX_OK;
}

static void release(mx_run *run) {
    mx_loader_close(run->loader);
    mx_events_close(run->events);
    mx_stepper_free(&run->stepper);
    mx_model_free(&run->source);
    mx_dataset_close(run->held);
    mx_dataset_close(run->data);
    mx_run_paths_free(&run->paths);
    mx_options_free(&run->o);
}

mx_status mx_run_train(const mx_run_kind *kind, const mixmae_options *options, const mixmae_sink *sink,
                       mx_error *e) {
    mx_run *run = calloc(1, sizeof *run);
    if (!run) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    bool begun = false; /* by this process */
    run->kind = kind, run->sink = sink;
    if (mx_options_copy(&run->o, &options->o, e) || prepare(run, options->given, &begun, e)) goto done;
    if (run->state.finished) {
        finished_before(run, e);
        goto done;
    }
    describe(run);
    if (mx_observe_begin(run, e) || keep_dtype(run, e)) goto done;
    notice_machine(run);
    mx_loader_pause(run->loader, true);
    mx_status status = mx_held_out_check(run, e);
    mx_loader_pause(run->loader, false);
    run->started = run->last_saved = run->last_logged = mx_clock_now();
    if (!status) status = mx_run_loop(run, e);
    if (status == MX_OK)
        finish(run, e);
    else if (begun && !run->state.step && !mx_run_folder_saved(&run->paths))
        mx_run_folder_undo(&run->paths); /* it never trained: leave the folder free for the next run */
    else
        mx_report_write(run->paths.root, NULL); /* an error here would hide the failure above */
done:
    release(run);
    free(run);
    return e->status;
}
