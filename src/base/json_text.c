/* JSON to text in a buffer of the right size and back, see json_text.h. */
#include "base/json_text.h"

#include <pthread.h>
#include <stdlib.h>

char *mx_json_text(const json_t *o, size_t flags) {
    size_t n = o ? json_dumpb(o, NULL, 0, flags) : 0; /* 0: no memory */
    char *text = n ? malloc(n + 1) : NULL;
    if (text && json_dumpb(o, text, n, flags) != n) {
        free(text);
        return NULL;
    }
    if (text) text[n] = 0;
    return text;
}

/* Records failed allocations of jansson, whose reader then drops a character or reports the text as invalid. The
 * functions that were set before (the program's or the default ones) still do the allocation. */
static json_malloc_t real_malloc;
static _Thread_local bool scarce;

static void *allocate(size_t size) {
    void *memory = real_malloc(size);
    if (!memory) scarce = true;
    return memory;
}

/* Called before each parse, since the program may have set other functions since. */
static void count_failures(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    json_malloc_t now;
    json_free_t free_now;
    pthread_mutex_lock(&lock);
    json_get_alloc_funcs(&now, &free_now);
    if (now != allocate) {
        real_malloc = now;
        json_set_alloc_funcs(allocate, free_now);
    }
    pthread_mutex_unlock(&lock);
}

json_t *mx_json_parse(const char *text, size_t size, size_t flags, json_error_t *why, bool *memory) {
    count_failures();
    scarce = false;
    json_t *o = json_loadb(text, size, flags, why);
    if (memory) *memory = scarce;
    if (!scarce) return o;
    json_decref(o);
    return NULL;
}
