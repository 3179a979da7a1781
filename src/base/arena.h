/* The arena: one block of memory used as a stack, which holds everything a training step needs.
 *
 * Forward pushes, backward pops in reverse. In planning mode (base NULL) nothing is backed by memory,
 * addresses are offsets from a fake base, and `peak` afterwards is the exact size that a real run needs. */
#ifndef MX_BASE_ARENA_H
#define MX_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define MX_ALIGN 64 /* bytes: a cache line, and one AVX-512 register */

/* Large untouched memory, aligned to pages, in huge ones where the system has them (a step's first pass over
 * gigabytes of 4 KB pages took seconds). free() it; NULL when there is none. */
void *mx_pages_alloc(size_t bytes);

typedef struct {
    char *base;      /* NULL while planning */
    size_t capacity; /* bytes; no limit while planning */
    size_t used, peak;
    bool planning, reserved;
} mx_arena;

/* A planning arena: measures only. */
void mx_arena_plan(mx_arena *a);
/* A real arena of capacity bytes, page aligned and untouched; free with mx_arena_free. */
mx_status mx_arena_make(mx_arena *a, size_t capacity, mx_error *e);
/* The same with addresses only, handles of memory of a device: touching them ends the program. */
mx_status mx_arena_reserve(mx_arena *a, size_t capacity, mx_error *e);
void mx_arena_free(mx_arena *a);
/* bytes rounded up to MX_ALIGN. NULL (and an error) when the capacity would be passed; while planning a
 * distinct non-NULL address that must not be read. Valid until released below it. */
void *mx_arena_push(mx_arena *a, size_t bytes, mx_error *e);
/* mark = a->used; later mx_arena_release(a, mark) gives back everything pushed since. */
void mx_arena_release(mx_arena *a, size_t mark);

#endif
