/* Escaping names, see escape.h. */
#include "base/escape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p, or 0 if p begins none. JSON readers reject overlong forms, surrogates and code
 * points above U+10FFFF, so these return 0 too. */
static size_t character(const unsigned char *p) {
    size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : 4;
    if (n == 4 && (*p < 0xf0 || *p > 0xf4)) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0; /* or the text ends */
    if (*p == 0xe0 && p[1] < 0xa0) return 0;
    if (*p == 0xed && p[1] > 0x9f) return 0;
    if (*p == 0xf0 && p[1] < 0x90) return 0;
    return *p == 0xf4 && p[1] > 0x8f ? 0 : n;
}

size_t mx_escape_plain(const char *at) {
    const unsigned char *p = (const unsigned char *)at;
    bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
    return control ? 0 : character(p);
}

static size_t plain(const unsigned char *p) { return mx_escape_plain((const char *)p); }

static const char hex[] = "0123456789abcdef";

/* Copies text. Where whole() returns 0, it writes one byte as \xNN. */
static char *escape(const char *text, size_t whole(const unsigned char *)) {
    char *out = malloc(4 * strlen(text) + 1), *to = out;
    const unsigned char *p = (const unsigned char *)text;
    while (out && *p) {
        size_t n = whole(p);
        if (n)
            memcpy(to, p, n), to += n, p += n;
        else {
            memcpy(to, (char[]){'\\', 'x', hex[*p >> 4], hex[*p & 15]}, 4);
            to += 4, p++;
        }
    }
    if (out) *to = 0;
    return out;
}

char *mx_escape_utf8(const char *text) { return escape(text, character); }
char *mx_escape_control(const char *text) { return escape(text, plain); }

void mx_escape_into(char *out, size_t size, const char *text) {
    size_t at = 0, n;
    for (const char *p = text; *p; p += n ? n : 1) {
        char code[] = {'\\', 'x', hex[*p >> 4 & 15], hex[*p & 15]};
        n = mx_escape_plain(p);
        size_t longer = n ? n : sizeof code;
        if (at + longer >= size) break;
        memcpy(out + at, n ? p : code, longer);
        at += longer;
    }
    if (size) out[at] = 0;
}

char *mx_escape_json(const char *json) {
    char *out = malloc(6 * strlen(json) + 1), *to = out;
    for (const char *p = json; out && *p; p++) {
        bool pair = (unsigned char)*p == 0xc2 && (unsigned char)p[1] < 0xa0 && p[1];
        if (*p != 0x7f && !pair) {
            *to++ = *p;
            continue;
        }
        p += pair;
        memcpy(to, (char[]){'\\', 'u', '0', '0', hex[*p >> 4 & 15], hex[*p & 15]}, 6);
        to += 6;
    }
    if (out) *to = 0;
    return out;
}
