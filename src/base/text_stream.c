/* A stream into memory, see text_stream.h. */
#include "base/text_stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char **text, *bytes;
    size_t *size, used, room;
    bool lost;
} memory;

static ssize_t add(void *cookie, const char *bytes, size_t n) {
    memory *m = cookie;
    if (!m->lost && m->used + n + 1 > m->room) {
        size_t room = 2 * (m->used + n + 1);
        char *more = realloc(m->bytes, room);
        if (more) m->bytes = more, m->room = room;
        m->lost = !more;
    }
    if (m->lost) return 0;
    memcpy(m->bytes + m->used, bytes, n);
    m->used += n;
    return (ssize_t)n;
}

static int end(void *cookie) {
    memory *m = cookie;
    bool lost = m->lost;
    if (lost)
        free(m->bytes);
    else
        m->bytes[m->used] = 0, *m->text = m->bytes, *m->size = m->used;
    free(m);
    return lost ? EOF : 0;
}

FILE *mx_text_stream(char **text, size_t *size) {
    memory *m = calloc(1, sizeof *m);
    *text = NULL, *size = 0;
    if (!m || !(m->bytes = malloc(m->room = 256))) {
        free(m);
        return NULL;
    }
    m->text = text, m->size = size;
    FILE *f = fopencookie(m, "w", (cookie_io_functions_t){.write = add, .close = end});
    if (f) return f;
    free(m->bytes);
    free(m);
    return NULL;
}
