/* Text files that describe data sets: reading them whole with a limit, and going through their lines. Private
 * to src/data. */
#ifndef MX_DATA_TEXT_H
#define MX_DATA_TEXT_H

#include "data/index.h"

#define MX_TEXT_MAX ((size_t)2 << 30) /* bytes of an annotation file that is read at all */

/* A new string by printf (free it); NULL: no memory. */
char *mx_text_make(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The file as it is into *bytes (free it), a 0 behind it. name: openat's, relative to root_fd. */
mx_status mx_text_read(char **bytes, size_t *size, int root_fd, const char *name, mx_error *e);

/* The lines of a text in memory, which is changed: each line ends with 0, without CR. Empty lines are passed
 * over. */
typedef struct {
    char *at, *end;
    int64_t number; /* of the line given last, from 1 */
} mx_lines;
/* A text that ends with 0; a byte order mark is passed over. */
mx_lines mx_lines_of(char *bytes, size_t size);
/* The next line, or NULL; *length its bytes: more than strlen when there is a 0 inside. */
char *mx_lines_next(mx_lines *l, size_t *length);

/* Is all of text a decimal number from 0 to 10^17? */
bool mx_text_number(const char *text, int64_t *value);
/* One class name a line becomes x's classes; the file is watched. */
mx_status mx_text_classes(mx_index *x, int root_fd, const char *name, mx_error *e);
/* Adds a sample with its label (-1: none); the caller adds the place to the message. */
mx_status mx_text_sample(mx_index *x, const char *path, int64_t label, mx_error *e);
/* Could `most` be the largest label of x's images, or is it a number that means something else? */
mx_status mx_text_plausible(const mx_index *x, int64_t most, mx_error *e);
/* Makes classes up to `most` whose names are their numbers, behind those that are there. */
mx_status mx_text_numbered(mx_index *x, int64_t most, mx_error *e);

#endif
