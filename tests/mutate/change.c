/* Seeded changes of files: bits, runs, pieces removed, doubled or taken from another file, boundary values in
 * place of a length or size, and corrected checksums. See mutate.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/rng.h"
#include "io/crc32c.h"
#include "mutate.h"

#define MOST_SIZE ((size_t)1 << 20) /* of a changed file */
#define HEAD      256               /* bytes at the start in which half of all places lie */

static size_t below(mx_rng *r, size_t n) { return n ? (size_t)mx_rng_below(r, n) : 0; }

static size_t place(mx_rng *r, size_t n) { return below(r, n > HEAD && below(r, 2) ? HEAD : n); }

/* ---- one change each: *b has room for MOST_SIZE ---- */

static void flip_bits(mx_rng *r, mx_blob *b) {
    for (size_t k = 1 + below(r, 8); k; k--) b->bytes[place(r, b->size)] ^= (uint8_t)(1u << below(r, 8));
}

static void fill_run(mx_rng *r, mx_blob *b) {
    static const uint8_t with[] = {0, 0xff, 0x7f, 0x80, 1};
    size_t at = place(r, b->size), n = 1 + below(r, 16), kind = below(r, 6);
    for (size_t i = at; i < at + n && i < b->size; i++)
        b->bytes[i] = kind < sizeof with ? with[kind] : (uint8_t)mx_rng_u32(r);
}

static void cut_end(mx_rng *r, mx_blob *b) { b->size = below(r, b->size); }

static void take_out(mx_rng *r, mx_blob *b) {
    size_t at = place(r, b->size), n = 1 + below(r, below(r, 2) ? 16 : b->size - at);
    if (n > b->size - at) n = b->size - at;
    memmove(b->bytes + at, b->bytes + at + n, b->size - at - n);
    b->size -= n;
}

static void put_in(mx_blob *b, size_t at, const uint8_t *from, size_t n) {
    if (b->size + n > MOST_SIZE) return;
    memmove(b->bytes + at + n, b->bytes + at, b->size - at);
    memcpy(b->bytes + at, from, n);
    b->size += n;
}

static void double_piece(mx_rng *r, mx_blob *b) {
    size_t at = place(r, b->size), n = 1 + below(r, below(r, 2) ? 16 : b->size - at);
    if (n > b->size - at) n = b->size - at;
    uint8_t *copy = malloc(n);
    if (!copy) abort();
    memcpy(copy, b->bytes + at, n);
    put_in(b, below(r, 4) ? at : below(r, b->size), copy, n);
    free(copy);
}

/* A number of 1, 2, 4 or 8 bytes, in either order of bytes, becomes one at which sums overflow. */
static void set_boundary(mx_rng *r, mx_blob *b) {
    static const uint64_t values[] = {0,          1,          0x7f,       0xff,       0x100,
                                      0x7fff,     0x8000,     0xffff,     0x10000,    0x7ffffffe,
                                      0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000u,
                                      INT64_MAX,  UINT64_MAX, 1u << 30};
    size_t width = (size_t)1 << below(r, 4), at = place(r, b->size);
    if (at + width > b->size) return;
    uint64_t v = values[below(r, sizeof values / sizeof *values)];
    bool big = below(r, 2);
    for (size_t i = 0; i < width; i++) b->bytes[at + i] = (uint8_t)(v >> 8 * (big ? width - 1 - i : i));
}

/* A number of 4 bytes times 256, or divided by it. */
static void shift_number(mx_rng *r, mx_blob *b) {
    size_t at = place(r, b->size);
    if (at + 4 > b->size) return;
    if (below(r, 2))
        memmove(b->bytes + at, b->bytes + at + 1, 3), b->bytes[at + 3] = 0;
    else
        memmove(b->bytes + at + 1, b->bytes + at, 3), b->bytes[at] = 0;
}

/* The head of one file before the rest of another. */
static void splice(mx_rng *r, mx_blob *b, const mx_blobs *seeds) {
    const mx_blob *other = &seeds->at[below(r, (size_t)seeds->count)];
    size_t n = below(r, other->size < b->size ? other->size : b->size);
    memcpy(b->bytes, other->bytes, n > HEAD && below(r, 2) ? below(r, HEAD) : n);
}

