/* The cpu backend: one table of functions for each instruction set, and the choice between them at run time.
 */
#include <stdlib.h>
#include <string.h>

#include "ops/cpu/cpu.h"

#define CPU_BACKEND(isa_name)                                                                                \
    {                                                                                                        \
        .base = {.name = "cpu",                                                                              \
                 .isa = #isa_name,                                                                           \
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
                 .adamw = mx_cpu_adamw},                                                                     \
        .kernels = &mx_kernels_##isa_name                                                                    \
    }

static const mx_cpu_backend backend_generic = CPU_BACKEND(generic);
#if defined(__x86_64__)
static const mx_cpu_backend backend_avx2 = CPU_BACKEND(avx2);
static const mx_cpu_backend backend_avx512 = CPU_BACKEND(avx512);

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
#endif

/* MIXMAE_ISA=generic|avx2|avx512 asks for less than the machine has; what it cannot run is ignored. */
const mx_backend *mx_backend_cpu(void) {
#if defined(__x86_64__)
    const char *wanted = getenv("MIXMAE_ISA");
    if (wanted && !strcmp(wanted, "generic")) return &backend_generic.base;
    if (wanted && !strcmp(wanted, "avx2") && runs_avx2()) return &backend_avx2.base;
    if (runs_avx512()) return &backend_avx512.base;
    if (runs_avx2()) return &backend_avx2.base;
#endif
    return &backend_generic.base;
}
