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
    const char *backend;  /* where, a place (backends.h); NULL: the default */
    int threads;          /* 0: all processors */
    mx_dtype activations; /* MX_F32; MX_BF16: mixed precision */
    const char *chosen;   /* why "auto" took that, in words; NULL: it was asked for */
} mx_compute;

/* From the options' texts; each may be NULL for its default. The one place where a type is chosen. dtype:
 *   "f32", "bf16"
 *   "auto" (default)         bf16 where mx_backend_bf16, else f32
 *   "auto:f32", "auto:bf16"  what auto chose when a run began, as its options.ini holds it: kept. auto:bf16
 *                            without such products: MX_ERR_UNSUPPORTED, naming what --dtype can do instead */
mx_status mx_compute_make(mx_compute *how, const char *backend, const char *dtype, int64_t threads,
                          mx_error *e);
/* As a context that runs, in f32; on host memory, where the caller has its numbers. */
mx_compute mx_compute_like(const mx_ctx *c);
const char *mx_dtype_name(mx_dtype activations);
/* For a run's first lines: "backend cpu avx512bf16, bf16 (auto: ...), 2 threads". */
void mx_compute_text(const mx_compute *how, char *out, size_t size);
/* The option that keeps how's type in a resumed run: "f32", "bf16", "auto:f32" or "auto:bf16". Static. */
const char *mx_compute_dtype(const mx_compute *how);
/* What the bytes of a run depend on: the instruction set that computes it. avx512 for avx512bf16 in f32,
 * which computes the same bytes; "ref" of that backend. Static. */
const char *mx_compute_bytes(const mx_compute *how);
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

#endif
