/* From the user's text to a source: finds the kind of data at the path, and the files of the requested split.
 * docs/DATA.md shows the layouts. */
#include "base/again.h"
#include "base/text_stream.h"
#include "data/shards.h"
#include "data/source.h"
#include "data/splits.h"
#include "data/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void mx_source_free(mx_source *s) {
    for (int64_t i = 0; i < s->files; i++) free(s->file[i]);
    free(s->file), free(s->given), free(s->root), free(s->images), free(s->classes);
    free(s->image_column), free(s->label_column), free(s->note);
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
    return !mx_stat(path, &st) && S_ISDIR(st.st_mode);
}

static const struct {
    const char *prefix;
    mx_source_sign *sign;
    mx_source_finder *find;
    const char *what;
} kinds[MX_SOURCE_KINDS] = {
    [MX_SOURCE_FOLDER] = {"folder:", NULL, mx_find_folder, "a folder of images"},
    [MX_SOURCE_INAT] = {"inat:", mx_sign_inat, mx_find_inat, "iNaturalist"},
    [MX_SOURCE_PLACES] = {"places:", mx_sign_places, mx_find_places, "Places"},
    [MX_SOURCE_CIFAR] = {"cifar:", mx_sign_cifar, mx_find_cifar, "CIFAR"},
    [MX_SOURCE_LIST] = {"list:", NULL, mx_find_list, "a list"},
    [MX_SOURCE_TAR] = {"tar:", mx_sign_tar, mx_find_tar, "tar shards"},
};

/* True if path contains folders. Next to shards, only a folder of images has those. */
static bool has_folders(const char *path) {
    DIR *dir = mx_open_folder(path);
    bool yes = false;
    for (const struct dirent *f; dir && !yes && (f = mx_next_name(dir));) {
        char *inner = f->d_name[0] == '.' ? NULL : mx_text_make("%s/%s", path, f->d_name);
        yes = inner && is_folder(inner) && !mx_is_run_folder(AT_FDCWD, inner);
        free(inner);
    }
    if (dir) closedir(dir);
    return yes;
}

/* Detects the kind of a folder by a file that shows it. Two such files, or shards next to folders that may contain
 * images, are an error: the user must decide. */
static mx_status tell_folder(mx_source_kind *kind, const char *path, mx_error *e) {
    char *sign[MX_SOURCE_KINDS] = {0}, quoted[MX_QUOTE];
    mx_source_kind other = MX_SOURCE_FOLDER;
    mx_status s = MX_OK;
    *kind = MX_SOURCE_FOLDER;
    for (mx_source_kind k = 0; k < MX_SOURCE_KINDS; k++)
        if (kinds[k].sign && (sign[k] = kinds[k].sign(path))) other = *kind, *kind = k;
    if (other != MX_SOURCE_FOLDER)
        s = mx_fail(e, MX_ERR_DATA, "%s may be %s (%s) or %s (%s): write %sDIR or %sDIR to choose",
                    mx_quote(quoted, path), kinds[other].what, sign[other], kinds[*kind].what, sign[*kind],
                    kinds[other].prefix, kinds[*kind].prefix);
    else if (*kind == MX_SOURCE_TAR && !strcmp(sign[MX_SOURCE_TAR], "*.tar") && has_folders(path))
        s = mx_fail(
            e, MX_ERR_DATA,
            "%s holds .tar files and folders: write tar:DIR or folder:DIR to choose the shards or the "
            "images",
            mx_quote(quoted, path));
    for (int k = 0; k < MX_SOURCE_KINDS; k++) free(sign[k]);
    return s;
}

static bool ends_with(const char *text, const char *const *ends) {
    size_t n = strlen(text);
    for (; *ends; ends++)
        if (n >= strlen(*ends) && !strcasecmp(text + n - strlen(*ends), *ends)) return true;
    return false;
}

