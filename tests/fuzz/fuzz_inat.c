/* The reader of iNaturalist's annotations: input that it accepts gives a complete index. */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_index x = {.kind = MX_SOURCE_INAT};
    mx_error e = {0};
    char *bytes = malloc(size + 1);
    if (!bytes) return 0;
    memcpy(bytes, data, size), bytes[size] = 0;
    if (!mx_inat_parse(&x, bytes, size, &e)) {
        for (int64_t i = 0; i < x.files; i++) {
            const char *path = x.names + x.file[i].name;
            if (!*path || *path == '/' || x.file[i].label >= x.classes) abort();
        }
        for (int64_t c = 0; c < x.classes; c++)
            if (strlen(x.names + x.class_name[c]) >= x.names_size) abort();
    } else if (!e.text[0])
        abort();
    mx_index_free(&x);
    free(bytes);
    return 0;
}
