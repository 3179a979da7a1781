/* What pretraining does of its own in a run (training.h): its settings, first weights, the held-out loss and
 * the pictures of reconstructions. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "train/ema.h"
#include "train/convert.h"
#include "train/held_out.h"
#include "train/init.h"
#include "train/reconstruct.h"
#include "train/training.h"

#define MX_HELD_OUT 512 /* images of the held-out folder whose loss is measured, at most */

static mx_status settings(mx_training *p, mx_error *e) { return mx_settings_make(&p->settings, &p->o, e); }

static mx_status use_data(mx_training *p, mx_error *e) {
    return p->resumed ? MX_OK : mx_settings_pixels(&p->settings, &p->o, p->data, &p->pixels, e);
}

static void tell(void *user, const char *line) {
    mx_notice(((mx_training *)user)->sink, "init      %s", line);
}

static mx_status first_weights(mx_training *p, mx_error *e) {
    const mx_init_config config = {.adapt_channels = p->o.adapt_channels, .notice = tell, .user = p};
    if (!p->o.init) return MX_OK;
    const mx_foreign_hints hints = {.weights = p->o.weights, .note = tell, .user = p};
    if (mx_model_read_with(&p->source, NULL, p->o.init, &hints, MX_PARAMS_WEIGHTS, e))
        return mx_fail_where(e, "--init");
    if (mx_init_from(&p->trainer.model, &p->source, &config, e))
        return mx_fail_where(e, "--init %s", p->o.init);
    mx_model_free(&p->source);
    p->source = (mx_model){0};
    return MX_OK;
}

/* Mean loss over the held-out images, always under the same masks, without augmentation. */
static mx_status held_out_loss(mx_training *p, double *loss, int64_t *left_out, mx_error *e) {
    mx_trainer *t = &p->trainer;
    mx_loader_config config = mx_held_out_loader(p);
    int64_t images = mx_dataset_count(p->held) < MX_HELD_OUT ? mx_dataset_count(p->held) : MX_HELD_OUT;
    int64_t batches = images / p->settings.batch > 0 ? images / p->settings.batch : 1;
    mx_loader *loader = NULL;
    mx_ctx *c = &t->session.ctx;
    config.batches_per_epoch = batches;
    if (mx_loader_open(&loader, &config, e)) return e->status;
    t->held_loss = 0;
    mx_upload(c, &t->held_loss, &t->held_loss, sizeof t->held_loss);
    for (int64_t i = 0; i < batches && !e->status; i++) {
        mx_batch b;
        if (mx_loader_next(loader, &b, e)) break;
        *left_out = b.bad_count;
        mx_rng r = mx_rng_make(p->settings.seed, MX_RNG_HOLDOUT, (uint64_t)i, 0);
        mx_mask_draw(t->mask, t->mix.units, p->settings.mask_ratio, 0, &r);
        mx_mixing_set(&t->mix, t->mask);
        const mx_model_config *m = &t->model.config;
        mx_pretrain_loss(
            c, &t->model, mx_view(&t->held_loss, MX_F32, 1, 0, 0, 0, 0),
            mx_view((void *)b.images, MX_F32, p->settings.batch, m->channels, m->image_h, m->image_w, 0),
            &t->mix, 1.0f / (float)batches);
        mx_session_error(&t->session, e);
    }
    mx_loader_close(loader);
    mx_download(c, &t->held_loss, &t->held_loss, sizeof t->held_loss);
    *loss = (double)t->held_loss;
    return e->status;
}

static mx_status held_out(mx_training *p, mx_error *e) {
    double loss = 0;
    int64_t left_out = 0;
    mx_average_exchange(&p->trainer);
    held_out_loss(p, &loss, &left_out, e);
    mx_average_exchange(&p->trainer);
    if (e->status) return mx_fail_where(e, "held-out images");
    const mx_observe_number line[] = {{"val_loss", loss, false}, {"val_left_out", (double)left_out, true}};
    if (mx_observe_numbers(p, line, left_out ? 2 : 1, e) ||
        mx_events_scalar(p->events, "val_loss", p->state.step, loss, e))
        return e->status;
    mx_notice(p->sink, "epoch %.4g: held-out loss %.4f", mx_training_epoch(p), loss);
    return MX_OK;
}

/* Again where the folder was removed meanwhile. */
static mx_status write_picture(const mx_training *p, const mx_image *grid, const char *path, mx_error *e) {
    for (int tries = 0; !mx_run_folder_pictures(&p->paths, e); tries++) {
        mx_error why = {0};
        if (!mx_image_write_png(grid, path, &why)) return MX_OK;
        if (tries || mx_path_exists(p->paths.pictures)) return mx_fail(e, why.status, "%s", why.text);
    }
    return e->status;
}

/* A grid of a few images, spread evenly over the held-out set (or the training set), under one fixed mask. */
static mx_status picture(mx_training *p, mx_error *e) {
    mx_trainer *t = &p->trainer;
    const mx_dataset *from = p->held ? p->held : p->data;
    mx_image grid = {0};
    char *path = NULL;
    void *png = NULL;
    size_t size = 0;
    if (mx_show_dataset(t, from, &p->pixels, &grid, e)) goto done;
    if (asprintf(&path, "%s/step-%08" PRId64 ".png", p->paths.pictures, p->state.step) < 0) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
        goto done;
    }
    if (mx_image_encode_png(&png, &size, &grid, e) || write_picture(p, &grid, path, e)) goto done;
    mx_events_image(p->events, "reconstruction", p->state.step, grid.width, grid.height, png, size, e);
done:
    free(png);
    free(path);
    mx_image_free(&grid);
    return mx_fail_where(e, "picture of reconstructions");
}

const mx_training_task mx_pretrain_task = {MX_CMD_PRETRAIN, "train_loss", settings, use_data,
                                           first_weights,   held_out,     picture,  MX_HELD_OUT};

mx_status mx_run_pretrain(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    return mx_training_run(&mx_pretrain_task, options, sink, e);
}
