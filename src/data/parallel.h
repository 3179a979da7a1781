/* A parallel loop over independent items, for work that waits on files or decodes: private to src/data. */
#ifndef MX_DATA_PARALLEL_H
#define MX_DATA_PARALLEL_H

#include <stdint.h>

/* Calls work(user, i) once for each i in [0,count), on up to `threads` threads of which the caller is one, in
 * any order; returns when all are done. Threads that cannot be started are done without. */
void mx_parallel(int threads, int64_t count, void (*work)(void *user, int64_t i), void *user);
/* Cores of this machine, at least 1. */
int mx_cores(void);

#endif
