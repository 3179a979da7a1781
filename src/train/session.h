/* A context with memory that a dry run has measured: plan once, run any number of times. */
#ifndef MX_TRAIN_SESSION_H
#define MX_TRAIN_SESSION_H

#include "model/params.h"
#include "ops/ops.h"

typedef struct {
    mx_ctx ctx;
    mx_arena arena;
    size_t planned; /* bytes of the arena */
    double flops;   /* of the products of one run, as planned */
} mx_session;

typedef void mx_session_work(mx_ctx *c, void *user);

/* What computes, and in which precision. Static lifetime or longer than its user's: the name. */
typedef struct {
    const char *backend;  /* "cpu" or "ref"; NULL: cpu where this build has it */
    int threads;          /* 0: all processors */
    mx_dtype activations; /* MX_F32; MX_BF16: mixed precision */
} mx_compute;

/* From the options' texts; each may be NULL for its default. dtype "f32" or "bf16". */
mx_status mx_compute_make(mx_compute *how, const char *backend, const char *dtype, int64_t threads,
                          mx_error *e);
/* As a context that runs, in f32; on host memory, where the caller has its numbers. */
mx_compute mx_compute_like(const mx_ctx *c);
const char *mx_dtype_name(mx_dtype activations);
/* How weights are read that such a session will only read: a device takes a copy, so they need not be mapped.
 */
mx_params_use mx_compute_reading(const mx_compute *how);

/* Runs `work` dry, then makes an arena of exactly that peak.
 * products: NULL, or gets every product of the linear layers. Free with mx_session_free (also after a
 * failure). */
mx_status mx_session_make(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e);
/* The dry run alone: planned and flops are set, no memory is taken. */
mx_status mx_session_plan(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e);
void mx_session_free(mx_session *s);

/* Moves a failure of the context into e. */
mx_status mx_session_error(const mx_session *s, mx_error *e);
/* Processors this process may use. */
int mx_processors(void);

#endif
