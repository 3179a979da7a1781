/* Plans and makes a context, see session.h. */
#include "model/session.h"

#include <string.h>

#include "base/parallel.h"

const char *mx_session_device(const char *name) { return name ? name : mx_backend_default(); }

int mx_session_threads(int number) { return number > 0 ? number : mx_cores(); }

mx_status mx_session_plan(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    memset(s, 0, sizeof *s);
    if (mx_backend_open(&s->ctx, mx_session_device(how->device), e)) return e->status;
    s->ctx.threads = mx_session_threads(how->threads);
    s->ctx.activations = how->activations;
    s->ctx.arena = &s->arena;
    s->ctx.planning = true;
    s->ctx.products = products;
    mx_arena_plan(&s->arena);
    work(&s->ctx, user);
    s->planned = s->arena.peak;
    s->flops = s->ctx.flops;
    s->ctx.planning = false, s->ctx.products = NULL, s->ctx.flops = 0;
    return mx_session_error(s, e);
}

mx_status mx_session_make(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    if (mx_session_plan(s, how, work, user, products, e)) return e->status;
    if (!mx_backend_is_device(s->ctx.backend)) return mx_arena_make(&s->arena, s->planned, e);
    if (mx_arena_reserve(&s->arena, s->planned, e) || mx_device_open(&s->ctx, e)) return e->status;
    mx_attach(&s->ctx, s->arena.base, s->planned);
    return mx_session_error(s, e);
}

void mx_session_free(mx_session *s) {
    if (!s) return;
    mx_device_close(&s->ctx);
    if (!s->arena.planning) mx_arena_free(&s->arena);
}

mx_status mx_session_error(const mx_session *s, mx_error *e) {
    if (s->ctx.error.status) return mx_fail(e, s->ctx.error.status, "%s", s->ctx.error.text);
    return e->status;
}
