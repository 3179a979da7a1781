/* The most common source: a folder of images, flat or in class folders (ImageNet's layout). walk.c lists it;
 * this file finds the labels. */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

/* A class folder. Its files are consecutive in the sorted list, since their paths share a prefix. */
typedef struct {
    char *name; /* of the folder; owned */
    int64_t first, end;
} group;

static int by_folder(const void *a, const void *b) {
    return strcmp(((const group *)a)->name, ((const group *)b)->name);
}

static void free_groups(group *g, int64_t n) {
    for (int64_t i = 0; i < n; i++) free(g[i].name);
    free(g);
}

/* If s->file names parts: the path inside its part, or NULL if it is in none. Else path. */
static const char *inside_part(const mx_source *s, const char *path) {
    size_t n = strcspn(path, "/");
    for (int64_t k = 0; k < s->files; k++)
        if (path[n] && !strncmp(s->file[k], path, n) && !s->file[k][n]) return path + n + 1;
    return s->files ? NULL : path;
}

/* The class folder in path; NULL: there is none. */
static const char *class_folder(const char *path, size_t *length) {
    const char *slash = strchr(path, '/');
    if (slash) *length = (size_t)(slash - path);
    return slash ? path : NULL;
}

/* Finds the class folders in path order, part by part. There are none if a file is directly in the root or in a part.
 * False: out of memory. */
static bool find_groups(const mx_index *x, const mx_source *s, group **out, int64_t *count) {
    group *g = NULL;
    int64_t n = 0, room = 0;
    *out = NULL, *count = 0;
    for (int64_t i = 0; i < x->files; i++) {
        size_t length = 0;
        const char *path = inside_part(s, x->names + x->file[i].name);
        if (!path) continue; /* outside the parts: no label */
        if (!(path = class_folder(path, &length))) {
            free_groups(g, n);
            return true;
        }
        if (!n || g[n - 1].end != i || strncmp(g[n - 1].name, path, length) || g[n - 1].name[length]) {
            if (n == room) {
                room = room ? room * 2 : 64;
                group *bigger = realloc(g, (size_t)room * sizeof *g);
                if (!bigger) return free_groups(g, n), false;
                g = bigger;
            }
            if (!(g[n].name = strndup(path, length))) return free_groups(g, n), false;
            g[n++].first = i;
        }
        g[n - 1].end = i + 1;
    }
    *out = g, *count = n;
    return true;
}

/* Labels are ranks of folder names, not of paths: "a" comes before "a-b", although "a-b/x" comes before "a/x". Folders
 * without images are no classes. */
static mx_status find_classes(mx_index *x, const mx_source *src, mx_error *e) {
    group *g;
    int64_t n;
    mx_status s = MX_OK;
    if (!find_groups(x, src, &g, &n))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the labels of %lld images", (long long)x->files);
    if (n) qsort(g, (size_t)n, sizeof *g, by_folder);
    for (int64_t c = 0; c < n && !s; c++) {
        bool known = c && !strcmp(g[c].name, g[c - 1].name); /* the same class in another part */
        if (!known) s = mx_index_add_class(x, g[c].name, strlen(g[c].name), e);
        for (int64_t i = g[c].first; i < g[c].end; i++) x->file[i].label = (int32_t)x->classes - 1;
    }
    free_groups(g, n);
    return s;
}

mx_status mx_list_folder(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    char quoted[MX_QUOTE], kinds[MX_IMAGE_KINDS];
    mx_status st = mx_index_walk(x, root_fd, s->root, e);
    if (st) return st;
    mx_image_kinds(kinds);
    if (!x->files)
        return mx_fail(e, MX_ERR_DATA,
                       "no images in %s: expected %s files, found %lld other files in %lld folders%s%s%s",
                       mx_quote(quoted, s->root), kinds, (long long)x->others, (long long)x->folders,
                       x->unread ? "; " : "", x->names ? x->names + x->unread : "",
                       x->own ? "; folders of runs of this program are passed over" : "");
    st = find_classes(x, s, e);
    return st ? st : mx_index_join_classes(x, e);
}
