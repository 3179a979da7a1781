/* Times each row of the op cases on the cpu backend: microseconds, the least of several runs, and GFLOP/s for ops that
 * count FLOPs. Not a test: it asserts nothing.
 *
 *   cmake --build build --target time_ops && build/time_ops [THREADS [part of a row's name]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cases.h"

#define LEAST_SECONDS 0.02

static void time_case(const op_row *row, int at, const char *types, mx_arena *arena, int threads) {
    op_case k;
    double best = 1e9, spent = 0, flops = 0;
    case_make(&k, row, at, types);
    mx_ctx c = {.backend = mx_backend_find("cpu"), .arena = arena, .threads = threads};
    for (int n = 0; (n < 3 || spent < LEAST_SECONDS) && mx_ok(&c); n++) {
        mx_arena_release(arena, 0);
        c.flops = 0;
        const double start = mx_clock_now();
        row->op(&c, k.t, k.more);
        const double took = mx_clock_now() - start;
        best = took < best ? took : best, spent += took, flops = c.flops;
    }
    printf("%-64s %10.1f", k.name, 1e6 * best);
    if (flops > 0) printf(" %8.1f", 1e-9 * flops / best);
    printf("%s%s\n", mx_ok(&c) ? "" : "  ", c.error.text);
    case_free(&k);
}

int main(int argc, char **argv) {
    mx_arena arena = {0};
    mx_error e = {0};
    const int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (!mx_backend_find("cpu") || mx_arena_make(&arena, (size_t)1 << 30, &e))
        return fprintf(stderr, "%s\n", e.status ? e.text : "backend cpu is not part of this build"),
               EXIT_FAILURE;
    printf("%-64s %10s %8s\n", "case", "us", "GFLOP/s");
    for (int i = 0; i < op_row_count; i++) {
        const op_row *row = &op_rows[i];
        if (argc > 2 && !strstr(row->name, argv[2])) continue;
        for (int at = 0; at < row->sizes->count; at++) {
            if (row->limit >= 0) time_case(row, at, NULL, &arena, threads);
            for (int h = 0; h < MAX_HALF && row->half[h].types; h++)
                time_case(row, at, row->half[h].types, &arena, threads);
        }
    }
    mx_arena_free(&arena);
    return EXIT_SUCCESS;
}
