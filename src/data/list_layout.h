/* The layout of a list: its separator, whether it has a header, which columns matter. Private to src/data. */
#ifndef MX_DATA_LIST_LAYOUT_H
#define MX_DATA_LIST_LAYOUT_H

#include "data/source.h"

#define MX_FIELDS 1024 /* most columns of a line */

typedef struct {
    char separator;
    int path, label, part; /* columns; label and part may be -1: none */
    int columns;
    bool header; /* the first line names columns, not an image */
} mx_list_layout;

/* Finds the layout from the first two lines (second: "" if there is none). */
mx_status mx_list_layout_find(mx_list_layout *o, const char *first, const char *second,
                              const mx_list_how *how, mx_error *e);
/* Splits a line into fields and returns their number. Changes the line: removes quotes ("" inside them is one quote)
 * and spaces around fields. -1: a quote without end, or too many fields. With a space as separator only the last space
 * separates, since paths may contain spaces. */
int mx_list_cut(char *line, char separator, char **field);
/* True if a quoted field of the line continues on the next line. */
bool mx_list_open_quote(const char *line, char separator);
/* The names of the columns in one line, for a message. */
const char *mx_list_columns(char out[MX_QUOTE], const char *first, char separator);

#endif
