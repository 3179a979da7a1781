/* Loops over independent tasks on several threads: the one pool of the process.
 *
 * The caller takes tasks too and returns when all are done; it waits for tasks that were begun elsewhere,
 * never for a thread that has not begun: a helper that wakes late, because another program has its core,
 * finds nothing to do and holds nobody up. Idle helpers look for work for some tens of microseconds and then
 * sleep.
 *
 * Any thread may call at any time, also several at once, each with its own tasks, and from inside a task. */
#ifndef MX_BASE_PARALLEL_H
#define MX_BASE_PARALLEL_H

#include <stdint.h>

/* thread: which of this call's threads runs the task, in [0, threads), 0 for the caller: index of scratch. */
typedef void mx_task(void *arg, int64_t task, int thread);

/* body(arg, t, thread) for every t in [0, tasks), each once, handed out in order, on at most `threads`
 * threads. What is computed must not depend on `thread`. Where threads cannot be had the caller does the work
 * alone. */
void mx_parallel(int threads, int64_t tasks, mx_task *body, void *arg);

/* Cores this process may run on, at least 1. */
int mx_cores(void);

#endif
