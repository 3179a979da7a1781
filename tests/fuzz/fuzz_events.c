/* The reader of event files, which cuts them back for a resumed run: it keeps a prefix, and keeps all of that
 * prefix when run again. Checksums are corrected (the first byte says so), so that the code after their check
 * is reached. */
#include "io/crc32c.h"
#include "io/events.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(unsigned char *at, uint32_t crc) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(crc >> (8 * i));
}

/* Record after record as far as their lengths lead. */
static void seal_all(unsigned char *b, size_t size) {
    for (size_t at = 0; size - at >= 16;) {
        uint64_t n = 0;
        for (int i = 0; i < 8; i++) n |= (uint64_t)b[at + (size_t)i] << (8 * i);
        seal(b + at + 8, mx_crc32c_masked(b + at, 8));
        if (n > size - at - 16) return;
        seal(b + at + 12 + n, mx_crc32c_masked(b + at + 12, (size_t)n));
        at += 16 + (size_t)n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    size_t n = size - 1;
    unsigned char *b = malloc(n ? n : 1);
    if (!b) return 0;
    memcpy(b, data + 1, n);
    if (data[0] & 1) seal_all(b, n);
    size_t all = mx_events_keep(b, n, INT64_MAX), some = mx_events_keep(b, n, data[0] >> 1);
    if (all > n || some > all || mx_events_keep(b, all, INT64_MAX) != all) abort();
    if (mx_events_keep(b, some, data[0] >> 1) != some) abort();
    free(b);
    return 0;
}
