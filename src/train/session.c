/* Planning and making a context, see session.h. */
#include "train/session.h"

#include <stdio.h>
#include <string.h>

#include "base/parallel.h"

static mx_status no_bf16_here(const mx_backend *b, mx_error *e) {
    const char *isa = mx_backend_isa(b);
    if (mx_backend_check(b, e)) return e->status; /* MIXMAE_ISA is to blame */
    return mx_fail(
        e, MX_ERR_UNSUPPORTED,
        "the run began with --dtype auto, which chose bf16 for the bf16 products of instruction set "
        "avx512bf16; here there are none (backend %s%s%s). With --dtype bf16 it goes on in the same mixed "
        "precision, computed slower and rounded otherwise; with --dtype f32 it goes on in f32. Neither "
        "ends in the bytes that the run would have come to where it began",
        mx_backend_name(b), *isa ? ", instruction set " : "", isa);
}

mx_status mx_compute_make(mx_compute *how, const char *backend, const char *dtype, int64_t threads,
                          mx_error *e) {
    *how = (mx_compute){.backend = backend ? backend : mx_backend_default(), .threads = (int)threads};
    const mx_backend *b = mx_backend_find(how->backend); /* NULL: mx_session_plan refuses it */
    bool fast = b && mx_backend_bf16(b), now = !dtype || !strcmp(dtype, "auto");
    if (now)
        how->chosen = fast ? "auto: faster here than f32" : "auto: bf16 is no faster here";
    else if (!strncmp(dtype, "auto:", 5))
        how->chosen = "auto: chosen when the run began", dtype += 5;
    if (now ? fast : !strcmp(dtype, "bf16"))
        how->activations = MX_BF16;
    else if (!now && strcmp(dtype, "f32"))
        return mx_fail(e, MX_ERR_ARGUMENT, "--dtype: expected auto, f32 or bf16, found %s", dtype);
    bool kept = how->chosen && !now && how->activations == MX_BF16;
    return kept && b && !fast ? no_bf16_here(b, e) : MX_OK;
}

const char *mx_compute_dtype(const mx_compute *how) {
    static const char *const name[2][2] = {{"f32", "bf16"}, {"auto:f32", "auto:bf16"}};
    return name[how->chosen != NULL][how->activations == MX_BF16];
}

const char *mx_compute_bytes(const mx_compute *how) {
    const mx_backend *b = mx_backend_find(how->backend);
    const char *isa = b ? mx_backend_isa(b) : "";
    if (!*isa) return b ? mx_backend_name(b) : how->backend;
    return how->activations == MX_F32 && !strcmp(isa, "avx512bf16") ? "avx512" : isa;
}

void mx_compute_text(const mx_compute *how, char *out, size_t size) {
    const mx_backend *b = mx_backend_find(how->backend);
    const char *isa = b ? mx_backend_isa(b) : "", *why = how->chosen;
    int threads = how->threads > 0 ? how->threads : mx_cores();
    snprintf(out, size, "backend %s%s%s, %s%s%s%s, %d thread%s", how->backend, *isa ? " " : "", isa,
             mx_dtype_name(how->activations), why ? " (" : "", why ? why : "", why ? ")" : "", threads,
             threads > 1 ? "s" : "");
}

mx_compute mx_compute_like(const mx_ctx *c) {
    const char *name = mx_backend_is_device(c->backend) ? NULL : mx_backend_name(c->backend);
    return (mx_compute){.backend = name, .threads = c->threads};
}

mx_params_use mx_compute_reading(const mx_compute *how) {
    const mx_backend *b = mx_backend_find(how->backend);
    return b && mx_backend_is_device(b) ? MX_PARAMS_WEIGHTS : MX_PARAMS_MAPPED;
}

const char *mx_dtype_name(mx_dtype activations) { return activations == MX_BF16 ? "bf16" : "f32"; }

mx_status mx_session_plan(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e) {
    memset(s, 0, sizeof *s);
    if (mx_backend_open(&s->ctx, how->backend, e)) return e->status;
    s->ctx.threads = how->threads > 0 ? how->threads : mx_cores();
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
