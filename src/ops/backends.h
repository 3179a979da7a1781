/* Backends by name: the registry, and the one place that chooses where to compute.
 *
 * A place is named NAME or NAME:N, device N of that backend from 0: "cpu" (vectorised, threaded C), "ref" (plain
 * C, one thread, defines every op), in builds for tests "mock" (mock/backend.c). NULL is the default: the first of
 * the list. */
#ifndef MX_OPS_BACKENDS_H
#define MX_OPS_BACKENDS_H

#include "ops/context.h"

/* The place that NULL means, a name. Static. */
const char *mx_backend_default(void);
/* NULL when this build lacks it or there is no such backend. Static lifetime. */
const mx_backend *mx_backend_find(const char *place);
/* Backend and number of a place into c->backend and c->number. MX_ERR_UNSUPPORTED: this build or this machine
 * lacks it, or the environment's MIXMAE_ISA names an instruction set that this machine does not run; the message
 * says what there is. */
mx_status mx_backend_open(mx_ctx *c, const char *place, mx_error *e);
/* Only the last of those. */
mx_status mx_backend_check(const mx_backend *b, mx_error *e);
/* Bytes free on c's device now; 0: not known, or it computes on host memory. */
size_t mx_backend_available(const mx_ctx *c);
const char *mx_backend_name(const mx_backend *b);
/* e.g. "avx2" for cpu; "" for ref. */
const char *mx_backend_isa(const mx_backend *b);
/* Multiplies bf16 faster than f32: its processor or device has products of its own for that. So far only cpu
 * on the instruction set avx512bf16. */
bool mx_backend_bf16(const mx_backend *b);
/* Has memory of its own: device.h. */
bool mx_backend_is_device(const mx_backend *b);
/* What there is, also for tests: "cpu (avx2), ref, mock"; or what is missing: "cpu backend". Empty: none. */
void mx_backend_names(char *text, size_t size, bool there);

#endif
