/* Computing and keeping features, see features.h. */
#include "train/features.h"

#include <stdlib.h>
#include <string.h>

/* One pass over the data: rows of `x`. view: -1 the plain images, else the crops of that epoch of the stream.
 */
static mx_status one_view(mx_features *out, float *x, mx_inference *f, const mx_loader_config *config,
                          int64_t view, mx_error *e) {
    mx_loader_config c = *config;
    mx_loader *loader = NULL;
    size_t each = (size_t)out->width;
    if (view >= 0) {
        c.transform.augment = c.transform.one_shot_crop = true;
        c.transform.scale_lo = 0.08, c.transform.flip = 0.5;
        c.first_batch = view * c.batches_per_epoch;
    }
    if (mx_loader_open(&loader, &c, e)) return e->status;
    for (int64_t n = 0; n < c.batches_per_epoch && !e->status; n++) {
        mx_batch b;
        if (mx_loader_next(loader, &b, e) || mx_inference_run(f, b.images, e)) break;
        for (int k = 0; k < c.batch && n * c.batch + k < out->count; k++) {
            /* in the plain pass a replaced image keeps its own place, with its replacement's label */
            int64_t row = view < 0 ? n * c.batch + k : b.index[k];
            memcpy(x + (size_t)row * each, f->out + (size_t)k * each, sizeof *x * each);
            out->label[row] = b.label[k];
        }
    }
    mx_loader_close(loader);
    return e->status;
}

mx_status mx_features_make(mx_features *out, mx_inference *f, const mx_dataset *data, int64_t views,
                           uint64_t seed, void (*log)(void *user, const char *line), void *user,
                           mx_error *e) {
    mx_loader_config config = mx_inference_loader(f, data);
    config.log = log, config.user = user, config.seed = seed;
    *out = (mx_features){.count = mx_dataset_count(data), .width = f->each_out, .views = views ? views : 1};
    size_t rows = (size_t)out->count * (size_t)out->views;
    out->x = calloc(rows * (size_t)out->width, sizeof *out->x);
    out->label = calloc((size_t)out->count, sizeof *out->label);
    if (!out->x || !out->label)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %zu x %lld features", rows,
                       (long long)out->width);
    for (int64_t v = 0; v < out->views && !e->status; v++)
        one_view(out, out->x + v * out->count * out->width, f, &config, views ? v : -1, e);
    return e->status;
}

void mx_features_free(mx_features *x) {
    if (!x) return;
    free(x->x), free(x->label);
    *x = (mx_features){0};
}
