/* The state of a computation: which backend, which memory, the first error, what was counted. */
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
    int64_t calls; /* how often a step does it */
} mx_product;

typedef struct {
    mx_product *item; /* owner: whoever set mx_ctx.products; free(item) */
    int count, capacity;
} mx_products;

/* The parts of a training step. The front end knows one turn itself: behind a loss that writes a gradient,
 * backward begins. The others are named by the caller. */
typedef enum { MX_PHASE_FORWARD, MX_PHASE_BACKWARD, MX_PHASE_UPDATE, MX_PHASES } mx_phase;

#define MX_PROFILE_OPS 128 /* pairs of op and phase; more are not counted */

/* Time by op and phase, filled when mx_ctx.profile is set; begins as zeros. */
typedef struct {
    const char *name[MX_PROFILE_OPS];
    mx_phase phase[MX_PROFILE_OPS];
    double seconds[MX_PROFILE_OPS], flops[MX_PROFILE_OPS];
    int64_t calls[MX_PROFILE_OPS];
    int count;
    mx_phase now;
    double since, wall[MX_PHASES]; /* when `now` was entered; time in each phase, in ops or not */
} mx_profile;

typedef struct {
    const mx_backend *backend;
    mx_arena *arena;
    int number;        /* which device of the backend, from 0 */
    mx_device *device; /* open, where numbers are not in host memory (device.h); or NULL */
    int threads;       /* >= 1 */
    mx_dtype
        activations; /* MX_F32, or MX_BF16 in mixed precision: what the model multiplies (model/block.c) */
    bool planning;   /* arena->planning too */
    uint64_t seed, step;
    uint32_t micro; /* micro-batch of the step */
    mx_error error; /* sticky */
    double flops;   /* of all products done (or planned) since the caller last zeroed it, 2 a multiply-add */
    mx_products *products; /* or NULL */
    mx_profile *profile;   /* or NULL */
} mx_ctx;

/* Ends the phase that runs, if one does, and begins another. p may be NULL. */
void mx_profile_enter(mx_profile *p, mx_phase phase);

static inline bool mx_ok(const mx_ctx *c) { return c->error.status == MX_OK; }

/* Uninitialised tensor on the arena; valid until the arena is released below it. Absent after an error. */
mx_tensor mx_alloc(mx_ctx *c, mx_dtype type, int ndim, const int64_t *dim);
mx_tensor mx_alloc_like(mx_ctx *c, mx_tensor t);

#endif
