/* A stream into memory that tells what it lacked memory for. */
#ifndef MX_BASE_TEXT_STREAM_H
#define MX_BASE_TEXT_STREAM_H

#include <stddef.h>
#include <stdio.h>

/* As open_memstream, whose pieces get lost without a word when an allocation fails. *text (for the caller to
 * free, with a zero behind it) and *size are set by fclose: it returns other than 0, and *text is NULL, where
 * anything was lost. */
FILE *mx_text_stream(char **text, size_t *size);

#endif
