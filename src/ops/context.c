/* Tensors on the arena, and the time of phases. See context.h. */
#include "ops/context.h"

#include "base/clock.h"

mx_tensor mx_alloc(mx_ctx *c, mx_dtype type, int ndim, const int64_t *dim) {
    mx_tensor t = {.ndim = ndim, .type = type};
    if (!mx_ok(c)) return MX_ABSENT;
    for (int i = 0; i < ndim; i++) t.dim[i] = dim[i];
    t.data = mx_arena_push(c->arena, mx_bytes(t), &c->error);
    return t.data ? t : MX_ABSENT;
}

mx_tensor mx_alloc_like(mx_ctx *c, mx_tensor t) { return mx_alloc(c, t.type, t.ndim, t.dim); }

void mx_profile_enter(mx_profile *p, mx_phase phase) {
    if (!p) return;
    double time = mx_clock_now();
    if (p->since > 0) p->wall[p->now] += time - p->since;
    p->now = phase, p->since = time;
}
