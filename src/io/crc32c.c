/* CRC-32C by the processor's instruction, or else by eight tables of 256, see crc32c.h. */
#include "io/crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* table[k][b]: the contribution of byte b when k others follow it. */
static void fill(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
        table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

static uint32_t by_table(uint32_t c, const unsigned char *p, size_t n) {
    pthread_once(&once, fill);
    for (; n >= 8; p += 8, n -= 8) {
        uint32_t next = 0;
        for (int k = 0; k < 4; k++)
            next ^= table[7 - k][(c >> (8 * k) ^ p[k]) & 255] ^ table[3 - k][p[4 + k]];
        c = next;
    }
    for (; n; n--) c = table[0][(c ^ *p++) & 255] ^ c >> 8;
    return c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t c, const unsigned char *p,
                                                                 size_t n) {
    uint64_t wide = c, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    for (c = (uint32_t)wide; n; n--) c = __builtin_ia32_crc32qi(c, *p++);
    return c;
}
#endif

uint32_t mx_crc32c_more(uint32_t crc, const void *bytes, size_t size) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(~crc, bytes, size);
#endif
    return ~by_table(~crc, bytes, size);
}

uint32_t mx_crc32c_plain(const void *bytes, size_t size) { return ~by_table(~0u, bytes, size); }

uint32_t mx_crc32c(const void *bytes, size_t size) { return mx_crc32c_more(0, bytes, size); }

uint32_t mx_crc32c_masked(const void *bytes, size_t size) {
    uint32_t c = mx_crc32c(bytes, size);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}
