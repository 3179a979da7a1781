/* A context with memory that a dry run has measured: plan once, run any number of times. */
#ifndef MX_MODEL_SESSION_H
#define MX_MODEL_SESSION_H

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
    const char *backend;  /* "cpu" or "ref"; NULL: mx_session_backend's */
    int threads;          /* 0: mx_session_threads' */
    mx_dtype activations; /* MX_F32; MX_BF16: mixed precision */
    const char *chosen;   /* why "auto" took that, in words; NULL: it was asked for */
} mx_compute;

/* name, or what computes where none is named: cpu where this build has it. */
const char *mx_session_backend(const char *name);
/* number, or where it is 0 one for each core that this process may use. */
int mx_session_threads(int number);

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

#endif
