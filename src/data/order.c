/* The order of an epoch: a permutation of the data set that is a function of (seed, epoch) only. So the stream is the
 * same for any number of workers, and a resumed run needs only its step.
 *
 * Most sources are fully shuffled. Reading tar shards at random would seek for every image, so instead the shards are
 * shuffled and their samples pass through WebDataset's shuffle buffer (docs/DATA.md). The buffer needs no extra memory:
 * after t samples have left it, slots t..t+B-1 of the sequence are the buffer; the next sample to leave is swapped with
 * slot t. */
#include "data/source.h"

#include <math.h>
#include <string.h>

#define MX_SHUFFLE_BUFFER 10000 /* samples; about a gigabyte of ImageNet, which the page cache holds */

static void shuffle(uint32_t *a, int64_t n, mx_rng *r) { /* Fisher-Yates from the top */
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)mx_rng_below(r, (uint64_t)i + 1);
        uint32_t x = a[i];
        a[i] = a[j], a[j] = x;
    }
}

/* The order is a function of the stream (seed, MX_RNG_ORDER, epoch). Do not change it: runs must stay reproducible. */
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

static int64_t class_of(const mx_dataset *d, int64_t i) {
    int32_t label = d->index.file[i].label;
    return label < 0 ? d->index.classes : label;
}

/* order[0,n): the result; order[n,2n): the images, class by class; then the start of each class. */
int64_t mx_dataset_balanced_room(const mx_dataset *d) { return 2 * d->index.files + d->index.classes + 2; }

/* Sorts images by class, with a counting sort; begin [classes + 2]. */
static void sort_by_class(const mx_dataset *d, uint32_t *image, uint32_t *begin) {
    int64_t n = d->index.files, classes = d->index.classes + 1;
    memset(begin, 0, ((size_t)classes + 1) * sizeof *begin);
    for (int64_t i = 0; i < n; i++) begin[class_of(d, i) + 1]++;
    for (int64_t c = 0; c < classes; c++) begin[c + 1] += begin[c];
    for (int64_t i = n; i-- > 0;) image[--begin[class_of(d, i) + 1]] = (uint32_t)i;
    for (int64_t c = 0; c < classes; c++) begin[c] = begin[c + 1]; /* now the start of class c */
    begin[classes] = (uint32_t)n;
}

/* A class's share of the epoch is the rounded difference of running sums, so the shares add up to n. Within a class the
 * images repeat in a random order, which decides those that are drawn once more than others. */
void mx_dataset_order_balanced(const mx_dataset *d, double balance, uint64_t seed, int64_t epoch,
                               uint32_t *order) {
    int64_t n = d->index.files, classes = d->index.classes + 1, at = 0;
    uint32_t *image = order + n, *begin = image + n;
    double all = 0, sum = 0;
    sort_by_class(d, image, begin);
    for (int64_t c = 0; c < classes; c++)
        if (begin[c + 1] > begin[c]) all += pow((double)(begin[c + 1] - begin[c]), 1 - balance);
    for (int64_t c = 0; c < classes; c++) {
        int64_t count = begin[c + 1] - begin[c];
        if (!count) continue;
        mx_rng r = mx_rng_make(seed, MX_RNG_BALANCE, (uint64_t)epoch, (uint32_t)c);
        shuffle(image + begin[c], count, &r);
        sum += pow((double)count, 1 - balance);
        int64_t end =
            sum < all ? (int64_t)((double)n * (sum / all) + 0.5) : n; /* exactly n for the last class */
        for (int64_t k = 0; at < end && at < n; k++) order[at++] = image[begin[c] + k % count];
    }
    mx_rng r = mx_rng_make(seed, MX_RNG_ORDER, (uint64_t)epoch, 0);
    shuffle(order, n, &r);
}
