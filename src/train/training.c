/* A training run from options and images to a run folder: start, resume and end. See training.h. */
#include "train/training.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "io/file.h"
#include "train/open_data.h"
#include "train/plan.h"
#include "train/process.h"
#include "train/report.h"

/* Weights: the saved state's, or drawn from the seed and then the task's own. */
static mx_status fill_state(mx_training *p, mx_error *e) {
    mx_model *m = &p->trainer.model;
    uint64_t fingerprint = mx_dataset_fingerprint(p->data);
    if (!p->resumed) {
        mx_params_init(&m->params, p->settings.seed);
        p->state = (mx_run_state){.fingerprint = fingerprint, .best = -1};
        return p->task->weights(p, e);
    }
    if (mx_state_read(m, &p->state, &p->pixels, p->paths.state, e)) return e->status;
    mx_settings_use_pixels(&p->settings, &p->pixels);
    if (p->state.fingerprint != fingerprint)
        return mx_fail(e, MX_ERR_DATA,
                       "%s has changed since the run was started (files were added, removed or resized): "
                       "the run cannot be continued as if it had never stopped",
                       mx_dataset_root(p->data));
    return MX_OK;
}

static void describe(mx_training *p) {
    const mx_settings *s = &p->settings;
    const mixmae_sink *sink = p->sink;
    mx_notice(sink, "model     %s, %.1f M parameters, %dx%d pixels, %d channel%s", s->model.name,
              (double)mx_params_trainable(&p->trainer.model.params) / 1e6, s->model.image_h, s->model.image_w,
              s->model.channels, s->model.channels > 1 ? "s" : "");
    mx_notice(sink, "data      %" PRId64 " images in %s%s", s->images, mx_dataset_root(p->data),
              p->held ? ", held-out images beside them" : "");
    mx_notice_passed(sink, p->data), mx_notice_passed(sink, p->held);
    mx_notice(sink, "training  %g epochs of %" PRId64 " steps, %d x %d images a step, learning rate %.3g",
              s->epochs, s->steps_per_epoch, s->accum, s->batch, s->schedule.lr);
    mx_notice(
        sink,
        "machine   backend %s %s, %s, %d thread%s, %d loader worker%s, step memory %.0f MB, state %.0f MB",
        mx_backend_name(p->trainer.session.ctx.backend), mx_backend_isa(p->trainer.session.ctx.backend),
        mx_dtype_name(s->activations), s->threads, s->threads > 1 ? "s" : "", s->workers,
        s->workers == 1 ? "" : "s", (double)p->trainer.session.planned / 1e6,
        (double)p->trainer.model.params.bytes / 1e6);
    mx_memory_plan memory;
    mx_plan_memory(&memory, &p->trainer, p->data, p->held);
    mx_error no_pictures = {0};
    if (p->task->picture && s->picture_every >= 0 && mx_image_png_check(&no_pictures))
        mx_notice(sink, "pictures  none: %s", no_pictures.text);
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
    if (s->batch % 2 && s->task == MX_TASK_PRETRAIN)
        mx_notice(
            sink,
            "warning: an odd batch mixes its middle image with itself; an even --batch-size wastes nothing");
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

static mx_status load_everything(mx_training *p, mx_error *e) {
    if (mx_open_training_data(&p->data, &p->held, &p->o, p->paths.index, e)) return e->status;
    if (p->task->data(p, e) || mx_settings_data(&p->settings, mx_dataset_count(p->data), e)) return e->status;
    if (mx_memory_fit(&p->settings, p->data, p->held, e) ||
        mx_trainer_make(&p->trainer, &p->settings, false, NULL, e) || fill_state(p, e))
        return e->status;
    mx_trainer_upload(&p->trainer);
    p->trainer.settings = p->settings;
    return MX_OK;
}

static mx_status prepare(mx_training *p, const bool *given, mx_error *e) {
    bool stored = false;
    mx_command command = p->task->command;
    if (mx_run_folder_open(&p->paths, command, &p->o, given, &stored, &p->resumed, e) ||
        p->task->settings(p, e))
        return e->status;
    if (!stored &&
        (mx_settings_effective(&p->settings, &p->o, e) || mx_run_folder_start(&p->paths, command, &p->o, e)))
        return e->status;
    if (load_everything(p, e) || (!p->state.finished && open_loader(p, e)))
        if (!stored) mx_run_folder_undo(&p->paths);
    return e->status;
}

static mx_status finish(mx_training *p, mx_error *e) {
    p->state.finished = true;
    if (mx_training_save(p, e) || mx_observe_end(p, e)) return e->status;
    mx_notice(p->sink, "finished  %" PRId64 " steps in %.0f s, peak memory %.0f MB: %s, %s", p->state.step,
              mx_clock_now() - p->started, (double)mx_process_peak() / 1e6, p->paths.model, p->paths.report);
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
    p->task = task, p->sink = sink;
    if (mx_options_copy(&p->o, &options->o, e) || prepare(p, options->given, e)) goto done;
    if (p->state.finished) {
        mx_notice(sink, "%s is finished: nothing to do", p->paths.root);
        goto done;
    }
    describe(p);
    p->started = p->last_saved = p->last_logged = mx_clock_now();
    if (mx_observe_begin(p, e)) goto done;
    mx_status status = mx_training_loop(p, e);
    if (status == MX_OK)
        finish(p, e);
    else
        mx_report_write(p->paths.root, NULL); /* what there is so far; the failure above is the one to tell */
done:
    release(p);
    free(p);
    return e->status;
}
