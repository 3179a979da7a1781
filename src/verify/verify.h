/* Recomputes the tensors of a golden file. Source: tests/golden/README.md.
 *
 * A golden file holds weights, inputs and everything that the authors' program computed from them. The check
 * recomputes it all and compares the relative errors ‖a−b‖/‖b‖ with the limits of a correct float32 implementation. */
#ifndef MX_VERIFY_VERIFY_H
#define MX_VERIFY_VERIFY_H

#include "io/safetensors.h"
#include "train/compute.h"

/* The quantity checked, which determines the limit. */
typedef enum {
    MX_CHECK_FORWARD,
    MX_CHECK_LOSS,
    MX_CHECK_GRADIENT,
    MX_CHECK_GRADIENT_MEDIAN, /* over all gradients of a file; mixed precision only */
    MX_CHECK_AFTER,           /* weights after steps; not compared in mixed precision */
    MX_CHECK_TABLE,
    MX_CHECK_KEY_BIAS, /* absolute distance from param: the key third of qkv.bias has no true gradient */
    MX_CHECK_SETTING,  /* numbers computed in double */
    MX_CHECKS
} mx_check_kind;

typedef struct {
    char name[160];
    mx_check_kind kind;
    double error, limit;
} mx_check;

typedef struct {
    const mx_st *golden;
    mx_dtype activations;
    mx_check *check; /* worst last after mx_verify_file */
    int count, capacity, failed;
    mx_st_tensor *out; /* the recomputed tensors under the golden names; data and names are owned */
    int outs, out_capacity;
    mx_error error;
} mx_report_card;

/* Recomputes a file. MX_OK even when limits are exceeded: see card->failed. */
mx_status mx_verify_file(mx_report_card *card, const char *path, const mx_compute *how, mx_error *e);
/* Writes the recomputed tensors. */
mx_status mx_verify_write(const mx_report_card *card, const char *path, mx_error *e);
void mx_report_card_free(mx_report_card *card);

/* For pretrain.c and classify.c: compares `values` with the golden tensor `name` and keeps a copy. */
void mx_card_compare(mx_report_card *card, const char *name, const float *values, int64_t count,
                     mx_check_kind kind);
void mx_card_add(mx_report_card *card, const char *name, double error, mx_check_kind kind);
/* The f32 content of a golden tensor (free it) or NULL and card->error. count may be NULL. */
float *mx_card_read(mx_report_card *card, const char *name, int64_t *count);

/* pretrain.c, classify.c */
void mx_verify_pretrain(mx_report_card *card, const mx_compute *how);
void mx_verify_classify(mx_report_card *card, const mx_compute *how);
void mx_verify_interpolate(mx_report_card *card);

#endif
