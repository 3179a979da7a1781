/* Planning and making a context, see session.h. */
#include "model/session.h"

#include <string.h>

#include "base/parallel.h"

const char *mx_session_backend(const char *name) {
    return name ? name : mx_backend_find("cpu") ? "cpu" : "ref";
}

int mx_session_threads(int number) { return number > 0 ? number : mx_cores(); }

mx_status mx_session_plan(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    const char *backend = mx_session_backend(how->backend);
    memset(s, 0, sizeof *s);
    s->ctx.backend = mx_backend_find(backend);
    if (!s->ctx.backend)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "backend %s is not part of this build (there are: ref%s)",
                       backend, mx_backend_find("cpu") ? ", cpu" : "");
    if (mx_backend_check(s->ctx.backend, e)) return e->status;
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
    if (!mx_backend_far(s->ctx.backend)) return mx_arena_make(&s->arena, s->planned, e);
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
