/* Chooses device, precision and threads from the options, and describes the choice in words. */
#ifndef MX_TRAIN_COMPUTE_H
#define MX_TRAIN_COMPUTE_H

#include "model/params.h"
#include "model/session.h"

/* Takes the options' texts; NULL: the default. Only this function chooses a type. dtype:
 *   "f32", "bf16"
 *   "auto" (default)         bf16 where mx_backend_bf16, else f32
 *   "auto:f32", "auto:bf16"  the type that auto chose when a run began, from its options.ini. For auto:bf16 on a
 *                            machine without bf16 products: MX_ERR_UNSUPPORTED, naming the --dtype to use */
mx_status mx_compute_make(mx_compute *how, const char *device, const char *dtype, int64_t threads,
                          mx_error *e);
/* Backend and threads of an existing context, in f32. For a device's context the default backend, because the
 * caller's numbers are in host memory. */
mx_compute mx_compute_like(const mx_ctx *c);
const char *mx_dtype_name(mx_dtype activations);
/* A line for the start of a run: "backend cpu avx512bf16, bf16 (auto: ...), 2 threads". */
void mx_compute_text(const mx_compute *how, char *out, size_t size);
/* The value of --dtype that keeps this type in a resumed run: "f32", "bf16", "auto:f32" or "auto:bf16". Static. */
const char *mx_compute_dtype(const mx_compute *how);
/* The instruction set that the bytes of a run depend on. In f32, avx512bf16 is reported as avx512, which gives
 * the same bytes. Backends without instruction sets give their own name ("ref"). Static. */
const char *mx_compute_isa(const mx_compute *how);
/* How to load weights for a read-only session: a device takes a copy, so they need not be mapped. */
mx_params_use mx_compute_params_use(const mx_compute *how);

#endif
