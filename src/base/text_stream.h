/* A stream into memory that reports failed allocations. */
#ifndef MX_BASE_TEXT_STREAM_H
#define MX_BASE_TEXT_STREAM_H

#include <stddef.h>
#include <stdio.h>

/* Like open_memstream, which loses text silently when an allocation fails. fclose sets *text (zero-terminated; the
 * caller frees it) and *size. If text was lost, fclose returns nonzero and *text is NULL. */
FILE *mx_text_stream(char **text, size_t *size);

#endif
