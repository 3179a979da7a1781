/* Computing and keeping features, see features.h. */
#include "infer/features.h"

#include <stdlib.h>
#include <string.h>

/* One pass over the data: rows of `x`. view: -1 the plain images, else the crops of that epoch of the stream.
 */
static mx_status one_view(mx_features *out, float *x, mx_one_output *one, const mx_loader_config *config,
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
        if (mx_loader_next(loader, &b, e) || mx_one_output_run(one, b.images, out->count - n * c.batch, e))
            break;
        for (int k = 0; k < c.batch && n * c.batch + k < out->count; k++) {
            int64_t row = b.index[k];
            if (row < 0) continue; /* broken */
            memcpy(x + (size_t)row * each, one->out + (size_t)k * each, sizeof *x * each);
            out->label[row] = b.label[k];
        }
    }
    mx_loader_close(loader);
    return e->status;
}

/* Rows of images that could not be read leave; the others keep their order. */
static mx_status keep_read(mx_features *f, mx_error *e) {
    int64_t kept = 0;
    float *to = f->x;
    for (int64_t v = 0; v < f->views; v++)
        for (int64_t i = 0; i < f->count; i++) {
            if (f->label[i] < 0) continue;
            memmove(to, f->x + (v * f->count + i) * f->width, sizeof *to * (size_t)f->width);
            to += f->width;
        }
    for (int64_t i = 0; i < f->count; i++)
        if (f->label[i] >= 0) f->label[kept++] = f->label[i];
    if (!kept) mx_fail(e, MX_ERR_DATA, "none of the %lld images could be read", (long long)f->count);
    f->count = kept;
    return e->status;
}

mx_status mx_features_make(mx_features *out, mx_one_output *one, const mx_dataset *data, int64_t views,
                           uint64_t seed, mx_error *e) {
    mx_loader_config config = mx_one_output_loader(one, data);
    config.seed = seed;
    *out = (mx_features){.count = mx_dataset_count(data), .width = one->each_out, .views = views ? views : 1};
    size_t rows = (size_t)out->count * (size_t)out->views;
    out->x = calloc(rows * (size_t)out->width, sizeof *out->x);
    out->label = malloc(sizeof *out->label * (size_t)out->count);
    if (!out->x || !out->label)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %zu x %lld features", rows,
                       (long long)out->width);
    for (int64_t i = 0; i < out->count; i++) out->label[i] = -1;
    for (int64_t v = 0; v < out->views && !e->status; v++)
        one_view(out, out->x + v * out->count * out->width, one, &config, views ? v : -1, e);
    return e->status ? e->status : keep_read(out, e);
}

void mx_features_free(mx_features *x) {
    if (!x) return;
    free(x->x), free(x->label);
    *x = (mx_features){0};
}
