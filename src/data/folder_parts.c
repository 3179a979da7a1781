/* Decides whether a folder is a set in parts (train, val, test) or a set of classes, one of which is called "train".
 * The sibling folders decide: parts contain class folders of the same names and have no other siblings; a class is one
 * among other classes. docs/DATA.md, "Parts or classes", has the table. Unclear cases are errors that name the prefixes
 * that decide them. */
#include "base/again.h"
#include "data/passed.h"
#include "data/splits.h"
#include "data/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_LOOK_MAX    10000 /* most folders to search for an image, in case links form a web */
#define MX_LOOK_DEPTH  8     /* most levels to search for an image */
#define MX_WRAPPED_MAX 4     /* most nested folders that contain only one folder each */

typedef struct {
    char *name;
    mx_part_name part;
    bool flat, nested; /* images directly in it; images in a subfolder */
} child;

typedef struct {
    const char *path;
    child *at; /* the visible folders, by name */
    int64_t count, room;
    bool loose; /* images next to them */
} listing;

static bool is_folder(const char *path) {
    struct stat st;
    return !mx_stat(path, &st) && S_ISDIR(st.st_mode);
}

/* True if the entry f of the folder `path` is a folder, or a link to one. */
static bool entry_is_folder(const char *path, const struct dirent *f) {
    if (f->d_type != DT_LNK && f->d_type != DT_UNKNOWN) return f->d_type == DT_DIR;
    char *whole = mx_text_make("%s/%s", path, f->d_name);
    bool yes = whole && is_folder(whole);
    free(whole);
    return yes;
}

/* True for a folder with a run of this program. The walk skips those, so they decide nothing here. */
static bool is_run(const char *path, const char *name) {
    char *whole = mx_text_make("%s/%s", path, name);
    bool yes = whole && mx_is_run_folder(AT_FDCWD, whole);
    free(whole);
    return yes;
}

/* Sets flat if path contains an image, nested if a folder below it does. Stops when both are set. */
static void look(const char *path, int depth, int *left, bool *flat, bool *nested) {
    DIR *dir = mx_open_folder(path);
    for (const struct dirent *f; dir && !(*flat && *nested) && (f = mx_next_name(dir));) {
        if (f->d_name[0] == '.') continue;
        if (!entry_is_folder(path, f)) {
            *flat = *flat || mx_file_is_image(dirfd(dir), f->d_name);
            continue;
        }
        if (is_run(path, f->d_name)) continue;
        char *inner = *nested || depth == 0 ? NULL : mx_text_make("%s/%s", path, f->d_name);
        bool here = false, below = false;
        if (inner && --*left > 0) look(inner, depth - 1, left, &here, &below);
        *nested |= here || below;
        free(inner);
    }
    if (dir) closedir(dir);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const child *)a)->name, ((const child *)b)->name);
}

static void free_listing(listing *l) {
    for (int64_t i = 0; i < l->count; i++) free(l->at[i].name);
    free(l->at);
    *l = (listing){0};
}

/* Lists the folders in path. If path cannot be listed, the list is empty, and the walk reports the error later. */
static mx_status list(listing *l, const char *path, mx_error *e) {
    *l = (listing){.path = path};
    DIR *dir = mx_open_folder(path);
    mx_status s = MX_OK;
    for (const struct dirent *f; dir && !s && (f = mx_next_name(dir));) {
        if (f->d_name[0] == '.') continue;
        if (!entry_is_folder(path, f)) {
            l->loose = l->loose || mx_file_is_image(dirfd(dir), f->d_name);
            continue;
        }
        if (is_run(path, f->d_name)) continue;
        if (l->count == l->room) {
            int64_t room = l->room ? 2 * l->room : 16;
            child *more = realloc(l->at, (size_t)room * sizeof *more);
            if (more) l->at = more, l->room = room;
        }
        char *name = l->count < l->room ? strdup(f->d_name) : NULL;
        if (name)
            l->at[l->count++] = (child){.name = name, .part = mx_part_of(name, strlen(name))};
        else
            s = mx_fail(e, MX_ERR_MEMORY, "out of memory for the names of folders");
    }
    if (dir) closedir(dir);
    if (l->count) qsort(l->at, (size_t)l->count, sizeof *l->at, by_name);
    if (s) free_listing(l);
    return s;
}

