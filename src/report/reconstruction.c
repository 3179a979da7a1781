/* Pictures of an objective's panels, see reconstruction.h. */
#include "report/reconstruction.h"

#include <stdlib.h>

#include "report/grid.h"

mx_status mx_panels_picture(mx_image *out, const mx_panels *p, const mx_model_config *m,
                            const mx_pixels *pixels, mx_error *e) {
    return mx_picture_grid(out, p->cell, p->rows, p->columns, p->headings, m->channels, m->image_h,
                           m->image_w, pixels->mean, pixels->std, e);
}

/* Reads images [count], spread evenly over the data; for one that cannot be read, the next. */
static mx_status read_spread(const mx_stepper *stepper, const mx_dataset *data, int shown, float *images,
                             mx_error *e) {
    const mx_model_config *m = &stepper->model.config;
    int64_t each = mx_image_floats(m);
    mx_transform transform = stepper->settings.transform;
    int64_t count = mx_dataset_count(data), at = 0;
    transform.augment = false;
    for (int i = 0; i < shown && !e->status; i++, at++) {
        mx_image im = {0};
        mx_error broken = {0};
        if (at < count * (2 * i + 1) / (2 * shown)) at = count * (2 * i + 1) / (2 * shown);
        while (mx_dataset_read(data, at % count, m->channels, &im, &broken) && at < 2 * count &&
               broken.status != MX_ERR_MEMORY)
            at++, broken = (mx_error){0};
        if (broken.status == MX_ERR_MEMORY)
            mx_fail(e, broken.status, "%s", broken.text);
        else if (!im.pixels)
            mx_fail(e, MX_ERR_DATA, "no image of %s can be read", mx_dataset_root(data));
        else
            mx_transform_image(&transform, &im, images + i * each, e);
        mx_image_free(&im);
    }
    return e->status;
}

mx_status mx_show_dataset(mx_stepper *stepper, const mx_dataset *data, const mx_pixels *pixels, mx_image *out,
                          mx_error *e) {
    const mx_objective *objective = stepper->settings.objective;
    const mx_model_config *m = &stepper->model.config;
    int shown = objective->shown(stepper->objective);
    float *images = malloc(sizeof *images * (size_t)(mx_image_floats(m) * shown));
    mx_panels panels = {0};
    if (!images) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a picture");
    if (!read_spread(stepper, data, shown, images, e) &&
        !objective->view(stepper->objective, &stepper->session.ctx, &stepper->model, images, &panels, e))
        mx_panels_picture(out, &panels, m, pixels, e);
    mx_panels_free(&panels);
    free(images);
    return e->status;
}
