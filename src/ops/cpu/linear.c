/* Linear layers, forward and backward: 98 % of a training step's arithmetic.
 *
 * The result is cut into blocks whose size depends on the shape only; threads take blocks dynamically. A block gets its
 * bias, GELU, residual or GELU' while it is in cache. Weights are packed once for all rows. dW is a long sum (25,088
 * rows in base's first stage): where dW has few tiles, the rows are cut too, into partial sums that are added in
 * order. */
#include <string.h>

#include "ops/cpu/panels.h"

#define FEW_TASKS 16 /* fewer tiles than this: use smaller tiles or partial sums */

/* A result cut into tiles, numbered row by row. */
typedef struct {
    mx_cut rows, columns;
    int64_t count;
} tiling;

static tiling tile(int64_t m, int64_t n) {
    tiling t = {mx_cut_even(m, MX_MT, MX_MR), mx_cut_even(n, MX_NC, 16), 0};
    /* At least 96 rows per tile: with fewer, packing the right operand for each tile costs more than idle threads. */
    for (int64_t most = MX_MT; t.rows.count * t.columns.count < FEW_TASKS && most > 2 * MX_MC; most /= 2)
        t.rows = mx_cut_even(m, most / 2 / MX_MR * MX_MR, MX_MR);
    t.count = t.rows.count * t.columns.count;
    return t;
}

typedef struct {
    int64_t i, j, m, n;
} block;

static block block_at(const tiling *t, int64_t k) {
    const int64_t r = k / t->columns.count, c = k % t->columns.count;
    return (block){r * t->rows.size, c * t->columns.size, mx_cut_length(t->rows, r),
                   mx_cut_length(t->columns, c)};
}

/* How to pack the weights in advance. If each column of tiles has one tile only, tiles pack for themselves. x: type
 * of the layer's input. */
static mx_panels plan_panels(const mx_kernels *k, tiling t, int64_t depth, mx_dtype x) {
    return mx_panels_plan(k, t.rows.count > 1 ? t.columns : (mx_cut){0}, depth, x == MX_BF16);
}

size_t mx_cpu_linear_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    const mx_panels p = plan_panels(mx_cpu_kernels(c), tile(mx_max64(rows, 1), out), in, x);
    return (size_t)c->threads * sizeof(mx_gemm_scratch) + sizeof(float) * (size_t)mx_panels_floats(&p);
}

/* How a product reads t. It is a bf16 product if x is bf16 (ops.h). */
static mx_read read_as(mx_tensor t, mx_tensor x) {
    return t.type == MX_BF16 ? MX_READ_BF16 : x.type == MX_BF16 ? MX_READ_ROUNDED : MX_READ_F32;
}

typedef struct {
    const mx_kernels *k;
    mx_tensor y, h, x, w;
    const float *r, *bias, *keep;
    int64_t out, in, per_sample;
    tiling tiles;
    mx_panels weights;
    mx_gemm_scratch *scratch; /* one per thread */
} forward;

static mx_gemm_block forward_product(const forward *f, block b) {
    return (mx_gemm_block){.m = b.m,
                           .n = b.n,
                           .k = f->in,
                           .a = mx_at(f->x, b.i * f->in),
                           .b = mx_at(f->w, b.j * f->in),
                           .a_read = read_as(f->x, f->x),
                           .b_read = read_as(f->w, f->x),
                           .a_row = f->in,
                           .a_col = 1,
                           .b_row = 1,
                           .b_col = f->in};
}

static void forward_task(void *arg, int64_t task, int thread) {
    const forward *f = arg;
    const block b = block_at(&f->tiles, task);
    mx_gemm_scratch *work = f->scratch + thread;
    const int64_t at = b.i * f->out + b.j;
    /* The epilogue reads the product from a tile, not from y: y may be the residual, bf16 cannot hold sums, and rows
     * a power of two apart would compete for a few sets of L2. */
    const bool half = f->y.type == MX_BF16, wait = f->r || half || f->bias || mx_present(f->h);
    mx_gemm_block g = forward_product(f, b);
    mx_panels_use(&f->weights, b.j, &g);
    g.c = wait ? work->tile : mx_f32(f->y) + at;
    g.ldc = wait ? MX_NC : f->out;
    const mx_epilogue e = {.y = mx_at(f->y, at),
                           .bias = f->bias ? f->bias + b.j : NULL,
                           .r = f->r ? f->r + at : NULL,
                           .h = mx_at(f->h, at),
                           .half = half,
                           .keep = f->keep,
                           .row0 = b.i,
                           .per_sample = f->per_sample,
                           .ld = f->out};
    f->k->gemm(&g, work);
    if (wait) f->k->epilogue(&e, g.c, g.ldc, b.m, b.n);
}

