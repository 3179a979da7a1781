/* From what the user wrote to a source: which kind of data stands there, and which files are of the split
 * asked for. docs/DATA.md shows the layouts. */
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void mx_source_free(mx_source *s) {
    for (int64_t i = 0; i < s->files; i++) free(s->file[i]);
    free(s->file), free(s->given), free(s->root), free(s->images), free(s->classes);
    *s = (mx_source){0};
}

mx_status mx_source_add(mx_source *s, const char *path, mx_error *e) {
    if (s->files == s->file_room) {
        int64_t room = s->file_room ? 2 * s->file_room : 16;
        char **p = realloc(s->file, (size_t)room * sizeof *p);
        if (!p) return mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of files");
        s->file = p, s->file_room = room;
    }
    if (!(s->file[s->files] = strdup(path)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of files");
    s->files++;
    return MX_OK;
}

static bool is_folder(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static mx_status find_folder(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    static const char *const parts[2][2] = {{"train", NULL}, {"val", "test"}};
    char *train = NULL;
    if (asprintf(&train, "%s/train", path) < 0) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    bool divided = is_folder(train);
    free(train);
    if (!divided) { /* then val and test would be classes like any other */
        *found = split == MX_SPLIT_TRAIN;
        return *found && !(s->root = strdup(path)) ? mx_fail(e, MX_ERR_MEMORY, "out of memory") : MX_OK;
    }
    for (int i = 0; i < 2 && parts[split][i]; i++) {
        if (asprintf(&s->root, "%s/%s", path, parts[split][i]) < 0) {
            s->root = NULL;
            return mx_fail(e, MX_ERR_MEMORY, "out of memory");
        }
        if ((*found = is_folder(s->root))) return MX_OK;
        free(s->root), s->root = NULL;
    }
    return MX_OK;
}

mx_status mx_source_find(mx_source *s, bool *found, const char *spec, mx_split split, mx_error *e) {
    *s = (mx_source){.kind = MX_SOURCE_FOLDER};
    *found = false;
    const char *path = !strncmp(spec, "folder:", 7) ? spec + 7 : spec;
    mx_status st = find_folder(s, found, path, split, e);
    if (!st && *found && !(s->given = strdup(s->root))) st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    return st;
}

char *mx_source_identity(const mx_source *s) {
    char *real = realpath(s->root, NULL), *text = NULL;
    size_t size;
    if (s->kind == MX_SOURCE_FOLDER) return real ? real : strdup(s->root);
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        free(real);
        return NULL;
    }
    fprintf(f, "%d:%s\n%s\n%s", (int)s->kind, real ? real : s->root, s->images ? s->images : "",
            s->classes ? s->classes : "");
    for (int64_t i = 0; i < s->files; i++) fprintf(f, "\n%s", s->file[i]);
    bool bad = ferror(f);
    if (fclose(f) || bad) free(text), text = NULL;
    free(real);
    return text;
}
