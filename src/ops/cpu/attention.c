/* Attention over all (segment, head, image): tasks, the relative position bias, and its gradient.
 *
 * A task is one segment and head for a run of images: it gathers the bias tile once, and sums the tile's gradient over
 * the run in place. The runs depend on the shape only. Each task writes one partial gradient of its head's column of
 * the bias table; these are added in a fixed order. */
#include <string.h>

#include "ops/cpu/cpu.h"

#define FEW_TASKS 64

/* Images of a run. Without a bias, images share nothing, and small tasks balance better. */
static int64_t run_length(const mx_layout *lay, int64_t batch, int64_t heads, bool biased) {
    if (!biased) return 1;
    const int64_t shared = mx_max64(1, heads * lay->max_segments);
    return mx_ceil_div(batch, mx_min64(batch, mx_ceil_div(FEW_TASKS, shared)));
}

static int64_t table_entries(const mx_layout *lay) {
    return (int64_t)(2 * lay->window_h - 1) * (2 * lay->window_w - 1);
}

/* Sizes of the parts of `work`, in floats. Each thread has the kernel's scratch, a bias tile, its gradient, one column
 * of the bias table and the tokens' offsets in it (`thread` in all). Then follow the partial gradients
 * [tasks][entries]. */
typedef struct {
    int64_t scratch, tile, back_tile, column, offsets, thread;
} spread;

static spread lay_out(const mx_kernels *k, const mx_layout *lay, int64_t d, bool biased, bool backward) {
    const int64_t most = lay->max_segment;
    const int64_t tile = mx_line_floats((biased ? most : 1) * mx_round_up(most, k->lanes));
    spread s = {.scratch = mx_line_floats((int64_t)k->attention_scratch(most, d, backward)),
                .tile = tile,
                .back_tile = backward && biased ? tile : 0,
                .column = biased ? mx_line_floats(table_entries(lay)) : 0,
                .offsets = biased ? mx_line_floats(most) : 0};
    s.thread = s.scratch + s.tile + s.back_tile + s.column + s.offsets;
    return s;
}

static size_t room(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                   bool biased, bool backward) {
    const spread s = lay_out(mx_cpu_kernels(c), lay, d, biased, backward);
    int64_t floats = c->threads * s.thread;
    if (biased && backward && batch > 0) {
        const int64_t runs = mx_ceil_div(batch, run_length(lay, batch, heads, biased));
        floats += lay->max_segments * heads * runs * table_entries(lay);
    }
    return sizeof(float) * (size_t)floats;
}

size_t mx_cpu_attention_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                             bool biased) {
    return room(c, lay, batch, heads, d, biased, false);
}

size_t mx_cpu_attention_back_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads,
                                  int64_t d, bool biased) {
    return room(c, lay, batch, heads, d, biased, true);
}

/* One op call. Tasks are numbered [segment][head][run of images]. */
typedef struct {
    const mx_kernels *k;
    const mx_layout *lay;
    mx_tensor qkv, dout, out, dqkv;
    const float *table;
    float *lse, *dtable, *partial, *work;
    int64_t batch, heads, d, run, runs, entries;
    spread spread;
} call;

/* Fills offset and returns base: the table's entry for query i and key j is base + offset[i] - offset[j]. */
static int64_t set_offsets(const call *a, int64_t first, int64_t tokens, int32_t *offset) {
    const mx_layout *lay = a->lay;
    const int across = 2 * lay->window_w - 1;
    for (int64_t t = 0; t < tokens; t++) {
        const int32_t raster = lay->raster[first + t];
        offset[t] = raster / lay->grid_w * across + raster % lay->grid_w;
    }
    return (int64_t)(lay->window_h - 1) * across + lay->window_w - 1;
}

static void gather_bias(const call *a, int64_t head, const mx_attention_task *t, float *tile, float *column,
                        const int32_t *offset, int64_t base) {
    for (int64_t e = 0; e < a->entries; e++) column[e] = a->table[e * a->heads + head];
    for (int64_t i = 0; i < t->tokens; i++) {
        const float *from = column + base + offset[i];
        float *to = tile + i * t->padded;
        for (int64_t j = 0; j < t->tokens; j++) to[j] = from[-offset[j]] * MX_LOG2_E;
        for (int64_t j = t->tokens; j < t->padded; j++) to[j] = MX_NO_LOGIT;
    }
}

/* Without a bias, all queries share one row: 0, and MX_NO_LOGIT beyond the segment. */
static void no_bias(const mx_attention_task *t, float *row) {
    for (int64_t j = 0; j < t->padded; j++) row[j] = j < t->tokens ? 0 : MX_NO_LOGIT;
}

static void scatter_bias(const mx_attention_task *t, const float *tile, float *partial, const int32_t *offset,
                         int64_t base) {
    for (int64_t i = 0; i < t->tokens; i++)
        for (int64_t j = 0; j < t->tokens; j++)
            partial[base + offset[i] - offset[j]] += tile[i * t->padded + j];
}

