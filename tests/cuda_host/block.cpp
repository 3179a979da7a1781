/* The threads of one block: who runs, who waits, and whether anybody waits in vain.
 *
 * A thread runs until it waits at a barrier or for its warp, or returns. Then the next ready one takes its turn, by
 * MX_CUDA_ORDER: forward runs warp 0 as far as it gets before warp 1, reversed the other way round, a number makes a
 * fresh random choice at every turn. When nobody is ready, all threads stand at the same barrier, which then opens, or
 * all have returned, or the block is at fault. */
#include "emulator.h"

#include <stdio.h>

uint3 mx_host_thread_index, mx_host_block_index;
dim3 mx_host_block_size, mx_host_grid_size;
int mx_host_lane;
mx_host_block mx_host_running;

static mx_host_thread threads[MX_HOST_MAX_THREADS], *all[MX_HOST_MAX_THREADS];
static mx_host_thread *ready[MX_HOST_MAX_THREADS]; /* the last one is next, unless chosen at random */
static int ready_count, done_count;
static mx_host_context scheduler; /* runs when nobody is ready */
static mx_host_order_kind order;

/* `list` is in the order of thread numbers. */
void mx_host_make_ready(mx_host_thread *const *list, int n) {
    for (int i = 0; i < n; i++) {
        mx_host_thread *t = list[order == MX_HOST_REVERSED ? i : n - 1 - i];
        if (t->state != MX_HOST_NEW) t->state = MX_HOST_READY;
        ready[ready_count++] = t;
    }
}

static mx_host_thread *next_ready(void) {
    if (order == MX_HOST_RANDOM) {
        const size_t i = mx_host_choose(static_cast<size_t>(ready_count));
        mx_host_thread *t = ready[i];
        ready[i] = ready[--ready_count];
        return t;
    }
    return ready[--ready_count];
}

static void set_current(mx_host_thread *t) {
    t->state = MX_HOST_READY;
    mx_host_running.current = t;
    mx_host_thread_index = t->index;
    mx_host_lane = t->lane;
}

/* Runs threads to their end, one after another on this stack, as long as the next one has not begun on another. So
 * threads that never wait cost no switch. Without ASan's red zones, which would stay on the stack when the fiber
 * ends. */
MX_HOST_NO_ASAN static void thread_main(void) {
    mx_host_context_entered();
    for (;;) {
        mx_host_running.call->call(mx_host_running.call->kernel, mx_host_running.call->arguments.get());
        mx_host_thread *t = mx_host_running.current, *next = NULL;
        mx_host_copies_finish(static_cast<int>(t - threads));
        t->state = MX_HOST_DONE;
        done_count++;
        if (ready_count) next = next_ready();
        if (!next || next->state != MX_HOST_NEW) {
            mx_host_stack_give(&t->context); /* nobody takes it before the switch */
            if (next) set_current(next);
            mx_host_context_leave(&t->context, next ? &next->context : &scheduler);
        }
        next->context = t->context;
        set_current(next);
    }
}

/* Lets t run; returns when somebody lets `from` run again. */
static void resume(mx_host_context *from, mx_host_thread *t) {
    if (t->state == MX_HOST_NEW) {
        mx_host_stack_take(&t->context);
        mx_host_context_make(&t->context, thread_main);
    }
    set_current(t);
    mx_host_context_switch(from, &t->context);
}

void mx_host_wait(void) {
    mx_host_thread *t = mx_host_running.current, *next = ready_count ? next_ready() : NULL;
    if (next == t)
        set_current(t);
    else if (next)
        resume(&t->context, next);
    else
        mx_host_context_switch(&t->context, &scheduler);
}

void __syncthreads(const char *file, int line) {
    if (!mx_host_running.kernel) mx_host_die("__syncthreads outside a kernel, at %s:%d", file, line);
    mx_host_thread *t = mx_host_running.current;
    t->state = MX_HOST_AT_BARRIER;
    t->file = file, t->line = line;
    mx_host_wait();
}