/* Detects the kind of a path without a prefix. */
static mx_status tell(mx_source_kind *kind, const char *path, mx_error *e) {
    static const char *const lists[] = {".csv", ".tsv", ".txt", ".lst", NULL}, *const json[] = {".json",
                                                                                                NULL};
    struct stat st;
    char quoted[MX_QUOTE];
    *kind = MX_SOURCE_FOLDER;
    if (mx_stat(path, &st)) {
        int error = errno;
        if (strstr(path, "::") || strchr(path, '{'))
            *kind = MX_SOURCE_TAR;
        else
            return mx_fail(e, error == ENOENT ? MX_ERR_DATA : MX_ERR_IO, "cannot open the data %s: %s%s",
                           mx_quote(quoted, path), strerror(error),
                           strchr(path, ':')
                               ? "; the prefixes are folder: split: classes: inat: places: cifar: list: tar:"
                               : "");
        return MX_OK;
    }
    if (S_ISDIR(st.st_mode)) return tell_folder(kind, path, e);
    if (mx_shard_name(path))
        *kind = MX_SOURCE_TAR;
    else if (ends_with(path, lists))
        *kind = MX_SOURCE_LIST;
    else if (ends_with(path, json))
        *kind = MX_SOURCE_INAT;
    else
        return mx_fail(
            e, MX_ERR_DATA,
            "expected a folder, a list (.csv .tsv .txt .lst), annotations (.json) or tar shards, found "
            "a file: %s",
            mx_quote(quoted, path));
    return MX_OK;
}

/* Finds a whole source, which must have no held-out part. */
static mx_status find_undivided(mx_source *s, bool *found, const char *path, mx_error *e) {
    mx_source held = {.kind = s->kind, .reading = s->reading};
    char quoted[MX_QUOTE];
    bool two = false;
    mx_status st = kinds[s->kind].find(&held, &two, path, MX_SPLIT_VAL, e);
    if (!st) st = kinds[s->kind].find(s, found, path, MX_SPLIT_TRAIN, e);
    bool same = two && *found && s->kind == MX_SOURCE_LIST && !strcmp(held.file[0], s->file[0]);
    mx_source_free(&held);
    if (same) s->rows = MX_SPLIT_ALL; /* one list holds both */
    if (!st && two && !same)
        st = mx_fail(e, MX_ERR_ARGUMENT, "%s has two parts, with a list for each: choose train or val",
                     mx_quote(quoted, path));
    return st;
}

/* The path after spec's prefix. *kind is MX_SOURCE_KINDS if there is no prefix. */
static const char *behind_prefix(mx_source_kind *kind, mx_reading *reading, const char *spec) {
    *reading = !strncmp(spec, "split:", 6)     ? MX_READ_PARTS
               : !strncmp(spec, "classes:", 8) ? MX_READ_CLASSES
               : !strncmp(spec, "folder:", 7)  ? MX_READ_FOLDER
                                               : MX_READ_TELL;
    if (*reading != MX_READ_TELL) {
        *kind = MX_SOURCE_FOLDER;
        return strchr(spec, ':') + 1;
    }
    for (*kind = 0; *kind < MX_SOURCE_KINDS; (*kind)++)
        if (!strncmp(spec, kinds[*kind].prefix, strlen(kinds[*kind].prefix)))
            return spec + strlen(kinds[*kind].prefix);
    return spec;
}

/* The absolute path. For a file it resolves the links of its folder only, since a list's paths are relative to the
 * place where the user found the list. */
static char *absolute(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool there = mx_there(path), whole = is_folder(path);
    if (!there && (*path == '/' || !strchr(path, '{'))) return strdup(path);
    if (!there) name = path, slash = NULL; /* a pattern, with braces perhaps in a folder's name */
    char *folder = whole ? strdup(path) : slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *real = folder ? realpath(folder, NULL) : NULL;
    if (!real && errno == ENOMEM) {
        free(folder);
        return NULL;
    }
    char *out = !real || (!there && strchr(real, '{')) ? strdup(path)
                : whole                                ? strdup(real)
                        : mx_text_make("%s/%s", strcmp(real, "/") ? real : "", name);
    free(folder), free(real);
    return out;
}