static void look_into(listing *l) {
    for (int64_t i = 0; i < l->count; i++) {
        child *c = &l->at[i];
        int left = MX_LOOK_MAX;
        char *path = mx_text_make("%s/%s", l->path, c->name);
        if (path) look(path, MX_LOOK_DEPTH, &left, &c->flat, &c->nested);
        free(path);
    }
}

static bool has_images(const child *c) { return c->flat || c->nested; }

/* True if both folders contain folders of the same name. b NULL: if a contains one named like a sibling of a. */
static bool share_names(const listing *l, const child *a, const child *b) {
    listing in = {0}, out = {0};
    char *pa = mx_text_make("%s/%s", l->path, a->name),
         *pb = b ? mx_text_make("%s/%s", l->path, b->name) : NULL;
    bool yes = false;
    if (pa && !list(&in, pa, NULL) && (!b || (pb && !list(&out, pb, NULL))))
        for (int64_t i = 0; i < in.count && !yes; i++) {
            const listing *with = b ? &out : l;
            yes = with->count && bsearch(&in.at[i], with->at, (size_t)with->count, sizeof *with->at, by_name);
        }
    free_listing(&in), free_listing(&out);
    free(pa), free(pb);
    return yes;
}

typedef enum { WHOLE, PARTS, NO_TRAIN, UNCLEAR, INSIDE } verdict; /* INSIDE: each class has its own parts */

/* True for bottle/train, bottle/test, cable/train, cable/test, ... */
static bool parts_inside(const listing *l) {
    int64_t with = 0, all = 0;
    for (int64_t i = 0; i < l->count; i++) {
        char *path = mx_text_make("%s/%s", l->path, l->at[i].name);
        listing in = {0};
        bool train = false, held = false;
        if (path && !list(&in, path, NULL))
            for (int64_t k = 0; k < in.count; k++)
                *(in.at[k].part == MX_PART_TRAIN ? &train : &held) |= in.at[k].part != MX_PART_NONE;
        all += in.count || in.loose, with += train && held;
        free_listing(&in), free(path);
        if (with < all) return false;
    }
    return with > 1;
}

/* Decides for a training folder next to folders that are not parts: is it a part or one of the classes? */
static verdict judge_train(const listing *l, const child *train) {
    bool held_nested = false, held = false, deep = false, shared = false;
    for (int64_t i = 0; i < l->count; i++) {
        const child *c = &l->at[i];
        if (c == train || c->part == MX_PART_TRAIN || !has_images(c)) continue;
        if (c->part)
            held = true, held_nested |= c->nested;
        else
            deep |= c->nested, shared |= train->nested && c->nested && share_names(l, train, c);
    }
    if (!train->nested) return held || deep ? UNCLEAR : WHOLE;
    return held_nested || shared || !deep ? PARTS : UNCLEAR;
}

static verdict judge(listing *l, const child **train) {
    int64_t named = 0, others = 0;
    bool shared = false;
    for (int64_t i = 0; i < l->count; i++) named += l->at[i].part != MX_PART_NONE;
    *train = NULL;
    if (!named) return l->count > 1 && !l->loose && parts_inside(l) ? INSIDE : WHOLE;
    look_into(l);
    for (int64_t i = 0; i < l->count; i++) {
        const child *c = &l->at[i];
        others += !c->part && has_images(c);
        if (c->part == MX_PART_TRAIN && (!*train || !strcmp(c->name, "train"))) *train = c;
    }
    if (*train) return others ? judge_train(l, *train) : PARTS;
    if (!others && !l->loose) return NO_TRAIN;
    for (int64_t i = 0; i < l->count; i++)
        if (l->at[i].part && l->at[i].nested) shared |= share_names(l, &l->at[i], NULL);
    return shared ? UNCLEAR : WHOLE;
}

/* Archives often unpack into a folder that contains only one folder. Returns the first inner folder that contains more,
 * if it is a set in parts; else path. The caller frees it; NULL: out of memory. */
static char *unwrap(const char *path) {
    char *at = strdup(path);
    for (int depth = 0; at && depth < MX_WRAPPED_MAX; depth++) {
        listing l;
        const child *train;
        if (list(&l, at, NULL)) break;
        bool wrapped = l.count == 1 && !l.loose && !l.at[0].part;
        verdict v = wrapped ? WHOLE : judge(&l, &train);
        char *inner = wrapped ? mx_text_make("%s/%s", at, l.at[0].name) : NULL;
        free_listing(&l);
        if (!wrapped && v == PARTS) return at;
        free(at), at = inner;
        if (!wrapped) break;
    }
    free(at);
    return strdup(path);
}

