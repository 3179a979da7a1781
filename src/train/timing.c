/* Timing of training steps on random images, see timing.h. */
#include "train/timing.h"

#include <stdlib.h>

#include "base/clock.h"

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double mx_median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

float *mx_random_images(const mx_settings *s) {
    size_t n = (size_t)(s->batch * mx_image_floats(&s->model));
    float *images = malloc(n * sizeof *images);
    mx_rng r = mx_rng_make(s->seed, MX_RNG_TEST, 0, 0);
    for (size_t i = 0; images && i < n; i++) images[i] = (float)(mx_rng_u32(&r) >> 8) * 0x1p-24f - 0.5f;
    return images;
}

double mx_time_step(mx_stepper *stepper, mx_run_state *state, float *images) {
    double start = mx_clock_now();
    for (int j = 0; j < stepper->settings.accum; j++) mx_step_micro(stepper, state->step, j, images, NULL);
    mx_step_update(stepper, state);
    mx_step_result_next(stepper, state, &(mx_step_result){0});
    return mx_clock_now() - start;
}
