/* Joins marks to their letters, see compose.h. It does not reorder marks, since programs write them in Unicode's
 * order. */
#include "data/compose.h"
#include "data/compose_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Hangul is composed by arithmetic (Unicode, 3.12). */
enum {
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11a7,
    S_BASE = 0xac00,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28
};

static int by_pair(const void *a, const void *b) {
    const uint16_t *x = a, *y = b;
    return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* The character composed of a and b; 0: none. */
static uint32_t compose(uint32_t a, uint32_t b) {
    if (a >= L_BASE && a < L_BASE + L_COUNT && b >= V_BASE && b < V_BASE + V_COUNT)
        return S_BASE + ((a - L_BASE) * V_COUNT + b - V_BASE) * T_COUNT;
    if (a >= S_BASE && a < S_BASE + L_COUNT * V_COUNT * T_COUNT && (a - S_BASE) % T_COUNT == 0 &&
        b > T_BASE && b < T_BASE + T_COUNT)
        return a + b - T_BASE;
    if (a > 0xffff || b > 0xffff) return 0;
    const uint16_t want[3] = {(uint16_t)a, (uint16_t)b, 0};
    const uint16_t *found = bsearch(want, compositions, sizeof compositions / sizeof *compositions,
                                    sizeof *compositions, by_pair);
    return found ? found[2] : 0;
}

/* The UTF-8 character of up to three bytes at p, and its length; 0 for anything else. */
static uint32_t read_character(const unsigned char *p, size_t *length) {
    *length = *p < 0x80 ? 1 : (*p & 0xe0) == 0xc0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : 0;
    uint32_t c = *length == 1 ? *p : *length == 2 ? *p & 0x1fu : *p & 0x0fu;
    for (size_t i = 1; i < *length; i++) {
        if ((p[i] & 0xc0) != 0x80) return *length = 1, 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (!*length) *length = 1, c = 0;
    return c;
}

/* Writes c and returns its length. A composed character is never longer than the two that it replaces. */
static size_t write_character(unsigned char *out, uint32_t c) {
    if (c < 0x80) return out[0] = (unsigned char)c, 1;
    if (c < 0x800)
        return out[0] = (unsigned char)(0xc0 | c >> 6), out[1] = (unsigned char)(0x80 | (c & 0x3f)), 2;
    out[0] = (unsigned char)(0xe0 | c >> 12), out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (unsigned char)(0x80 | (c & 0x3f));
    return 3;
}

char *mx_name_composed(const char *name) {
    unsigned char *text = (unsigned char *)strdup(name);
    size_t out = 0, letter = 0; /* letter: offset of the last letter */
    uint32_t last = 0;
    for (size_t at = 0, length; text && text[at]; at += length) {
        uint32_t c = read_character(text + at, &length), both = last && c ? compose(last, c) : 0;
        if (both) {
            out = letter + write_character(text + letter, both);
            last = both;
            continue;
        }
        letter = out, last = c;
        memmove(text + out, text + at, length);
        out += length;
    }
    if (text) text[out] = 0;
    return (char *)text;
}

bool mx_name_same(const char *a, const char *b) {
    if (!strcmp(a, b)) return true;
    char *x = mx_name_composed(a), *y = mx_name_composed(b);
    bool same = x && y && !strcmp(x, y);
    free(x), free(y);
    return same;
}
