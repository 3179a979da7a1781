/* A list of images: CSV, tab or space separated, with or without a header (docs/DATA.md). Each line names an image,
 * relative to the list's folder, and perhaps its label: a number, or a class name. */
#include "base/again.h"
#include "data/list_layout.h"
#include "data/source.h"
#include "data/splits.h"
#include "data/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MX_RECORD_LINES 1000 /* most lines of a quoted field */

/* A label that is a name. When all are known, the sample's label becomes the name's rank. */
typedef struct {
    char *name; /* in the list's text */
    int64_t sample;
} named;

typedef struct {
    mx_index *x;
    mx_list_layout layout;
    named *name;                /* [names], if labels are names */
    int64_t names, room, most;  /* most: the largest label */
    bool first, numbers, given; /* given: classes.txt gave the class names */
    unsigned wanted;            /* parts to read, as bits 1 << mx_part_name; 0: all lines */
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
    int n = mx_list_cut(line, r->layout.separator, field);
    int64_t label = -1;
    const char *part;
    if (n < 0 || n != r->layout.columns)
        return mx_fail(e, MX_ERR_FORMAT, "expected %d fields as in the first line, found %s%d",
                       r->layout.columns, n < 0 ? "a quote without end or more than " : "",
                       n < 0 ? MX_FIELDS : n);
    part = r->wanted ? field[r->layout.part] : NULL;
    if (part && !(r->wanted & 1u << mx_part_of(part, strlen(part)))) return MX_OK;
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

/* Turns names into labels: their rank among the names that occur or, with a classes.txt, their line in it. */
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

/* The next line, joined with those on which a quoted field continues. *number: the number of the first line. */
static char *next_record(mx_lines *l, char separator, size_t *length, int64_t *number) {
    char *line = mx_lines_next(l, length);
    *number = l->number;
    for (int k = 0; line && k < MX_RECORD_LINES && l->at < l->end; k++) {
        if (strlen(line) != *length || !mx_list_open_quote(line, separator)) return line;
        for (char *p = line + *length; p < l->at; p++)
            if (!*p) *p = '\n'; /* restores the line's end */
        char *end = memchr(l->at, '\n', (size_t)(l->end - l->at));
        if (!end) end = l->end;
        l->at = end + 1, l->number++;
        while (end > line && end[-1] == '\r') end--;
        *end = 0;
        *length = (size_t)(end - line);
    }
    return line;
}

/* Finds the layout from copies of the first two lines. */
static mx_status find_layout(mx_list_layout *o, const char *bytes, size_t size, const mx_list_how *how,
                             mx_error *e) {
    size_t head = 0, length;
    for (int lines = 0; head < size && lines < 64; head++) lines += bytes[head] == '\n'; /* empty ones too */
    char *copy = malloc(head + 1);
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    memcpy(copy, bytes, head), copy[head] = 0;
    mx_lines l = mx_lines_of(copy, head);
    char *first = mx_lines_next(&l, &length), *second = first ? mx_lines_next(&l, &length) : NULL;
    mx_status s = first ? mx_list_layout_find(o, first, second ? second : "", how, e) : MX_OK;
    free(copy);
    return s ? mx_fail_where(e, "line 1") : MX_OK;
}

/* Counts the lines of each part by the layout's column. False: the column also contains other values, or no training
 * part, so it is an ordinary column. Changes bytes. */
static bool count_parts(int64_t count[4], const mx_list_layout *o, char *bytes, size_t size) {
    char *field[MX_FIELDS];
    mx_lines lines = mx_lines_of(bytes, size);
    size_t length;
    int64_t number;
    memset(count, 0, 4 * sizeof *count);
    next_record(&lines, o->separator, &length, &number); /* the header */
    for (char *line; (line = next_record(&lines, o->separator, &length, &number));) {
        if (mx_list_cut(line, o->separator, field) != o->columns) return false;
        count[mx_part_of(field[o->part], strlen(field[o->part]))]++;
    }
    return !count[MX_PART_NONE] && count[MX_PART_TRAIN] && (count[MX_PART_VAL] || count[MX_PART_TEST]);
}

/* Finds the parts that make up the split; 0: the list has no parts. */
static mx_status find_wanted(unsigned *wanted, const mx_list_layout *o, const char *bytes, size_t size,
                             mx_split rows, mx_error *e) {
    int64_t count[4];
    *wanted = 0;
    if (o->part < 0 || rows >= MX_SPLIT_ALL) return MX_OK;
    char *copy = malloc(size + 1);
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory for a list");
    memcpy(copy, bytes, size), copy[size] = 0;
    if (count_parts(count, o, copy, size))
        *wanted = 1u << (rows == MX_SPLIT_TRAIN                       ? MX_PART_TRAIN
                         : rows == MX_SPLIT_VAL && count[MX_PART_VAL] ? MX_PART_VAL
                                                                      : MX_PART_TEST);
    free(copy);
    return MX_OK;
}

mx_status mx_list_parse(mx_index *x, char *bytes, size_t size, const mx_list_how *how, mx_error *e) {
    reading r = {.x = x, .most = -1, .first = true, .given = x->classes > 0};
    mx_lines lines = mx_lines_of(bytes, size);
    mx_status s = find_layout(&r.layout, bytes, size, how, e);
    if (!s) s = find_wanted(&r.wanted, &r.layout, bytes, size, how->rows, e);
    size_t length;
    int64_t number;
    bool begun = !r.layout.header;
    for (char *line; !s && (line = next_record(&lines, r.layout.separator, &length, &number));) {
        if (strlen(line) != length) s = mx_fail(e, MX_ERR_FORMAT, "expected text, found a byte 0");
        if (!s && begun) s = read_line(&r, line, e);
        begun = true;
        if (s) mx_fail_where(e, "line %lld", (long long)number);
    }
    bool own = r.names && !r.given;
    if (!s) s = r.names ? settle_names(&r, e) : mx_text_numbered(x, r.most, e);
    if (!s && own) s = mx_index_join_classes(x, e);
    free(r.name);
    return s;
}

/* True if the list itself contains lines of this held-out part. */
static bool has_rows(const mx_source *s, const char *name, mx_split split) {
    const mx_list_how how = {-1, s->image_column, s->label_column, split};
    mx_list_layout o = {.part = -1};
    mx_error ignored = {0}; /* listing reports the problem */
    char *bytes = NULL;
    size_t size;
    int64_t count[4];
    int fd = open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool yes = fd >= 0 && !mx_text_read(&bytes, &size, fd, name, &ignored) &&
               !find_layout(&o, bytes, size, &how, &ignored) && o.part >= 0 &&
               count_parts(count, &o, bytes, size) && (split == MX_SPLIT_VAL || count[MX_PART_TEST]);
    if (fd >= 0) close(fd);
    free(bytes);
    return yes;
}

/* For training: the file itself. For another part: the file whose name differs from that of a training list
 * ("train.csv", "Training_labels.csv") only in the word for the part. */
mx_status mx_find_list(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    s->root = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *name = NULL, *classes = mx_text_make("%s/classes.txt", s->root ? s->root : ".");
    mx_status st = MX_OK;
    if (!s->root || !classes)
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    else if (split != MX_SPLIT_TRAIN)
        st = mx_part_beside(&name, s->root, base, split, e);
    bool itself = !st && !name && (split == MX_SPLIT_TRAIN || has_rows(s, base, split));
    if (itself && !(name = strdup(base))) st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *found = name != NULL, s->rows = split;
    if (!st && *found) st = mx_source_add(s, name, e);
    if (!st && mx_there(classes) && strcmp(base, "classes.txt") && !(s->classes = strdup("classes.txt")))
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    free(classes), free(name);
    return st;
}

mx_status mx_list_list(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    const mx_list_how how = {root_fd, s->image_column, s->label_column, s->rows};
    char *bytes, quoted[MX_QUOTE];
    size_t size;
    if (s->classes && mx_text_classes(x, root_fd, s->classes, e)) return e->status;
    mx_status st = mx_index_add_holder(x, root_fd, s->file[0], NULL, e);
    if (!st) st = mx_text_read(&bytes, &size, root_fd, s->file[0], e);
    if (st) return st;
    st = mx_list_parse(x, bytes, size, &how, e);
    free(bytes);
    if (st) mx_fail_where(e, "%s", mx_quote(quoted, s->file[0]));
    return st;
}
