/* Images of a folder loaded as pretraining loads them, on this thread; a round over all of them for each line
 * of standard input: what bench/loader sets beside Pillow and torchvision.
 *
 *   loader FOLDER exact|scaled
 *
 * Prints "READY images", then for each round "processor-seconds checksum" (the checksum tells builds apart
 * that do not load the same numbers). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/index.h"

enum { SIDE = 224, FLOATS = 3 * SIDE * SIDE };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void rounds(const mx_dataset *d, const mx_transform *t, float *chw, mx_error *e) {
    mx_scratch s = {0};
    printf("READY %lld\n", (long long)mx_dataset_count(d));
    fflush(stdout);
    for (uint64_t round = 0; !e->status && getchar() == '\n'; round++) {
        uint64_t sum = 0;
        double seconds = 0;
        for (int64_t i = 0; i < mx_dataset_count(d) && !e->status; i++) {
            double start = now();
            mx_transform_file(d, t, i, mx_rng_make(1, MX_RNG_AUGMENT, round, (uint32_t)i), &s, chw, e);
            seconds += now() - start;
            for (int k = 0; k < FLOATS; k++) {
                uint32_t bits;
                memcpy(&bits, chw + k, sizeof bits);
                sum = sum * 1099511628211u + bits;
            }
        }
        printf("%.6f %016llx\n", seconds, (unsigned long long)sum);
        fflush(stdout);
    }
    mx_scratch_free(&s);
}

int main(int argc, char **argv) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    mx_transform t = {.height = SIDE,
                      .width = SIDE,
                      .channels = 3,
                      .mean = {0.485f, 0.456f, 0.406f},
                      .std = {0.229f, 0.224f, 0.225f},
                      .augment = true,
                      .scale_lo = 0.2,
                      .scale_hi = 1,
                      .ratio_lo = 3.0 / 4,
                      .ratio_hi = 4.0 / 3,
                      .flip = 0.5};
    float *chw = malloc(sizeof *chw * FLOATS);
    if (argc != 3 || !chw) return fprintf(stderr, "loader FOLDER exact|scaled\n"), 2;
    t.scaled_decode = !strcmp(argv[2], "scaled");
    if (!mx_dataset_open(&d, argv[1], NULL, &e)) rounds(d, &t, chw, &e);
    if (e.status) fprintf(stderr, "%s\n", e.text);
    mx_dataset_close(d);
    free(chw);
    return e.status != MX_OK;
}