char *mx_dataset_absolute(const char *spec) {
    mx_source_kind kind;
    mx_reading reading;
    const char *path = behind_prefix(&kind, &reading, spec);
    bool several = kind == MX_SOURCE_TAR || (kind == MX_SOURCE_KINDS && !mx_there(path));
    char *out = strndup(spec, (size_t)(path - spec));
    for (const char *p = path; p && out;) {
        const char *end = several ? strstr(p, "::") : NULL;
        char *part = end ? strndup(p, (size_t)(end - p)) : strdup(p), *full = part ? absolute(part) : NULL;
        bool cut = several && full && strstr(full, "::"); /* a folder's name would end the path */
        char *longer = full ? mx_text_make("%s%s%s", out, cut ? part : full, end ? "::" : "") : NULL;
        free(part), free(full), free(out);
        out = longer;
        p = end ? end + 2 : NULL;
    }
    return out;
}

/* Finds the split of the source at path, whose kind is known. */
static mx_status find_part(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    bool one_held = s->kind == MX_SOURCE_INAT || s->kind == MX_SOURCE_PLACES || s->kind == MX_SOURCE_CIFAR;
    if (split == MX_SPLIT_TEST && one_held) split = MX_SPLIT_VAL;
    if (split < MX_SPLIT_ALL || s->kind == MX_SOURCE_FOLDER)
        return kinds[s->kind].find(s, found, path, split, e);
    return find_undivided(s, found, path, e);
}

static mx_status copy_columns(mx_source *s, const mx_data_request *r, mx_error *e) {
    if (r->image_column) s->image_column = strdup(r->image_column);
    if (r->label_column) s->label_column = strdup(r->label_column);
    bool good = !r->image_column == !s->image_column && !r->label_column == !s->label_column;
    return good ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
}

mx_status mx_source_find(mx_source *s, bool *found, const mx_data_request *r, mx_split split, mx_error *e) {
    *s = (mx_source){0};
    *found = false;
    const char *path = behind_prefix(&s->kind, &s->reading, r->spec);
    if (!*path) return mx_fail(e, MX_ERR_ARGUMENT, "expected a path to the data, found \"%s\"", r->spec);
    mx_status st = s->kind == MX_SOURCE_KINDS ? tell(&s->kind, path, e) : MX_OK;
    if (!st) st = copy_columns(s, r, e);
    if (!st) st = find_part(s, found, path, split, e);
    if (st || !*found) return st;
    s->given = s->kind == MX_SOURCE_FOLDER             ? strdup(s->root)
               : s->files == 1 && strcmp(s->root, ".") ? mx_text_make("%s/%s", s->root, s->file[0])
               : split == MX_SPLIT_VAL                 ? mx_text_make("%s (held-out part)", r->spec)
               : split == MX_SPLIT_TEST                ? mx_text_make("%s (test part)", r->spec)
                                                       : strdup(r->spec);
    return s->given ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
}

char *mx_source_identity(const mx_source *s) {
    char *real = realpath(s->root, NULL), *text = NULL;
    size_t size;
    if (s->kind == MX_SOURCE_FOLDER && !s->files) return real ? real : strdup(s->root);
    FILE *f = mx_text_stream(&text, &size);
    if (!f) {
        free(real);
        return NULL;
    }
    fprintf(f, "%d:%s\n%s\n%s", (int)s->kind, real ? real : s->root, s->images ? s->images : "",
            s->classes ? s->classes : "");
    for (int64_t i = 0; i < s->files; i++) fprintf(f, "\n%s", s->file[i]);
    if (s->kind == MX_SOURCE_LIST && s->rows != MX_SPLIT_TRAIN) fprintf(f, "\nrows %d", (int)s->rows);
    if (s->image_column) fprintf(f, "\nimage %s", s->image_column);
    if (s->label_column) fprintf(f, "\nlabel %s", s->label_column);
    bool bad = ferror(f);
    if (fclose(f) || bad) free(text), text = NULL;
    free(real);
    return text;
}
