/* A context with an arena whose size a dry run measured: plan once, run any number of times. */
#ifndef MX_MODEL_SESSION_H
#define MX_MODEL_SESSION_H

#include "ops/ops.h"

typedef struct {
    mx_ctx ctx;
    mx_arena arena;
    size_t planned; /* bytes of the arena */
    double flops;   /* of the matrix products of one run, as planned */
} mx_session;

typedef void mx_session_work(mx_ctx *c, void *user);

/* Which device computes, and in which precision. The strings must outlive every user. */
typedef struct {
    const char *device;   /* a backend or one of its devices, "cpu", "mock:1"; NULL: the default one */
    int threads;          /* 0: see mx_session_threads */
    mx_dtype activations; /* MX_F32; MX_BF16: mixed precision */
    const char *chosen;   /* why "auto" chose this type, for messages; NULL: the user chose it */
} mx_compute;

/* name or, if NULL, the default device: cpu if this build has it. */
const char *mx_session_device(const char *name);
/* number or, if 0, one thread per core that this process may use. */
int mx_session_threads(int number);

/* Does a dry run of `work`, then makes an arena of exactly its peak size. products: NULL, or receives every product of
 * the linear layers. Free with mx_session_free, also after a failure. */
mx_status mx_session_make(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e);
/* Only the dry run: sets planned and flops, allocates no memory. */
mx_status mx_session_plan(mx_session *s, const mx_compute *how, mx_session_work *work, void *user,
                          mx_products *products, mx_error *e);
void mx_session_free(mx_session *s);

/* Copies the context's error, if any, into e. */
mx_status mx_session_error(const mx_session *s, mx_error *e);

#endif
