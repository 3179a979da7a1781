/* Activation checkpointing: the processor time of a step on one thread, for each level and for some memory
 * limits, interleaved, so that the ratios hold on a noisy machine.
 *
 * cmake --build build --target memory_rate
 * build/memory_rate base 8 3 3000 2500 2200     (model, batch, rounds, limits of the total in MB) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "objective/objective.h"
#include "train/memory.h"
#include "train/timing.h"

#define CASES 16

static double processor_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    mx_options o = {0};
    mx_error e = {0};
    mx_settings s, fit[CASES];
    mx_stepper t;
    mx_run_state state = {0};
    char name[CASES][32];
    double arena[CASES], seconds[CASES][64], ratio[CASES][64];
    int rounds = argc > 3 ? atoi(argv[3]) : 3, cases = 0;
    if (argc < 3 || mx_options_init(&o, &e) || mx_options_set(&o, "model", argv[1], &e) ||
        mx_options_set(&o, "batch-size", argv[2], &e) || mx_settings_make(&s, &mx_mixmae, &o, NULL, &e))
        return fprintf(stderr, "%s\n", e.text), 1;
    s.steps_per_epoch = s.steps = 1000, s.threads = 1;
    for (int level = 0; level < MX_RECOMPUTE_LEVELS; level++, cases++) {
        fit[cases] = s;
        memset(fit[cases].recompute, level, MX_MAX_BLOCKS);
        snprintf(name[cases], sizeof name[0], "level %d", level);
    }
    for (int i = 4; i < argc && cases < CASES; i++, cases++) {
        fit[cases] = s;
        fit[cases].memory = (size_t)(atof(argv[i]) * 1e6);
        if (mx_memory_fit(&fit[cases], NULL, NULL, &e)) return fprintf(stderr, "%s\n", e.text), 1;
        snprintf(name[cases], sizeof name[0], "%.18s MB", argv[i]);
    }
    for (int i = 0; i < cases; i++) {
        mx_memory_plan m;
        if (mx_stepper_make(&t, &fit[i], true, NULL, &e)) return fprintf(stderr, "%s\n", e.text), 1;
        mx_plan_memory(&m, &t, NULL, NULL);
        arena[i] = (double)m.total;
        mx_stepper_free(&t);
    }
    if (mx_stepper_make(&t, &s, false, NULL, &e)) return fprintf(stderr, "%s\n", e.text), 1;
    mx_params_init(&t.model.params, 1);
    float *images = mx_random_images(&s);
    mx_time_step(&t, &state, images);
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < cases; i++) {
            for (int b = 0; b < mx_model_blocks(&t.model); b++)
                t.model.saved[b].recompute = (mx_recompute)fit[i].recompute[b];
            double begun = processor_time();
            mx_time_step(&t, &state, images);
            seconds[i][r] = processor_time() - begun;
            ratio[i][r] = seconds[i][r] / seconds[0][r];
        }
    for (int i = 0; i < cases; i++)
        printf("%-12s total %6.0f MB  step %7.3f s  %6.2f images/s  %+6.1f %% (planned %+.1f %%)\n", name[i],
               arena[i] / 1e6, mx_median(seconds[i], rounds), s.batch / mx_median(seconds[i], rounds),
               100 * mx_median(ratio[i], rounds) - 100, 100 * fit[i].extra_work);
    return 0;
}
