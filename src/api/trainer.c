/* The public trainer: a pretraining step on the caller's images, saving and resuming (include/mixmae.h
 * "Training"). The same step as the command's (train/step.h), without data set, log and run folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/model.h"
#include "checkpoint/init.h"
#include "checkpoint/read_any.h"
#include "options/options.h"
#include "train/ema.h"
#include "train/memory.h"
#include "train/step.h"

struct mixmae_trainer {
    mx_stepper stepper;
    mx_run_state state;
    mx_pixels pixels;
    pthread_mutex_t lock;
    bool lock_made, other_machine;
    char place[32]; /* settings.device */
};

static bool given(const mixmae_options *options, const char *name) {
    int row = mx_option_find(name, options->command);
    return row >= 0 && options->given[row];
}

/* Takes model options that were not given from the checkpoint's configuration. */
static mx_status model_from(mx_options *o, const mixmae_options *options, const mx_model_config *c,
                            mx_error *e) {
    mx_model_config named;
    if (mx_model_named(c->name, &named, NULL) && mx_options_set(o, "model", c->name, e)) return e->status;
    if (!o->image_size[0]) o->image_size[0] = c->image_h, o->image_size[1] = c->image_w;
    if (!o->patch_size) o->patch_size = c->patch;
    if (!o->channels) o->channels = c->channels;
    if (!o->embed_dim) o->embed_dim = c->embed_dim;
    if (!o->decoder_dim && c->decoder_dim)
        o->decoder_dim = c->decoder_dim, o->decoder_depth = c->decoder_depth,
        o->decoder_num_heads = c->decoder_heads;
    if (!given(options, "norm-pix-loss")) o->norm_pix_loss = c->norm_pix;
    int *const lists[] = {o->depths, o->num_heads, o->window_size};
    int *const counts[] = {&o->depths_count, &o->num_heads_count, &o->window_size_count};
    const int *const from[] = {c->depths, c->heads, c->windows};
    for (int i = 0; i < 3; i++) {
        if (*counts[i]) continue;
        *counts[i] = c->stages;
        memcpy(lists[i], from[i], sizeof(int) * (size_t)c->stages);
    }
    return MX_OK;
}

/* Settings without a data set: pixel statistics are given, the checkpoint's, or ImageNet's. */
static mx_status make_settings(mixmae_trainer *t, mx_settings *s, mx_options *o,
                               const mixmae_options *options, const mx_model *init, int64_t steps_per_epoch,
                               mx_error *e) {
    bool from_file = init && !given(options, "model");
    if (from_file && model_from(o, options, &init->config, e)) return e->status;
    const mx_objective *objective = mx_objective_of_command(mx_command_name(options->command));
    if (mx_settings_make(s, objective, o, NULL, e)) return e->status;
    if (from_file) memcpy(s->model.name, init->config.name, sizeof s->model.name);
    s->steps_per_epoch = steps_per_epoch;
    s->steps = (int64_t)(s->epochs * (double)steps_per_epoch + 0.5);
    bool stated = o->mean_count || o->std_count || given(options, "stats");
    if (!stated && init && init->config.channels == s->model.channels) return MX_OK;
    bool imagenet = s->model.channels == 3 && (!o->stats || !strcmp(o->stats, "imagenet"));
    if (!o->mean_count && !o->std_count && !imagenet)
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--mean and --std are needed for %d channel%s: there is no data set to compute them from",
            s->model.channels, s->model.channels > 1 ? "s" : "");
    return mx_settings_pixels(s, o, NULL, &t->pixels, e);
}

static mx_status build(mixmae_trainer *t, mx_options *o, const mixmae_options *options,
                       int64_t steps_per_epoch, mx_error *e) {
    mx_settings s;
    mx_model init = {0};
    const mx_foreign_hints hints = mx_weights_hints(o, NULL);
    if (o->init && mx_model_read_with(&init, &t->pixels, o->init, &hints, MX_PARAMS_WEIGHTS, e)) goto done;
    if (make_settings(t, &s, o, options, o->init ? &init : NULL, steps_per_epoch, e)) goto done;
    mx_settings_use_pixels(&s, &t->pixels);
    t->other_machine = o->other_machine;
    if (mx_memory_fit(&s, NULL, NULL, e) || mx_stepper_make(&t->stepper, &s, false, NULL, e)) goto done;
    /* pointers into the options and settings of a data set are not used after this */
    snprintf(t->place, sizeof t->place, "%s", s.device);
    t->stepper.settings.device = t->place;
    mx_params_init(&t->stepper.model.params, s.seed);
    if (o->init && mx_init_whole(&t->stepper.model, &init, e)) mx_fail_where(e, "--init %s", o->init);
    mx_average_start(&t->stepper);
    mx_stepper_upload(&t->stepper);
    mx_session_error(&t->stepper.session, e);
done:
    mx_model_free(&init);
    return e->status;
}

static mx_status make(mixmae_trainer *t, const mixmae_options *options, int64_t steps_per_epoch,
                      mx_error *e) {
    mx_options o = {0};
    if (!options || options->command != MX_CMD_PRETRAIN)
        return mx_fail(e, MX_ERR_ARGUMENT, "expected options of the command pretrain");
    if (steps_per_epoch < 1)
        return mx_fail(e, MX_ERR_ARGUMENT, "steps_per_epoch: expected 1 or more, found %lld",
                       (long long)steps_per_epoch);
    if (pthread_mutex_init(&t->lock, NULL)) return mx_fail(e, MX_ERR_MEMORY, "cannot make a mutex");
    t->lock_made = true;
    if (!mx_options_copy(&o, &options->o, e)) build(t, &o, options, steps_per_epoch, e);
    mx_options_free(&o);
    return e->status;
}

