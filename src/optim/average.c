/* The moving average of weights, see average.h. */
#include "optim/average.h"

#include "base/parallel.h"

#define MX_AVERAGE_CHUNK 65536 /* elements per task: some 20 µs */

typedef struct {
    float *average;
    const float *weight;
    int64_t n;
    float decay, rest;
} averaging;

static void add_chunk(void *arg, int64_t task, int thread) {
    const averaging *a = arg;
    int64_t from = task * MX_AVERAGE_CHUNK,
            to = from + MX_AVERAGE_CHUNK < a->n ? from + MX_AVERAGE_CHUNK : a->n;
    (void)thread;
    for (int64_t i = from; i < to; i++) a->average[i] = a->decay * a->average[i] + a->rest * a->weight[i];
}

void mx_average_add(float *average, const float *weight, int64_t n, double decay, int threads) {
    averaging a = {average, weight, n, (float)decay, (float)(1 - decay)};
    mx_parallel(threads, (n + MX_AVERAGE_CHUNK - 1) / MX_AVERAGE_CHUNK, add_chunk, &a);
}