/* Points the task at image b. */
static void point_at(const call *a, mx_attention_task *t, int64_t first, int64_t head, int64_t b) {
    const int64_t width = a->heads * a->d, tokens = a->lay->tokens;
    const int64_t qkv = (b * tokens + first) * 3 * width + head * a->d;
    const int64_t out = (b * tokens + first) * width + head * a->d;
    t->q = mx_at(a->qkv, qkv);
    t->k = mx_at(a->qkv, qkv + width);
    t->v = mx_at(a->qkv, qkv + 2 * width);
    t->out = mx_at(a->out, out);
    t->lse = a->lse + (b * a->heads + head) * tokens + first;
    if (!mx_present(a->dqkv)) return;
    t->dout = mx_at(a->dout, out);
    t->dq = mx_at(a->dqkv, qkv);
    t->dk = mx_at(a->dqkv, qkv + width);
    t->dv = mx_at(a->dqkv, qkv + 2 * width);
}

static void run_task(void *arg, int64_t task, int thread) {
    const call *a = arg;
    const int64_t run = task % a->runs, head = task / a->runs % a->heads, segment = task / a->runs / a->heads;
    const int64_t first = a->lay->segment[segment], tokens = a->lay->segment[segment + 1] - first;
    float *mine = a->work + thread * a->spread.thread;
    float *tile = mine + a->spread.scratch, *back_tile = tile + a->spread.tile,
          *column = back_tile + a->spread.back_tile;
    int32_t *offset = (int32_t *)(void *)(column + a->spread.column);
    mx_attention_task t = {.tokens = tokens,
                           .d = a->d,
                           .padded = mx_round_up(tokens, a->k->lanes),
                           .qkv_row = 3 * a->heads * a->d,
                           .out_row = a->heads * a->d,
                           .half = a->qkv.type == MX_BF16,
                           .bias = tile,
                           .scratch = mine};
    int64_t base = 0;
    if (a->table) {
        base = set_offsets(a, first, tokens, offset);
        gather_bias(a, head, &t, tile, column, offset, base);
        t.bias_row = t.padded;
    } else {
        no_bias(&t, tile);
    }
    if (a->partial) {
        t.dbias = back_tile;
        memset(back_tile, 0, sizeof(float) * (size_t)(tokens * t.padded));
    }
    for (int64_t b = run * a->run; b < mx_min64(a->batch, (run + 1) * a->run); b++) {
        point_at(a, &t, first, head, b);
        if (mx_present(a->dqkv))
            a->k->attention_back(&t);
        else
            a->k->attention(&t);
    }
    if (!a->partial) return;
    float *partial = a->partial + task * a->entries;
    memset(partial, 0, sizeof(float) * (size_t)a->entries);
    scatter_bias(&t, back_tile, partial, offset, base);
}

static call prepare(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                    const mx_layout *lay, bool backward, void *work) {
    call a = {.k = mx_cpu_kernels(c),
              .lay = lay,
              .qkv = qkv,
              .table = NULL,
              .out = out,
              .lse = mx_f32(lse),
              .work = work,
              .batch = qkv.dim[0],
              .heads = qkv.dim[3],
              .d = qkv.dim[4]};
    const bool biased = mx_present(table);
    if (biased) a.table = mx_f32(table);
    a.run = run_length(lay, mx_max64(a.batch, 1), a.heads, biased);
    a.runs = mx_ceil_div(a.batch, a.run);
    a.entries = biased ? table_entries(lay) : 0;
    a.spread = lay_out(a.k, lay, a.d, biased, backward);
    return a;
}

void mx_cpu_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                      const mx_layout *lay, void *work) {
    call a = prepare(c, out, lse, qkv, table, lay, false, work);
    mx_parallel(c->threads, lay->segments * a.heads * a.runs, run_task, &a);
}

/* dtable's column of one head += its partial gradients, in order. */
static void table_task(void *arg, int64_t head, int thread) {
    const call *a = arg;
    (void)thread;
    for (int64_t e = 0; e < a->entries; e++) {
        float sum = 0;
        for (int64_t s = 0; s < a->lay->segments; s++)
            for (int64_t r = 0; r < a->runs; r++)
                sum += a->partial[((s * a->heads + head) * a->runs + r) * a->entries + e];
        a->dtable[e * a->heads + head] += sum;
    }
}

void mx_cpu_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                           mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay, void *work) {
    call a = prepare(c, out, lse, qkv, table, lay, true, work);
    a.dqkv = dqkv;
    a.dout = dout;
    if (a.table) a.partial = a.work + c->threads * a.spread.thread;
    mx_parallel(c->threads, lay->segments * a.heads * a.runs, run_task, &a);
    if (!a.table) return;
    a.dtable = mx_f32(dtable);
    mx_parallel(c->threads, a.heads, table_task, &a);
}
