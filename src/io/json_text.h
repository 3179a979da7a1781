/* A JSON value as text, where no memory is an error. */
#ifndef MX_IO_JSON_TEXT_H
#define MX_IO_JSON_TEXT_H

#include <jansson.h>

/* As json_dumps, which leaves pieces out where memory runs out while its buffer grows. NULL: no memory, or o
 * is NULL. free() it. */
char *mx_json_text(const json_t *o, size_t flags);

#endif
