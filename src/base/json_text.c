/* JSON to text in a buffer of the right size and back, see json_text.h. */
#include "base/json_text.h"

#include <stdlib.h>
#include <string.h>

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

/* A text that is damaged fails at the same place twice. */
json_t *mx_json_parse(const char *text, size_t size, size_t flags, json_error_t *why, bool *memory) {
    json_error_t first, second;
    json_t *o = json_loadb(text, size, flags, &first);
    bool again = !o;
    if (again) o = json_loadb(text, size, flags, &second);
    bool scarce = again && !o &&
                  (json_error_code(&second) == json_error_out_of_memory || !*second.text ||
                   first.position != second.position || strcmp(first.text, second.text) != 0);
    if (memory) *memory = scarce;
    if (why) *why = again ? second : first;
    return o;
}
