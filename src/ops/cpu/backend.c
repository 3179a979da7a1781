/* The cpu backend: one table of functions for each instruction set, chosen at run time. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cpu/cpu.h"

#if defined(__x86_64__)
/* x86-64-v3 and v4, feature by feature, since GCC 12 takes no level names here. __builtin_cpu_supports also checks
 * that the system saves the registers. */
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
    const char *isa;
    bool (*runs)(void);
    const mx_kernels *kernels;
    bool bf16;
} sets[] = {/* best first */
#if defined(__x86_64__)
            {"avx512bf16", runs_avx512bf16, &mx_kernels_avx512bf16, true},
            {"avx512", runs_avx512, &mx_kernels_avx512, false},
            {"avx2", runs_avx2, &mx_kernels_avx2, false},
#endif
            {"generic", runs_generic, &mx_kernels_generic, false}};
enum { SETS = sizeof sets / sizeof *sets };

static const mx_backend ops = {
    .name = "cpu",
    .product = mx_cpu_product,
#define MX_OP(name, scratch, ...) MX_OP_ENTRY(mx_cpu_, name, scratch)
#include "ops/op_list.h"
};
static mx_backend tables[SETS];

static void fill_tables(void) {
    for (int i = 0; i < SETS; i++) {
        tables[i] = ops;
        tables[i].isa = sets[i].isa, tables[i].bf16 = sets[i].bf16, tables[i].own = sets[i].kernels;
    }
}

/* MIXMAE_ISA selects an instruction set below the machine's best, for measurements and tests. NULL: unset. */
static const char *wanted_isa(void) {
    const char *name = getenv("MIXMAE_ISA");
    return name && *name ? name : NULL;
}

const mx_backend *mx_cpu_find(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *wanted = wanted_isa();
    pthread_once(&once, fill_tables);
    for (int i = 0; i < SETS; i++)
        if (sets[i].runs() && (!wanted || !strcmp(wanted, sets[i].isa))) return &tables[i];
    return &tables[SETS - 1]; /* mx_cpu_check reports the error */
}

mx_status mx_cpu_check(const mx_backend *b, mx_error *e) {
    const char *wanted = wanted_isa();
    char runs[64] = "";
    if (!wanted || !strcmp(wanted, b->isa)) return MX_OK;
    for (int i = SETS; i-- > 0;)
        if (sets[i].runs()) {
            if (*runs) strcat(runs, ", ");
            strcat(runs, sets[i].isa);
        }
    return mx_fail(e, MX_ERR_UNSUPPORTED, "MIXMAE_ISA=%s: this machine runs %s", wanted, runs);
}
