/* Filling in a run's settings, see settings.h. */
#include "train/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/compute.h"
#include "train/memory.h"

/* Bytes of images at once for --stats auto; more if the loader decodes more at once. */
#define MX_STATS_BYTES  ((size_t)16 << 20)
#define MX_STATS_IMAGES 10000 /* --stats auto measures this many images, evenly spread */

mx_status mx_parse_interval(const char *text, int64_t *steps, double *seconds, mx_error *e) {
    char *end;
    double v = strtod(text, &end);
    double unit = !strcmp(end, "s") ? 1 : !strcmp(end, "m") ? 60 : !strcmp(end, "h") ? 3600 : 0;
    *steps = 0, *seconds = 0;
    if (end == text || !(v > 0) || !(v < 1e15) || (*end && unit == 0) || (!*end && v != floor(v)))
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--save-every: expected steps (500) or a time (10m, 90s, 1h), found %s", text);
    if (*end)
        *seconds = v * unit;
    else
        *steps = (int64_t)v;
    return MX_OK;
}

static int choose_workers(const mx_options *o, int threads) {
    if (o->workers >= 0) return (int)o->workers;
    return threads < 2    ? 1
           : threads < 16 ? 2
                          : threads / 8; /* decoding an image costs far less than training on it */
}

static void fill_transform(mx_settings *s, const mx_options *o) {
    s->transform = (mx_transform){.height = s->model.image_h,
                                  .width = s->model.image_w,
                                  .channels = s->model.channels,
                                  .value_range = (float)o->value_range,
                                  .scale_lo = o->crop_scale[0],
                                  .scale_hi = o->crop_scale[1],
                                  .ratio_lo = 3.0 / 4,
                                  .ratio_hi = 4.0 / 3,
                                  .flip = o->flip,
                                  .scaled_decode = o->scaled_decode,
                                  .augment = true};
}

/* Settings of every objective, from the options or else the recipe. */
static mx_status fill_common(mx_settings *s, const mx_options *o, const mx_recipe *r, mx_error *e) {
    double blr = r->blr, warmup = r->warmup_epochs;
    s->batch = o->batch_size > 0 ? (int)o->batch_size : r->batch;
    s->accum = o->accum_steps > 0 ? (int)o->accum_steps : 1;
    s->epochs = o->epochs >= 0 ? o->epochs : r->epochs;
    s->recipe_warmup = o->warmup_epochs < 0 ? warmup : -1;
    warmup = o->warmup_epochs < 0 ? mx_warmup_bound(warmup, s->epochs) : o->warmup_epochs;
    if (o->blr >= 0) blr = o->blr;
    double lr = o->lr >= 0 ? o->lr : blr * s->batch * s->accum / 256; /* docs/TRAINING.md */
    s->schedule = (mx_schedule){lr, o->min_lr > 0 ? o->min_lr : 0, warmup, s->epochs};
    s->weight_decay = o->weight_decay, s->beta1 = o->betas[0], s->beta2 = o->betas[1];
    s->clip_grad = o->clip_grad > 0 ? o->clip_grad : 0, s->ema = o->ema > 0 ? o->ema : 0;
    s->seed = (uint64_t)o->seed, s->max_skipped = (int)o->max_skipped;
    mx_compute how;
    if (mx_compute_make(&how, o->device, o->dtype, o->threads, e)) return e->status;
    s->threads = mx_session_threads(how.threads);
    s->workers = choose_workers(o, s->threads);
    s->device = how.device, s->activations = how.activations, s->chosen = how.chosen;
    s->bad_share = o->max_bad;
    s->log_every = o->log_every > 0 ? (int)o->log_every : 0;
    s->objective_settings.label_fraction = 1;
    s->picture_every = s->objective->view ? (int)o->picture_every : -1;
    fill_transform(s, o);
    if (o->memory && mx_parse_bytes(o->memory, &s->memory, e)) return e->status;
    return mx_parse_interval(o->save_every ? o->save_every : "10m", &s->save_steps, &s->save_seconds, e);
}

