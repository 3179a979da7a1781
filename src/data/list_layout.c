/* Finds the layout of a list. The first line is a header if it has known column names, or if it contains no image but
 * the next line does. The column of the images is found by name or by content. See list_layout.h. */
#include "data/list_layout.h"
#include "data/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Column names in lower case, with words joined by _. Those after the "" count only if none before it occurs. */
static const char *const paths[] = {
    "path",       "file",      "filename",   "file_name",  "filepath",       "image",
    "image_path", "img",       "name",       "",           "paths",          "files",
    "filenames",  "filepaths", "images",     "file_path",  "imgs",           "img_path",
    "img_name",   "img_file",  "image_name", "image_file", "image_filename", "imagepath",
    "imagename",  "image_id",  "img_id",     "photo",      "picture",        "id",
    NULL};
static const char *const labels[] = {"label",     "class",         "class_name",  "category",   "target",
                                     "class_id",  "label_id",      "y",           "",           "labels",
                                     "classes",   "categories",    "targets",     "label_name", "class_label",
                                     "classname", "category_name", "category_id", "target_id",  "species",
                                     "diagnosis", "breed",         "genus",       "variety",    "type",
                                     "tag",       "ground_truth",  "gt",          "dx",         NULL};

static const char *const parts[] = {"split",    "subset", "partition", "data_split", "dataset_split",
                                    "data_set", "set",    "dataset",   "phase",      NULL};

/* 2: name is in the list before the "", 1: after it, 0: neither. "Image Path" is image_path. */
static int known(const char *name, const char *const *list) {
    char plain[32];
    size_t n = strlen(name);
    int worth = 2;
    if (!n || n >= sizeof plain) return 0;
    for (size_t i = 0; i <= n; i++)
        plain[i] = name[i] == ' ' || name[i] == '-'   ? '_'
                   : name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32)
                                                      : name[i];
    for (; *list; list++) {
        if (!**list) worth = 1;
        if (!strcmp(plain, *list)) return worth;
    }
    return 0;
}

static bool is_image(const char *name, const mx_list_how *how) {
    struct stat st;
    if (!*name) return false;
    return mx_image_name_known(name) ||
           (how->root_fd >= 0 && !fstatat(how->root_fd, name, &st, 0) && S_ISREG(st.st_mode));
}

/* The closing quote of the field whose first quote is at p. NULL: it does not end. */
static const char *closing(const char *p) {
    for (p++; *p; p++) {
        if (*p != '"') continue;
        if (p[1] != '"') return p;
        p++;
    }
    return NULL;
}

/* True if the field at p is quoted. Between tabs, quotes are plain characters unless they enclose the whole field. */
static bool is_quoted(const char *p, char separator) {
    if (*p != '"') return false;
    const char *end = closing(p);
    return separator != '\t' || (end && (end[1] == '\t' || !end[1]));
}

static int cut_at_space(char *line, char **field) {
    size_t end = strlen(line);
    while (end && line[end - 1] == ' ') line[--end] = 0;
    char *space = strrchr(line, ' ');
    field[0] = line;
    if (!space || mx_image_name_known(line)) return 1;
    *space = 0, field[1] = space + 1;
    for (; space > line && space[-1] == ' '; space--) space[-1] = 0;
    return 2;
}

/* Removes the quotes of the field at p. Returns the end of the field, or NULL if the last quote is missing. */
static char *unquote(char *p) {
    char *out = p, *last = (char *)(uintptr_t)closing(p);
    if (!last) return NULL;
    for (char *q = p + 1; q < last; q++) {
        *out++ = *q;
        if (*q == '"') q++; /* the second of two */
    }
    *out = 0;
    return last + 1;
}

int mx_list_cut(char *line, char separator, char **field) {
    int n = 0;
    if (separator == ' ') return cut_at_space(line, field);
    for (char *p = line;; p++) {
        if (n == MX_FIELDS) return -1;
        while (*p == ' ') p++;
        field[n++] = p;
        if (is_quoted(p, separator)) {
            if (!(p = unquote(p))) return -1;
            while (*p == ' ') p++;
            if (*p && *p != separator) return -1; /* something after the closing quote */
        } else {
            char *start = p, *end = p += strcspn(p, (char[]){separator, 0});
            while (end > start && end[-1] == ' ') end--;
            bool last = !*p;
            *end = 0;
            if (last) return n;
            continue;
        }
        if (!*p) return n;
    }
}

