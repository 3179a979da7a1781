/* Loops over independent tasks on several threads. The process has one pool of helper threads.
 *
 * The caller runs tasks too and returns when all are done. It waits only for tasks that helpers have begun: a helper
 * that wakes late, because another program has its core, finds no tasks and delays nobody. Idle helpers poll for some
 * tens of microseconds and then sleep.
 *
 * Any thread may call at any time: several at once, each with its own tasks, and also from inside a task. */
#ifndef MX_BASE_PARALLEL_H
#define MX_BASE_PARALLEL_H

#include <stdint.h>

/* thread: number in [0, threads) of the thread that runs the task, 0 for the caller; use it to index scratch memory. */
typedef void mx_task(void *arg, int64_t task, int thread);

/* body(arg, t, thread) for every t in [0, tasks), each once, handed out in order, on at most `threads`
 * threads. Results must not depend on `thread`. If no threads can be started, the caller does all the work. */
void mx_parallel(int threads, int64_t tasks, mx_task *body, void *arg);

/* Cores this process may run on, at least 1. */
int mx_cores(void);

#endif
