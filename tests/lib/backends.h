/* Which backends a test runs on. */
#ifndef MX_TESTS_BACKENDS_H
#define MX_TESTS_BACKENDS_H

#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

/* This build has the backend, and with_isa.c, if it runs the test, asks for it: one instruction set, which
 * ref has none of, or ref alone. */
static inline bool has_backend(const char *name) {
    bool ref = !strcmp(name, "ref");
    return mx_backend_find(name) && !(getenv("MIXMAE_ISA") && ref) && !(getenv("MIXMAE_TEST_ONLY") && !ref);
}

#endif
