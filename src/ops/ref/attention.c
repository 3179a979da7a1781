/* Attention inside segments: the reference. One query row at a time. */
#include "ops/ref/ref.h"

#include <math.h>
#include <string.h>

/* One image and head. q, k, v: index of the first element of each in qkv; the next token is `stride` elements on. */
typedef struct {
    mx_tensor qkv;
    int64_t q, k, v;
    int64_t stride, d, heads, head;
    const float *table;
    const mx_layout *lay;
    double scale;
} view;

static view make_view(mx_tensor qkv, mx_tensor table, const mx_layout *lay, int64_t b, int64_t head) {
    int64_t l = qkv.dim[1], heads = qkv.dim[3], d = qkv.dim[4];
    int64_t base = b * l * 3 * heads * d + head * d;
    return (view){.qkv = qkv,
                  .q = base,
                  .k = base + heads * d,
                  .v = base + 2 * heads * d,
                  .stride = 3 * heads * d,
                  .d = d,
                  .heads = heads,
                  .head = head,
                  .table = mx_present(table) ? mx_f32(table) : NULL,
                  .lay = lay,
                  .scale = 1 / sqrt((double)d)};
}

/* Index in the bias table of query i and key j, two tokens of one window. */
static int64_t entry(const view *a, int i, int j) {
    const mx_layout *lay = a->lay;
    int ri = lay->raster[i] / lay->grid_w, ci = lay->raster[i] % lay->grid_w;
    int rj = lay->raster[j] / lay->grid_w, cj = lay->raster[j] % lay->grid_w;
    int64_t row =
        (int64_t)(ri - rj + lay->window_h - 1) * (2 * lay->window_w - 1) + (ci - cj + lay->window_w - 1);
    return row * a->heads + a->head;
}

/* Σ_e x[i+e] y[j+e], e < n */
static double dot(mx_tensor x, int64_t i, mx_tensor y, int64_t j, int64_t n) {
    double sum = 0;
    for (int64_t e = 0; e < n; e++) sum += mx_ref_get(x, i + e) * mx_ref_get(y, j + e);
    return sum;
}

static double logit(const view *a, int i, int j) {
    double bias = a->table ? (double)a->table[entry(a, i, j)] : 0;
    return dot(a->qkv, a->q + i * a->stride, a->qkv, a->k + j * a->stride, a->d) * a->scale + bias;
}

/* In double: a row of probabilities and an output row. */
size_t mx_ref_attention_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                             bool biased) {
    (void)c, (void)batch, (void)heads, (void)biased;
    return sizeof(double) * (size_t)(lay->max_segment + d);
}

/* The same (the output row becomes dq), and sums of dk, dv [L,d] and dtable. */
size_t mx_ref_attention_back_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads,
                                  int64_t d, bool biased) {
    int64_t table = (int64_t)(2 * lay->window_h - 1) * (2 * lay->window_w - 1) * heads;
    return mx_ref_attention_work(c, lay, batch, heads, d, biased) +
           sizeof(double) * (size_t)(2 * lay->tokens * d + table);
}

/* Output row and lse of query i over keys first..end-1. p, sum: scratch. */
static void forward_row(const view *a, mx_tensor out, int64_t row, float *lse, int i, int first, int end,
                        double *p, double *sum) {
    double top = -INFINITY, total = 0;
    for (int j = first; j < end; j++) top = fmax(top, p[j - first] = logit(a, i, j));
    for (int j = first; j < end; j++) total += p[j - first] = exp(p[j - first] - top);
    for (int64_t e = 0; e < a->d; e++) sum[e] = 0;
    for (int j = first; j < end; j++)
        for (int64_t e = 0; e < a->d; e++)
            sum[e] += p[j - first] / total * mx_ref_get(a->qkv, a->v + j * a->stride + e);
    for (int64_t e = 0; e < a->d; e++) mx_ref_put(out, row + e, sum[e]);
    *lse = (float)(top + log(total));
}

