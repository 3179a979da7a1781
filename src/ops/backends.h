/* The registry of backends. Only this file chooses where to compute.
 *
 * A place is NAME or NAME:N, where N numbers the backend's devices from 0. Names: "cpu" (vectorised, threaded
 * C), "ref" (plain C, one thread, defines every op) and, in test builds, "mock" (mock/backend.c). NULL is the
 * default: the first backend that this build has. */
#ifndef MX_OPS_BACKENDS_H
#define MX_OPS_BACKENDS_H

#include "ops/context.h"

/* Name of the default backend. Static lifetime. */
const char *mx_backend_default(void);
/* NULL when the backend does not exist or this build lacks it. Static lifetime. */
const mx_backend *mx_backend_find(const char *place);
/* The first backend that computes on host memory. */
const mx_backend *mx_backend_host(void);
/* Sets c->backend and c->number from a place. MX_ERR_UNSUPPORTED: this build or machine lacks it, or the environment
 * variable MIXMAE_ISA names an instruction set that this machine does not run. The message lists the choices. */
mx_status mx_backend_open(mx_ctx *c, const char *place, mx_error *e);
/* Checks only the instruction set. */
mx_status mx_backend_check(const mx_backend *b, mx_error *e);
/* Bytes free on c's device now. 0: not known, or the backend computes on host memory. */
size_t mx_backend_available(const mx_ctx *c);
const char *mx_backend_name(const mx_backend *b);
/* e.g. "avx2" for cpu; "" for ref. */
const char *mx_backend_isa(const mx_backend *b);
/* True when the hardware has bf16 products, faster than f32. So far only cpu with instruction set avx512bf16. */
bool mx_backend_bf16(const mx_backend *b);
/* True when the backend has its own memory (device.h). */
bool mx_backend_is_device(const mx_backend *b);
/* Writes a list for messages. there: the backends of this build, including those for tests, as in "cpu (avx2), ref,
 * mock". Otherwise the missing ones, as in "cpu backend"; "" if none. */
void mx_backend_names(char *text, size_t size, bool there);

#endif
