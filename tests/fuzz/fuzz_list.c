/* The readers of lists: the first byte chooses CSV and similar, without or with classes.txt, or Places. */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_index x = {.kind = MX_SOURCE_LIST};
    mx_error e = {0};
    const mx_list_how how = {.root_fd = -1};
    if (!size) return 0;
    int mode = data[0] % 3;
    char *bytes = malloc(size);
    if (!bytes) return 0;
    memcpy(bytes, data + 1, --size), bytes[size] = 0;
    if (mode == 1) mx_index_add_class(&x, "cat", 3, &e), mx_index_add_class(&x, "ant", 3, &e);
    mx_status s = mode == 2 ? mx_places_parse(&x, "data_256/", bytes, size, &e)
                            : mx_list_parse(&x, bytes, size, &how, &e);
    if (!s) {
        for (int64_t i = 0; i < x.files; i++)
            if (!x.names[x.file[i].name] || x.file[i].label >= x.classes || x.file[i].label < -1) abort();
        if (mode == 1 && x.classes != 2) abort();
    } else if (!e.text[0])
        abort();
    mx_index_free(&x);
    free(bytes);
    return 0;
}
