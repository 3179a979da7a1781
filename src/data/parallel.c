/* A parallel loop by a shared counter, see parallel.h. Used for indexing and statistics, where items take
 * very different times (a file may lie on a slow disk), so each thread takes the next item when it is done.
 */
#include "data/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define MX_PARALLEL_MAX 64

typedef struct {
    void (*work)(void *user, int64_t i);
    void *user;
    int64_t count;
    atomic_int_fast64_t next;
} job;

static void *run(void *p) {
    job *j = p;
    for (int64_t i; (i = atomic_fetch_add(&j->next, 1)) < j->count;) j->work(j->user, i);
    return NULL;
}

void mx_parallel(int threads, int64_t count, void (*work)(void *user, int64_t i), void *user) {
    job j = {.work = work, .user = user, .count = count};
    pthread_t id[MX_PARALLEL_MAX];
    int started = 0;
    if (threads > MX_PARALLEL_MAX) threads = MX_PARALLEL_MAX;
    if (threads > count) threads = (int)count;
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < threads - 1 && pthread_create(&id[started], NULL, run, &j) == 0) started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    run(&j);
    while (started > 0) pthread_join(id[--started], NULL);
}

int mx_cores(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
}
