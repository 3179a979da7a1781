/* `mixmae plan`: predicts the cost of pretraining or fine-tuning: parameters, memory by part, FLOPs; and, from a few
 * real steps on random images, images/s and the time to the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/say.h"
#include "command/command.h"
#include "run/check_data.h"
#include "checkpoint/read_any.h"
#include "train/memory.h"
#include "train/open_data.h"
#include "base/process.h"
#include "train/step.h"
#include "train/timing.h"

static void say_bytes(const mixmae_sink *sink, const char *part, size_t bytes, const char *what) {
    mx_say(sink, "  %-10s %15zu bytes  %9.1f MB  %s", part, bytes, (double)bytes / 1e6, what);
}

static void say_memory(const mixmae_sink *sink, const mx_memory_plan *m, const mx_stepper *stepper,
                       const mx_dataset *data) {
    const mx_settings *s = &stepper->settings;
    char loader[128] = "no --data: not counted", recompute[256];
    mx_memory_text(s, mx_model_blocks(&stepper->model), recompute, sizeof recompute);
    if (data)
        snprintf(loader, sizeof loader, "batches ready, and %d worker%s at the largest image (%.1f MB)",
                 s->workers, s->workers == 1 ? "" : "s", (double)mx_dataset_largest(data) / 1e6);
    mx_say(sink, "memory");
    say_bytes(sink, "arena", m->arena, "activations and scratch of a step, exact");
    say_bytes(sink, "state", m->state, "weights, gradients, AdamW's two moments, position tables");
    say_bytes(sink, "tables", m->tables, "token tables of a mask; targets and logits");
    say_bytes(sink, "loader", m->loader, loader);
    say_bytes(sink, "process", m->process, "program, libraries, threads");
    say_bytes(sink, "total", m->total,
              m->device ? "expected peak of the process: all but the arena" : "expected peak");
    if (m->device) say_bytes(sink, "device", m->device, "on the device: arena, state, tables");
    if (s->memory)
        mx_say(sink, "  limit      %15zu bytes  %9.1f MB  --memory%s", s->memory, (double)s->memory / 1e6,
               m->device ? ", of the device" : "");
    if (s->memory)
        mx_say(sink, "  recompute  %s",
               recompute[0] ? recompute : "nothing: the step fits with everything kept");
    size_t available = mx_machine_available();
    if (available && m->total > available)
        mx_say(sink, "  warning: only %.1f MB are available on this machine; %s", (double)available / 1e6,
               mx_memory_way(m));
    if (m->device_free && m->device > m->device_free)
        mx_say(sink, "  warning: only %.1f MB are free on the device; --memory takes less",
               (double)m->device_free / 1e6);
}

static void say_duration(const mixmae_sink *sink, double seconds) {
    int64_t s = (int64_t)(seconds + 0.5);
    mx_say(sink, "  to the end  %" PRId64 " days %02d:%02d:%02d", s / 86400, (int)(s / 3600 % 24),
           (int)(s / 60 % 60), (int)(s % 60));
}

/* Times a few steps on noise. The first one touches all memory and does not count. */
static mx_status time_steps(const mx_settings *s, int steps, const mixmae_sink *sink, mx_error *e) {
    mx_stepper stepper;
    mx_run_state state = {0};
    double seconds[64];
    float *images = mx_random_images(s);
    if (steps > 64) steps = 64;
    if (!images) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a batch of images");
    if (!mx_stepper_make(&stepper, s, false, NULL, e)) {
        mx_params_init(&stepper.model.params, s->seed);
        mx_stepper_upload(&stepper);
        mx_time_step(&stepper, &state, images);
        for (int i = 0; i < steps; i++) seconds[i] = mx_time_step(&stepper, &state, images);
        mx_session_error(&stepper.session, e);
    }
    mx_stepper_free(&stepper);
    free(images);
    if (e->status) return e->status;
    double step = mx_median(seconds, steps);
    mx_say(sink, "speed (median of %d steps, images in memory)", steps);
    mx_say(sink, "  %.2f images/s, %.3f s a step", s->batch * s->accum / step, step);
    if (s->steps) say_duration(sink, step * (double)s->steps);
    return MX_OK;
}