static float *maybe(mx_tensor t) { return mx_present(t) ? mx_f32(t) : NULL; }

void mx_cpu_linear(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep, void *work) {
    const int64_t rows = mx_rows(x), out = w.dim[0], in = w.dim[1];
    if (rows == 0) return;
    forward f = {.k = mx_cpu_kernels(c),
                 .y = y,
                 .h = h,
                 .x = x,
                 .w = w,
                 .r = maybe(r),
                 .bias = maybe(b),
                 .keep = maybe(keep),
                 .out = out,
                 .in = in,
                 .per_sample = mx_present(keep) ? rows / mx_count(keep) : rows,
                 .tiles = tile(rows, out),
                 .scratch = work};
    f.weights = plan_panels(f.k, f.tiles, in, x.type);
    const mx_gemm_block first = forward_product(&f, (block){0});
    mx_panels_fill(&f.weights, &first, c->threads, (float *)(f.scratch + c->threads));
    mx_parallel(c->threads, f.tiles.count, forward_task, &f);
}

/* Tasks of dW [out,in]: tiles, times runs of rows with one partial sum each. */
typedef struct {
    tiling tiles;
    mx_cut runs;
} weight_plan;

static weight_plan plan_weight(int64_t rows, int64_t out, int64_t in) {
    weight_plan p = {.tiles = {mx_cut_even(out, MX_MT, MX_MR), mx_cut_even(in, MX_NC, 16), 0}};
    p.tiles.count = p.tiles.rows.count * p.tiles.columns.count;
    int64_t parts = 1;
    if (p.tiles.count < FEW_TASKS)
        parts = mx_min64(mx_ceil_div(FEW_TASKS, p.tiles.count), mx_ceil_div(rows, 512));
    p.runs = mx_cut_even(rows, mx_round_up(mx_ceil_div(rows, parts), MX_KC), MX_KC);
    return p;
}

static size_t partial_floats(const weight_plan *p, int64_t out, int64_t in) {
    return p->runs.count > 1 ? (size_t)mx_line_floats(p->runs.count * (out * in + out)) : 0;
}

size_t mx_cpu_linear_back_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    const weight_plan p = plan_weight(mx_max64(rows, 1), out, in);
    const mx_panels w = plan_panels(mx_cpu_kernels(c), tile(mx_max64(rows, 1), in), out, x);
    return (size_t)c->threads * sizeof(mx_gemm_scratch) +
           (partial_floats(&p, out, in) + (size_t)mx_panels_floats(&w)) * sizeof(float);
}

typedef struct {
    const mx_kernels *k;
    mx_tensor dx, dy, x, h, w;
    float *dw, *db, *partial; /* partial [runs][out*in + out]: dW and db of a run of rows, or NULL */
    int64_t out, in;
    weight_plan plan;
    int64_t weights;          /* tasks of dW: plan's tiles times runs */
    tiling inputs;            /* tiles of dx */
    mx_panels panels;         /* w packed for dx */
    mx_cut sums;              /* pieces of dW in which partial sums are added */
    mx_gemm_scratch *scratch; /* one per thread */
} backward;

static mx_gemm_block input_product(const backward *f, block b) {
    return (mx_gemm_block){.m = b.m,
                           .n = b.n,
                           .k = f->out,
                           .a = mx_at(f->dy, b.i * f->out),
                           .b = mx_at(f->w, b.j),
                           .a_read = read_as(f->dy, f->x),
                           .b_read = read_as(f->w, f->x),
                           .a_row = f->out,
                           .a_col = 1,
                           .b_row = f->in,
                           .b_col = 1};
}

static void input_block(const backward *f, block b, mx_gemm_scratch *work) {
    const int64_t at = b.i * f->in + b.j;
    const bool half = f->dx.type == MX_BF16, slope = mx_present(f->h), wait = slope || half;
    mx_gemm_block g = input_product(f, b);
    mx_panels_use(&f->panels, b.j, &g);
    g.c = wait ? work->tile : mx_f32(f->dx) + at; /* a tile, since dx may be h */
    g.ldc = wait ? MX_NC : f->in;
    f->k->gemm(&g, work);
    const mx_epilogue store = {.y = mx_at(f->dx, at), .half = half, .ld = f->in};
    if (slope)
        f->k->gelu_back(store.y, mx_at(f->h, at), half, f->in, g.c, g.ldc, b.m, b.n);
    else if (wait)
        f->k->epilogue(&store, g.c, g.ldc, b.m, b.n);
}

