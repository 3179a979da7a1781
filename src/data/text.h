/* Reads text files that describe data sets, as a whole and up to a limit, and steps through their lines. Private to
 * src/data. */
#ifndef MX_DATA_TEXT_H
#define MX_DATA_TEXT_H

#include "data/index.h"

#define MX_TEXT_MAX ((size_t)2 << 30) /* largest annotation file that is read, in bytes */

/* A new string by printf (free it); NULL: out of memory. */
char *mx_text_make(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reads the file into *bytes (free it), followed by a 0. name: as for openat, relative to root_fd. */
mx_status mx_text_read(char **bytes, size_t *size, int root_fd, const char *name, mx_error *e);

/* Steps through the lines of a text in memory and changes it: each line then ends with 0, without CR. Skips empty
 * lines. */
typedef struct {
    char *at, *end;
    int64_t number; /* number of the last line returned, from 1 */
} mx_lines;
/* bytes must end with a 0. Skips a byte order mark. */
mx_lines mx_lines_of(char *bytes, size_t size);
/* The next line, or NULL. *length: its bytes, more than strlen if it contains a 0. */
char *mx_lines_next(mx_lines *l, size_t *length);

/* True if text is a decimal number from 0 to 10^17. */
bool mx_text_number(const char *text, int64_t *value);
/* Reads x's classes from a file of one class name per line. The file joins x->folder. */
mx_status mx_text_classes(mx_index *x, int root_fd, const char *name, mx_error *e);
/* Adds a sample with its label (-1: none). The caller must add the line or place to the message of an error. */
mx_status mx_text_sample(mx_index *x, const char *path, int64_t label, mx_error *e);
/* Fails if `most` is too large to be the largest label of x's images, so the number must mean something else. */
mx_status mx_text_plausible(const mx_index *x, int64_t most, mx_error *e);
/* Adds classes up to `most`, named by their numbers, after the existing classes. */
mx_status mx_text_numbered(mx_index *x, int64_t most, mx_error *e);

#endif
