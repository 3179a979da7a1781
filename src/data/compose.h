/* Compares names across Unicode's normal forms. "é" is one character on most systems, but a letter e and a
 * mark in names written by a Mac (NFC and NFD): the same name in different bytes. Private to src. */
#ifndef MX_DATA_COMPOSE_H
#define MX_DATA_COMPOSE_H

#include <stdbool.h>

/* A copy of the name with marks joined to their letters (NFC). Bytes that are not UTF-8 stay. The caller
 * frees it; NULL: out of memory. */
char *mx_name_composed(const char *name);
/* Are both the same name, perhaps in different forms? */
bool mx_name_same(const char *a, const char *b);

#endif
