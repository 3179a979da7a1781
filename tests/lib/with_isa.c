/* with_isa ISA COMMAND [ARGUMENT...]: runs the command with one instruction set of the cpu backend. Exits
 * with 77, which the test runner shows as skipped, if this machine or build lacks it. ISA ref: the test runs
 * only on ref (backends.h), so that all entries of a test together cover each backend once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/ops.h"

#define SKIPPED 77

int main(int argc, char **argv) {
    mx_error e = {0};
    bool ref = argc > 1 && !strcmp(argv[1], "ref");
    if (argc < 3 || setenv(ref ? "MIXMAE_TEST_ONLY" : "MIXMAE_ISA", argv[1], 1)) return EXIT_FAILURE;
    const mx_backend *cpu = mx_backend_find("cpu");
    if (!ref && (!cpu || mx_backend_check(cpu, &e))) {
        printf("skipped: %s\n", cpu ? e.text : "backend cpu is not part of this build");
        return SKIPPED;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return EXIT_FAILURE;
}
