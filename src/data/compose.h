/* Compares names across Unicode's normal forms. On most systems "é" is one character (NFC); in names written by a Mac
 * it is a letter and a mark (NFD). Both are the same name in different bytes. Private to src. */
#ifndef MX_DATA_COMPOSE_H
#define MX_DATA_COMPOSE_H

#include <stdbool.h>

/* A copy of the name with marks joined to their letters (NFC). Keeps bytes that are not UTF-8. The caller frees it;
 * NULL: out of memory. */
char *mx_name_composed(const char *name);
/* True if both are the same name, perhaps in different forms. */
bool mx_name_same(const char *a, const char *b);

#endif
