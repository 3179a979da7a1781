/* Changes to an open data set before training: a share of each class (fine-tuning with few labels), and the
 * training set's labels for the held-out set. */
#include "data/compose.h"
#include "data/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Class of sample i. Unlabelled samples are a class after all others. */
static int64_t class_of(const mx_dataset *d, int64_t i) {
    int32_t label = d->index.file[i].label;
    return label < 0 ? d->index.classes : label;
}

/* One class: the number of samples still to come, and of those to keep. Selection sampling (Knuth, The Art of Computer
 * Programming 2, 3.4.2, algorithm S) keeps every subset of that size with equal probability, in listing order. */
typedef struct {
    int64_t left, want;
    mx_rng rng;
} quota;

/* Counts the images of each class in q[class_of].left. The caller frees q; NULL: out of memory. */
static quota *count_classes(const mx_dataset *d, mx_error *e) {
    quota *q = calloc((size_t)d->index.classes + 1, sizeof *q);
    if (!q) mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld classes", (long long)d->index.classes);
    for (int64_t i = 0; q && i < d->index.files; i++) q[class_of(d, i)].left++;
    return q;
}

/* Keeps the samples that the quotas choose or, with rest, the others. Frees q. */
static mx_status keep(mx_dataset *d, quota *q, bool rest, mx_error *e) {
    mx_index *x = &d->index;
    int64_t kept = 0;
    for (int64_t i = 0; i < x->files; i++) {
        quota *c = &q[class_of(d, i)];
        bool chosen = (int64_t)mx_rng_below(&c->rng, (uint64_t)c->left--) < c->want;
        if (chosen) c->want--;
        if (chosen != rest) x->file[kept++] = x->file[i];
    }
    x->files = kept;
    free(q);
    return mx_dataset_settle(d, e);
}

mx_status mx_dataset_take_fraction(mx_dataset *d, double fraction, uint64_t seed, mx_error *e) {
    if (!(fraction > 0 && fraction <= 1))
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "share of the images: expected more than 0 and at most 1, found %g", fraction);
    quota *q = count_classes(d, e);
    if (!q) return MX_ERR_MEMORY;
    for (int64_t c = 0; c <= d->index.classes; c++) {
        int64_t want = (int64_t)floor(fraction * (double)q[c].left + 0.5);
        q[c].want = want < 1 ? 1 : want;
        q[c].rng = mx_rng_make(seed, MX_RNG_SUBSET, (uint64_t)c, 0);
    }
    return keep(d, q, false, e);
}

mx_status mx_dataset_take_share(mx_dataset *d, double share, uint64_t seed, bool held, mx_error *e) {
    if (!(share > 0 && share < 1))
        return mx_fail(e, MX_ERR_ARGUMENT, "held-out share: expected more than 0 and less than 1, found %g",
                       share);
    quota *q = count_classes(d, e);
    if (!q) return MX_ERR_MEMORY;
    int64_t all = 0;
    for (int64_t c = 0; c <= d->index.classes; c++) {
        int64_t want = (int64_t)floor(share * (double)q[c].left + 0.5), most = q[c].left - 1;
        q[c].want = want < 1 ? 1 : want;
        if (q[c].want > most) q[c].want = most < 0 ? 0 : most;
        q[c].rng = mx_rng_make(seed, MX_RNG_SHARE, (uint64_t)c, 0);
        all += q[c].want;
    }
    if (all) return keep(d, q, !held, e);
    free(q);
    char root[MX_QUOTE];
    return mx_fail(e, MX_ERR_DATA,
                   "held-out share: expected two images of a class at least, found one of each in %s",
                   mx_quote(root, mx_dataset_root(d)));
}

mx_status mx_dataset_drop(mx_dataset *d, const bool *out, mx_error *e) {
    mx_index *x = &d->index;
    int64_t kept = 0;
    for (int64_t i = 0; i < x->files; i++)
        if (!out[i]) x->file[kept++] = x->file[i];
    x->files = kept;
    return mx_dataset_settle(d, e);
}

typedef struct {
    char *name; /* composed (compose.h), since the parts may come from different systems */
    int32_t label;
} named;

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->label > y->label) - (x->label < y->label);
}

/* The label of a name in the sorted table, the lowest if there are several; -1: none. */
static int32_t look_up(const named *table, int64_t n, const char *name) {
    int32_t label = -1;
    for (int64_t lo = 0, hi = n; lo < hi;) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(name, table[mid].name);
        if (!order) label = table[mid].label;
        if (order <= 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return label;
}

/* to[c] = train's label of val's class c, or -1. False: out of memory. */
static bool match(const mx_index *train, const mx_index *val, int32_t *to) {
    named *table = calloc((size_t)train->classes + 1, sizeof *table);
    bool good = table;
    for (int64_t c = 0; good && c < train->classes; c++) {
        table[c] = (named){mx_name_composed(train->names + train->class_name[c]), (int32_t)c};
        good = table[c].name;
    }
    if (good) qsort(table, (size_t)train->classes, sizeof *table, by_name);
    for (int64_t c = 0; good && c < val->classes; c++) {
        const char *name = val->names + val->class_name[c];
        bool same = c < train->classes && !strcmp(name, train->names + train->class_name[c]);
        char *key = mx_name_composed(name);
        good = key;
        to[c] =
            same || !key ? (int32_t)c : look_up(table, train->classes, key); /* same: two may share a name */
        free(key);
    }
    for (int64_t c = 0; table && c < train->classes; c++) free(table[c].name);
    free(table);
    return good;
}

/* Makes val's table of classes a copy of train's. */
static mx_status take_classes(mx_index *val, const mx_index *train, mx_error *e) {
    mx_status s = MX_OK;
    val->classes = 0;
    for (int64_t c = 0; c < train->classes && !s; c++) {
        const char *name = train->names + train->class_name[c];
        s = mx_index_add_class(val, name, strlen(name), e);
    }
    return s;
}

mx_status mx_dataset_same_classes(const mx_dataset *train, mx_dataset *val, mx_error *e) {
    const mx_index *t = &train->index;
    mx_index *v = &val->index;
    char name[MX_QUOTE], a[MX_QUOTE], b[MX_QUOTE];
    mx_status s = mx_dataset_need_classes(train, 1, e);
    if (!s) s = mx_dataset_need_classes(val, 1, e);
    if (s) return s;
    int32_t *to = malloc((size_t)v->classes * sizeof *to);
    if (!to || !match(t, v, to)) {
        free(to);
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld classes", (long long)v->classes);
    }
    for (int64_t i = 0; i < v->files && !s; i++) { /* before any change */
        int32_t label = v->file[i].label;
        if (label >= 0 && to[label] < 0)
            s = mx_fail(e, MX_ERR_DATA,
                        "class %s of the held-out images in %s is not among the %lld classes of the training "
                        "images in %s",
                        mx_quote(name, v->names + v->class_name[label]), mx_quote(a, mx_dataset_root(val)),
                        (long long)t->classes, mx_quote(b, mx_dataset_root(train)));
    }
    for (int64_t i = 0; i < v->files && !s; i++)
        if (v->file[i].label >= 0) v->file[i].label = to[v->file[i].label];
    free(to);
    if (!s) s = take_classes(v, t, e);
    return s ? s : mx_dataset_settle(val, e);
}
