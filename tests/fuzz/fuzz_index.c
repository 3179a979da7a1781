/* The reader of the data set's cache file, with a corrected checksum so that the code after its check is
 * reached. */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_index x;
    int64_t written;
    char *bytes = malloc(size + 1);
    if (!bytes) return 0;
    memcpy(bytes, data, size);
    if (size % 8 != 7) mx_index_seal(bytes, size); /* now and then as it is */
    if (mx_index_parse(&x, &written, bytes, size, "/r")) {
        for (int64_t i = 0; i < x.files && x.kind == MX_SOURCE_FOLDER; i++) /* the others are not sorted */
            if (mx_index_find(&x, x.names + x.file[i].name) != &x.file[i]) abort();
        for (int64_t i = 0; i < x.files; i++) {
            const mx_entry *f = &x.file[i];
            if (f->holder && x.folder[f->holder - 1].size - f->size < f->offset) abort();
            if (f->label >= 0 && strlen(x.names + x.class_name[f->label]) >= x.names_size) abort();
        }
        mx_index_free(&x);
    } else if (x.file || x.folder || x.names)
        abort();
    free(bytes);
    return 0;
}