bool mx_list_open_quote(const char *line, char separator) {
    if (separator == ' ' || separator == '\t') return false;
    for (const char *p = line;; p++) {
        while (*p == ' ') p++;
        if (*p == '"') {
            if (!(p = closing(p))) return true;
            p++;
        }
        p += strcspn(p, (char[]){separator, 0});
        if (!*p) return false;
    }
}

/* A tab, or the most frequent separator outside quotes. A line that as a whole is a file's name has none. */
static char find_separator(const char *line, const mx_list_how *how) {
    int commas = 0, others[2] = {0};
    bool quoted = false;
    struct stat st;
    if (how->root_fd >= 0 && !fstatat(how->root_fd, line, &st, 0)) return ' ';
    if (strchr(line, '\t')) return '\t';
    for (const char *p = line; *p; p++) {
        if (*p == '"') quoted = !quoted;
        commas += !quoted && *p == ',';
        others[0] += !quoted && *p == ';', others[1] += !quoted && *p == '|';
    }
    return others[0] > commas ? ';' : commas ? ',' : others[1] ? '|' : ' ';
}

const char *mx_list_columns(char out[MX_QUOTE], const char *first, char separator) {
    char *copy = strdup(first), *field[MX_FIELDS], name[MX_QUOTE];
    int n = copy ? mx_list_cut(copy, separator, field) : 0;
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < n; i++) {
        mx_quote(name, field[i]);
        if (used + strlen(name) + 8 > MX_QUOTE) {
            strcpy(out + used, ", ...");
            break;
        }
        if (i) used = (size_t)(stpcpy(out + used, ", ") - out);
        used = (size_t)(stpcpy(out + used, name) - out);
    }
    free(copy);
    return out;
}

/* The first two lines, split into fields. */
typedef struct {
    const mx_list_how *how;
    const char *line;
    char separator;
    char *first[MX_FIELDS], *second[MX_FIELDS];
    int n, second_n; /* fields in the first and the second line; second_n is 0 if they differ */
} lines;

/* The column that an option names, -1 after an error. */
static int named(const lines *l, const char *option, const char *name, bool header, mx_error *e) {
    int64_t number = 0;
    char have[MX_QUOTE];
    for (int fold = 0; header && fold < 2; fold++)
        for (int i = 0; i < l->n; i++)
            if (fold ? !strcasecmp(l->first[i], name) : !strcmp(l->first[i], name)) return i;
    if (mx_text_number(name, &number) && number >= 1 && number <= l->n) return (int)number - 1;
    mx_fail(e, MX_ERR_FORMAT, "--%s %s: expected one of the columns %s%s, or a number from 1 to %d", option,
            name, header ? "" : "of a header, found none above ",
            mx_list_columns(have, l->line, l->separator), l->n);
    return -1;
}

/* The best column by name, except `not`; with images, by content too. -1: none. */
static int by_name(const lines *l, const char *const *list, int not, bool images) {
    int best = -1, most = 0;
    for (int i = 0; i < l->n; i++) {
        int worth = i == not ? 0 : known(l->first[i], list);
        if (worth && images && i < l->second_n && is_image(l->second[i], l->how)) worth += 2;
        if (worth > most) most = worth, best = i;
    }
    return best;
}

/* The only column that holds an image; -1: none, -2: several. */
static int by_content(const lines *l, char *const *field, int n) {
    int at = -1;
    for (int i = 0; i < n; i++)
        if (is_image(field[i], l->how)) at = at == -1 ? i : -2;
    return at;
}

/* True if the first line is a header with unknown names: it has words, and no image where the next line has one. ",1"
 * is not a header, but lacks the name of an image. */
static bool unknown_header(const lines *l) {
    int at = by_content(l, l->second, l->second_n);
    int64_t number;
    bool words = at >= 0 && *l->first[at];
    for (int i = 0; i < l->n; i++) words |= *l->first[i] && !mx_text_number(l->first[i], &number);
    return at != -1 && words;
}

