/* The reader of safetensors files: a file that it accepts must be readable to the last byte. The first input
 * byte says whether the header's length is corrected, so that the code after its check is reached. */
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned read_all(const mx_st *st) {
    unsigned sum = 0;
    const char *end = NULL;
    for (int i = 0; i < mx_st_count(st); i++) {
        const mx_st_tensor *t = mx_st_at(st, i);
        mx_error e = {0};
        float one;
        if (mx_st_find(st, t->name) != t) abort();
        if (end && t->data != end) abort(); /* no hole, no overlap */
        end = (const char *)t->data + t->bytes;
        for (size_t k = 0; k < t->bytes; k++) sum += ((const unsigned char *)t->data)[k];
        mx_st_copy_f32(t, &one, 1, &e);
    }
    for (int i = 0; i < mx_st_meta_count(st); i++) {
        const char *key, *value;
        mx_st_meta_at(st, i, &key, &value);
        if (strcmp(mx_st_meta(st, key), value)) abort();
        sum += (unsigned)strlen(value);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_st *st = NULL;
    mx_error e = {0};
    if (!size) return 0;
    size_t extra = data[0] & 1 ? 8 : 0, n = extra + size - 1;
    unsigned char *bytes = malloc(n ? n : 1); /* of that size exactly: one byte too far is seen */
    if (!bytes) return 0;
    memcpy(bytes + extra, data + 1, size - 1);
    if (extra) { /* the header ends with its last brace */
        size_t header = size - 1;
        while (header && bytes[8 + header - 1] != '}') header--;
        for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)header >> (8 * i));
    }
    mx_status s = mx_st_parse(&st, bytes, n, &e);
    if ((s == MX_OK) != (st != NULL) || s != e.status) abort();
    volatile unsigned sum = st ? read_all(st) : 0;
    (void)sum;
    mx_st_close(st);
    free(bytes);
    return 0;
}
