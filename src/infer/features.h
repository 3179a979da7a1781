/* Pooled features of a whole data set in memory, for the probes. */
#ifndef MX_INFER_FEATURES_H
#define MX_INFER_FEATURES_H

#include "infer/one_output.h"

typedef struct {
    int64_t count, width, views;
    float *x;       /* [views, count, width] */
    int32_t *label; /* [count] */
} mx_features;

/* Rows of `one`, an output without a map. views 0: each image once, through the evaluation transform. Else so many
 * random crops of each (one-shot crops of 0.08 to 1 of the area, mirrored half the time: docs/TRAINING.md, "The
 * probes"), from the seed. Images that cannot be read are left out (count says how many rows there are). Free
 * with mx_features_free, also after a failure. */
mx_status mx_features_make(mx_features *out, mx_one_output *one, const mx_dataset *data, int64_t views,
                           uint64_t seed, mx_error *e);
void mx_features_free(mx_features *x);

/* Accuracy in percent. */
typedef struct {
    double top1, top5;
} mx_accuracy;

/* Weighted k-NN (docs/TRAINING.md, "The probes") for each of ks[n]; `out` [n]. */
mx_status mx_knn(mx_accuracy *out, const mx_features *train, const mx_features *test, int classes,
                 const int *ks, int n, double temperature, const mx_ctx *like, mx_error *e);

/* MAE's values are 90 epochs, 10 of warm-up and a rate of 6.4 at 16,384 images a step, which are 78 steps of
 * ImageNet's epoch. A smaller set keeps those steps and that rate, with a batch of its 78th part, at least
 * 256: LARS scales each step to the weights' norm, so rate times steps, and not the images seen, decides how
 * far they move. */
typedef struct {
    double epochs, warmup_epochs, lr;
    uint64_t seed;
} mx_linear_probe_config;

typedef struct {
    mx_accuracy test;
    int batch;
    int64_t steps;
} mx_linear_probe_result;

/* The linear probe (docs/TRAINING.md, "The probes") on cached features. */
mx_status mx_linear_probe(mx_linear_probe_result *out, const mx_features *train, const mx_features *test,
                          int classes, const mx_linear_probe_config *config, const mx_ctx *like, mx_error *e);

#endif
