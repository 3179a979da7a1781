/* The pool: callers put jobs into slots, and helper threads scan the slots for work.
 *
 * A slot serves one job after another; an epoch numbers them. Helpers change `seats` and `left` only by
 * compare-and-swap, and both contain the epoch, so a helper with an old epoch changes nothing. Other fields are read
 * only by threads with an unfinished task, during which the job cannot end. (An epoch repeats after 2^32 jobs of one
 * slot; a helper would have to sleep through all of them.) */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#define SLOTS       16   /* calls at once; further calls get no helpers */
#define MAX_HELPERS 255  /* 8 bits of `seats` */
#define SPINS       1000 /* polls before sleep: tens of microseconds */

typedef struct {
    _Alignas(64) atomic_uint_fast64_t seats; /* epoch << 8 | helpers that may still join */
    _Alignas(64) atomic_uint_fast64_t left;  /* epoch << 32 | tasks not yet taken */
    _Alignas(64) atomic_int_fast64_t done;
    atomic_bool used;
    uint32_t epoch;
    mx_task *body;
    void *arg;
    int64_t tasks;
} slot;

static struct {
    slot slot[SLOTS];
    _Alignas(64) atomic_uint published; /* number of jobs so far */
    atomic_int sleepers, waiters;
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    atomic_int helpers;
    int spins;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes and runs tasks of this epoch until none is left; notifies the caller once, at the end. */
static void do_tasks(slot *s, uint32_t epoch, int thread) {
    int64_t mine = 0, tasks = 0;
    uint_fast64_t left = atomic_load_explicit(&s->left, memory_order_acquire);
    while (left >> 32 == epoch && (uint32_t)left) {
        if (!atomic_compare_exchange_weak_explicit(&s->left, &left, left - 1, memory_order_acquire,
                                                   memory_order_acquire))
            continue;
        tasks = s->tasks;
        s->body(s->arg, tasks - (int64_t)(uint32_t)left, thread);
        mine++;
        left = atomic_load_explicit(&s->left, memory_order_acquire);
    }
    if (!mine || atomic_fetch_add(&s->done, mine) + mine < tasks || !atomic_load(&pool.waiters)) return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.finished);
    pthread_mutex_unlock(&pool.lock);
}

/* Joins a job that still has a seat. False: there is none. */
static bool help_someone(void) {
    for (int i = 0; i < SLOTS; i++) {
        slot *s = &pool.slot[i];
        uint_fast64_t seats = atomic_load_explicit(&s->seats, memory_order_acquire);
        while (seats & 255)
            if (atomic_compare_exchange_weak(&s->seats, &seats, seats - 1)) {
                do_tasks(s, (uint32_t)(seats >> 8), (int)(seats & 255));
                return true;
            }
    }
    return false;
}

/* Waits until more than `seen` jobs have been published. */
static void wait_for_work(unsigned seen) {
    for (int i = 0; i < pool.spins; i++) {
        if (atomic_load_explicit(&pool.published, memory_order_acquire) != seen) return;
        relax();
    }
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleepers, 1);
    while (atomic_load(&pool.published) == seen) pthread_cond_wait(&pool.work, &pool.lock);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void *helper(void *unused) {
    (void)unused;
    for (;;) {
        unsigned seen = atomic_load(&pool.published);
        if (!help_someone()) wait_for_work(seen);
    }
    return NULL;
}

/* Starts helpers until there are `wanted`, or as many as the system allows. Helpers block all signals, so that the
 * program's own threads receive them. */
static void start_helpers(int wanted) {
    sigset_t all, before;
    if (atomic_load_explicit(&pool.helpers, memory_order_acquire) >= wanted) return;
    pthread_mutex_lock(&pool.lock);
    if (!pool.spins) pool.spins = mx_cores() > 1 ? SPINS : 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t t; pool.helpers < wanted && !pthread_create(&t, NULL, helper, NULL); pool.helpers++)
        pthread_detach(t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_unlock(&pool.lock);
}

static slot *free_slot(void) {
    for (int i = 0; i < SLOTS; i++)
        if (!atomic_exchange(&pool.slot[i].used, true)) return &pool.slot[i];
    return NULL;
}

static void publish(slot *s, int helpers) {
    atomic_store(&s->done, 0);
    atomic_store_explicit(&s->left, (uint_fast64_t)s->epoch << 32 | (uint_fast64_t)s->tasks,
                          memory_order_release);
    atomic_store(&s->seats, (uint_fast64_t)s->epoch << 8 | (uint_fast64_t)helpers);
    atomic_fetch_add(&pool.published, 1);
    if (!atomic_load(&pool.sleepers)) return;
    pthread_mutex_lock(&pool.lock);
    if (helpers == 1)
        pthread_cond_signal(&pool.work);
    else
        pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

static void wait_until_done(slot *s) {
    for (int i = 0; i < pool.spins; i++) {
        if (atomic_load(&s->done) == s->tasks) return;
        relax();
    }
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.waiters, 1);
    while (atomic_load(&s->done) != s->tasks) pthread_cond_wait(&pool.finished, &pool.lock);
    atomic_fetch_sub(&pool.waiters, 1);
    pthread_mutex_unlock(&pool.lock);
}

int mx_cores(void) {
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) ? sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
    return n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
}

static int least(int64_t a, int64_t b) { return (int)(a < b ? a : b); }

void mx_parallel(int threads, int64_t tasks, mx_task *body, void *arg) {
    const int helpers = least(least(threads, tasks) - 1, MAX_HELPERS);
    slot *s = helpers > 0 && tasks <= UINT32_MAX ? free_slot() : NULL;
    if (!s) {
        for (int64_t t = 0; t < tasks; t++) body(arg, t, 0);
        return;
    }
    start_helpers(helpers);
    s->epoch++;
    s->body = body;
    s->arg = arg;
    s->tasks = tasks;
    publish(s, helpers);
    do_tasks(s, s->epoch, 0);
    wait_until_done(s);
    atomic_store(&s->seats, (uint_fast64_t)s->epoch << 8);
    atomic_store(&s->used, false);
}
