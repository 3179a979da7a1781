/* Device and precision of a computation, see compute.h. */
#include "train/compute.h"

#include <stdio.h>
#include <string.h>

static mx_status no_bf16_here(const mx_backend *b, mx_error *e) {
    const char *isa = mx_backend_isa(b);
    if (mx_backend_check(b, e)) return e->status; /* MIXMAE_ISA asks for too much */
    return mx_fail(
        e, MX_ERR_UNSUPPORTED,
        "the run began with --dtype auto, which chose bf16 because that machine has bf16 products (instruction set "
        "avx512bf16); this one does not (backend %s%s%s). --dtype bf16 continues in the same mixed precision, "
        "slower and with other rounding; --dtype f32 continues in f32. Either way the run ends in other bytes "
        "than on the first machine",
        mx_backend_name(b), *isa ? ", instruction set " : "", isa);
}

mx_status mx_compute_make(mx_compute *how, const char *device, const char *dtype, int64_t threads,
                          mx_error *e) {
    *how = (mx_compute){.device = mx_session_device(device), .threads = (int)threads};
    const mx_backend *b = mx_backend_find(how->device); /* NULL: mx_session_plan refuses it */
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

const char *mx_compute_isa(const mx_compute *how) {
    const mx_backend *b = mx_backend_find(how->device);
    const char *isa = b ? mx_backend_isa(b) : "";
    if (!*isa) return b ? mx_backend_name(b) : how->device;
    return how->activations == MX_F32 && !strcmp(isa, "avx512bf16") ? "avx512" : isa;
}

void mx_compute_text(const mx_compute *how, char *out, size_t size) {
    const mx_backend *b = mx_backend_find(how->device);
    const char *isa = b ? mx_backend_isa(b) : "", *why = how->chosen;
    int threads = mx_session_threads(how->threads);
    snprintf(out, size, "backend %s%s%s, %s%s%s%s, %d thread%s", how->device, *isa ? " " : "", isa,
             mx_dtype_name(how->activations), why ? " (" : "", why ? why : "", why ? ")" : "", threads,
             threads > 1 ? "s" : "");
}

mx_compute mx_compute_like(const mx_ctx *c) {
    const char *name = mx_backend_is_device(c->backend) ? NULL : mx_backend_name(c->backend);
    return (mx_compute){.device = name, .threads = c->threads};
}

mx_params_use mx_compute_params_use(const mx_compute *how) {
    const mx_backend *b = mx_backend_find(how->device);
    return b && mx_backend_is_device(b) ? MX_PARAMS_WEIGHTS : MX_PARAMS_MAPPED;
}

const char *mx_dtype_name(mx_dtype activations) { return activations == MX_BF16 ? "bf16" : "f32"; }
