/* Explains why a data set has no classes, by its kind of source. See mx_dataset_need_classes. */
#include "data/compose.h"
#include "data/list_layout.h"
#include "data/source.h"
#include "data/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One image outside the class folders removes all labels. The message names the first such image and a class folder. */
static mx_status say_folder(const mx_dataset *d, const char *root, mx_error *e) {
    const char *loose = NULL, *inside = NULL;
    char a[MX_QUOTE], b[MX_QUOTE];
    int64_t count = 0,
            folders = d->source.files ? 2 : 1; /* folders in the path part/class/image or class/image */
    for (int64_t i = 0; i < d->index.files; i++) {
        const char *path = mx_dataset_path(d, i);
        int64_t depth = 0;
        for (const char *p = path; *p; p++) depth += *p == '/';
        if (depth >= folders)
            inside = inside ? inside : path;
        else if (!count++)
            loose = path;
    }
    if (!loose || !inside)
        return mx_fail(e, MX_ERR_DATA,
                       "%s has no classes to learn: expected one folder for each class (or another labelled "
                       "data set), found "
                       "images that lie together, like %s",
                       root, mx_quote(a, mx_dataset_path(d, 0)));
    return mx_fail(e, MX_ERR_DATA,
                   "%s has no classes to learn: %s%s beside the class folders (%.*s, ...); what lies there "
                   "has no class, "
                   "so take it away",
                   root, mx_quote(a, loose), count > 1 ? " and others lie" : " lies",
                   (int)strcspn(inside, "/"), mx_quote(b, inside));
}

static mx_status say_list(const mx_dataset *d, const char *root, mx_error *e) {
    char *bytes = NULL, have[MX_QUOTE] = "";
    size_t size, length;
    mx_list_layout o = {0};
    mx_error ignored = {0}; /* opening has read it without error */
    const mx_list_how how = {d->root_fd, d->source.image_column, d->source.label_column, MX_SPLIT_ALL};
    if (!mx_text_read(&bytes, &size, d->root_fd, d->source.file[0], &ignored)) {
        mx_lines l = mx_lines_of(bytes, size);
        char *first = mx_lines_next(&l, &length), *second = first ? mx_lines_next(&l, &length) : NULL;
        if (first && !mx_list_layout_find(&o, first, second ? second : "", &how, &ignored))
            mx_list_columns(have, first, o.separator);
    }
    free(bytes);
    if (o.columns < 2)
        return mx_fail(e, MX_ERR_DATA, "%s has no labels: expected lines \"path,label\", found only paths",
                       root);
    return mx_fail(e, MX_ERR_DATA,
                   "%s has no labels: expected a column label, class or category, found %s; --label-column "
                   "names the one to use",
                   root, have);
}

mx_status mx_dataset_need_classes(const mx_dataset *d, int least, mx_error *e) {
    int n = mx_dataset_classes(d);
    char root[MX_QUOTE], name[MX_QUOTE];
    mx_quote(root, mx_dataset_root(d));
    if (n >= least) return MX_OK;
    if (n)
        return mx_fail(e, MX_ERR_DATA,
                       "%s has no classes to tell apart: expected two or more, found a single one, %s", root,
                       mx_quote(name, mx_dataset_class_name(d, 0)));
    switch (d->source.kind) {
    case MX_SOURCE_FOLDER: return say_folder(d, root, e);
    case MX_SOURCE_LIST: return say_list(d, root, e);
    case MX_SOURCE_TAR:
        return mx_fail(
            e, MX_ERR_DATA,
            "%s has no labels: expected beside each image a member with its name that ends in .cls and "
            "holds the number of its class, found none",
            root);
    default: return mx_fail(e, MX_ERR_DATA, "%s has no labels: expected annotations, found none", root);
    }
}

/* ---- joins classes whose names are equal in two Unicode forms ---- */

typedef struct {
    char *name; /* composed */
    int32_t label;
} form;

static int by_form(const void *a, const void *b) {
    const form *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->label > y->label) - (x->label < y->label);
}

/* Removes the classes that join an earlier one; the others keep their order. to[label]: in, the class that it joins;
 * out, its new label. */
static void renumber(mx_index *x, int32_t *to) {
    int32_t kept = 0;
    for (int32_t c = 0; c < x->classes; c++) {
        bool joins = to[c] != c;
        to[c] = joins ? to[to[c]] : kept;
        if (!joins) x->class_name[kept++] = x->class_name[c];
    }
    x->classes = kept;
    for (int64_t i = 0; i < x->files; i++)
        if (x->file[i].label >= 0) x->file[i].label = to[x->file[i].label];
}

mx_status mx_index_join_classes(mx_index *x, mx_error *e) {
    size_t room = (size_t)x->classes + 1;
    form *f = calloc(room, sizeof *f);
    int32_t *to = malloc(room * sizeof *to), joined = 0;
    mx_status s =
        f && to ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld classes", (long long)x->classes);
    for (int32_t c = 0; c < x->classes && !s; c++) {
        to[c] = c, f[c].label = c;
        if (!(f[c].name = mx_name_composed(x->names + x->class_name[c])))
            s = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    }
    if (!s && x->classes) qsort(f, (size_t)x->classes, sizeof *f, by_form);
    for (int32_t c = 1; c < x->classes && !s; c++)
        if (!strcmp(f[c].name, f[c - 1].name)) to[f[c].label] = to[f[c - 1].label], joined++;
    if (joined && !s) {
        renumber(x, to);
        s = mx_index_note(
            x, e, "%d classes have a name that another has in other Unicode characters, and are one with it",
            joined);
    }
    for (size_t c = 0; f && c < room; c++) free(f[c].name);
    free(f), free(to);
    return s;
}