mixmae_status mixmae_trainer_make(mixmae_trainer **out, const mixmae_options *options,
                                  int64_t steps_per_epoch, char *message, size_t size) {
    mx_error e = {0};
    mixmae_trainer *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        mx_fail(&e, MX_ERR_MEMORY, "out of memory");
    else
        make(t, options, steps_per_epoch, &e);
    if (e.status)
        mixmae_trainer_free(t);
    else
        *out = t;
    return mx_public_status(&e, message, size);
}

void mixmae_trainer_free(mixmae_trainer *t) {
    if (!t) return;
    mx_stepper_free(&t->stepper);
    if (t->lock_made) pthread_mutex_destroy(&t->lock);
    free(t);
}

void mixmae_trainer_describe(mixmae_trainer *t, mixmae_trainer_info *info) {
    const mx_settings *s = &t->stepper.settings;
    const mx_model_config *c = &s->model;
    pthread_mutex_lock(&t->lock);
    *info = (mixmae_trainer_info){.image_height = c->image_h,
                                  .image_width = c->image_w,
                                  .channels = c->channels,
                                  .images_per_step = s->batch * s->accum,
                                  .step = t->state.step,
                                  .steps = s->steps,
                                  .parameters = mx_params_trainable(&t->stepper.model.params),
                                  .memory = t->stepper.model.params.bytes + t->stepper.session.planned,
                                  .dtype = mx_dtype_name(s->activations)};
    memcpy(info->name, c->name, sizeof info->name);
    memcpy(info->mean, t->pixels.mean, sizeof(float) * (size_t)c->channels);
    memcpy(info->std, t->pixels.std, sizeof(float) * (size_t)c->channels);
    pthread_mutex_unlock(&t->lock);
}

static mx_status step(mixmae_trainer *t, const float *images, mixmae_step *result, mx_error *e) {
    const mx_settings *s = &t->stepper.settings;
    int64_t micro = s->batch * mx_image_floats(&s->model);
    for (int j = 0; j < s->accum; j++)
        mx_step_micro(&t->stepper, t->state.step, j, (float *)images + j * micro, NULL); /* only read */
    mx_step_result r = {0};
    mx_step_update(&t->stepper, &t->state);
    mx_step_result_next(&t->stepper, &t->state, &r);
    if (mx_session_error(&t->stepper.session, e)) return e->status;
    *result = (mixmae_step){t->state.step, r.loss, r.lr, r.norm, r.skipped};
    if (t->state.skipped_in_row < s->max_skipped) return MX_OK;
    return mx_fail(e, MX_ERR_NUMERIC,
                   "loss or gradients were not finite in %d steps in a row, the last at step %lld (loss %g)",
                   t->state.skipped_in_row, (long long)t->state.step, r.loss);
}

mixmae_status mixmae_trainer_step(mixmae_trainer *t, const float *images, mixmae_step *result, char *message,
                                  size_t size) {
    mx_error e = {0};
    mixmae_step unused;
    if (!images)
        mx_fail(&e, MX_ERR_ARGUMENT, "images must be given, found NULL");
    else {
        pthread_mutex_lock(&t->lock);
        step(t, images, result ? result : &unused, &e);
        pthread_mutex_unlock(&t->lock);
    }
    return mx_public_status(&e, message, size);
}

mixmae_status mixmae_trainer_save(mixmae_trainer *t, const char *path, char *message, size_t size) {
    mx_error e = {0};
    pthread_mutex_lock(&t->lock);
    mx_stepper_download(&t->stepper);
    if (!mx_session_error(&t->stepper.session, &e))
        mx_checkpoint_write(path, &t->stepper.model, &t->pixels, &e);
    pthread_mutex_unlock(&t->lock);
    return mx_public_status(&e, message, size);
}

mixmae_status mixmae_trainer_save_state(mixmae_trainer *t, const char *path, char *message, size_t size) {
    mx_error e = {0};
    pthread_mutex_lock(&t->lock);
    mx_stepper_download(&t->stepper);
    const mx_compute how = mx_settings_compute(&t->stepper.settings);
    snprintf(t->state.instruction_set, sizeof t->state.instruction_set, "%s", mx_compute_isa(&how));
    if (!mx_session_error(&t->stepper.session, &e))
        mx_state_write(path, &t->stepper.model, &t->state, &t->pixels, &e);
    pthread_mutex_unlock(&t->lock);
    return mx_public_status(&e, message, size);
}

/* Does what computes here go on to the bytes that the first trainer would have come to? */
static mx_status check_isa(const mixmae_trainer *t, const char *path, mx_error *e) {
    mx_run_state s = {0};
    if (t->other_machine || mx_state_counters(&s, path, e)) return e->status;
    const mx_compute how = mx_settings_compute(&t->stepper.settings);
    const char *now = mx_compute_isa(&how);
    if (!*s.instruction_set || !strcmp(s.instruction_set, now)) return MX_OK;
    mx_fail(
        e, MX_ERR_UNSUPPORTED,
        "%s was computed with instruction set %s, this trainer computes with %s, which rounds differently: "
        "the training would come to other bytes than one that never stopped",
        path, s.instruction_set, now);
    return mx_fail_way(e, "a trainer made with the option --other-machine continues anyway");
}

mixmae_status mixmae_trainer_load_state(mixmae_trainer *t, const char *path, char *message, size_t size) {
    mx_error e = {0};
    pthread_mutex_lock(&t->lock);
    if (!check_isa(t, path, &e) && !mx_state_read(&t->stepper.model, &t->state, &t->pixels, path, &e))
        mx_stepper_upload(&t->stepper);
    pthread_mutex_unlock(&t->lock);
    return mx_public_status(&e, message, size);
}
