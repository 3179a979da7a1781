/* Which backends a test runs on. */
#ifndef MX_TESTS_BACKENDS_H
#define MX_TESTS_BACKENDS_H

#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

/* This build has the backend; and where one instruction set is tested (with_isa.c), it is not ref, which has
 * none. */
static inline bool has_backend(const char *name) {
    return mx_backend_find(name) && !(getenv("MIXMAE_ISA") && !strcmp(name, "ref"));
}

#endif
