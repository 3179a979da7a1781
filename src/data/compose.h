/* Names that look alike and are not the same bytes: "é" is one character on most systems and e with a mark
 * where a Mac has written it (Unicode's forms NFC and NFD). Private to src. */
#ifndef MX_DATA_COMPOSE_H
#define MX_DATA_COMPOSE_H

#include <stdbool.h>

/* A copy of the name in which marks are joined to their letters; bytes that are no UTF-8 stay. The caller
 * frees it; NULL: no memory. */
char *mx_name_composed(const char *name);
/* Are they one name in perhaps two forms? */
bool mx_name_same(const char *a, const char *b);

#endif
