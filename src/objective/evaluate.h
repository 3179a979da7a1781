/* Measures a classifier on labelled images: top-1, top-5, loss, and each image's predicted class. Source:
 * docs/AUGMENT.md, "Evaluation". */
#ifndef MX_OBJECTIVE_EVALUATE_H
#define MX_OBJECTIVE_EVALUATE_H

#include "data/dataset.h"
#include "model/model.h"
#include "model/session.h"

typedef struct {
    int64_t images;             /* images that could be read */
    int64_t broken;             /* images that could not; no other field counts them */
    double top1, top5;          /* percent; top-5 is top-C with fewer than 5 classes */
    double loss;                /* plain cross entropy, mean over images */
    int64_t *index;             /* [images] index in the data */
    int32_t *label, *predicted; /* [images] classes of the model */
} mx_evaluation;

/* Reads every image of config->data once, through the evaluation transform, and classifies it. s: a session
 * planned for mx_classify_logits at tables->batch images; logits [tables->batch, classes]. map: model class of each
 * label of the data, or NULL when they are the same. config gives transform, workers, log, the limit of
 * broken images and the count so far. Free with mx_evaluation_free, also after a failure. */
mx_status mx_evaluate(mx_evaluation *out, mx_session *s, mx_model *m, const mx_token_tables *tables,
                      float *logits, const mx_loader_config *config, const int32_t *map, mx_error *e);
void mx_evaluation_free(mx_evaluation *v);

/* Rank of class `label` in scores [classes], from 0, the best; equal scores by index. */
int mx_rank_of(const float *scores, int classes, int label);
/* Fills best[k] with the indices of the k largest scores, largest first; equal scores by index. */
void mx_top_k(const float *scores, int classes, int k, int *best);

#endif
