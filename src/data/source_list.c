/* A list with labels: CSV, tab or space separated, with a header or without (docs/DATA.md). Each line names
 * an image, relative to the list's folder, and perhaps its label: a number, or a class name. */
#include "data/source.h"
#include "data/splits.h"
#include "data/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MX_FIELDS 64 /* columns of a line */

/* Where things stand in a line. */
typedef struct {
    char separator;
    int path, label; /* columns; label -1: none */
    int columns;     /* 0: any number */
} layout;

static bool one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (!strcasecmp(name, *names)) return true;
    return false;
}

/* Cuts a line into fields at the separator, quotes ("" is one) undone. -1: a quote without end, or too many
 * fields. A space separates once, at the last one: paths may hold spaces. */
static int cut(char *line, char separator, char **field) {
    int n = 0;
    if (separator == ' ') {
        size_t end = strlen(line);
        while (end && line[end - 1] == ' ') line[--end] = 0;
        char *space = strrchr(line, ' ');
        field[n++] = line;
        if (!space || mx_image_name_known(line)) return n;
        *space = 0, field[n++] = space + 1;
        for (; space > line && space[-1] == ' '; space--) space[-1] = 0;
        return n;
    }
    for (char *p = line;;) {
        if (n == MX_FIELDS) return -1;
        char *out = field[n++] = p;
        bool quoted = separator == ',' && *p == '"';
        if (quoted) p++;
        for (; *p && (quoted || *p != separator); p++) {
            if (quoted && *p == '"') {
                if (p[1] != '"') break;
                p++;
            }
            *out++ = *p;
        }
        if (quoted && *p++ != '"') return -1;
        char end = *p;
        *out = 0;
        if (!end) return n;
        if (end != separator) return -1; /* something behind the closing quote */
        p++;
    }
}

/* The first line: a header when none of its fields looks like an image; else the plain "path" or
 * "path,label".
 */
static mx_status read_layout(layout *o, const char *line, bool *header, mx_error *e) {
    static const char *const paths[] = {"path",     "file",       "filename", "file_name", "image",
                                        "filepath", "image_path", "img",      "name",      NULL};
    static const char *const labels[] = {"label",    "class",    "class_name", "category", "target",
                                         "class_id", "label_id", "y",          NULL};
    char *copy = strdup(line), *field[MX_FIELDS];
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *o = (layout){.separator = strchr(line, '\t')  ? '\t'
                               : strchr(line, ',') ? ','
                                                   : ' ',
                  .path = -1,
                  .label = -1};
    int n = cut(copy, o->separator, field);
    *header = n > 0;
    for (int i = 0; i < n; i++)
        if (mx_image_name_known(field[i])) *header = false;
    for (int i = 0; *header && i < n; i++) {
        if (o->path < 0 && one_of(field[i], paths))
            o->path = i;
        else if (o->label < 0 && one_of(field[i], labels))
            o->label = i;
    }
    mx_status s = MX_OK;
    if (n < 0)
        s = mx_fail(e, MX_ERR_FORMAT, "expected fields of which quoted ones end, at most %d", MX_FIELDS);
    else if (o->path >= 0)
        o->columns = n;
    else if (n > 2)
        s = mx_fail(e, MX_ERR_FORMAT,
                    "expected \"path,label\" or a header that names the columns path and label, found %d "
                    "columns",
                    n);
    else if (*header && n == 2 && (one_of(field[1], labels) || one_of(field[0], labels)))
        s = mx_fail(e, MX_ERR_FORMAT, "expected a header with a column path, file or image");
    else
        *header = false, o->path = 0, o->label = n == 2 ? 1 : -1, o->columns = n;
    free(copy);
    return s;
}

/* Labels that are names, until all of them are known: the sample's label is then its rank. */
typedef struct {
    char *name; /* in the list's text */
    int64_t sample;
} named;

typedef struct {
    mx_index *x;
    layout layout;
    named *name;                /* [names] when labels are names */
    int64_t names, room, most;  /* most: the largest number */
    bool first, numbers, given; /* given: class names were there before */
} reading;

static mx_status add_name(reading *r, char *name, mx_error *e) {
    if (r->names == r->room) {
        int64_t room = r->room ? r->room * 2 : 1024;
        named *bigger = realloc(r->name, (size_t)room * sizeof *bigger);
        if (!bigger) return mx_fail(e, MX_ERR_MEMORY, "out of memory after %lld labels", (long long)r->names);
        r->name = bigger, r->room = room;
    }
    r->name[r->names++] = (named){name, r->x->files - 1};
    return MX_OK;
}

