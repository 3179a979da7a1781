/* How a list is written: what separates its fields, whether it has a header, which columns count. Private to
 * src/data. */
#ifndef MX_DATA_LIST_LAYOUT_H
#define MX_DATA_LIST_LAYOUT_H

#include "data/source.h"

#define MX_FIELDS 1024 /* columns of a line */

typedef struct {
    char separator;
    int path, label, part; /* columns; label, part -1: none */
    int columns;
    bool header; /* the first line is none of the images */
} mx_list_layout;

/* From the first line and the one behind it ("" when there is none). */
mx_status mx_list_layout_find(mx_list_layout *o, const char *first, const char *second,
                              const mx_list_how *how, mx_error *e);
/* Cuts a line, which is changed, into fields, quotes ("" is one) undone, spaces around dropped. -1: a quote
 * without end, or too many fields. A space separates once, at the last one: paths may hold spaces. */
int mx_list_cut(char *line, char separator, char **field);
/* Does a quoted field of the line go on in the next? */
bool mx_list_open_quote(const char *line, char separator);
/* The columns' names in one line, for a message. */
const char *mx_list_columns(char out[MX_QUOTE], const char *first, char separator);

#endif
