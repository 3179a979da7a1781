/* Runs every row of the list as one cmocka test, after the program's other tests. */
#ifndef MX_TESTS_OPS_ROWS_H
#define MX_TESTS_OPS_ROWS_H

#include <string.h>

#include "cases.h"

#define MAX_TESTS 64

/* Runs other [others], then `test` for each row with takes(row); the row is the test's state. */
static int run_rows(const char *name, const struct CMUnitTest *other, size_t others, CMUnitTestFunction test,
                    bool (*takes)(const op_row *), CMFixtureFunction tear_down) {
    struct CMUnitTest tests[MAX_TESTS] = {{0}};
    if (others) memcpy(tests, other, sizeof *other * others);
    for (int i = 0; i < op_row_count && others < MAX_TESTS; i++)
        if (takes(&op_rows[i]))
            tests[others++] = (struct CMUnitTest){
                .name = op_rows[i].name, .test_func = test, .initial_state = (void *)(uintptr_t)&op_rows[i]};
    return _cmocka_run_group_tests(name, tests, others, NULL, tear_down);
}

#endif