/* The model and its recipe. */
static mx_status fill_model(mx_settings *s, const mx_options *o, const mx_model_config *start,
                            mx_recipe *recipe, mx_error *e) {
    mx_model_recipes r = {0};
    bool pretrains = s->objective->pretrains;
    if (!pretrains && !o->model && !start)
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--init FILE is needed: the pretrained checkpoint (or --model NAME, to train from scratch)");
    if (start) s->model = *start;
    if (mx_options_model(o, &s->model, &r, e)) return e->status;
    if (!pretrains && !o->model && !mx_model_named(s->model.name, &(mx_model_config){0}, &r))
        mx_model_named("base", &(mx_model_config){0},
                       &r); /* a model without a name gets the authors' values */
    *recipe = pretrains ? r.pretrain : r.finetune;
    return s->objective->model(&s->model, e);
}

mx_status mx_settings_make(mx_settings *s, const mx_objective *objective, const mx_options *o,
                           const mx_model_config *start, mx_error *e) {
    mx_recipe recipe;
    memset(s, 0, sizeof *s);
    s->objective = objective;
    if (fill_model(s, o, start, &recipe, e) || fill_common(s, o, &recipe, e)) return e->status;
    return objective->settings(&s->objective_settings, &s->transform, &s->model, s->batch, o, &recipe, e);
}

static bool needs_even(const mx_settings *s) {
    return s->objective->needs_even && s->objective->needs_even(&s->objective_settings);
}

/* Fewer images than one step needs: suggests the largest step that works. */
static mx_status too_few(const mx_settings *s, mx_error *e) {
    int64_t step = needs_even(s) ? 2 : 1, most = s->images / s->accum / step * step; /* of a batch */
    mx_fail(e, MX_ERR_DATA,
            "a step needs %" PRId64
            " images (--batch-size %d, --accum-steps %d) and the data set has %" PRId64,
            (int64_t)s->batch * s->accum, s->batch, s->accum, s->images);
    if (most > 0) return mx_fail_way(e, "--batch-size %" PRId64 " works", most);
    most = s->images / step * step;
    if (most > 0) return mx_fail_way(e, "--batch-size %" PRId64 " --accum-steps 1 works", most);
    return mx_fail_way(e, "--batch-size 1 --accum-steps 1 --mixup-prob 0 works");
}

mx_status mx_settings_data(mx_settings *s, int64_t images, mx_error *e) {
    int64_t need = (int64_t)s->batch * s->accum;
    s->images = images;
    s->steps_per_epoch = images / need;
    if (s->steps_per_epoch < 1) return too_few(s, e);
    s->steps = (int64_t)ceil(s->epochs * (double)s->steps_per_epoch - 1e-9);
    if (s->steps < 1) return mx_fail(e, MX_ERR_ARGUMENT, "--epochs %g is less than one step", s->epochs);
    return MX_OK;
}

void mx_settings_use_pixels(mx_settings *s, const mx_pixels *pixels) {
    memcpy(s->transform.mean, pixels->mean, sizeof pixels->mean);
    memcpy(s->transform.std, pixels->std, sizeof pixels->std);
    s->transform.value_range = pixels->value_range;
}

/* Threads for the statistics, so that images take no more memory than in the run. */
static int stats_threads(const mx_settings *s, const mx_dataset *data) {
    mx_loader_config config = mx_settings_loader(s, data);
    const mx_loader_needs n = mx_loader_measure(&config);
    size_t most = MX_STATS_BYTES / n.worker;
    if (most < (size_t)n.pictures) most = (size_t)n.pictures;
    return (size_t)s->threads < most ? s->threads : (int)most;
}