static void other_number(mx_rng *r, mx_blob *b) {
    static const char *const numbers[] = {"0",
                                          "-1",
                                          "2147483647",
                                          "2147483648",
                                          "4294967295",
                                          "4294967296",
                                          "1e",
                                          "1e999",
                                          "NaN",
                                          "-9223372036854775808",
                                          "9223372036854775807",
                                          "18446744073709551616",
                                          "0.5",
                                          "1000000",
                                          "00",
                                          "\"1\""};
    size_t from = below(r, b->size), to;
    while (from < b->size && (b->bytes[from] < '0' || b->bytes[from] > '9')) from++;
    for (to = from; to < b->size && b->bytes[to] >= '0' && b->bytes[to] <= '9'; to++) {}
    if (to == from) return;
    const char *n = numbers[below(r, sizeof numbers / sizeof *numbers)];
    memmove(b->bytes + from, b->bytes + to, b->size - to);
    b->size -= to - from;
    put_in(b, from, (const uint8_t *)n, strlen(n));
}

static void change_once(mx_rng *r, mx_blob *b, const mx_format *f, const mx_blobs *seeds) {
    if (!b->size) return;
    switch (below(r, f->text ? 12 : 10)) {
    case 0: flip_bits(r, b); break;
    case 1: fill_run(r, b); break;
    case 2: cut_end(r, b); break;
    case 3: take_out(r, b); break;
    case 4: double_piece(r, b); break;
    case 5:
    case 6:
    case 7: set_boundary(r, b); break;
    case 8: shift_number(r, b); break;
    case 9: splice(r, b, seeds); break;
    default: other_number(r, b);
    }
}

mx_blob mx_change(const mx_format *f, const mx_blobs *seeds, uint64_t seed, int number) {
    mx_rng r = mx_rng_make(seed, (mx_rng_purpose)0, (uint64_t)number, (uint32_t)(f - mx_formats));
    mx_blob b = {malloc(MOST_SIZE), 0};
    if (!b.bytes) abort();
    const mx_blob *of = &seeds->at[number % seeds->count];
    memcpy(b.bytes, of->bytes, b.size = of->size);
    if (number >= seeds->count) { /* the first are the seeds as they are */
        for (size_t n = 1 + below(&r, 4); n; n--) change_once(&r, &b, f, seeds);
        if (f->seal && below(&r, 4)) f->seal(b.bytes, b.size);
    }
    b.bytes = realloc(b.bytes, b.size ? b.size : 1); /* of that size exactly: one byte too far is seen */
    return b;
}

/* ---- checksums ---- */

static uint32_t big32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void mx_seal_png(uint8_t *b, size_t n) {
    for (size_t at = 8; at + 12 <= n;) {
        size_t length = big32(b + at);
        if (length > n - at - 12) return;
        uint32_t crc = (uint32_t)crc32(0, b + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++) b[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

void mx_seal_tar(uint8_t *b, size_t n) {
    for (size_t at = 0; at + 512 <= n; at += 512) {
        unsigned sum = 0;
        char text[8];
        if (memcmp(b + at + 257, "ustar", 5)) continue;
        memset(b + at + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++) sum += b[at + i];
        snprintf(text, sizeof text, "%06o", sum);
        memcpy(b + at + 148, text, 7);
    }
}

static void put_crc(uint8_t *at, uint32_t crc) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(crc >> (8 * i));
}

void mx_seal_events(uint8_t *b, size_t n) {
    for (size_t at = 0; n - at >= 16;) {
        uint64_t length = 0;
        for (size_t i = 0; i < 8; i++) length |= (uint64_t)b[at + i] << (8 * i);
        put_crc(b + at + 8, mx_crc32c_masked(b + at, 8));
        if (length > n - at - 16) return;
        put_crc(b + at + 12 + length, mx_crc32c_masked(b + at + 12, (size_t)length));
        at += 16 + (size_t)length;
    }
}

/* The header's length: it ends with the last brace before the data, which hold none by chance only. */
void mx_seal_safetensors(uint8_t *b, size_t n) {
    size_t end = 8;
    int depth = 0;
    for (size_t i = 8; i < n && end == 8; i++) {
        depth += b[i] == '{';
        if (b[i] == '}' && --depth <= 0) end = i + 1;
    }
    if (n >= 8 && end > 8)
        for (size_t i = 0; i < 8; i++) b[i] = (uint8_t)((uint64_t)(end - 8) >> (8 * i));
}