static mx_status no_images(const lines *l, mx_error *e) {
    char have[MX_QUOTE];
    return mx_fail(e, MX_ERR_FORMAT,
                   "expected a header with a column path, file or image, or an image, found the columns %s: "
                   "--image-column names it",
                   mx_list_columns(have, l->line, l->separator));
}

/* Finds the columns of a list with a header: by name, then by content. */
static mx_status header_columns(mx_list_layout *o, const lines *l, mx_error *e) {
    int named_at = by_name(l, paths, -1, true), seen = by_content(l, l->second, l->second_n);
    bool fits = named_at >= 0 && named_at < l->second_n && is_image(l->second[named_at], l->how);
    if (!l->how->image_column) o->path = seen >= 0 && !fits ? seen : named_at;
    if (!l->how->label_column && o->path >= 0) o->label = by_name(l, labels, o->path, false);
    o->part = by_name(l, parts, o->path, false);
    if (o->part == o->label) o->part = -1;
    return o->path >= 0 ? MX_OK : no_images(l, e);
}

/* Finds the columns of a list without a header: "path", "path,label" or "label,path". */
static mx_status bare_columns(mx_list_layout *o, const lines *l, mx_error *e) {
    int seen = by_content(l, l->first, l->n);
    char have[MX_QUOTE];
    if (o->path < 0) o->path = l->n > 2 ? seen : seen == 1 ? 1 : 0;
    if (l->n > 2 && (o->path < 0 || !(l->how->image_column || l->how->label_column)))
        return mx_fail(e, MX_ERR_FORMAT,
                       "expected \"path,label\" or a header that names the columns path and label, found %d "
                       "columns (%s): --image-column %d --label-column N name them by their numbers",
                       l->n, mx_list_columns(have, l->line, l->separator), o->path < 0 ? 1 : o->path + 1);
    if (!l->how->label_column && l->n == 2) o->label = 1 - o->path;
    return MX_OK;
}

static mx_status find_columns(mx_list_layout *o, const lines *l, mx_error *e) {
    const mx_list_how *how = l->how;
    bool data = by_content(l, l->first, l->n) != -1; /* an image in it: not a header */
    bool names = by_name(l, paths, -1, false) >= 0 || by_name(l, labels, -1, false) >= 0;
    o->columns = l->n, o->path = o->label = o->part = -1;
    o->header = !data && (names || unknown_header(l));
    if (how->image_column && (o->path = named(l, "image-column", how->image_column, !data, e)) < 0)
        return e->status;
    if (how->label_column && (o->label = named(l, "label-column", how->label_column, !data, e)) < 0)
        return e->status;
    bool by_option = (how->image_column && !strcasecmp(l->first[o->path], how->image_column)) ||
                     (how->label_column && !strcasecmp(l->first[o->label], how->label_column));
    o->header |= !data && by_option;
    mx_status s = o->header ? header_columns(o, l, e) : bare_columns(o, l, e);
    if (!s && o->path == o->label)
        s = mx_fail(e, MX_ERR_FORMAT, "expected images and labels in two columns, found both in column %d",
                    o->path + 1);
    return s;
}

mx_status mx_list_layout_find(mx_list_layout *o, const char *first, const char *second,
                              const mx_list_how *how, mx_error *e) {
    lines *l = calloc(1, sizeof *l);
    char *a = strdup(first), *b = strdup(second);
    mx_status s = l && a && b ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *o = (mx_list_layout){.separator = find_separator(first, how)};
    if (!s) {
        l->how = how, l->line = first, l->separator = o->separator;
        l->n = mx_list_cut(a, o->separator, l->first);
        l->second_n = *second ? mx_list_cut(b, o->separator, l->second) : 0;
        if (l->second_n != l->n) l->second_n = 0;
        s = l->n < 0
                ? mx_fail(e, MX_ERR_FORMAT, "expected fields of which quoted ones end, at most %d", MX_FIELDS)
                : find_columns(o, l, e);
    }
    free(a), free(b), free(l);
    return s;
}
