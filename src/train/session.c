/* Planning and making a context, see session.h. */
#include "train/session.h"

#include <sched.h>
#include <string.h>

int mx_processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

mx_status mx_compute_make(mx_compute *how, const char *backend, const char *dtype, int64_t threads,
                          mx_error *e) {
    *how = (mx_compute){.backend = backend, .threads = (int)threads};
    if (!backend) how->backend = mx_backend_find("cpu") ? "cpu" : "ref";
    if (dtype && !strcmp(dtype, "bf16"))
        how->activations = MX_BF16;
    else if (dtype && strcmp(dtype, "f32"))
        return mx_fail(e, MX_ERR_ARGUMENT, "--dtype: expected f32 or bf16, found %s", dtype);
    return MX_OK;
}

mx_compute mx_compute_like(const mx_ctx *c) {
    const char *name = mx_backend_far(c->backend) ? NULL : mx_backend_name(c->backend);
    return (mx_compute){.backend = name, .threads = c->threads};
}

mx_params_use mx_compute_reading(const mx_compute *how) {
    const mx_backend *b = how->backend ? mx_backend_find(how->backend) : NULL;
    return b && mx_backend_far(b) ? MX_PARAMS_WEIGHTS : MX_PARAMS_MAPPED;
}

const char *mx_dtype_name(mx_dtype activations) { return activations == MX_BF16 ? "bf16" : "f32"; }

mx_status mx_session_plan(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    const char *backend = how->backend ? how->backend : mx_backend_find("cpu") ? "cpu" : "ref";
    memset(s, 0, sizeof *s);
    s->ctx.backend = mx_backend_find(backend);
    if (!s->ctx.backend)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "backend %s is not part of this build (there are: ref%s)",
                       backend, mx_backend_find("cpu") ? ", cpu" : "");
    if (mx_backend_check(s->ctx.backend, e)) return e->status;
    s->ctx.threads = how->threads > 0 ? how->threads : mx_processors();
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
