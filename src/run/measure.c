/* Held-out measures and pictures between steps, see measure.h. */
#include "run/measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/say.h"
#include "io/file.h"
#include "report/reconstruction.h"
#include "run/best.h"
#include "run/held_out.h"
#include "run/observe.h"
#include "train/ema.h"

static mx_status log_measure(mx_run *run, const mx_measure *v, mx_error *e) {
    mx_observe_number line[MX_MEASURES + 1];
    for (int i = 0; i < v->count; i++)
        line[i] = (mx_observe_number){v->number[i].key, v->number[i].value, false};
    line[v->count] = (mx_observe_number){"val_left_out", (double)v->left_out, true};
    if (mx_observe_numbers(run, line, v->count + (v->left_out > 0), e)) return e->status;
    for (int i = 0; i < v->count; i++)
        if (mx_events_scalar(run->events, v->number[i].tag, run->state.step, v->number[i].value, e)) break;
    return e->status;
}

/* Measures the averaged weights if there are any, and saves the best model so far. */
mx_status mx_measure_held_out(mx_run *run, mx_error *e) {
    mx_stepper *stepper = &run->stepper;
    mx_measure v = {0};
    const mx_loader_config loader = mx_held_out_loader(run);
    mx_average_exchange(stepper);
    run->settings.objective->held_out(stepper->objective, &stepper->session, &stepper->model, &loader, &v, e);
    mx_average_exchange(stepper);
    if (!e->status) log_measure(run, &v, e);
    bool better = !e->status && v.score > run->state.best;
    if (better) {
        run->state.best = v.score;
        mx_stepper_download(stepper);
        mx_best_write(run, e);
    }
    if (!e->status)
        mx_notice(run->sink, "epoch %.4g: %s%s", mx_run_epoch(run), v.text, better ? " (best)" : "");
    return mx_fail_where(e, "held-out images");
}

/* Tries again if the folder was removed in between. */
static mx_status write_picture(const mx_run *run, const mx_image *grid, const char *path, mx_error *e) {
    for (int tries = 0; !mx_run_folder_pictures(&run->paths, e); tries++) {
        mx_error why = {0};
        if (!mx_image_write_png(grid, path, &why)) return MX_OK;
        if (tries || mx_path_exists(run->paths.pictures)) return mx_fail(e, why.status, "%s", why.text);
    }
    return e->status;
}

/* A grid of a few images, spread evenly over the held-out set (or the training set), under one fixed mask. */
mx_status mx_measure_picture(mx_run *run, mx_error *e) {
    mx_stepper *stepper = &run->stepper;
    const mx_dataset *from = run->held ? run->held : run->data;
    mx_image grid = {0};
    char *path = NULL;
    void *png = NULL;
    size_t size = 0;
    if (mx_show_dataset(stepper, from, &run->pixels, &grid, e)) goto done;
    if (asprintf(&path, "%s/step-%08" PRId64 ".png", run->paths.pictures, run->state.step) < 0) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
        goto done;
    }
    if (mx_image_encode_png(&png, &size, &grid, e) || write_picture(run, &grid, path, e)) goto done;
    mx_events_image(run->events, "reconstruction", run->state.step, grid.width, grid.height, png, size, e);
done:
    free(png);
    free(path);
    mx_image_free(&grid);
    return mx_fail_where(e, "picture of reconstructions");
}
