/* The stack of memory for a training step, see arena.h. */
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MX_HUGE_PAGE ((size_t)2 << 20)

#define MX_FAKE_BASE                                                                                         \
    ((uintptr_t)1 << 40) /* planning addresses: never mapped by accident in small programs                   \
                          */

void *mx_pages_alloc(size_t bytes) {
    size_t page = bytes >= 8 * MX_HUGE_PAGE ? MX_HUGE_PAGE : 4096, rounded = (bytes + page - 1) / page * page;
    void *p = rounded < bytes ? NULL : aligned_alloc(page, rounded ? rounded : page);
    if (p && page == MX_HUGE_PAGE)
        madvise(p, rounded, MADV_HUGEPAGE); /* only advice, so failure is harmless */
    return p;
}

void mx_arena_plan(mx_arena *a) {
    memset(a, 0, sizeof *a);
    a->planning = true;
}

void *mx_pages_map(size_t bytes) {
    void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void mx_pages_unmap(void *pages, size_t bytes) {
    if (pages) munmap(pages, bytes ? bytes : 1);
}

mx_status mx_arena_make(mx_arena *a, size_t capacity, mx_error *e) {
    memset(a, 0, sizeof *a);
    if (!(a->base = mx_pages_alloc(capacity)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a step's working memory", capacity);
    a->capacity = capacity;
    return MX_OK;
}

mx_status mx_arena_reserve(mx_arena *a, size_t capacity, mx_error *e) {
    memset(a, 0, sizeof *a);
    void *p =
        mmap(NULL, capacity ? capacity : 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return mx_fail(e, MX_ERR_MEMORY, "cannot reserve %zu bytes of addresses", capacity);
    a->base = p, a->capacity = capacity, a->reserved = true;
    return MX_OK;
}

void mx_arena_free(mx_arena *a) {
    if (!a) return;
    if (a->reserved)
        munmap(a->base, a->capacity ? a->capacity : 1);
    else
        free(a->base);
    memset(a, 0, sizeof *a);
}

void *mx_arena_push(mx_arena *a, size_t bytes, mx_error *e) {
    size_t need = (bytes + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN;
    if (need < bytes || (!a->planning && need > a->capacity - a->used)) {
        mx_fail(e, MX_ERR_MEMORY, "the arena of %zu bytes has %zu in use and cannot hold %zu more",
                a->capacity, a->used, bytes);
        return NULL;
    }
    void *p = a->planning ? (void *)(MX_FAKE_BASE + a->used) : a->base + a->used;
    a->used += need;
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

void mx_arena_release(mx_arena *a, size_t mark) {
    assert(mark <= a->used);
    a->used = mark;
}