/* The first tile of each row of tiles also sums the bias gradient, since it reads the same dy. */
static void weight_block(const backward *f, int64_t task, mx_gemm_scratch *work) {
    const weight_plan *p = &f->plan;
    const int64_t run = task / p->tiles.count, row = run * p->runs.size;
    const block b = block_at(&p->tiles, task % p->tiles.count);
    float *dw = f->dw, *db = f->db;
    if (f->partial) {
        dw = f->partial + run * (f->out * f->in + f->out);
        db = f->db ? dw + f->out * f->in : NULL;
    }
    if (b.j > 0) db = NULL;
    if (db && f->partial) memset(db + b.i, 0, sizeof(float) * (size_t)b.m);
    const mx_gemm_block g = {.m = b.m,
                             .n = b.n,
                             .k = mx_cut_length(p->runs, run),
                             .a = mx_at(f->dy, row * f->out + b.i),
                             .b = mx_at(f->x, row * f->in + b.j),
                             .a_read = read_as(f->dy, f->x),
                             .b_read = read_as(f->x, f->x),
                             .a_row = 1,
                             .a_col = f->out,
                             .b_row = f->in,
                             .b_col = 1,
                             .c = dw + b.i * f->in + b.j,
                             .ldc = f->in,
                             .add = !f->partial,
                             .row_sums = db ? db + b.i : NULL};
    f->k->gemm(&g, work);
}

/* dW, db += the partial sums, in order */
static void sums_task(void *arg, int64_t task, int thread) {
    const backward *f = arg;
    const int64_t stride = f->out * f->in + f->out, i = task * f->sums.size,
                  length = mx_cut_length(f->sums, task);
    (void)thread;
    for (int64_t r = 1; r < f->plan.runs.count; r++)
        f->k->add(f->partial + i, f->partial + r * stride + i, length);
    f->k->add(f->dw + i, f->partial + i, length);
}

static void add_partials(mx_ctx *c, backward *f) {
    const int64_t n = f->out * f->in, stride = n + f->out, runs = f->plan.runs.count;
    f->sums = mx_cut_even(n, 8192, 16);
    mx_parallel(c->threads, f->sums.count, sums_task, f);
    if (!f->db) return;
    for (int64_t r = 1; r < runs; r++) f->k->add(f->partial + n, f->partial + r * stride + n, f->out);
    f->k->add(f->db, f->partial + n, f->out);
}

/* dW first, since its tasks take longer. */
static void backward_task(void *arg, int64_t task, int thread) {
    const backward *f = arg;
    if (task < f->weights)
        weight_block(f, task, f->scratch + thread);
    else
        input_block(f, block_at(&f->inputs, task - f->weights), f->scratch + thread);
}

/* Packs w for dx into `floats`. */
static void pack_weights(backward *f, int threads, float *floats) {
    f->panels = plan_panels(f->k, f->inputs, f->out, f->x.type);
    const mx_gemm_block first = input_product(f, (block){0});
    mx_panels_fill(&f->panels, &first, threads, floats);
}

void mx_cpu_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                        mx_tensor h, mx_tensor w, void *work) {
    const int64_t rows = mx_rows(x), out = w.dim[0], in = w.dim[1];
    if (rows == 0) return;
    backward f = {.k = mx_cpu_kernels(c),
                  .dx = dx,
                  .dy = dy,
                  .x = x,
                  .h = h,
                  .w = w,
                  .dw = mx_f32(dw),
                  .db = maybe(db),
                  .out = out,
                  .in = in,
                  .plan = plan_weight(rows, out, in),
                  .inputs = tile(rows, in),
                  .scratch = work};
    float *rest = (float *)(f.scratch + c->threads);
    if (f.plan.runs.count > 1) f.partial = rest;
    if (mx_present(f.dx)) pack_weights(&f, c->threads, rest + partial_floats(&f.plan, out, in));
    f.weights = f.plan.tiles.count * f.plan.runs.count;
    mx_parallel(c->threads, f.weights + (mx_present(f.dx) ? f.inputs.count : 0), backward_task, &f);
    if (f.partial) add_partials(c, &f);
}

void mx_cpu_input_gradient(mx_ctx *c, mx_tensor dx, mx_tensor dy, mx_tensor w, void *work) {
    backward f = {.k = mx_cpu_kernels(c),
                  .dx = dx,
                  .dy = dy,
                  .x = dy,
                  .w = w,
                  .out = w.dim[0],
                  .in = w.dim[1],
                  .inputs = tile(mx_rows(dy), w.dim[1]),
                  .scratch = work};
    pack_weights(&f, c->threads, (float *)(f.scratch + c->threads));
    mx_parallel(c->threads, f.inputs.count, backward_task, &f);
}
