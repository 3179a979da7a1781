/* The cpu backend: one table of functions for each instruction set, and the choice between them at run time.
 */
#include <stdlib.h>
#include <string.h>

#include "ops/cpu/cpu.h"

#define CPU_BACKEND(isa_name, has_bf16)                                                                      \
    {                                                                                                        \
        .base = {.name = "cpu",                                                                              \
                 .isa = #isa_name,                                                                           \
                 .bf16 = has_bf16,                                                                           \
                 .fill = mx_cpu_fill,                                                                        \
                 .copy = mx_cpu_copy,                                                                        \
                 .scale_samples = mx_cpu_scale_samples,                                                      \
                 .gather_rows = mx_cpu_gather_rows,                                                          \
                 .scatter_rows = mx_cpu_scatter_rows,                                                        \
                 .patch_rows = mx_cpu_patch_rows,                                                            \
                 .add_position = mx_cpu_add_position,                                                        \
                 .linear = mx_cpu_linear,                                                                    \
                 .linear_work = mx_cpu_linear_work,                                                          \
                 .gelu = mx_cpu_gelu,                                                                        \
                 .linear_back = mx_cpu_linear_back,                                                          \
                 .linear_back_work = mx_cpu_linear_back_work,                                                \
                 .layernorm = mx_cpu_layernorm,                                                              \
                 .layernorm_back = mx_cpu_layernorm_back,                                                    \
                 .layernorm_back_work = mx_cpu_layernorm_back_work,                                          \
                 .attention = mx_cpu_attention,                                                              \
                 .attention_back = mx_cpu_attention_back,                                                    \
                 .attention_work = mx_cpu_attention_work,                                                    \
                 .unmix = mx_cpu_unmix,                                                                      \
                 .unmix_back = mx_cpu_unmix_back,                                                            \
                 .unmix_back_work = mx_cpu_unmix_back_work,                                                  \
                 .pixel_loss = mx_cpu_pixel_loss,                                                            \
                 .pixel_loss_work = mx_cpu_pixel_loss_work,                                                  \
                 .soft_cross_entropy = mx_cpu_soft_cross_entropy,                                            \
                 .mean_rows = mx_cpu_mean_rows,                                                              \
                 .mean_rows_back = mx_cpu_mean_rows_back,                                                    \
                 .square_sum = mx_cpu_square_sum,                                                            \
                 .update_begin = mx_host_update_begin,                                                       \
                 .adamw = mx_cpu_adamw},                                                                     \
        .kernels = &mx_kernels_##isa_name                                                                    \
    }

static const mx_cpu_backend backend_generic = CPU_BACKEND(generic, false);
#if defined(__x86_64__)
static const mx_cpu_backend backend_avx2 = CPU_BACKEND(avx2, false);
static const mx_cpu_backend backend_avx512 = CPU_BACKEND(avx512, false);
static const mx_cpu_backend backend_avx512bf16 = CPU_BACKEND(avx512bf16, true);

/* x86-64-v3 and v4, feature by feature: GCC 12 takes no level names here, and the system must save the
 * registers, which __builtin_cpu_supports checks too. */
static bool runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
static bool runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
static bool runs_avx512bf16(void) { return runs_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif

static bool runs_generic(void) { return true; }

static const struct {
    const mx_cpu_backend *backend;
    bool (*runs)(void);
} sets[] = {/* best first */
#if defined(__x86_64__)
            {&backend_avx512bf16, runs_avx512bf16},
            {&backend_avx512, runs_avx512},
            {&backend_avx2, runs_avx2},
#endif
            {&backend_generic, runs_generic}};
enum { SETS = sizeof sets / sizeof *sets };

/* What MIXMAE_ISA names, to measure or test less than the machine's best; NULL: nothing. */
static const char *wanted_isa(void) {
    const char *name = getenv("MIXMAE_ISA");
    return name && *name ? name : NULL;
}

const mx_backend *mx_backend_cpu(void) {
    const char *wanted = wanted_isa();
    for (int i = 0; i < SETS; i++)
        if (sets[i].runs() && (!wanted || !strcmp(wanted, sets[i].backend->base.isa)))
            return &sets[i].backend->base;
    return &backend_generic.base; /* which mx_backend_check refuses */
}

mx_status mx_backend_cpu_check(const mx_backend *b, mx_error *e) {
    const char *wanted = wanted_isa();
    char runs[64] = "";
    if (!wanted || !strcmp(wanted, b->isa)) return MX_OK;
    for (int i = SETS; i-- > 0;)
        if (sets[i].runs()) {
            if (*runs) strcat(runs, ", ");
            strcat(runs, sets[i].backend->base.isa);
        }
    return mx_fail(e, MX_ERR_UNSUPPORTED, "MIXMAE_ISA=%s: this machine runs %s", wanted, runs);
}
