/* The list of op cases (case_list.c): an op, its tensors and sizes. Programs run it in four ways: cpu against ref in
 * f32 (test_ops_cpu.c) and in bf16 (test_ops_bf16.c), ref's gradients against finite differences in double
 * (test_ops_gradients.c, where float is double), and for timing (time_ops.c).
 *
 * A row writes its tensors as words. Each letter or digit is a dimension, which the row's sizes give. Then "*4" scales
 * the random numbers, and "?" leaves the tensor out if the size B is 0. A word that begins with "$" is f64. */
#ifndef MX_TESTS_OPS_CASES_H
#define MX_TESTS_OPS_CASES_H

#include "ops/ops.h"

#define MAX_TENSOR 10
#define MAX_OUT    4
#define MAX_HALF   3

typedef void op_function(mx_ctx *c, const mx_tensor *t, const void *more);
/* d[i]: the gradient of tensor i, which the op overwrites or adds to. dy: the gradient of the output. */
typedef void back_function(mx_ctx *c, const mx_tensor *d, mx_tensor dy, const mx_tensor *t, const void *more);

/* letters: one for each column of v [count][8]. m is a map's number, which gives l (tokens) and e (entries of its
 * table); without w, w is h·d. The last `timed` of the `count` sizes are a model's, for timing only. */
typedef struct {
    const char *letters;
    const int64_t (*v)[8];
    int count, timed;
} op_sizes;

typedef struct {
    const char *types; /* one letter per tensor: h bf16, f f32, d f64 */
    double limit;      /* for f32 outputs */
    bool rounds_twice; /* bf16 outputs may be off by PROBABILITY_LIMIT (test_ops_bf16.c) */
} half_types;

typedef struct op_row {
    const char *name;
    op_function *op;
    int outs; /* number of outputs or updated tensors; these come first */
    const char *tensors;
    const op_sizes *sizes;
    double limit;              /* in f32, relative to the largest element; < 0: not run in f32 */
    half_types half[MAX_HALF]; /* ends with types NULL */
    const void *(*more)(const struct op_row *, int at); /* the op's last argument for sizes->v[at], or NULL */
    void (*prepare)(mx_tensor *t, const int64_t *sizes,
                    const void *more); /* after the random numbers, or NULL */
    /* Gradients, one letter per tensor: y the output, Y the same for a loss (dy = 1), o an input whose gradient is
     * overwritten, + one whose gradient is added to, . neither. NULL: no gradient. */
    const char *roles;
    back_function *back;
    op_function *forward; /* computes the output alone, if op computes more; else NULL */
} op_row;

typedef struct {
    const op_row *row;
    char name[96]; /* the row's name and sizes */
    mx_tensor t[MAX_TENSOR];
    int count;
    const void *more;
    int64_t numbers; /* elements of all tensors */
} op_case;

extern const op_row op_rows[];
extern const int op_row_count;

/* Makes the case of a row at sizes->v[at], with random tensors of `types` (NULL: f32). */
void case_make(op_case *k, const op_row *row, int at, const char *types);
void case_free(op_case *k);
/* Calls visit(table, bytes) with each index table that the case's op reads: a device's op needs them there. */
void case_tables(const op_case *k, void (*visit)(const void *table, size_t bytes));
int64_t case_size(const op_row *row, int at, char letter);
/* The layout for column m of sizes->v[at]. Made once and kept. */
const mx_layout *case_map(const op_row *row, int at);

#endif
