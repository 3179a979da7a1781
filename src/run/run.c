/* A training run from options and images to a run folder: start, resume and end. See run.h. */
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
#include "train/open_data.h"
#include "train/memory.h"
#include "base/process.h"
#include "report/report.h"
#include "run/same_data.h"

/* Weights: the saved state's, or drawn from the seed and then the task's own. */
static mx_status fill_state(mx_training *p, mx_error *e) {
    mx_model *m = &p->trainer.model;
    if (!p->resumed) {
        mx_params_init(&m->params, p->settings.seed);
        p->state = (mx_run_state){.fingerprint = mx_dataset_fingerprint(p->data), .best = -1};
        if (!p->task->weights(p, e)) mx_average_start(&p->trainer);
        return e->status;
    }
    if (mx_state_read(m, &p->state, &p->pixels, p->paths.state, e)) return e->status;
    mx_settings_use_pixels(&p->settings, &p->pixels);
    return MX_OK;
}

/* Will this machine compute the same bytes as the machine that began the run? */
static mx_status check_set(mx_training *p, mx_error *e) {
    const mx_compute how = mx_settings_compute(&p->settings);
    const char *was = p->state.instruction_set, *now = mx_compute_bytes(&how);
    if (!*was || !strcmp(was, now) || p->state.finished) return MX_OK;
    snprintf(p->was_set, sizeof p->was_set, "%s", was);
    if (p->o.other_machine || p->paths.retyped) return MX_OK;
    mx_fail(e, MX_ERR_UNSUPPORTED,
            "%s was computed with instruction set %s, here it would be %s, which rounds otherwise: the run "
            "would end in other bytes than without a stop",
            p->paths.state, was, now);
    return mx_fail_way(e, "--other-machine goes on all the same");
}

static void decoders_now(const mx_training *p, char text[MX_DECODERS]) {
    mx_image_decoders(mx_dataset_formats(p->data) | (p->held ? mx_dataset_formats(p->held) : 0), text,
                      MX_DECODERS);
}

/* Are the images decoded to the pixels that they had where the run began? */
static mx_status check_decoders(mx_training *p, mx_error *e) {
    char now[MX_DECODERS];
    decoders_now(p, now);
    if (p->state.finished ||
        !mx_image_decoders_differ(p->state.decoders, now, p->decodes, sizeof p->decodes) ||
        p->o.other_machine)
        return MX_OK;
    mx_fail(e, MX_ERR_UNSUPPORTED,
            "%s was computed from images decoded by %s: pixels may differ, and the run would end in other "
            "bytes than without a stop",
            p->paths.state, p->decodes);
    return mx_fail_way(e, "--other-machine goes on all the same");
}

/* What the state says of where and how it was computed. */
static mx_status note_machine(mx_training *p, mx_error *e) {
    const mx_compute how = mx_settings_compute(&p->settings);
    snprintf(p->state.instruction_set, sizeof p->state.instruction_set, "%s", mx_compute_bytes(&how));
    decoders_now(p, p->state.decoders);
    mx_same_data_note(p);
    return mx_options_kept(&p->o, p->task->command, p->state.options, e);
}

/* Are the stored options those that the state was computed with? */
static mx_status check_options(mx_training *p, mx_error *e) {
    if (!p->resumed || mx_state_counters(&p->state, p->paths.state, e)) return e->status;
    return mx_options_same(&p->o, p->task->command, p->state.options, p->paths.options, e);
}

/* Call before allocating anything by the size of the data, which may differ. */
static mx_status check_same(mx_training *p, mx_error *e) {
    if (!p->resumed || mx_state_counters(&p->state, p->paths.state, e)) return e->status;
    mx_status status = check_set(p, e) || check_decoders(p, e) ? e->status : mx_same_data_check(p, e);
    mx_same_data_drop(p, !status);
    return status;
}

static void describe_warmup(const mx_training *p) {
    const mx_settings *s = &p->settings;
    if (s->recipe_warmup > s->schedule.warmup_epochs)
        mx_notice(p->sink,
                  "warm-up   %g epochs, a fifth of this run, where the recipe has %g for a longer one; "
                  "--warmup-epochs sets another",
                  s->schedule.warmup_epochs, s->recipe_warmup);
    if (mx_warmup_long(&s->schedule))
        mx_notice(p->sink,
                  "warning: warm-up takes %g of %g epochs: the learning rate %s; --warmup-epochs %g would be "
                  "a fifth of the run",
                  s->schedule.warmup_epochs, s->epochs,
                  s->schedule.warmup_epochs < s->epochs ? "falls for the rest only" : "only rises",
                  s->epochs / 5);
}

/* Reported when the data are listed: once a run, unless the data change. */
static void describe_own(const mx_training *p) {
    const char *first;
    int64_t n = mx_dataset_passed_over(p->data, &first);
    if (n)
        mx_notice(p->sink, "          passed over: %s%s, written by mixmae and no data", first,
                  n > 1 ? " and others" : "");
}

