/* Escapes names from outside (files, classes) for JSON and terminals. Bytes that are not allowed become \xNN. */
#ifndef MX_BASE_ESCAPE_H
#define MX_BASE_ESCAPE_H

#include <stddef.h>

/* For JSON: escapes bytes that are not part of UTF-8 (RFC 3629). The caller frees the result; NULL: out of memory. */
char *mx_escape_utf8(const char *text);

/* For one line on a terminal: also escapes control characters (below 32, 127, U+0080 to U+009F). The caller
 * frees the result; NULL: out of memory. */
char *mx_escape_control(const char *text);
/* The same into out [size]; a text that is too long is cut between characters. */
void mx_escape_into(char *out, size_t size, const char *text);
/* Length in bytes of the character at p if mx_escape_control keeps it; 0 if it escapes the first byte. */
size_t mx_escape_plain(const char *p);

/* For JSON text: the control characters that JSON writers leave (127, U+0080 to U+009F) become \u00NN, so the
 * JSON's meaning does not change. The caller frees the result. */
char *mx_escape_json(const char *json);

#endif
