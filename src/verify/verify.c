/* The list of checks, its table and the entry point of `mixmae verify`, see verify.h. */
#include "verify/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits of a correct float32 implementation, and of one with bf16 products and activations. The latter are measured;
 * the golden files' README has the errors of emulated bf16 products alone. */
static double limit_of(const mx_report_card *card, mx_check_kind kind) {
    static const double f32[MX_CHECKS] = {2e-6, 1e-6, 1e-5, 1e-5, 1.5e-5, 2e-6, 5e-4, 1e-12},
                        bf16[MX_CHECKS] = {2e-2, 3e-3, 6e-2, 2e-2, INFINITY, 2e-6, INFINITY, 1e-12};
    return (card->activations == MX_BF16 ? bf16 : f32)[kind];
}

void mx_card_add(mx_report_card *card, const char *name, double error, mx_check_kind kind) {
    if (card->count == card->capacity) {
        int capacity = card->capacity ? 2 * card->capacity : 256;
        mx_check *check = realloc(card->check, sizeof *check * (size_t)capacity);
        if (!check) {
            mx_fail(&card->error, MX_ERR_MEMORY, "out of memory while listing checks");
            return;
        }
        card->check = check, card->capacity = capacity;
    }
    mx_check *c = &card->check[card->count++];
    *c = (mx_check){.kind = kind, .error = error, .limit = limit_of(card, kind)};
    snprintf(c->name, sizeof c->name, "%s", name);
    card->failed += !(error <= c->limit);
}

static void keep_output(mx_report_card *card, const mx_st_tensor *shape, const float *values) {
    if (card->outs == card->out_capacity) {
        int capacity = card->out_capacity ? 2 * card->out_capacity : 256;
        mx_st_tensor *out = realloc(card->out, sizeof *out * (size_t)capacity);
        if (!out) {
            mx_fail(&card->error, MX_ERR_MEMORY, "out of memory while keeping recomputed tensors");
            return;
        }
        card->out = out, card->out_capacity = capacity;
    }
    void *copy = malloc(shape->bytes ? shape->bytes : 1);
    char *name = strdup(shape->name);
    if (!copy || !name) {
        free(copy), free(name);
        mx_fail(&card->error, MX_ERR_MEMORY, "out of memory while keeping tensor %s", shape->name);
        return;
    }
    memcpy(copy, values, shape->bytes);
    mx_st_tensor *t = &card->out[card->outs++];
    *t = *shape;
    t->name = name, t->data = copy, t->dtype = "F32";
}

static double relative_error(const float *a, const float *b, int64_t n) {
    double diff = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        diff += d * d, norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(diff / norm) : diff > 0 ? INFINITY : 0;
}

float *mx_card_read(mx_report_card *card, const char *name, int64_t *count) {
    const mx_st_tensor *t = mx_st_find(card->golden, name);
    if (!t) {
        mx_fail(&card->error, MX_ERR_FORMAT, "tensor %s is missing", name);
        return NULL;
    }
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i]; /* the reader has checked the product against the file */
    float *values = malloc(sizeof *values * (size_t)(n ? n : 1));
    if (!values)
        mx_fail(&card->error, MX_ERR_MEMORY, "out of memory while reading %s", name);
    else if (mx_st_copy_f32(t, values, n, &card->error)) {
        free(values);
        return NULL;
    }
    if (count) *count = n;
    return values;
}

void mx_card_compare(mx_report_card *card, const char *name, const float *values, int64_t count,
                     mx_check_kind kind) {
    int64_t n = 0;
    if (card->error.status) return;
    float *golden = mx_card_read(card, name, &n);
    if (!golden) return;
    if (n != count)
        mx_fail(&card->error, MX_ERR_SHAPE, "tensor %s: expected %lld elements, found %lld", name,
                (long long)count, (long long)n);
    else {
        mx_card_add(card, name, relative_error(values, golden, n), kind);
        keep_output(card, mx_st_find(card->golden, name), values);
    }
    free(golden);
}

static int by_margin(const void *a, const void *b) {
    const mx_check *x = a, *y = b;
    double p = x->error / x->limit, q = y->error / y->limit;
    if (isnan(p) != isnan(q)) return isnan(p) ? 1 : -1;
    return p < q ? -1 : p > q ? 1 : strcmp(x->name, y->name);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In mixed precision a single gradient may be far off. The median of a correct implementation is not. */
static void add_median(mx_report_card *card) {
    int n = 0;
    double *error = malloc(sizeof *error * (size_t)(card->count ? card->count : 1));
    if (!error) return (void)mx_fail(&card->error, MX_ERR_MEMORY, "out of memory for a median");
    for (int i = 0; i < card->count; i++)
        if (card->check[i].kind == MX_CHECK_GRADIENT) error[n++] = card->check[i].error;
    qsort(error, (size_t)n, sizeof *error, by_size);
    if (n) mx_card_add(card, "median of all gradients", error[n / 2], MX_CHECK_GRADIENT_MEDIAN);
    free(error);
}

mx_status mx_verify_file(mx_report_card *card, const char *path, const mx_compute *how, mx_error *e) {
    mx_st *st = NULL;
    memset(card, 0, sizeof *card);
    card->activations = how->activations;
    if (mx_st_open(&st, path, e)) return e->status;
    card->golden = st;
    if (mx_st_meta(st, "config_from"))
        mx_verify_interpolate(card);
    else if (mx_st_find(st, "targets"))
        mx_verify_classify(card, how);
    else if (mx_st_find(st, "images"))
        mx_verify_pretrain(card, how);
    else
        mx_fail(&card->error, MX_ERR_FORMAT, "no images and no tables: this is not a golden file");
    if (card->activations == MX_BF16) add_median(card);
    if (card->count) qsort(card->check, (size_t)card->count, sizeof *card->check, by_margin);
    mx_st_close(st);
    card->golden = NULL;
    if (!card->error.status) return MX_OK;
    mx_fail(e, card->error.status, "%s: %s", path, card->error.text);
    return e->status;
}

mx_status mx_verify_write(const mx_report_card *card, const char *path, mx_error *e) {
    return mx_st_write(path, card->out, card->outs, NULL, 0, e);
}

void mx_report_card_free(mx_report_card *card) {
    if (!card) return;
    for (int i = 0; i < card->outs; i++) {
        free((void *)card->out[i].name);
        free((void *)card->out[i].data);
    }
    free(card->out);
    free(card->check);
    memset(card, 0, sizeof *card);
}