static void say_model(const mixmae_sink *sink, const mx_stepper *stepper) {
    const mx_settings *s = &stepper->settings;
    const mx_model_config *m = &s->model;
    double images = (double)s->batch * s->accum, useful = 6 * mx_model_forward_macs(m) * images;
    char machine[160];
    const mx_compute how = mx_settings_compute(s);
    mx_compute_text(&how, machine, sizeof machine);
    mx_say(sink, "model       %s, %dx%d pixels, %d channels, stride %d", m->name, m->image_h, m->image_w,
           m->channels, mx_model_stride(m));
    mx_say(sink, "machine     %s", machine);
    mx_say(sink, "parameters  %" PRId64 " trainable", mx_params_trainable(&stepper->model.params));
    mx_say(sink,
           "step        %d x %d images: %.2f useful GFLOP (6 x forward multiply-adds), %.2f GFLOP executed "
           "in products",
           s->accum, s->batch, useful / 1e9, stepper->session.flops * s->accum / 1e9);
    if (s->steps)
        mx_say(sink,
               "run         %" PRId64 " images, %" PRId64 " steps an epoch, %g epochs, %" PRId64 " steps",
               s->images, s->steps_per_epoch, s->epochs, s->steps);
}

/* Settings of the task to plan. Fine-tuning uses the model of --init unless --model names one. */
static mx_status plan_settings(mx_settings *s, const mixmae_options *options, mx_error *e) {
    mx_options o;
    mx_model_config start;
    const mx_options *given = &options->o;
    const mx_objective *objective = mx_objective_of_command(given->task);
    if (!objective)
        return mx_fail(e, MX_ERR_ARGUMENT, "--task: expected pretrain or finetune, found %s", given->task);
    if (objective->pretrains) return mx_settings_make(s, objective, given, NULL, e);
    bool named = !given->init || options->given[mx_option_find("model", MX_CMD_PLAN)];
    const mx_foreign_hints hints = mx_weights_hints(given, NULL);
    if (!named && mx_model_config_any(&start, given->init, &hints, e)) return mx_fail_where(e, "--init");
    if (!mx_options_copy(&o, given, e)) {
        if (!named) free(o.model), o.model = NULL;
        mx_settings_make(s, objective, &o, named ? NULL : &start, e);
        s->model.classes = (int)given->classes;
    }
    mx_options_free(&o);
    s->device = given->device ? given->device : mx_backend_default(); /* the copy's text is freed */
    return e->status;
}

/* Refuses the images that the run would refuse. */
static mx_status check_images(const mx_settings *s, mx_dataset *data, mx_dataset *held, const mx_options *o,
                              const mixmae_sink *sink, mx_error *e) {
    mx_run *run = calloc(1, sizeof *run);
    if (!run) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    run->settings = *s, run->o = *o, run->data = data, run->held = held, run->sink = sink;
    mx_check_data(run, e);
    free(run);
    return e->status;
}

static mx_status plan_data(mx_settings *s, mx_dataset **data, mx_dataset **held, const mx_options *o,
                           const mixmae_sink *sink, mx_error *e) {
    if (!o->data) return MX_OK;
    if (mx_open_training_data(data, held, o, NULL, e) || check_images(s, *data, *held, o, sink, e) ||
        mx_settings_data(s, mx_dataset_count(*data), e))
        return e->status;
    mx_notice_data(sink, *data, *held);
    if (s->objective->labels && mx_dataset_classes(*data) > 0) s->model.classes = mx_dataset_classes(*data);
    return MX_OK;
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    mx_settings s;
    mx_stepper stepper = {0};
    mx_memory_plan memory;
    mx_dataset *data = NULL, *held = NULL;
    if (plan_settings(&s, options, e) || plan_data(&s, &data, &held, o, sink, e) ||
        mx_memory_fit(&s, data, held, e))
        goto done;
    if (!mx_stepper_make(&stepper, &s, true, NULL, e)) {
        say_model(sink, &stepper);
        mx_plan_memory(&memory, &stepper, data, held);
        say_memory(sink, &memory, &stepper, data);
    }
    mx_stepper_free(&stepper);
    int steps = o->steps < 0 ? 3 : (int)o->steps;
    if (!e->status && steps > 0) time_steps(&s, steps, sink, e);
done:
    mx_dataset_close(held);
    mx_dataset_close(data);
    return e->status;
}

const mx_command_about mx_about_plan = {
    .brief = "what a run would need: memory, FLOPs, time",
    .usage = "mixmae plan --data DIR --model NAME [--task finetune] [options of pretrain]",
    .text = "Trains nothing. Prints parameters, memory by part to the byte, FLOPs per step and, after timing "
            "a few steps on made-up images, images per second and the time of the whole run.",
    .examples = {"mixmae plan --data photos --model base --batch-size 8",
                 "mixmae plan --model large --batch-size 4 --steps 0",
                 "mixmae plan --task finetune --init base.safetensors --image-size 384 "
                 "--window-size 16,16,24,12 --batch-size 8"},
    .run = run,
};
