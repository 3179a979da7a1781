/* LayerNorm over rows. A task is a run of rows. Each writes one partial sum of the parameter gradients. */
#include <string.h>

#include "ops/cpu/cpu.h"

#define FORWARD_FLOATS 16384 /* per task */
#define PARTIALS       64    /* most tasks of backward */

/* In backward y is dx. */
typedef struct {
    const mx_kernels *k;
    mx_tensor y, dy;
    float *mean, *rstd, *partial; /* partial [count][2][ld] */
    const float *x, *gamma, *beta;
    int64_t width, ld;
    bool add;
    mx_cut cut;
} norm;

static void forward_task(void *arg, int64_t task, int thread) {
    const norm *n = arg;
    const int64_t r = task * n->cut.size;
    (void)thread;
    n->k->layernorm(mx_at(n->y, r * n->width), n->y.type == MX_BF16, n->mean + r, n->rstd + r,
                    n->x + r * n->width, n->gamma, n->beta, mx_cut_length(n->cut, task), n->width);
}

void mx_cpu_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta) {
    const int64_t rows = mx_rows(x), width = mx_width(x);
    if (rows == 0) return;
    norm n = {.k = mx_cpu_kernels(c),
              .y = y,
              .mean = mx_f32(mean),
              .rstd = mx_f32(rstd),
              .x = mx_f32(x),
              .gamma = mx_f32(gamma),
              .beta = mx_f32(beta),
              .width = width,
              .cut = mx_cut_even(rows, mx_max64(1, FORWARD_FLOATS / width), 1)};
    mx_parallel(c->threads, n.cut.count, forward_task, &n);
}

size_t mx_cpu_layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c, (void)rows;
    return sizeof(float) * (size_t)(2 * PARTIALS * mx_line_floats(width));
}

static void backward_task(void *arg, int64_t task, int thread) {
    const norm *n = arg;
    const int64_t r = task * n->cut.size;
    float *sums = n->partial + 2 * task * n->ld;
    (void)thread;
    memset(sums, 0, sizeof(float) * (size_t)(2 * n->ld));
    n->k->layernorm_back(mx_f32(n->y) + r * n->width, sums, sums + n->ld, mx_at(n->dy, r * n->width),
                         n->dy.type == MX_BF16, n->x + r * n->width, n->mean + r, n->rstd + r, n->gamma,
                         n->add, mx_cut_length(n->cut, task), n->width);
}

void mx_cpu_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work) {
    const int64_t rows = mx_rows(x), width = mx_width(x), ld = mx_line_floats(width);
    if (rows == 0) return;
    norm n = {.k = mx_cpu_kernels(c),
              .y = dx,
              .mean = mx_f32(mean),
              .rstd = mx_f32(rstd),
              .partial = work,
              .x = mx_f32(x),
              .dy = dy,
              .gamma = mx_f32(gamma),
              .width = width,
              .ld = ld,
              .add = add,
              .cut = mx_cut_even(rows, mx_ceil_div(rows, PARTIALS), 1)};
    mx_parallel(c->threads, n.cut.count, backward_task, &n);
    for (int64_t t = 1; t < n.cut.count; t++) n.k->add(n.partial, n.partial + 2 * t * ld, 2 * ld);
    n.k->add(mx_f32(dgamma), n.partial, width);
    n.k->add(mx_f32(dbeta), n.partial + ld, width);
}
