/* Planning and making a context, see session.h. */
#include "train/session.h"

#include <sched.h>
#include <string.h>

int mx_processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

mx_status mx_session_plan(mx_session *s, const char *backend, int threads, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    memset(s, 0, sizeof *s);
    s->ctx.backend = mx_backend_find(backend);
    if (!s->ctx.backend)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "backend %s is not part of this build (there are: ref%s)",
                       backend, mx_backend_find("cpu") ? ", cpu" : "");
    if (mx_backend_check(s->ctx.backend, e)) return e->status;
    s->ctx.threads = threads > 0 ? threads : mx_processors();
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

mx_status mx_session_make(mx_session *s, const char *backend, int threads, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    if (mx_session_plan(s, backend, threads, work, user, products, e)) return e->status;
    return mx_arena_make(&s->arena, s->planned, e);
}

void mx_session_free(mx_session *s) {
    if (!s) return;
    if (!s->arena.planning) mx_arena_free(&s->arena);
}

mx_status mx_session_error(const mx_session *s, mx_error *e) {
    if (s->ctx.error.status) return mx_fail(e, s->ctx.error.status, "%s", s->ctx.error.text);
    return e->status;
}
