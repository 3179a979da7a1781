/* Names that anyone may have given, as text that others can take. Bytes that cannot stay become \xNN. */
#ifndef MX_BASE_ESCAPE_H
#define MX_BASE_ESCAPE_H

/* What JSON can hold: bytes that are not part of UTF-8 (RFC 3629) are escaped. The caller frees it; NULL: no
 * memory. */
char *mx_escape_utf8(const char *text);

/* What stays on one line of a terminal: control characters below 32 are escaped. The same. */
char *mx_escape_control(const char *text);

#endif