/* ---- nobody is ready ---- */

static const char *describe(char *text, size_t size, const mx_host_thread *t) {
    const uint3 *p = &t->index;
    int n = snprintf(text, size, "thread (%u,%u,%u) ", p->x, p->y, p->z);
    char *end = text + n;
    size -= static_cast<size_t>(n);
    if (t->state == MX_HOST_DONE)
        snprintf(end, size, "has returned");
    else if (t->state == MX_HOST_AT_BARRIER)
        snprintf(end, size, "waits in __syncthreads at %s:%d", t->file, t->line);
    else
        snprintf(end, size, "waits in %s with mask %08x at %s:%d", t->visit->name, t->visit->mask, t->file,
                 t->line);
    return text;
}

/* The first lane of t's mask that will not come. */
static void explain_meeting(const mx_host_thread *t) {
    const int warp = static_cast<int>(t - threads) / 32 * 32;
    char mine[300], other[300];
    describe(mine, sizeof mine, t);
    for (int lane = 0; lane < 32; lane++) {
        if (!(t->visit->mask >> lane & 1)) continue;
        if (warp + lane >= mx_host_running.threads)
            mx_host_die("divergent warp: %s, but the block has no lane %d", mine, lane);
        const mx_host_thread *o = threads + warp + lane;
        bool comes = o->state == MX_HOST_AT_MEETING && o->visit->kind == t->visit->kind &&
                     o->visit->mask == t->visit->mask && o->line == t->line && o->file == t->file;
        if (!comes)
            mx_host_die("divergent warp: %s, but lane %d, %s", mine, lane, describe(other, sizeof other, o));
    }
}

static void explain(void) {
    mx_host_thread *barrier = NULL;
    char mine[300], other[300];
    for (int i = 0; i < mx_host_running.threads; i++) {
        mx_host_thread *t = threads + i;
        mx_host_running.current = t;
        if (t->state == MX_HOST_AT_MEETING) explain_meeting(t);
        if (t->state == MX_HOST_AT_BARRIER && !barrier) barrier = t;
    }
    mx_host_running.current = barrier;
    for (int i = 0; i < mx_host_running.threads; i++) {
        const mx_host_thread *t = threads + i;
        if (t->state == MX_HOST_AT_BARRIER && t->line == barrier->line && t->file == barrier->file) continue;
        mx_host_die("divergent barrier: %s, but %s", describe(mine, sizeof mine, barrier),
                    describe(other, sizeof other, t));
    }
    mx_host_die("internal error: nobody is ready");
}

/* True when all threads stand at one barrier. */
static bool all_at_barrier(void) {
    for (int i = 0; i < mx_host_running.threads; i++) {
        const mx_host_thread *t = threads + i;
        if (t->state != MX_HOST_AT_BARRIER || t->line != threads->line || t->file != threads->file)
            return false;
    }
    return true;
}

/* Numbers the threads of a launch: x fastest. */
void mx_host_block_prepare(void) {
    const dim3 size = mx_host_block_size;
    int i = 0;
    for (unsigned z = 0; z < size.z; z++)
        for (unsigned y = 0; y < size.y; y++)
            for (unsigned x = 0; x < size.x; x++, i++) {
                threads[i].index = uint3{x, y, z};
                threads[i].lane = i % 32;
                all[i] = threads + i;
            }
    mx_host_running.thread = threads;
    mx_host_running.threads = i;
    order = mx_host_order();
}

void mx_host_block_run(void) {
    const int n = mx_host_running.threads;
    for (int i = 0; i < n; i++) threads[i].state = MX_HOST_NEW;
    mx_host_copies_start();
    ready_count = done_count = 0;
    mx_host_make_ready(all, n);
    while (done_count < n) {
        if (!ready_count) {
            if (!all_at_barrier()) explain();
            mx_host_make_ready(all, n);
        }
        resume(&scheduler, next_ready());
    }
    mx_host_running.current = NULL;
}
