/* The order of an epoch: a permutation of the data set that is a function of (seed, epoch) only, so that the
 * stream is the same for any number of workers and a resumed run needs nothing but its step.
 *
 * Most sources: a full shuffle. Tar shards: reading all of them at random would seek for every image, so the
 * shards are shuffled and their samples go through WebDataset's shuffle buffer (formats.md (d)). The buffer
 * needs no memory of its own: slot t..t+B-1 of the sequence is the buffer after t samples have left it, and
 * the sample that leaves swaps places with slot t. */
#include "data/source.h"

#define MX_SHUFFLE_BUFFER 10000 /* samples; about a gigabyte of ImageNet, which the page cache holds */

static void shuffle(uint32_t *a, int64_t n, mx_rng *r) { /* Fisher-Yates from the top */
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)mx_rng_below(r, (uint64_t)i + 1);
        uint32_t x = a[i];
        a[i] = a[j], a[j] = x;
    }
}

/* The stream (seed, ORDER, epoch) is part of the reproducibility promise. */
void mx_dataset_order(const mx_dataset *d, uint64_t seed, int64_t epoch, uint32_t *order) {
    int64_t n = d->index.files, at = 0;
    mx_rng r = mx_rng_make(seed, MX_RNG_ORDER, (uint64_t)epoch, 0);
    if (!d->run) {
        for (int64_t i = 0; i < n; i++) order[i] = (uint32_t)i;
        shuffle(order, n, &r);
        return;
    }
    uint32_t *shard = order + n;
    for (int64_t k = 0; k < d->runs; k++) shard[k] = (uint32_t)k;
    shuffle(shard, d->runs, &r);
    for (int64_t k = 0; k < d->runs; k++)
        for (int64_t i = d->run[shard[k]]; i < d->run[shard[k] + 1]; i++) order[at++] = (uint32_t)i;
    for (int64_t t = 0; t < n; t++) {
        int64_t left = n - t, buffer = left < MX_SHUFFLE_BUFFER ? left : MX_SHUFFLE_BUFFER;
        int64_t j = t + (int64_t)mx_rng_below(&r, (uint64_t)buffer);
        uint32_t x = order[t];
        order[t] = order[j], order[j] = x;
    }
}

int64_t mx_dataset_order_room(const mx_dataset *d) { return d->index.files + d->runs; }