static void describe_memory(const mx_training *p) {
    const mx_settings *s = &p->settings;
    const mixmae_sink *sink = p->sink;
    mx_memory_plan memory;
    mx_plan_memory(&memory, &p->trainer, p->data, p->held);
    char again[256];
    mx_memory_text(s, mx_model_blocks(&p->trainer.model), again, sizeof again);
    if (again[0]) mx_notice(sink, "recompute %s", again);
    size_t available = mx_machine_available();
    char device[64] = "";
    if (memory.device)
        snprintf(device, sizeof device, "; %.0f MB on the device", (double)memory.device / 1e6);
    mx_notice(sink, "memory    %.0f MB expected, %.0f MB available%s", (double)memory.total / 1e6,
              (double)available / 1e6, device);
    if (available && memory.total > available)
        mx_notice(sink, "warning: that is more than there is; --memory or a smaller --batch-size with more "
                        "--accum-steps takes less");
    if (memory.device_free && memory.device > memory.device_free)
        mx_notice(sink, "warning: only %.0f MB are free on the device; --memory takes less",
                  (double)memory.device_free / 1e6);
}

static void describe(mx_training *p) {
    const mx_settings *s = &p->settings;
    const mixmae_sink *sink = p->sink;
    mx_notice(sink, "model     %s, %.1f M parameters, %dx%d pixels, %d channel%s", s->model.name,
              (double)mx_params_trainable(&p->trainer.model.params) / 1e6, s->model.image_h, s->model.image_w,
              s->model.channels, s->model.channels > 1 ? "s" : "");
    mx_notice_data(sink, p->data, p->held);
    describe_own(p);
    mx_notice(sink, "training  %g epochs of %" PRId64 " steps, %d x %d images a step, learning rate %.3g",
              s->epochs, s->steps_per_epoch, s->accum, s->batch, s->schedule.lr);
    describe_warmup(p);
    char machine[160];
    const mx_compute how = mx_settings_compute(s);
    mx_compute_text(&how, machine, sizeof machine);
    mx_notice(sink, "machine   %s, %d loader worker%s, step memory %.0f MB, state %.0f MB", machine,
              s->workers, s->workers == 1 ? "" : "s", (double)p->trainer.session.planned / 1e6,
              (double)p->trainer.model.params.bytes / 1e6);
    mx_error no_pictures = {0};
    if (s->picture_every >= 0 && mx_image_png_check(&no_pictures))
        mx_notice(sink, "pictures  none: %s", no_pictures.text);
    describe_memory(p);
    if (s->batch % 2 && s->objective->pairs)
        mx_notice(
            sink,
            "warning: an odd batch mixes its middle image with itself; an even --batch-size wastes nothing");
    if (p->paths.anew)
        mx_notice(sink, "output    %s held a run that had saved nothing: begun anew", p->paths.root);
    if (p->resumed) mx_notice(sink, "resumed   at step %" PRId64 " of %" PRId64, p->state.step, s->steps);
}

static void log_bad_file(void *user, const char *line) {
    mx_training *p = user;
    mx_observe_event(p, p->state.step, line);
}

static mx_status open_loader(mx_training *p, mx_error *e) {
    const mx_settings *s = &p->settings;
    mx_loader_config config = mx_settings_loader(s, p->data);
    config.first_batch = p->state.step * s->accum;
    config.bad_seen = p->state.bad_seen, config.bad_count = p->state.bad_count;
    config.log = log_bad_file, config.user = p;
    return mx_loader_open(&p->loader, &config, e);
}

/* Takes from the data what the model and the pixel statistics need. */
static mx_status use_data(mx_training *p, mx_error *e) {
    mx_settings *s = &p->settings;
    if (s->objective->data && s->objective->data(&s->task, &s->model, p->data, p->held, s->seed, e))
        return e->status;
    return p->resumed ? MX_OK : p->task->pixels(p, e);
}

static mx_status load_everything(mx_training *p, mx_error *e) {
    mx_same_data_keep(p);
    if (mx_open_training_data(&p->data, &p->held, &p->o, p->paths.index, e)) {
        mx_same_data_drop(p, true);
        return p->resumed ? mx_fail_way(e, "where it was moved to: --resume %s --data NEW%s", p->paths.root,
                                        p->o.val_data ? " --val-data NEW" : "")
                          : e->status;
    }
    if (mx_check_data(p, e) || use_data(p, e) || mx_check_values(p, e) || check_same(p, e) ||
        mx_settings_data(&p->settings, mx_dataset_count(p->data), e)) {
        mx_same_data_drop(p, false); /* the question was not reached */
        return e->status;
    }
    if (mx_memory_fit(&p->settings, p->data, p->held, e) ||
        mx_trainer_make(&p->trainer, &p->settings, false, NULL, e) || fill_state(p, e))
        return e->status;
    mx_trainer_upload(&p->trainer);
    p->trainer.settings = p->settings;
    return note_machine(p, e);
}

