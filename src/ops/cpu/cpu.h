/* Inside the cpu backend: how its files reach the kernels of the chosen instruction set, and what they
 * define.
 *
 * Work is cut into tasks by shapes only and handed out dynamically (base/parallel.h), so results never depend
 * on the number of threads. An op fills a struct with its call and gives it to a function of one task. */
#ifndef MX_OPS_CPU_CPU_H
#define MX_OPS_CPU_CPU_H

#include "base/parallel.h"
#include "ops/backend.h"
#include "ops/cpu/kernels/kernels.h"

typedef struct {
    mx_backend base; /* first: mx_ctx.backend points here */
    const mx_kernels *kernels;
} mx_cpu_backend;

static inline const mx_kernels *mx_cpu_kernels(const mx_ctx *c) {
    return ((const mx_cpu_backend *)c->backend)->kernels;
}

static inline int64_t mx_ceil_div(int64_t n, int64_t m) { return (n + m - 1) / m; }
static inline int64_t mx_round_up(int64_t n, int64_t m) { return mx_ceil_div(n, m) * m; }
static inline int64_t mx_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t mx_max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Floats a row of scratch takes so that the next begins on a cache line. */
static inline int64_t mx_line_floats(int64_t n) { return mx_round_up(n, MX_ALIGN / 4); }

/* n cut into `count` pieces of `size` (the last may be shorter), size a multiple of `multiple`, at most
 * `most`. */
typedef struct {
    int64_t n, size, count;
} mx_cut;
static inline mx_cut mx_cut_even(int64_t n, int64_t most, int64_t multiple) {
    mx_cut c = {n, mx_round_up(mx_ceil_div(n, mx_ceil_div(n, most)), multiple), 0};
    c.count = mx_ceil_div(n, c.size);
    return c;
}
static inline int64_t mx_cut_length(mx_cut c, int64_t piece) {
    return mx_min64(c.size, c.n - piece * c.size);
}

/* rows.c */
void mx_cpu_fill(mx_ctx *c, mx_tensor t, float value);
void mx_cpu_copy(mx_ctx *c, mx_tensor y, mx_tensor x);
void mx_cpu_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep);
void mx_cpu_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index);
void mx_cpu_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index);
void mx_cpu_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x);
void mx_cpu_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy);
/* tokens.c */
void mx_cpu_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p);
void mx_cpu_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay);
void mx_cpu_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay);
void mx_cpu_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work);
size_t mx_cpu_unmix_back_work(const mx_ctx *c, int64_t rows, int64_t width);
/* linear.c */
void mx_cpu_linear(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep, void *work);
size_t mx_cpu_linear_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x);
void mx_cpu_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                        mx_tensor h, mx_tensor w, void *work);
size_t mx_cpu_linear_back_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x);
/* dx = dy w alone, for the benchmark; work as for mx_cpu_linear_back */
void mx_cpu_input_gradient(mx_ctx *c, mx_tensor dx, mx_tensor dy, mx_tensor w, void *work);
/* gelu.c */
void mx_cpu_gelu(mx_ctx *c, mx_tensor y, mx_tensor h);
/* norm.c */
void mx_cpu_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta);
void mx_cpu_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work);
size_t mx_cpu_layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width);
/* attention.c */
void mx_cpu_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                      const mx_layout *lay, void *work);
void mx_cpu_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                           mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay, void *work);
size_t mx_cpu_attention_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                             bool biased, bool backward);
/* loss.c */
void mx_cpu_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work);
size_t mx_cpu_pixel_loss_work(const mx_ctx *c, int64_t rows, int64_t width);
void mx_cpu_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale);
void mx_cpu_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g);
void mx_cpu_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                  const mx_adamw_args *a);

#endif
