/* JSON as text in a buffer of the right size, see json_text.h. */
#include "io/json_text.h"

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
