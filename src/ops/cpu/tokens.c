/* Images to tokens and tokens to the decoder's two sequences (paper sections 3.2 and 3.3). */
#include <string.h>

#include "ops/cpu/cpu.h"

#define TOKENS 32 /* per task */

/* One op call. A task is a run of TOKENS rows. */
typedef struct {
    const mx_kernels *k;
    const mx_layout *lay;
    float *y, *partial;
    const float *x, *token, *pos;
    int64_t batch, rows, width, ld;
    int64_t channels, image_h, image_w;
    int p;
} call;

static int64_t first_row(int64_t task) { return task * TOKENS; }
static int64_t end_row(const call *a, int64_t task) { return mx_min64(a->rows, (task + 1) * TOKENS); }

/* width: elements of a patch */
static void patch_task(void *arg, int64_t task, int thread) {
    const call *a = arg;
    const mx_layout *lay = a->lay;
    const int p = a->p;
    (void)thread;
    for (int64_t i = first_row(task); i < end_row(a, task); i++) {
        const int64_t b = i / lay->tokens, t = i % lay->tokens;
        const int64_t source = lay->group && lay->group[t] ? a->batch - 1 - b : b;
        const int64_t row = lay->raster[t] / lay->grid_w * p, column = lay->raster[t] % lay->grid_w * p;
        float *to = a->y + i * a->width;
        for (int64_t ch = 0; ch < a->channels; ch++) {
            const float *from = a->x + ((source * a->channels + ch) * a->image_h + row) * a->image_w + column;
            for (int r = 0; r < p; r++, to += p, from += a->image_w)
                for (int s = 0; s < p; s++) to[s] = from[s];
        }
    }
}

void mx_cpu_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p) {
    call a = {.lay = lay,
              .y = mx_f32(y),
              .x = mx_f32(images),
              .batch = images.dim[0],
              .rows = images.dim[0] * lay->tokens,
              .width = images.dim[1] * p * p,
              .channels = images.dim[1],
              .image_h = images.dim[2],
              .image_w = images.dim[3],
              .p = p};
    mx_parallel(c->threads, mx_ceil_div(a.rows, TOKENS), patch_task, &a);
}

static void position_task(void *arg, int64_t task, int thread) {
    const call *a = arg;
    (void)thread;
    for (int64_t r = first_row(task); r < end_row(a, task); r++)
        a->k->add(a->y + r * a->width, a->pos + a->lay->raster[r % a->lay->tokens] * a->width, a->width);
}

void mx_cpu_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay) {
    call a = {.k = mx_cpu_kernels(c),
              .lay = lay,
              .y = mx_f32(x),
              .pos = mx_f32(pos),
              .rows = mx_rows(x),
              .width = mx_width(x)};
    mx_parallel(c->threads, mx_ceil_div(a.rows, TOKENS), position_task, &a);
}

/* Whether the mask token replaces token t in decoder sequence s: in s < B where the mask is 1, in the others where it
 * is 0 (mx_unmix). */
static bool replaced(const mx_layout *lay, int64_t s, int64_t batch, int64_t t) {
    return (lay->group[t] != 0) == (s < batch);
}

static void unmix_task(void *arg, int64_t task, int thread) {
    const call *a = arg;
    const int64_t tokens = a->lay->tokens, width = a->width;
    (void)thread;
    for (int64_t r = first_row(task); r < end_row(a, task); r++) {
        const int64_t s = r / tokens, t = r % tokens;
        const float *from =
            replaced(a->lay, s, a->batch, t) ? a->token : a->x + (s % a->batch * tokens + t) * width;
        memcpy(a->y + r * width, from, sizeof(float) * (size_t)width);
        a->k->add(a->y + r * width, a->pos + a->lay->raster[t] * width, width);
    }
}

void mx_cpu_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay) {
    call a = {.k = mx_cpu_kernels(c),
              .lay = lay,
              .y = mx_f32(y),
              .x = mx_f32(z),
              .token = mx_f32(token),
              .pos = mx_f32(pos),
              .batch = z.dim[0],
              .rows = 2 * z.dim[0] * lay->tokens,
              .width = mx_width(z)};
    mx_parallel(c->threads, mx_ceil_div(a.rows, TOKENS), unmix_task, &a);
}

/* One partial sum of dtoken per task. */
size_t mx_cpu_unmix_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    (void)c;
    return sizeof(float) * (size_t)(mx_ceil_div(rows, TOKENS) * mx_line_floats(width));
}

static void unmix_back_task(void *arg, int64_t task, int thread) {
    const call *a = arg;
    const int64_t tokens = a->lay->tokens, width = a->width;
    float *sum = a->partial + task * a->ld;
    (void)thread;
    memset(sum, 0, sizeof(float) * (size_t)width);
    for (int64_t r = first_row(task); r < end_row(a, task); r++) {
        const int64_t s = r / tokens, t = r % tokens;
        const float *from = a->x + r * width;
        if (replaced(a->lay, s, a->batch, t))
            a->k->add(sum, from, width);
        else
            memcpy(a->y + (s % a->batch * tokens + t) * width, from, sizeof(float) * (size_t)width);
    }
}

void mx_cpu_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work) {
    call a = {.k = mx_cpu_kernels(c),
              .lay = lay,
              .y = mx_f32(dz),
              .partial = work,
              .x = mx_f32(dy),
              .batch = dz.dim[0],
              .rows = 2 * dz.dim[0] * lay->tokens,
              .width = mx_width(dz),
              .ld = mx_line_floats(mx_width(dz))};
    const int64_t runs = mx_ceil_div(a.rows, TOKENS);
    mx_parallel(c->threads, runs, unmix_back_task, &a);
    for (int64_t task = 1; task < runs; task++) a.k->add(a.partial, a.partial + task * a.ld, a.width);
    if (runs) a.k->add(mx_f32(dtoken), a.partial, a.width);
}