static mx_status prepare(mx_training *p, const bool *given, bool *begun, mx_error *e) {
    bool stored = false;
    mx_command command = p->task->command;
    if (mx_run_folder_open(&p->paths, command, &p->o, given, &stored, &p->resumed, e) ||
        check_options(p, e) || p->task->settings(p, e))
        return e->status;
    if (!stored &&
        (mx_settings_effective(&p->settings, &p->o, e) || mx_run_folder_start(&p->paths, command, &p->o, e)))
        return e->status;
    if (load_everything(p, e) || (!p->state.finished && open_loader(p, e)))
        if (!stored) mx_run_folder_undo(&p->paths);
    *begun = !stored;
    if (!e->status && p->paths.moved) mx_run_folder_move(&p->paths, command, &p->o, e);
    return e->status;
}

/* For a run that cannot continue in the type that auto chose and was resumed with another: stores the new
 * type in options.ini, for every later resume. */
static mx_status keep_dtype(mx_training *p, mx_error *e) {
    char *was = NULL, line[160];
    if (mx_run_folder_dtype(&p->paths, p->task->command, &p->o, &was, e) || !was) goto done;
    snprintf(line, sizeof line, "from here on in %s, as --dtype says: the run began in %s",
             mx_dtype_name(p->settings.activations), was);
    mx_observe_event(p, p->state.step, line);
done:
    free(was);
    return e->status;
}

/* Reports the changes that --other-machine allowed, unless a new --dtype has already been reported. */
static void tell_machine(mx_training *p) {
    char line[600];
    if (*p->decodes) {
        snprintf(line, sizeof line,
                 "from here on images are decoded by other versions, as --other-machine says: %s",
                 p->decodes);
        mx_observe_event(p, p->state.step, line);
    }
    if (!*p->was_set || p->paths.retyped) return;
    snprintf(line, sizeof line, "from here on with instruction set %s, as --other-machine says: it was %s",
             p->state.instruction_set, p->was_set);
    mx_observe_event(p, p->state.step, line);
}

static mx_status finish(mx_training *p, mx_error *e) {
    if (!p->state.updates)
        return mx_fail(
            e, MX_ERR_NUMERIC,
            "nothing was learnt: loss or gradients were not finite in all %" PRId64
            " updates (loss %g, gradient norm %g); are the values of the images finite and of one range?",
            p->settings.steps, p->last.loss, p->last.norm);
    p->state.finished = true;
    if (mx_training_save(p, e) || mx_observe_end(p, e) || mx_best_check(p, e)) return e->status;
    mx_notice(p->sink, "finished  %" PRId64 " steps in %.0f s, peak memory %.0f MB: %s, %s", p->state.step,
              mx_clock_now() - p->started, (double)mx_process_peak() / 1e6, p->paths.model, p->paths.report);
    return MX_OK;
}

/* There is nothing to do but to set right what a killed process did not write, or what was damaged since. */
static mx_status finished_before(mx_training *p, mx_error *e) {
    mx_trainer_download(&p->trainer);
    if (mx_session_error(&p->trainer.session, e) ||
        mx_checkpoint_write(p->paths.model, &p->trainer.model, &p->pixels, e) ||
        mx_report_write(p->paths.root, e) || mx_best_check(p, e))
        return e->status;
    mx_notice(p->sink,
              "%s is finished: nothing to do; to train on, start another run from its weights: mixmae %s "
              "--config %s --init %s%s --output NEW",
              p->paths.root, mx_command_name(p->task->command), p->paths.options, p->paths.model,
              p->task->command == MX_CMD_FINETUNE ? " --keep-head" : "");
    return MX_OK;
}

static void release(mx_training *p) {
    mx_loader_close(p->loader);
    mx_events_close(p->events);
    mx_trainer_free(&p->trainer);
    mx_model_free(&p->source);
    mx_dataset_close(p->held);
    mx_dataset_close(p->data);
    mx_run_paths_free(&p->paths);
    mx_options_free(&p->o);
}

mx_status mx_training_run(const mx_training_task *task, const mixmae_options *options,
                          const mixmae_sink *sink, mx_error *e) {
    mx_training *p = calloc(1, sizeof *p);
    if (!p) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    bool begun = false; /* by this process */
    p->task = task, p->sink = sink;
    if (mx_options_copy(&p->o, &options->o, e) || prepare(p, options->given, &begun, e)) goto done;
    if (p->state.finished) {
        finished_before(p, e);
        goto done;
    }
    describe(p);
    if (mx_observe_begin(p, e) || keep_dtype(p, e)) goto done;
    tell_machine(p);
    mx_status status = mx_held_out_check(p, e);
    p->started = p->last_saved = p->last_logged = mx_clock_now();
    if (!status) status = mx_training_loop(p, e);
    if (status == MX_OK)
        finish(p, e);
    else if (begun && !p->state.step && !mx_run_folder_saved(&p->paths))
        mx_run_folder_undo(&p->paths); /* it never trained: leave the folder free for the next run */
    else
        mx_report_write(p->paths.root, NULL); /* results so far; the failure above is the one to report */
done:
    release(p);
    free(p);
    return e->status;
}
