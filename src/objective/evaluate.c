/* Accuracy and loss of a classifier, see evaluate.h. */
#include "objective/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int mx_rank_of(const float *scores, int classes, int label) {
    int before = 0;
    for (int i = 0; i < classes; i++)
        before += scores[i] > scores[label] || (scores[i] == scores[label] && i < label);
    return isfinite(scores[label]) ? before : classes;
}

void mx_top_k(const float *scores, int classes, int k, int *best) {
    int n = 0;
    for (int i = 0; i < classes; i++) {
        int at = n < k ? n : k;
        while (at > 0 && scores[i] > scores[best[at - 1]]) at--;
        if (at == k) continue;
        if (n < k) n++;
        memmove(best + at + 1, best + at, sizeof *best * (size_t)(n - at - 1));
        best[at] = i;
    }
}

/* -log softmax(x)[label], in double. */
static double cross_entropy(const float *x, int classes, int label) {
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < classes; i++) most = fmax(most, (double)x[i]);
    for (int i = 0; i < classes; i++) sum += exp((double)x[i] - most);
    return most + log(sum) - (double)x[label];
}

typedef struct {
    double loss;
    int64_t first, fifth;
} counts;

static mx_status count_image(mx_evaluation *v, counts *c, int64_t index, const float *logits, int classes,
                             int label, mx_error *e) {
    int best = 0;
    if (label < 0 || label >= classes)
        return mx_fail(e, MX_ERR_DATA, "an image has label %d, but the model has %d classes", label, classes);
    int rank = mx_rank_of(logits, classes, label);
    mx_top_k(logits, classes, 1, &best);
    c->first += rank < 1, c->fifth += rank < 5;
    c->loss += cross_entropy(logits, classes, label);
    v->index[v->images] = index, v->label[v->images] = label, v->predicted[v->images++] = best;
    return MX_OK;
}

/* The first `images` images of a batch with their logits. */
static mx_status count_batch(mx_evaluation *v, counts *c, const mx_batch *b, int64_t images,
                             const float *logits, int classes, const int32_t *map, mx_error *e) {
    for (int64_t i = 0; i < images && !e->status; i++) {
        if (b->index[i] < 0) {
            v->broken++;
            continue;
        }
        int label = map && b->label[i] >= 0 ? map[b->label[i]] : b->label[i];
        count_image(v, c, b->index[i], logits + (size_t)i * (size_t)classes, classes, label, e);
    }
    return e->status;
}

mx_status mx_evaluate(mx_evaluation *out, const mx_classifier *m, const mx_loader_config *config,
                      const int32_t *map, mx_error *e) {
    mx_loader_config lc = *config;
    mx_loader *loader = NULL;
    counts c = {0};
    int64_t count = mx_dataset_count(config->data);
    memset(out, 0, sizeof *out);
    out->label = malloc(sizeof *out->label * (size_t)count);
    out->index = malloc(sizeof *out->index * (size_t)count);
    out->predicted = malloc(sizeof *out->predicted * (size_t)count);
    if (!out->label || !out->predicted || !out->index)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the predictions of %lld images",
                       (long long)count);
    lc.transform.augment = false, lc.no_replacement = true, lc.batch = m->batch, lc.first_batch = 0;
    lc.batches_per_epoch = (count + lc.batch - 1) / lc.batch;
    if (mx_loader_open(&loader, &lc, e)) return e->status;
    for (int64_t n = 0; n < lc.batches_per_epoch && !e->status; n++) {
        mx_batch b;
        if (mx_loader_next(loader, &b, e)) break;
        const float *scores = m->scores(m->user, b.images, e);
        int64_t left = count - n * lc.batch;
        if (!scores) break;
        count_batch(out, &c, &b, left < lc.batch ? left : lc.batch, scores, m->classes, map, e);
    }
    mx_loader_close(loader);
    if (e->status) return e->status;
    if (!out->images)
        return mx_fail(e, MX_ERR_DATA, "none of the %lld images could be read", (long long)count);
    out->top1 = 100 * (double)c.first / (double)out->images,
    out->top5 = 100 * (double)c.fifth / (double)out->images;
    out->loss = c.loss / (double)out->images;
    return e->status;
}

void mx_evaluation_free(mx_evaluation *v) {
    if (!v) return;
    free(v->index), free(v->label), free(v->predicted);
    *v = (mx_evaluation){0};
}
