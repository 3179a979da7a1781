/* Names that anyone may have given, as text that others can take. Bytes that cannot stay become \xNN. */
#ifndef MX_BASE_ESCAPE_H
#define MX_BASE_ESCAPE_H

#include <stddef.h>

/* What JSON can hold: bytes that are not part of UTF-8 (RFC 3629) are escaped. The caller frees it; NULL: no
 * memory. */
char *mx_escape_utf8(const char *text);

/* What is harmless on one line of a terminal: control characters (below 32, 127, U+0080 to U+009F) and bytes
 * that are not part of UTF-8 are escaped. The same. */
char *mx_escape_control(const char *text);
/* The same into out [size], cut between characters where it is too long. */
void mx_escape_into(char *out, size_t size, const char *text);
/* Bytes of the character at p that such an escape leaves as it is; 0: its first byte is escaped. */
size_t mx_escape_plain(const char *p);

/* The same for JSON that a writer made of UTF-8: what such writers leave of control characters (127, U+0080
 * to U+009F) becomes \u00NN, so the JSON says what it said. */
char *mx_escape_json(const char *json);

#endif