mx_status mx_settings_pixels(mx_settings *s, const mx_options *o, const mx_dataset *data, mx_pixels *px,
                             mx_error *e) {
    int channels = s->model.channels;
    bool imagenet = !o->stats || !strcmp(o->stats, "imagenet");
    *px = (mx_pixels){.value_range = (float)o->value_range};
    if (o->mean_count || o->std_count) {
        if (o->mean_count != channels || o->std_count != channels)
            return mx_fail(e, MX_ERR_ARGUMENT,
                           "--mean and --std must both hold %d numbers, one a channel; found %d and %d",
                           channels, o->mean_count, o->std_count);
        for (int i = 0; i < channels; i++) {
            px->mean[i] = o->mean[i], px->std[i] = o->std[i];
            if (!(px->std[i] > 0))
                return mx_fail(e, MX_ERR_ARGUMENT, "--std must be positive, found %g", (double)o->std[i]);
        }
    } else if (o->stats && !imagenet && strcmp(o->stats, "auto")) {
        return mx_fail(e, MX_ERR_ARGUMENT, "--stats: expected imagenet or auto, found %s", o->stats);
    } else if (imagenet && channels == 3) {
        const mx_pixels usual = mx_pixels_imagenet();
        memcpy(px->mean, usual.mean, sizeof px->mean);
        memcpy(px->std, usual.std, sizeof px->std);
    } else if (mx_dataset_stats(data, channels, px->value_range, MX_STATS_IMAGES, stats_threads(s, data),
                                px->mean, px->std, e))
        return e->status;
    mx_settings_use_pixels(s, px);
    return MX_OK;
}

mx_params_use mx_settings_params_use(const mx_settings *s) {
    return s->ema > 0 ? MX_PARAMS_AVERAGE : MX_PARAMS_TRAIN;
}

mx_compute mx_settings_compute(const mx_settings *s) {
    return (mx_compute){s->device, s->threads, s->activations, s->chosen};
}

mx_adamw_config mx_settings_adamw(const mx_settings *s) {
    int layers = 0; /* blocks of the encoder in all (docs/TRAINING.md) */
    for (int k = 0; k < s->model.stages; k++) layers += s->model.depths[k];
    return (mx_adamw_config){.weight_decay = s->weight_decay,
                             .beta1 = s->beta1,
                             .beta2 = s->beta2,
                             .eps = 1e-8,
                             .layer_decay = s->objective->pretrains ? 1 : s->objective_settings.layer_decay,
                             .layers = layers,
                             .clip_grad = s->clip_grad};
}

#define MX_BATCHES_AHEAD 2 /* the step uses one while the loader fills the other; more only costs memory */

mx_loader_config mx_settings_loader(const mx_settings *s, const mx_dataset *data) {
    return (mx_loader_config){.data = data,
                              .transform = s->transform,
                              .seed = s->seed,
                              .batch = s->batch,
                              .batches_per_epoch = s->steps_per_epoch * s->accum,
                              .workers = s->workers,
                              .ahead = MX_BATCHES_AHEAD,
                              .bad_share = s->bad_share,
                              .balance = s->objective_settings.balance};
}

mx_status mx_settings_effective(const mx_settings *s, mx_options *o, mx_error *e) {
    const mx_model_config *m = &s->model;
    o->image_size[0] = m->image_h, o->image_size[1] = m->image_w;
    o->patch_size = m->patch, o->channels = m->channels, o->embed_dim = m->embed_dim;
    o->decoder_dim = m->decoder_dim, o->decoder_depth = m->decoder_depth,
    o->decoder_num_heads = m->decoder_heads;
    o->depths_count = o->num_heads_count = o->window_size_count = m->stages;
    for (int k = 0; k < m->stages; k++)
        o->depths[k] = m->depths[k], o->num_heads[k] = m->heads[k], o->window_size[k] = m->windows[k];
    o->epochs = s->epochs, o->warmup_epochs = s->schedule.warmup_epochs;
    if (o->lr < 0 && o->blr < 0) o->blr = s->schedule.lr * 256 / ((double)s->batch * s->accum);
    if (o->lr < 0) o->lr = s->schedule.lr;
    o->batch_size = s->batch, o->accum_steps = s->accum;
    const mx_compute how = mx_settings_compute(s);
    if (mx_options_set(o, "dtype", mx_compute_dtype(&how), e)) return e->status;
    if (s->objective->effective) s->objective->effective(&s->objective_settings, o);
    bool named = mx_model_named(m->name, &(mx_model_config){0}, NULL), starts = !s->objective->pretrains;
    if (starts && !o->model && named && mx_options_set(o, "model", m->name, e)) return e->status;
    bool inherited = starts && o->init; /* the checkpoint's statistics */
    if (!o->stats && !o->mean_count && !inherited)
        return mx_options_set(o, "stats", m->channels == 3 ? "imagenet" : "auto", e);
    return e->status;
}
