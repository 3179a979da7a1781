/* How many images a second the whole loader delivers, for each number of workers: can this machine feed a
 * device that trains so fast? Nothing but loading runs; the consumer takes batches as they come and touches
 * nothing.
 *
 *   feed DATA [WORKERS...]     (1 2 4 ... up to all processors)
 *
 * Pretraining's crop, 224 x 224, batches of 256. Prints images/s, processor time an image, and the share of
 * the workers' time that was spent computing: below 100 % they waited, for the disk, the lock or a processor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "data/dataset.h"

enum { SIDE = 224, BATCH = 256, SECONDS = 5 };

static double processor_time(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static mx_status measure(const mx_dataset *d, int workers, mx_error *e) {
    mx_loader *l = NULL;
    mx_batch b;
    const mx_loader_config config = {.data = d,
                                     .transform = {.height = SIDE,
                                                   .width = SIDE,
                                                   .channels = 3,
                                                   .mean = {0.485f, 0.456f, 0.406f},
                                                   .std = {0.229f, 0.224f, 0.225f},
                                                   .augment = true,
                                                   .scale_lo = 0.2,
                                                   .scale_hi = 1,
                                                   .ratio_lo = 3.0 / 4,
                                                   .ratio_hi = 4.0 / 3,
                                                   .flip = 0.5},
                                     .seed = 1,
                                     .batch = BATCH,
                                     .batches_per_epoch = 1 + mx_dataset_count(d) / BATCH,
                                     .workers = workers,
                                     .ahead = 4};
    if (mx_loader_open(&l, &config, e)) return e->status;
    for (int i = 0; i < 4 && !e->status; i++) mx_loader_next(l, &b, e); /* what was made ahead, and caches */
    double began = mx_clock_now(), spent = processor_time(), seconds = 0;
    int64_t images = 0;
    for (; !e->status && seconds < SECONDS; images += BATCH) {
        mx_loader_next(l, &b, e);
        seconds = mx_clock_now() - began;
    }
    spent = processor_time() - spent;
    mx_loader_close(l);
    if (!e->status)
        printf("%7d %10.0f %12.3f %10.0f %%\n", workers, (double)images / seconds,
               1e3 * spent / (double)images, 100 * spent / (seconds * workers));
    return e->status;
}

int main(int argc, char **argv) {
    mx_dataset *d = NULL;
    mx_error e = {0};
    if (argc < 2) return fprintf(stderr, "feed DATA [WORKERS...]\n"), 2;
    if (!mx_dataset_open_split(&d, argv[1], MX_SPLIT_TRAIN, NULL, &e)) {
        printf("%lld images of %s\nworkers   images/s     ms an image  computing\n",
               (long long)mx_dataset_count(d), argv[1]);
        for (int i = 2; i < argc && !e.status; i++) measure(d, atoi(argv[i]), &e);
        for (int n = 1; argc == 2 && n <= mx_cores() && !e.status; n *= 2) measure(d, n, &e);
    }
    mx_dataset_close(d);
    if (e.status) fprintf(stderr, "%s\n", e.text);
    return e.status != MX_OK;
}
