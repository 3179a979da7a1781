/* Losses, gradient norm and optimiser: splits the work of kernels/loss.c over threads. */
#include <string.h>

#include "ops/cpu/cpu.h"

/* One loss per row in double, and one target patch per thread. */
size_t mx_cpu_pixel_loss_work(const mx_ctx *c, int64_t rows, int64_t width) {
    return sizeof(double) * (size_t)mx_round_up(rows, 8) +
           sizeof(float) * (size_t)(c->threads * mx_line_floats(width));
}

/* Copies the patch that prediction `row` reconstructs, flattened (row, column, channel). */
static void load_patch(float *to, mx_tensor images, const mx_targets *targets, int64_t row) {
    const int64_t channels = images.dim[1], height = images.dim[2], width = images.dim[3],
                  side = targets->side;
    const int64_t across = width / side, patch = targets->patch[row];
    const int64_t top = patch / across * side, left = patch % across * side;
    for (int64_t ch = 0; ch < channels; ch++) {
        const float *from =
            mx_f32(images) + ((targets->image[row] * channels + ch) * height + top) * width + left;
        for (int64_t r = 0; r < side; r++)
            for (int64_t s = 0; s < side; s++) to[(r * side + s) * channels + ch] = from[r * width + s];
    }
}

typedef struct {
    const mx_kernels *k;
    double *row_loss;
    float *patches, *dpred; /* patches: one per thread */
    const float *pred;
    mx_tensor images;
    const mx_targets *targets;
    int64_t width;
    float scale;
} pixels;

static void pixel_task(void *arg, int64_t r, int thread) {
    const pixels *p = arg;
    float *patch = p->patches + thread * mx_line_floats(p->width);
    load_patch(patch, p->images, p->targets, r);
    p->row_loss[r] = p->k->pixel_row(p->dpred ? p->dpred + r * p->width : NULL, p->pred + r * p->width, patch,
                                     p->width, p->targets->normalise, p->scale);
}

void mx_cpu_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work) {
    const int64_t rows = mx_rows(pred), width = mx_width(pred);
    const double share = (double)scale / (double)(rows * width);
    double *row_loss = work, total = 0;
    pixels p = {.k = mx_cpu_kernels(c),
                .row_loss = row_loss,
                .patches = (float *)(row_loss + mx_round_up(rows, 8)),
                .dpred = mx_present(dpred) ? mx_f32(dpred) : NULL,
                .pred = mx_f32(pred),
                .images = images,
                .targets = targets,
                .width = width,
                .scale = (float)(2 * share)};
    mx_parallel(c->threads, rows, pixel_task, &p);
    for (int64_t r = 0; r < rows; r++) total += row_loss[r];
    mx_f32(loss)[0] += (float)(total * share);
}

/* On one thread, since a batch of logits is small. */
void mx_cpu_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale) {
    const mx_kernels *k = mx_cpu_kernels(c);
    const int64_t rows = mx_rows(logits), width = mx_width(logits);
    const double share = (double)scale / (double)rows;
    double total = 0;
    for (int64_t r = 0; r < rows; r++)
        total += k->cross_entropy_row(mx_present(dlogits) ? mx_f32(dlogits) + r * width : NULL,
                                      mx_f32(logits) + r * width, mx_f32(targets) + r * width, width,
                                      (float)share);
    mx_f32(loss)[0] += (float)(total * share);
}

#define NORM_PARTIALS 256

typedef struct {
    const mx_kernels *k;
    const float *g;
    mx_cut cut;
    double partial[NORM_PARTIALS];
} squares;

static void squares_task(void *arg, int64_t t, int thread) {
    squares *s = arg;
    (void)thread;
    s->partial[t] = s->k->square_sum(s->g + t * s->cut.size, mx_cut_length(s->cut, t));
}

void mx_cpu_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g) {
    const int64_t n = mx_count(g);
    double total = 0;
    if (n == 0) return;
    squares s = {.k = mx_cpu_kernels(c),
                 .g = mx_f32(g),
                 .cut = mx_cut_even(n, mx_max64(mx_ceil_div(n, NORM_PARTIALS), 4096), 64)};
    mx_parallel(c->threads, s.cut.count, squares_task, &s);
    for (int64_t t = 0; t < s.cut.count; t++) total += s.partial[t];
    *(double *)sum.data += total;
}

void mx_cpu_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip) {
    mx_host_update_begin(c, u, log, loss, clip);
}

typedef struct {
    const mx_kernels *k;
    float *w, *m, *v;
    const float *g;
    mx_adamw_now now;
    mx_cut cut;
} update;

static void update_task(void *arg, int64_t t, int thread) {
    const update *u = arg;
    const int64_t i = t * u->cut.size;
    (void)thread;
    u->k->adamw(u->w + i, u->m + i, u->v + i, u->g + i, mx_cut_length(u->cut, t), &u->now);
}

void mx_cpu_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                  const mx_adamw_args *a) {
    if (mx_count(w) == 0) return;
    update x = {.k = mx_cpu_kernels(c),
                .w = mx_f32(w),
                .m = mx_f32(m),
                .v = mx_f32(v),
                .g = mx_f32(g),
                .cut = mx_cut_even(mx_count(w), 65536, 64)};
    if (mx_host_adamw(&x.now, u, a)) mx_parallel(c->threads, x.cut.count, update_task, &x);
}

typedef struct {
    float *average;
    const float *w;
    float decay, rest;
    mx_cut cut;
} averaging;

static void average_task(void *arg, int64_t t, int thread) {
    const averaging *a = arg;
    const int64_t from = t * a->cut.size, to = from + mx_cut_length(a->cut, t);
    (void)thread;
    for (int64_t i = from; i < to; i++) a->average[i] = a->decay * a->average[i] + a->rest * a->w[i];
}

void mx_cpu_average(mx_ctx *c, mx_tensor average, mx_tensor w, double decay) {
    if (mx_count(w) == 0) return;
    averaging a = {mx_f32(average), mx_f32(w), (float)decay, (float)(1 - decay),
                   mx_cut_even(mx_count(w), 65536, 64)};
    mx_parallel(c->threads, a.cut.count, average_task, &a);
}
