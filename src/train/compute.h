/* Choosing what computes, and in which precision, from the options' texts; and what to say of it. */
#ifndef MX_TRAIN_COMPUTE_H
#define MX_TRAIN_COMPUTE_H

#include "model/params.h"
#include "model/session.h"

/* From the options' texts; each may be NULL for its default. The one place where a type is chosen. dtype:
 *   "f32", "bf16"
 *   "auto" (default)         bf16 where mx_backend_bf16, else f32
 *   "auto:f32", "auto:bf16"  what auto chose when a run began, as its options.ini holds it: kept. auto:bf16
 *                            without such products: MX_ERR_UNSUPPORTED, naming what --dtype can do instead */
mx_status mx_compute_make(mx_compute *how, const char *device, const char *dtype, int64_t threads,
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
const char *mx_compute_isa(const mx_compute *how);
/* How to load weights for a read-only session: a device takes a copy, so they need not be mapped. */
mx_params_use mx_compute_reading(const mx_compute *how);

#endif
