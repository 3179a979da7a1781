/* The backends that a test runs on. */
#ifndef MX_TESTS_BACKENDS_H
#define MX_TESTS_BACKENDS_H

#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

/* Does this build have the backend, and is it wanted? If with_isa.c runs the test, it asks either for one
 * instruction set of cpu (then not ref), or for ref alone. */
static inline bool has_backend(const char *name) {
    bool ref = !strcmp(name, "ref");
    return mx_backend_find(name) && !(getenv("MIXMAE_ISA") && ref) && !(getenv("MIXMAE_TEST_ONLY") && !ref);
}

#endif
