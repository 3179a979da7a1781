/* Recomputing what a golden file holds, tensor by tensor. Source: tests/golden/README.md.
 *
 * A golden file holds the weights, inputs and everything that the authors' program computed from them. This
 * recomputes it all and lists the relative errors ‖a−b‖/‖b‖ against the limits of a right float32
 * implementation. */
#ifndef MX_TRAIN_VERIFY_H
#define MX_TRAIN_VERIFY_H

#include "io/safetensors.h"

#define MX_LIMIT_FORWARD  2e-6
#define MX_LIMIT_LOSS     1e-6
#define MX_LIMIT_GRADIENT 1e-5
#define MX_LIMIT_AFTER    1.5e-5
#define MX_LIMIT_TABLE    2e-6
#define MX_LIMIT_KEY_BIAS 5e-4 /* absolute, against param: the key third of qkv.bias has no true gradient */

typedef struct {
    char name[160];
    double error, limit;
} mx_check;

typedef struct {
    const mx_st *golden;
    mx_check *check; /* worst last after mx_verify_file */
    int count, capacity, failed;
    mx_st_tensor *out; /* the recomputed tensors under the golden names; data and names are owned */
    int outs, out_capacity;
    mx_error error;
} mx_report_card;

/* Recomputes a file with a backend ("ref" or "cpu"). MX_OK also when limits were passed: see card->failed. */
mx_status mx_verify_file(mx_report_card *card, const char *path, const char *backend, int threads,
                         mx_error *e);
/* Writes the recomputed tensors. */
mx_status mx_verify_write(const mx_report_card *card, const char *path, mx_error *e);
void mx_report_card_free(mx_report_card *card);

/* For the parts below verify.c: compares `values` with the golden tensor `name` and keeps a copy. */
void mx_card_compare(mx_report_card *card, const char *name, const float *values, int64_t count,
                     double limit);
void mx_card_add(mx_report_card *card, const char *name, double error, double limit);
/* The f32 content of a golden tensor (free it) or NULL and card->error. count may be NULL. */
float *mx_card_read(mx_report_card *card, const char *name, int64_t *count);

/* verify_pretrain.c, verify_classify.c */
void mx_verify_pretrain(mx_report_card *card, const char *backend, int threads);
void mx_verify_classify(mx_report_card *card, const char *backend, int threads);
void mx_verify_interpolate(mx_report_card *card);

#endif