static mx_status refuse(const listing *l, verdict v, const child *train, mx_error *e) {
    char folder[MX_QUOTE], a[MX_QUOTE], b[MX_QUOTE];
    const child *part = train, *other = NULL;
    for (int64_t i = 0; i < l->count; i++) {
        if (!part && l->at[i].part) part = &l->at[i];
        if (!other && !l->at[i].part && (has_images(&l->at[i]) || v == INSIDE)) other = &l->at[i];
    }
    mx_quote(folder, l->path), mx_quote(a, part ? part->name : ""), mx_quote(b, other ? other->name : "");
    if (v == INSIDE)
        return mx_fail(e, MX_ERR_DATA,
                       "each folder of %s (%s, ...) has a training and a held-out part of its own: write "
                       "classes:DIR to use all images, or name one folder",
                       folder, b);
    if (v == NO_TRAIN)
        return mx_fail(e, MX_ERR_DATA,
                       "%s holds %s, but no folder train: name the folder to train on itself, or write "
                       "classes:DIR if such folders are classes",
                       folder, a);
    return mx_fail(e, MX_ERR_DATA,
                   "%s holds a folder %s beside %s: is it a part of the set or one of its classes? Write "
                   "classes:DIR to use all folders as classes%s",
                   folder, a, b,
                   train ? ", or split:DIR to train on that part only"
                         : "; if it is a part, put the training images into a folder train beside it");
}

/* Notes that images next to the parts are not used. */
static mx_status note_others(mx_source *s, const listing *l, mx_error *e) {
    char a[MX_QUOTE], folder[MX_QUOTE];
    int64_t n = 0;
    for (int64_t i = 0; i < l->count; i++)
        if (!l->at[i].part && has_images(&l->at[i]) && !n++) mx_quote(a, l->at[i].name);
    if (!n) return MX_OK;
    s->note = mx_text_make("%s: the images in %s%s are not part of the training data and are not used",
                           mx_quote(folder, l->path), a, n > 1 ? " and other folders" : "");
    return s->note ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
}

/* Makes the folder of the part the root; for all parts, their common folder. */
static mx_status take_parts(mx_source *s, bool *found, const listing *l, mx_split split, mx_error *e) {
    char **names = calloc((size_t)l->count + 1, sizeof *names);
    int64_t at = -1;
    mx_status st = names ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; names && i < l->count; i++) names[i] = l->at[i].name;
    if (!st && split >= MX_SPLIT_ALL) {
        for (int64_t i = 0; i < l->count && !st; i++)
            if (l->at[i].part) st = mx_source_add(s, l->at[i].name, e);
        *found = true, s->root = strdup(l->path);
    } else if (!st && !(st = mx_part_choose(&at, names, l->count, split, l->path, e)) && at >= 0)
        *found = true, s->root = mx_text_make("%s/%s", l->path, names[at]);
    free(names);
    if (!st && *found && !s->root) st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    return st || split != MX_SPLIT_TRAIN ? st : note_others(s, l, e);
}

static mx_status take_whole(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    *found = split == MX_SPLIT_TRAIN || split >= MX_SPLIT_ALL;
    return *found && !(s->root = strdup(path)) ? mx_fail(e, MX_ERR_MEMORY, "out of memory") : MX_OK;
}

mx_status mx_find_folder(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    char *folder = s->reading == MX_READ_TELL || s->reading == MX_READ_FOLDER ? unwrap(path) : strdup(path);
    listing l = {0};
    const child *train = NULL;
    mx_status st = !folder ? mx_fail(e, MX_ERR_MEMORY, "out of memory") : list(&l, folder, e);
    if (st) goto done;
    verdict v = s->reading == MX_READ_CLASSES ? WHOLE : judge(&l, &train);
    if (s->reading == MX_READ_PARTS) v = train ? PARTS : NO_TRAIN;
    bool held_only = v == NO_TRAIN && split != MX_SPLIT_TRAIN;
    bool give_up = v == INSIDE || v == UNCLEAR || v == NO_TRAIN;
    if (v == PARTS || held_only)
        st = take_parts(s, found, &l, split, e);
    else if (give_up && s->reading != MX_READ_FOLDER && split != MX_SPLIT_EVERY)
        st = refuse(&l, v, train, e);
    else
        st = take_whole(s, found, path, split, e);
done:
    free_listing(&l), free(folder);
    return st;
}