static mx_status read_line(reading *r, char *line, mx_error *e) {
    char *field[MX_FIELDS], quoted[MX_QUOTE];
    int n = cut(line, r->layout.separator, field);
    int64_t label = -1;
    if (n < 0 || n != r->layout.columns)
        return mx_fail(e, MX_ERR_FORMAT, "expected %d fields as in the first line, found %s%d",
                       r->layout.columns, n < 0 ? "a quote without end or more than " : "",
                       n < 0 ? MX_FIELDS : n);
    char *path = field[r->layout.path], *text = r->layout.label < 0 ? NULL : field[r->layout.label];
    if (!text) return mx_text_sample(r->x, path, -1, e);
    bool number = mx_text_number(text, &label);
    if (r->first) r->numbers = number, r->first = false;
    if (!*text || (r->numbers && !number))
        return mx_fail(e, MX_ERR_FORMAT, "expected a label%s, found \"%s\"",
                       r->numbers ? " number as in the lines before" : "", mx_quote(quoted, text));
    if (r->numbers && r->given && label >= r->x->classes)
        return mx_fail(e, MX_ERR_FORMAT, "expected a label below the %lld classes of classes.txt, found %lld",
                       (long long)r->x->classes, (long long)label);
    if (r->numbers && label > r->most) r->most = label;
    mx_status s = mx_text_sample(r->x, path, r->numbers ? label : -1, e);
    return s || r->numbers ? s : add_name(r, text, e);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

/* Names to labels: their rank among the names that occur or, with a classes.txt, their line in it. */
static mx_status settle_names(reading *r, mx_error *e) {
    mx_index *x = r->x;
    char quoted[MX_QUOTE];
    mx_status s = MX_OK;
    int64_t known = x->classes, rank = -1;
    named *table = r->given ? malloc((size_t)known * sizeof *table) : NULL;
    if (r->given && !table) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int64_t c = 0; c < known; c++) table[c] = (named){x->names + x->class_name[c], c};
    if (table) qsort(table, (size_t)known, sizeof *table, by_name);
    if (r->names) qsort(r->name, (size_t)r->names, sizeof *r->name, by_name);
    for (int64_t i = 0; i < r->names && !s; i++) {
        if (!i || strcmp(r->name[i].name, r->name[i - 1].name)) {
            const named *there =
                table ? bsearch(&r->name[i], table, (size_t)known, sizeof *table, by_name) : NULL;
            if (table && !there)
                s = mx_fail(e, MX_ERR_FORMAT, "expected classes of classes.txt, found \"%s\" for image %lld",
                            mx_quote(quoted, r->name[i].name), (long long)r->name[i].sample + 1);
            else if (table)
                rank = there->sample;
            else
                rank = x->classes, s = mx_index_add_class(x, r->name[i].name, strlen(r->name[i].name), e);
        }
        if (!s) x->file[r->name[i].sample].label = (int32_t)rank;
    }
    free(table);
    return s;
}

mx_status mx_list_parse(mx_index *x, char *bytes, size_t size, mx_error *e) {
    reading r = {.x = x, .most = -1, .first = true, .given = x->classes > 0};
    mx_lines lines = mx_lines_of(bytes, size);
    mx_status s = MX_OK;
    bool begun = false;
    size_t length;
    for (char *line; !s && (line = mx_lines_next(&lines, &length));) {
        bool header = false;
        if (strlen(line) != length) s = mx_fail(e, MX_ERR_FORMAT, "expected text, found a byte 0");
        if (!s && !begun) s = read_layout(&r.layout, line, &header, e);
        begun = true;
        if (!s && !header) s = read_line(&r, line, e);
        if (s) mx_fail_where(e, "line %lld", (long long)lines.number);
    }
    if (!s) s = r.names ? settle_names(&r, e) : mx_text_numbered(x, r.most, e);
    free(r.name);
    return s;
}

/* FILE itself; and beside a list of the training part ("train.csv", "Training_labels.csv") the one of another
 * part, named alike. */
mx_status mx_find_list(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    s->root = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *name = NULL, *classes = mx_text_make("%s/classes.txt", s->root ? s->root : ".");
    mx_status st = MX_OK;
    if (!s->root || !classes)
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    else if (split != MX_SPLIT_TRAIN)
        st = mx_part_beside(&name, s->root, base, split, e);
    else if (!(name = strdup(base)))
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *found = name != NULL;
    if (!st && *found) st = mx_source_add(s, name, e);
    if (!st && !access(classes, F_OK) && strcmp(base, "classes.txt") && !(s->classes = strdup("classes.txt")))
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    free(classes), free(name);
    return st;
}

mx_status mx_list_list(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    char *bytes, quoted[MX_QUOTE];
    size_t size;
    if (s->classes && mx_text_classes(x, root_fd, s->classes, e)) return e->status;
    mx_status st = mx_index_add_holder(x, root_fd, s->file[0], NULL, e);
    if (!st) st = mx_text_read(&bytes, &size, root_fd, s->file[0], e);
    if (st) return st;
    st = mx_list_parse(x, bytes, size, e);
    free(bytes);
    if (st) mx_fail_where(e, "%s", mx_quote(quoted, s->file[0]));
    return st;
}
