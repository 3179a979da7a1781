/* Describes the difference between a data set and its earlier list (a cache file), for the error when a run cannot be
 * resumed. Merges both lists, sorted by name. */
#include "data/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDED, REMOVED, RESIZED, RELABELLED, KINDS };

typedef struct {
    int64_t count[KINDS];
    const char *first[KINDS];
} differences;

typedef struct {
    const char *name;
    int64_t size;
    int32_t label;
} sample;

static int by_name(const void *a, const void *b) {
    return strcmp(((const sample *)a)->name, ((const sample *)b)->name);
}

/* The samples sorted by name. The caller frees them; NULL: out of memory. */
static sample *sorted(const mx_index *x) {
    sample *s = malloc(((size_t)x->files + 1) * sizeof *s);
    for (int64_t i = 0; s && i < x->files; i++)
        s[i] = (sample){x->names + x->file[i].name, x->file[i].size, x->file[i].label};
    if (s) qsort(s, (size_t)x->files, sizeof *s, by_name);
    return s;
}

static void note(differences *d, int kind, const char *name) {
    if (!d->count[kind]++) d->first[kind] = name;
}

static void compare(differences *d, const sample *was, int64_t n, const sample *is, int64_t m) {
    for (int64_t i = 0, j = 0; i < n || j < m;) {
        int order = i == n ? 1 : j == m ? -1 : strcmp(was[i].name, is[j].name);
        if (order > 0)
            note(d, ADDED, is[j++].name);
        else if (order < 0)
            note(d, REMOVED, was[i++].name);
        else {
            if (was[i].size != is[j].size)
                note(d, RESIZED, is[j].name);
            else if (was[i].label != is[j].label)
                note(d, RELABELLED, is[j].name);
            i++, j++;
        }
    }
}

static void print(const differences *d, char *text, size_t room) {
    static const char *const what[KINDS] = {"added", "removed", "of another size", "of another class"};
    char quoted[MX_QUOTE];
    size_t used = 0;
    for (int k = 0; k < KINDS; k++)
        if (d->count[k] && used < room)
            used += (size_t)snprintf(text + used, room - used, "%s%lld %s (%s%s)", used ? ", " : "",
                                     (long long)d->count[k], what[k], d->count[k] > 1 ? "the first: " : "",
                                     mx_quote(quoted, d->first[k]));
    if (!used) snprintf(text, room, "the files are in another order");
}

bool mx_dataset_changes(const mx_dataset *d, const char *old_cache, char *text, size_t room) {
    mx_index old;
    int64_t written;
    *text = 0;
    if (!mx_index_load(&old, &written, old_cache, NULL)) return false;
    const mx_index *now = mx_dataset_index(d);
    sample *was = sorted(&old), *is = sorted(now);
    differences found = {0};
    if (was && is) {
        compare(&found, was, old.files, is, now->files);
        print(&found, text, room);
    }
    free(was), free(is);
    mx_index_free(&old);
    return *text;
}
