/* The arena: one block of memory, used as a stack, for everything a training step needs.
 *
 * Forward pushes, backward pops in reverse. Planning (base NULL) uses no memory: addresses are offsets from a
 * fake base, and afterwards `peak` is the exact size that a real run needs. */
#ifndef MX_BASE_ARENA_H
#define MX_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define MX_ALIGN 64 /* bytes: a cache line, and one AVX-512 register */

/* Allocates a large block, page aligned and untouched, in huge pages where the system has them, since the first pass
 * over gigabytes of 4 KB pages takes seconds. free() it. NULL: out of memory. */
void *mx_pages_alloc(size_t bytes);
/* Maps zeroed pages, which mx_pages_unmap returns to the system. (malloc may keep and split a large freed block, so
 * that the next of that size needs new memory.) NULL: out of memory. */
void *mx_pages_map(size_t bytes);
void mx_pages_unmap(void *pages, size_t bytes); /* pages may be NULL */

typedef struct {
    char *base;      /* NULL while planning */
    size_t capacity; /* bytes; no limit while planning */
    size_t used, peak;
    bool planning, reserved;
} mx_arena;

/* Makes a planning arena, which only measures. */
void mx_arena_plan(mx_arena *a);
/* Makes a real arena of capacity bytes, page aligned and untouched. Free with mx_arena_free. */
mx_status mx_arena_make(mx_arena *a, size_t capacity, mx_error *e);
/* The same with addresses only, as handles of device memory (ops/device.h). Accessing them crashes the program. */
mx_status mx_arena_reserve(mx_arena *a, size_t capacity, mx_error *e);
void mx_arena_free(mx_arena *a);
/* Pushes bytes, rounded up to MX_ALIGN. NULL and an error if they do not fit. While planning, returns a
 * distinct non-NULL address that must not be read. Valid until the arena is released below it. */
void *mx_arena_push(mx_arena *a, size_t bytes, mx_error *e);
/* mark = a->used; later mx_arena_release(a, mark) releases everything pushed since. */
void mx_arena_release(mx_arena *a, size_t mark);

#endif
