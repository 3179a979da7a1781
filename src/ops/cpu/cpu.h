/* Internal header of the cpu backend: the kernels of the chosen instruction set, and the functions that its files
 * define.
 *
 * Shapes alone decide how work is cut into tasks, so results never depend on the number of threads. Threads take tasks
 * dynamically (base/parallel.h). An op puts its arguments in a struct and passes it to a function that runs one
 * task. */
#ifndef MX_OPS_CPU_CPU_H
#define MX_OPS_CPU_CPU_H

#include "base/parallel.h"
#include "ops/backend.h"
#include "ops/cpu/kernels/kernels.h"

static inline const mx_kernels *mx_cpu_kernels(const mx_ctx *c) { return c->backend->own; }

static inline int64_t mx_ceil_div(int64_t n, int64_t m) { return (n + m - 1) / m; }
static inline int64_t mx_round_up(int64_t n, int64_t m) { return mx_ceil_div(n, m) * m; }
static inline int64_t mx_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t mx_max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* n floats, rounded up to whole cache lines. */
static inline int64_t mx_line_floats(int64_t n) { return mx_round_up(n, MX_ALIGN / 4); }

/* n cut into `count` pieces of `size` (the last may be shorter), size a multiple of `multiple`, at most `most`. */
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

#define MX_OP(name, scratch, ...) MX_OP_DECLARE(mx_cpu_, name, scratch, __VA_ARGS__)
#include "ops/op_list.h"

/* The table for this machine's best instruction set, or for the one in MIXMAE_ISA. mx_cpu_check fails if the machine
 * does not run the latter. */
const mx_backend *mx_cpu_find(void);
mx_status mx_cpu_check(const mx_backend *b, mx_error *e);
mx_product_function mx_cpu_product;
/* Only dx = dy w, for the benchmark. work: as for mx_cpu_linear_back. */
void mx_cpu_input_gradient(mx_ctx *c, mx_tensor dx, mx_tensor dy, mx_tensor w, void *work);

#endif
