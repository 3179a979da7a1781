/* Calls from the front end to a backend. They turn handles into addresses, provide scratch memory, and record time and
 * FLOPs. */
#ifndef MX_OPS_RUN_H
#define MX_OPS_RUN_H

#include "ops/backend.h"

/* mx_run_NAME calls the backend's op of the same name with device addresses. */
#define MX_OP(name, scratch, ...) MX_OP_FUNCTION(mx_run_##name, scratch, __VA_ARGS__);
#include "ops/op_list.h"

/* Scratch from the arena; the caller releases it. NULL when bytes is 0. */
void *mx_work(mx_ctx *c, size_t bytes);
/* Records time and FLOPs of an op: begun = mx_op_begin(c); ...; mx_op_end(c, "name", begun, flops). */
double mx_op_begin(const mx_ctx *c);
void mx_op_end(mx_ctx *c, const char *op, double begun, double flops);
void mx_note_product(mx_ctx *c, int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b);

/* call: an op of op_list.h with its arguments, as in fill(c, t, value). Runs it unless planning; records it as `op`. */
#define MX_DO(c, op, flops, call)                                                                            \
    do {                                                                                                     \
        double begun_ = mx_op_begin(c);                                                                      \
        if (!(c)->planning) mx_run_##call;                                                                   \
        mx_op_end(c, op, begun_, flops);                                                                     \
    } while (0)

/* The same with `bytes` of scratch memory, which the call can use as `work`. */
#define MX_DO_WORK(c, op, flops, bytes, call)                                                                \
    do {                                                                                                     \
        size_t mark_ = (c)->arena->used;                                                                     \
        void *work = mx_work(c, bytes);                                                                      \
        if (mx_ok(c)) MX_DO(c, op, flops, call);                                                             \
        mx_arena_release((c)->arena, mark_);                                                                 \
    } while (0)

#endif
