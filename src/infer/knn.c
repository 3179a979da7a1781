/* Weighted k nearest neighbours by cosine similarity (DINO's). Source: docs/TRAINING.md, "The probes". See
 * features.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "infer/features.h"
#include "objective/evaluate.h"

#define MX_KNN_CELLS ((int64_t)16 << 20) /* similarities held at a time */

typedef struct {
    const mx_features *train;
    mx_session session;
    float *known, *asked, *similar; /* normalised features; [chunk, train->count] */
    int chunk;
} search;

/* Rows of length 1. */
static float *normalised(const mx_features *x) {
    float *y = malloc(sizeof *y * (size_t)(x->count * x->width));
    for (int64_t i = 0; y && i < x->count; i++) {
        const float *from = x->x + i * x->width;
        float *to = y + i * x->width;
        double sum = 0;
        for (int64_t j = 0; j < x->width; j++) sum += (double)from[j] * (double)from[j];
        double scale = sum > 0 ? 1 / sqrt(sum) : 0;
        for (int64_t j = 0; j < x->width; j++) to[j] = (float)(scale * (double)from[j]);
    }
    return y;
}

static void compare(mx_ctx *c, void *user) {
    search *s = user;
    int64_t width = s->train->width, count = s->train->count;
    mx_linear(c, mx_view(s->similar, MX_F32, s->chunk, count, 0, 0, 0),
              mx_view(s->asked, MX_F32, s->chunk, width, 0, 0, 0),
              mx_view(s->known, MX_F32, count, width, 0, 0, 0), MX_ABSENT);
}

/* Votes of the k nearest; true when the right class is among the first `places`. best is sorted downwards. */
static bool votes_for(const search *s, const float *row, const int *best, int k, double temperature,
                      double *vote, int classes, int label, int places) {
    int before = 0;
    memset(vote, 0, sizeof *vote * (size_t)classes);
    for (int i = 0; i < k; i++) /* over the nearest's: no temperature is too low for the exponential */
        vote[s->train->label[best[i]]] += exp(((double)row[best[i]] - (double)row[best[0]]) / temperature);
    for (int c = 0; c < classes; c++)
        before += vote[c] > vote[label] || (vote[c] == vote[label] && c < label);
    return before < places;
}

static void count_row(const search *s, mx_accuracy *out, const float *row, int label, int classes,
                      const int *ks, int n, double temperature, int *best, double *vote) {
    mx_top_k(row, (int)s->train->count, ks[n - 1], best);
    for (int i = 0; i < n; i++) {
        out[i].top1 += votes_for(s, row, best, ks[i], temperature, vote, classes, label, 1);
        out[i].top5 +=
            votes_for(s, row, best, ks[i], temperature, vote, classes, label, ks[i] < 5 ? ks[i] : 5);
    }
}

mx_status mx_knn(mx_accuracy *out, const mx_features *train, const mx_features *test, int classes,
                 const int *ks, int n, double temperature, const mx_ctx *like, mx_error *e) {
    int64_t chunk = MX_KNN_CELLS / train->count > 0 ? MX_KNN_CELLS / train->count : 1;
    const mx_compute how = mx_compute_like(like);
    search s = {.train = train, .chunk = (int)(chunk < test->count ? chunk : test->count)};
    float *queries = normalised(test);
    int *best = malloc(sizeof *best * (size_t)ks[n - 1]);
    double *vote = malloc(sizeof *vote * (size_t)classes);
    s.known = normalised(train);
    s.asked = calloc((size_t)s.chunk * (size_t)train->width, sizeof *s.asked);
    s.similar = malloc(sizeof *s.similar * (size_t)s.chunk * (size_t)train->count);
    memset(out, 0, sizeof *out * (size_t)n);
    if (!queries || !best || !vote || !s.known || !s.asked || !s.similar)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the neighbours of %lld images", (long long)train->count);
    else
        mx_session_make(&s.session, &how, compare, &s, NULL, e);
    for (int64_t at = 0; at < test->count && !e->status; at += s.chunk) {
        int64_t rows = test->count - at < s.chunk ? test->count - at : s.chunk;
        memcpy(s.asked, queries + at * test->width, sizeof *queries * (size_t)(rows * test->width));
        compare(&s.session.ctx, &s);
        mx_session_error(&s.session, e);
        for (int64_t i = 0; i < rows && !e->status; i++)
            count_row(&s, out, s.similar + i * train->count, test->label[at + i], classes, ks, n, temperature,
                      best, vote);
    }
    for (int i = 0; i < n; i++)
        out[i].top1 *= 100.0 / (double)test->count, out[i].top5 *= 100.0 / (double)test->count;
    mx_session_free(&s.session);
    free(queries), free(best), free(vote), free(s.known), free(s.asked), free(s.similar);
    return e->status;
}
