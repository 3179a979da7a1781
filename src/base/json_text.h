/* JSON values to and from text, where no memory is an error of its own. */
#ifndef MX_BASE_JSON_TEXT_H
#define MX_BASE_JSON_TEXT_H

#include <stdbool.h>

#include <jansson.h>

/* As json_dumps, which leaves pieces out where memory runs out while its buffer grows. NULL: no memory, or o
 * is NULL. free() it. */
char *mx_json_text(const json_t *o, size_t flags);

/* As json_loadb. jansson reports most allocations that fail as text that is no JSON, or leaves characters
 * out; here they give NULL, and *memory says so: the text may well be whole. why, memory: may be NULL.
 * json_decref() the value. */
json_t *mx_json_parse(const char *text, size_t size, size_t flags, json_error_t *why, bool *memory);

#endif