void mx_ref_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                      const mx_layout *lay, void *work) {
    (void)c;
    int64_t l = qkv.dim[1], heads = qkv.dim[3], d = qkv.dim[4];
    double *p = work, *sum = p + lay->max_segment;
    for (int64_t b = 0; b < qkv.dim[0]; b++)
        for (int64_t h = 0; h < heads; h++) {
            view a = make_view(qkv, table, lay, b, h);
            for (int s = 0; s < lay->segments; s++)
                for (int i = lay->segment[s]; i < lay->segment[s + 1]; i++)
                    forward_row(&a, out, (b * l + i) * heads * d + h * d,
                                mx_f32(lse) + (b * heads + h) * l + i, i, lay->segment[s],
                                lay->segment[s + 1], p, sum);
        }
}

typedef struct {
    double *dq, *dk, *dv, *dtable;
} sums; /* dq [d], dk, dv [L,d], dtable [entries] */

/* Gradients from query i: overwrites dq, adds to the other sums. row: its first element in dout and out. */
static void backward_row(const view *a, mx_tensor dout, mx_tensor out, int64_t row, double lse, int i,
                         int first, int end, sums *g) {
    double inner = dot(dout, row, out, row, a->d); /* Σ_j p_j dp_j */
    for (int64_t e = 0; e < a->d; e++) g->dq[e] = 0;
    for (int j = first; j < end; j++) {
        double p = exp(logit(a, i, j) - lse),
               ds = p * (dot(dout, row, a->qkv, a->v + j * a->stride, a->d) - inner);
        for (int64_t e = 0; e < a->d; e++) {
            g->dv[j * a->d + e] += p * mx_ref_get(dout, row + e);
            g->dq[e] += ds * a->scale * mx_ref_get(a->qkv, a->k + j * a->stride + e);
            g->dk[j * a->d + e] += ds * a->scale * mx_ref_get(a->qkv, a->q + i * a->stride + e);
        }
        if (a->table) g->dtable[entry(a, i, j)] += ds;
    }
}

static void backward_head(mx_tensor dqkv, mx_tensor dout, mx_tensor out, mx_tensor lse, const view *a,
                          int64_t b, sums *g) {
    const mx_layout *lay = a->lay;
    int64_t l = lay->tokens, d = a->d, heads = a->heads, h = a->head;
    memset(g->dk, 0, sizeof(double) * (size_t)(2 * l * d)); /* dv follows dk */
    int64_t to = b * l * a->stride + h * d;
    for (int s = 0; s < lay->segments; s++)
        for (int i = lay->segment[s]; i < lay->segment[s + 1]; i++) {
            int64_t row = (b * l + i) * heads * d + h * d;
            backward_row(a, dout, out, row, (double)mx_f32(lse)[(b * heads + h) * l + i], i, lay->segment[s],
                         lay->segment[s + 1], g);
            for (int64_t e = 0; e < d; e++) mx_ref_put(dqkv, to + i * a->stride + e, g->dq[e]);
        }
    for (int64_t i = 0; i < l; i++)
        for (int64_t e = 0; e < d; e++) {
            mx_ref_put(dqkv, to + i * a->stride + heads * d + e, g->dk[i * d + e]);
            mx_ref_put(dqkv, to + i * a->stride + 2 * heads * d + e, g->dv[i * d + e]);
        }
}

void mx_ref_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                           mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay, void *work) {
    (void)c;
    int64_t l = qkv.dim[1], heads = qkv.dim[3], d = qkv.dim[4],
            entries = mx_present(table) ? mx_count(table) : 0;
    double *base = (double *)work + lay->max_segment;
    sums g = {.dq = base, .dk = base + d, .dv = base + d + l * d, .dtable = base + d + 2 * l * d};
    for (int64_t i = 0; i < entries; i++) g.dtable[i] = 0;
    for (int64_t b = 0; b < qkv.dim[0]; b++)
        for (int64_t h = 0; h < heads; h++) {
            view a = make_view(qkv, table, lay, b, h);
            backward_head(dqkv, dout, out, lse, &a, b, &g);
        }
    for (int64_t i = 0; i < entries; i++) mx_f32(dtable)[i] += (float)g.dtable[i];
}
