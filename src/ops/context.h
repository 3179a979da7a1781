/* The state of a computation: backend, memory, first error, counters. */
#ifndef MX_OPS_CONTEXT_H
#define MX_OPS_CONTEXT_H

#include "base/arena.h"
#include "base/status.h"
#include "ops/tensor.h"

typedef struct mx_backend mx_backend;
typedef struct mx_device mx_device;

/* One matrix product of the step, for plans and the benchmark's matrix rate:
 * C[m,n] = A B with inner length k. trans_a/b as in BLAS on row-major matrices. */
typedef struct {
    int64_t m, n, k;
    bool trans_a, trans_b;
    int64_t calls; /* calls per step */
} mx_product;

typedef struct {
    mx_product *item; /* owned by the caller that set mx_ctx.products; free(item) */
    int count, capacity;
} mx_products;

/* The phases of a training step. The front end starts the backward phase after a loss that writes a gradient;
 * the caller starts the others. */
typedef enum { MX_PHASE_FORWARD, MX_PHASE_BACKWARD, MX_PHASE_UPDATE, MX_PHASES } mx_phase;

#define MX_PROFILE_OPS 128 /* pairs of op and phase; further pairs are not counted */

/* Time by op and phase, recorded when mx_ctx.profile is set. Zero it first. */
typedef struct {
    const char *name[MX_PROFILE_OPS];
    mx_phase phase[MX_PROFILE_OPS];
    double seconds[MX_PROFILE_OPS], flops[MX_PROFILE_OPS];
    int64_t calls[MX_PROFILE_OPS];
    int count;
    mx_phase now;
    double since, wall[MX_PHASES]; /* start of phase `now`; total time of each phase, outside ops too */
} mx_profile;

typedef struct {
    const mx_backend *backend;
    mx_arena *arena;
    int number;           /* which device of the backend, from 0 */
    mx_device *device;    /* the open device (device.h); NULL for host memory */
    int threads;          /* >= 1 */
    mx_dtype activations; /* of the model (model/block.c); MX_BF16: mixed precision, else MX_F32 */
    bool planning;        /* same as arena->planning */
    uint64_t seed, step;
    uint32_t micro; /* micro-batch of the step */
    mx_error error; /* sticky */
    double flops;   /* of all products done or planned since the caller zeroed it; 2 per multiply-add */
    mx_products *products; /* or NULL */
    mx_profile *profile;   /* or NULL */
} mx_ctx;

/* Ends the current phase, if any, and begins another. p may be NULL. */
void mx_profile_enter(mx_profile *p, mx_phase phase);

static inline bool mx_ok(const mx_ctx *c) { return c->error.status == MX_OK; }

/* Uninitialised tensor on the arena; valid until the arena is released below it. Absent after an error. */
mx_tensor mx_alloc(mx_ctx *c, mx_dtype type, int ndim, const int64_t *dim);
mx_tensor mx_alloc_like(mx_ctx *c, mx_tensor t);

#endif
