/* JSON values to and from text, with out of memory as a distinct error. */
#ifndef MX_BASE_JSON_TEXT_H
#define MX_BASE_JSON_TEXT_H

#include <stdbool.h>

#include <jansson.h>

/* Like json_dumps, which drops pieces of text when memory runs out. NULL: out of memory, or o is NULL. free() it. */
char *mx_json_text(const json_t *o, size_t flags);

/* Like json_loadb. jansson reports most failed allocations as invalid JSON, or drops characters; here they return NULL
 * and set *memory, since the text may be valid. why and memory may be NULL. json_decref() the value. */
json_t *mx_json_parse(const char *text, size_t size, size_t flags, json_error_t *why, bool *memory);

#endif
