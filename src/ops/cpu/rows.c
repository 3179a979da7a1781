/* Ops that move or scale whole rows. Memory bandwidth limits them, so each is one plain pass. */
#include <string.h>

#include "ops/cpu/cpu.h"

#define CHUNK 65536 /* elements per task in flat loops */

/* y from x. cut: the pieces of the whole tensor, or of one sample, that tasks take. */
typedef struct {
    const mx_kernels *k;
    float *y;
    const float *x, *keep;
    int64_t a, width;
    float value;
    mx_cut cut;
} move;

static void fill_task(void *arg, int64_t task, int thread) {
    const move *m = arg;
    float *y = m->y + task * m->cut.size;
    (void)thread;
    for (int64_t i = 0; i < mx_cut_length(m->cut, task); i++) y[i] = m->value;
}

void mx_cpu_fill(mx_ctx *c, mx_tensor t, float value) {
    if (mx_count(t) == 0) return;
    move m = {.y = mx_f32(t), .value = value, .cut = mx_cut_even(mx_count(t), CHUNK, 16)};
    mx_parallel(c->threads, m.cut.count, fill_task, &m);
}

static void copy_task(void *arg, int64_t task, int thread) {
    const move *m = arg;
    (void)thread;
    memcpy(m->y + task * m->cut.size, m->x + task * m->cut.size,
           sizeof(float) * (size_t)mx_cut_length(m->cut, task));
}

void mx_cpu_copy(mx_ctx *c, mx_tensor y, mx_tensor x) {
    if (mx_count(x) == 0) return;
    move m = {.y = mx_f32(y), .x = mx_f32(x), .cut = mx_cut_even(mx_count(x), CHUNK, 16)};
    mx_parallel(c->threads, m.cut.count, copy_task, &m);
}

static void scale_task(void *arg, int64_t task, int thread) {
    const move *m = arg;
    const int64_t b = task / m->cut.count, piece = task % m->cut.count;
    const int64_t at = b * m->width + piece * m->cut.size;
    (void)thread;
    m->k->scale(m->y + at, m->x + at, m->keep[b], mx_cut_length(m->cut, piece));
}

void mx_cpu_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep) {
    const int64_t samples = mx_count(keep), n = samples ? mx_count(x) / samples : 0;
    if (n == 0) return;
    move m = {.k = mx_cpu_kernels(c),
              .y = mx_f32(y),
              .x = mx_f32(x),
              .keep = mx_f32(keep),
              .width = n,
              .cut = mx_cut_even(n, CHUNK, 16)};
    mx_parallel(c->threads, samples * m.cut.count, scale_task, &m);
}

/* Rows of any type, `width` bytes each. */
typedef struct {
    char *y;
    const char *x;
    const int32_t *index;
    int64_t a, b, width;
    mx_cut cut;
} row_move;

/* Per sample x has a rows, y has b. */
static void gather_task(void *arg, int64_t task, int thread) {
    const row_move *m = arg;
    const int64_t sample = task / m->cut.count, j0 = task % m->cut.count * m->cut.size;
    (void)thread;
    for (int64_t j = j0; j < mx_min64(m->b, j0 + m->cut.size); j++)
        memcpy(m->y + (sample * m->b + j) * m->width, m->x + (sample * m->a + m->index[j]) * m->width,
               (size_t)m->width);
}

void mx_cpu_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index) {
    const int64_t batch = x.dim[0], to = y.dim[1];
    if (batch == 0 || to == 0) return;
    row_move m = {.y = y.data,
                  .x = x.data,
                  .index = index,
                  .a = x.dim[1],
                  .b = to,
                  .width = x.dim[2] * (int64_t)mx_dtype_size(x.type),
                  .cut = mx_cut_even(to, 64, 1)};
    mx_parallel(c->threads, batch * m.cut.count, gather_task, &m);
}

/* Per sample dx (y) has a rows, dy (x) has b. */
static void scatter_task(void *arg, int64_t task, int thread) {
    const row_move *m = arg;
    const int64_t sample = task / m->cut.count, j0 = task % m->cut.count * m->cut.size;
    (void)thread;
    for (int64_t j = j0; j < mx_min64(m->b, j0 + m->cut.size); j++)
        memcpy(m->y + (sample * m->a + m->index[j]) * m->width, m->x + (sample * m->b + j) * m->width,
               (size_t)m->width);
}

void mx_cpu_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index) {
    const int64_t batch = dx.dim[0], to = dx.dim[1], from = dy.dim[1];
    if (batch == 0) return;
    if (from < to) memset(dx.data, 0, mx_bytes(dx));
    if (from == 0) return;
    row_move m = {.y = dx.data,
                  .x = dy.data,
                  .index = index,
                  .a = to,
                  .b = from,
                  .width = dx.dim[2] * (int64_t)mx_dtype_size(dx.type),
                  .cut = mx_cut_even(from, 64, 1)};
    mx_parallel(c->threads, batch * m.cut.count, scatter_task, &m);
}

/* Each sample has a tokens. */
static void mean_task(void *arg, int64_t b, int thread) {
    const move *m = arg;
    float *sum = m->y + b * m->width;
    (void)thread;
    memset(sum, 0, sizeof(float) * (size_t)m->width);
    for (int64_t t = 0; t < m->a; t++) m->k->add(sum, m->x + (b * m->a + t) * m->width, m->width);
    m->k->scale(sum, sum, m->value, m->width);
}

void mx_cpu_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x) {
    move m = {.k = mx_cpu_kernels(c),
              .y = mx_f32(y),
              .x = mx_f32(x),
              .a = x.dim[1],
              .width = x.dim[2],
              .value = 1.0f / (float)x.dim[1]};
    mx_parallel(c->threads, x.dim[0], mean_task, &m);
}

static void mean_back_task(void *arg, int64_t b, int thread) {
    const move *m = arg;
    (void)thread;
    for (int64_t t = 0; t < m->a; t++)
        m->k->scale(m->y + (b * m->a + t) * m->width, m->x + b * m->width, m->value, m->width);
}

void mx_cpu_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy) {
    move m = {.k = mx_cpu_kernels(c),
              .y = mx_f32(dx),
              .x = mx_f32(dy),
              .a = dx.dim[1],
              .width = dx.dim[2],
              .value = 1.0f / (float)dx.dim[1]};
    mx_parallel(c->threads, dx.dim[0], mean_back_task, &m);
}
