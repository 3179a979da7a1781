/* CRC-32C by a table of 256, see crc32c.h. */
#include "io/crc32c.h"

#include <pthread.h>

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
        table[i] = c;
    }
}

uint32_t mx_crc32c(const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    uint32_t c = 0xFFFFFFFFu;
    pthread_once(&once, fill);
    for (size_t i = 0; i < size; i++) c = table[(c ^ p[i]) & 255] ^ c >> 8;
    return ~c;
}

uint32_t mx_crc32c_masked(const void *bytes, size_t size) {
    uint32_t c = mx_crc32c(bytes, size);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}
