/* with_isa ISA COMMAND [ARGUMENT...]: runs the command with one instruction set of the cpu backend. Exits
 * with 77, which the test runner shows as skipped, if this machine or build lacks it. ISA ref or cuda-host: the test
 * runs only on that backend (backends.h), so that all entries of a test together cover each backend once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/ops.h"

#define SKIPPED 77

int main(int argc, char **argv) {
    mx_error e = {0};
    bool whole = argc > 1 && (!strcmp(argv[1], "ref") || !strcmp(argv[1], "cuda-host"));
    if (argc < 3 || setenv(whole ? "MIXMAE_TEST_ONLY" : "MIXMAE_ISA", argv[1], 1)) return EXIT_FAILURE;
    const char *name = whole ? argv[1] : "cpu";
    const mx_backend *b = mx_backend_find(name);
    if (!b || (!whole && mx_backend_check(b, &e))) {
        printf("skipped: %s%s\n", b ? e.text : name, b ? "" : " is not part of this build");
        return SKIPPED;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return EXIT_FAILURE;
}
