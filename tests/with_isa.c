/* with_isa ISA COMMAND [ARGUMENT...]: runs the command with the cpu backend of one instruction set; exits
 * with 77, which the test runner shows as skipped, where this machine or build lacks it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ops/ops.h"

#define SKIPPED 77

int main(int argc, char **argv) {
    mx_error e = {0};
    if (argc < 3 || setenv("MIXMAE_ISA", argv[1], 1)) return EXIT_FAILURE;
    const mx_backend *cpu = mx_backend_find("cpu");
    if (!cpu || mx_backend_check(cpu, &e)) {
        printf("skipped: %s\n", cpu ? e.text : "backend cpu is not part of this build");
        return SKIPPED;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return EXIT_FAILURE;
}
