/* The thread pool (src/base/parallel.h). Also run under ThreadSanitizer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/parallel.h"

enum { MOST = 5000 };

typedef struct {
    int64_t tasks;
    int threads;
    int count[MOST];     /* plain: two threads in one task would be seen by ThreadSanitizer */
    atomic_int busy[64]; /* by thread index */
    atomic_int wrong;
    atomic_uint seen; /* which thread indices, as bits */
    int64_t work;
} loop;

static volatile double sink;

static void spin(int64_t work) {
    double x = 1;
    for (int64_t i = 0; i < work; i++) x = x * 1.0000001 + 1e-9;
    if (x < 0) sink = x;
}

static void task(void *arg, int64_t t, int thread) {
    loop *l = arg;
    if (t < 0 || t >= l->tasks || thread < 0 || thread >= l->threads) {
        atomic_fetch_add(&l->wrong, 1);
        return;
    }
    if (atomic_exchange(&l->busy[thread], 1)) atomic_fetch_add(&l->wrong, 1); /* an index in use twice */
    l->count[t]++;
    spin(l->work);
    atomic_fetch_or(&l->seen, 1u << (thread < 31 ? thread : 31));
    atomic_store(&l->busy[thread], 0);
}

/* Runs the loop; 0 when each task ran once. */
static int run(loop *l, int threads, int64_t tasks, int64_t work) {
    *l = (loop){.tasks = tasks, .threads = threads, .work = work};
    mx_parallel(threads, tasks, task, l);
    int bad = atomic_load(&l->wrong);
    for (int64_t t = 0; t < tasks; t++) bad += l->count[t] != 1;
    return bad;
}

static void each_task_runs_once(void **state) {
    (void)state;
    static loop l;
    const int64_t tasks[] = {0, 1, 2, 3, 17, 1000, MOST};
    const int threads[] = {1, 2, 3, 8, 16, 64};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        for (size_t j = 0; j < sizeof threads / sizeof *threads; j++)
            assert_int_equal(run(&l, threads[j], tasks[i], 20), 0);
}

/* Many short loops one after another: helpers of one are late for it and must not touch the next. */
static void many_short_loops(void **state) {
    (void)state;
    static loop l;
    for (int i = 0; i < 20000; i++) assert_int_equal(run(&l, 4, 1 + i % 7, i % 50), 0);
}

/* After helpers have gone to sleep they come back. */
static void helpers_wake_up(void **state) {
    (void)state;
    static loop l;
    int helped = 0;
    for (int i = 0; i < 200 && !helped; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        assert_int_equal(run(&l, 2, 64, 20000), 0);
        helped = atomic_load(&l.seen) & 2;
    }
    assert_true(helped);
}

static void *caller(void *arg) {
    loop *l = malloc(sizeof *l);
    int *bad = arg;
    for (int i = 0; i < 300 && l; i++) *bad += run(l, 3, 40 + i % 5, 200);
    if (!l) *bad = 1;
    free(l);
    return NULL;
}

/* More callers at once than the pool has slots. */
static void several_callers_at_once(void **state) {
    (void)state;
    enum { CALLERS = 24 };
    pthread_t thread[CALLERS];
    int bad[CALLERS] = {0};
    for (int i = 0; i < CALLERS; i++) assert_int_equal(pthread_create(&thread[i], NULL, caller, &bad[i]), 0);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(bad[i], 0);
    }
}

static void inner(void *arg, int64_t t, int thread) {
    (void)t, (void)thread;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void outer(void *arg, int64_t t, int thread) {
    (void)t, (void)thread;
    mx_parallel(3, 10, inner, arg);
}

static void loops_may_nest(void **state) {
    (void)state;
    atomic_int total = 0;
    mx_parallel(4, 50, outer, &total);
    assert_int_equal(atomic_load(&total), 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once), cmocka_unit_test(many_short_loops),
        cmocka_unit_test(helpers_wake_up),     cmocka_unit_test(several_callers_at_once),
        cmocka_unit_test(loops_may_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
