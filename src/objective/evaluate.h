/* Measures a classifier on labelled images: top-1, top-5, loss, and each image's predicted class. Source:
 * docs/AUGMENT.md, "Evaluation". */
#ifndef MX_OBJECTIVE_EVALUATE_H
#define MX_OBJECTIVE_EVALUATE_H

#include "data/dataset.h"

typedef struct {
    int64_t images;             /* images that could be read */
    int64_t broken;             /* images that could not; no other field counts them */
    double top1, top5;          /* percent; top-5 is top-C with fewer than 5 classes */
    double loss;                /* plain cross entropy, mean over images */
    int64_t *index;             /* [images] index in the data */
    int32_t *label, *predicted; /* [images] classes of the model */
} mx_evaluation;

/* What is measured: scores returns [batch,classes] of images [batch,Ch,H,W], valid until its next call; NULL after a
 * failure. */
typedef struct {
    const float *(*scores)(void *user, const float *images, mx_error *e);
    void *user;
    int batch, classes;
} mx_classifier;

/* Reads every image of config->data once, through the evaluation transform, and classifies it. map: model class of
 * each label of the data, or NULL when they are the same. config gives transform, workers, log, the limit of
 * broken images and the count so far. Free with mx_evaluation_free, also after a failure. */
mx_status mx_evaluate(mx_evaluation *out, const mx_classifier *m, const mx_loader_config *config,
                      const int32_t *map, mx_error *e);
void mx_evaluation_free(mx_evaluation *v);

/* Rank of class `label` in scores [classes], from 0, the best; equal scores by index. */
int mx_rank_of(const float *scores, int classes, int label);
/* Fills best[k] with the indices of the k largest scores, largest first; equal scores by index. */
void mx_top_k(const float *scores, int classes, int k, int *best);

#endif
