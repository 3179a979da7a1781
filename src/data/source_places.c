/* Places205 and Places365 as downloaded: list files next to folders of images. Class names contain slashes
 * (a/apartment_building/outdoor), so a label comes from the list, never from a folder. */
#include "base/again.h"
#include "data/source.h"
#include "data/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_PLACES205 "trainvalsplit_places205/"

static bool there(const char *folder, const char *name) {
    char *path = mx_text_make("%s/%s", folder, name);
    bool yes = path && mx_there(path);
    free(path);
    return yes;
}

/* The first of names (which end with NULL) that exists. */
static const char *first_there(const char *folder, const char *const *names) {
    for (; *names; names++)
        if (there(folder, *names)) return *names;
    return NULL;
}

static const char *const lists365[] = {"places365_train_standard.txt", "places365_train_challenge.txt", NULL};
static const char *const lists205[] = {MX_PLACES205 "train_places205.csv", "train_places205.csv", NULL};

char *mx_sign_places(const char *folder) {
    const char *list = first_there(folder, lists365);
    if (!list) list = first_there(folder, lists205);
    return list ? mx_text_make("%s", list) : NULL;
}

/* The folder of a list's images; small images are preferred to large ones. */
static const char *image_folder(const char *root, const char *list) {
    static const char *const train[] = {"data_256_standard/", "data_256/", "data_large_standard/",
                                        "data_large/", NULL};
    static const char *const challenge[] = {"data_256_challenge/", "data_256/", "data_large_challenge/",
                                            "data_large/", NULL};
    static const char *const val[] = {"val_256/", "val_large/", NULL};
    static const char *const old[] = {"data/vision/torralba/deeplearning/images256/", "images256/", NULL};
    return first_there(root, strstr(list, "205")         ? old
                             : strstr(list, "_val")      ? val
                             : strstr(list, "challenge") ? challenge
                                                         : train);
}

mx_status mx_find_places(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    static const char *const val365[] = {"places365_val.txt", NULL};
    static const char *const val205[] = {MX_PLACES205 "val_places205.csv", "val_places205.csv", NULL};
    const char *now = first_there(path, lists365), *old = first_there(path, lists205);
    char quoted[MX_QUOTE];
    if (!now == !old)
        return mx_fail(e, MX_ERR_DATA,
                       "places: expected either places365_train_standard.txt or " MX_PLACES205
                       "train_places205.csv in %s, found %s",
                       mx_quote(quoted, path), now ? "both" : "neither");
    const char *list = split == MX_SPLIT_TRAIN ? (now ? now : old) : first_there(path, now ? val365 : val205);
    if (!(*found = list != NULL)) return MX_OK;
    const char *images = image_folder(path, list);
    if (!images)
        return mx_fail(e, MX_ERR_DATA,
                       "places: expected beside %s the folder of its images (%s), found none in %s", list,
                       old ? "data/vision/torralba/deeplearning/images256 or images256"
                       : split == MX_SPLIT_TRAIN
                           ? "data_256, data_256_standard, data_large or data_large_standard"
                           : "val_256 or val_large",
                       mx_quote(quoted, path));
    const char *classes = now && there(path, "categories_places365.txt") ? "categories_places365.txt" : NULL;
    s->root = strdup(path), s->images = strdup(images);
    if (classes) s->classes = strdup(classes);
    if (!s->root || !s->images || (classes && !s->classes)) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    return mx_source_add(s, list, e);
}

/* Splits "/a/airfield/00000001.jpg 0" into the path without its leading slash, and the number. */
static mx_status cut(char *line, size_t length, char **path, int64_t *label, mx_error *e) {
    char quoted[MX_QUOTE];
    if (strlen(line) != length) return mx_fail(e, MX_ERR_FORMAT, "expected text, found a byte 0");
    char *space = strrchr(line, ' ');
    *path = *line == '/' ? line + 1 : line;
    if (!space || space <= *path || !mx_text_number(space + 1, label) || *label >= MX_CLASSES_MAX)
        return mx_fail(e, MX_ERR_FORMAT, "expected \"path number\", found \"%s\"", mx_quote(quoted, line));
    *space = 0;
    return MX_OK;
}

/* Reads lines "name number", with every number from 0 once and in order. */
static mx_status parse_categories(mx_index *x, char *bytes, size_t size, mx_error *e) {
    mx_lines lines = mx_lines_of(bytes, size);
    mx_status s = MX_OK;
    size_t length;
    for (char *line, *name; !s && (line = mx_lines_next(&lines, &length));) {
        int64_t label;
        s = cut(line, length, &name, &label, e);
        if (!s && label != x->classes)
            s = mx_fail(e, MX_ERR_FORMAT, "expected the number %lld, found %lld", (long long)x->classes,
                        (long long)label);
        if (!s) s = mx_index_add_class(x, name, strlen(name), e);
        if (s) mx_fail_where(e, "line %lld", (long long)lines.number);
    }
    return s;
}

/* Without a file of names, names each class by the folder of its first image. */
static mx_status name_classes(mx_index *x, size_t prefix, int64_t most, mx_error *e) {
    mx_status s = mx_text_plausible(x, most, e);
    if (s) return s;
    int64_t *first = malloc((size_t)(most + 1) * sizeof *first);
    if (!first) return mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld classes", (long long)most + 1);
    for (int64_t c = 0; c <= most; c++) first[c] = -1;
    for (int64_t i = x->files; i-- > 0;) first[x->file[i].label] = i;
    for (int64_t c = 0; c <= most && !s; c++) {
        char *name = first[c] < 0 ? mx_text_make("%lld", (long long)c)
                                  : strdup(x->names + x->file[first[c]].name + prefix);
        char *slash = name && first[c] >= 0 ? strrchr(name, '/') : NULL;
        if (slash) *slash = 0;
        s = name ? mx_index_add_class(x, name, strlen(name), e) : mx_fail(e, MX_ERR_MEMORY, "out of memory");
        free(name);
    }
    free(first);
    return s;
}

mx_status mx_places_parse(mx_index *x, const char *images, char *bytes, size_t size, mx_error *e) {
    mx_lines lines = mx_lines_of(bytes, size);
    int64_t most = -1, classes = x->classes;
    mx_status s = MX_OK;
    size_t length;
    for (char *line, *path; !s && (line = mx_lines_next(&lines, &length));) {
        int64_t label = 0;
        s = cut(line, length, &path, &label, e);
        if (!s && classes && label >= classes)
            s = mx_fail(e, MX_ERR_FORMAT, "expected a label below %lld, found %lld", (long long)classes,
                        (long long)label);
        if (!s) {
            char *whole = mx_text_make("%s%s", images, path);
            s = whole ? mx_text_sample(x, whole, label, e) : mx_fail(e, MX_ERR_MEMORY, "out of memory");
            free(whole);
        }
        if (label > most) most = label;
        if (s) mx_fail_where(e, "line %lld", (long long)lines.number);
    }
    return s || classes ? s : name_classes(x, strlen(images), most, e);
}

static mx_status read_file(char **bytes, size_t *size, mx_index *x, int root_fd, const char *name,
                           mx_error *e) {
    mx_status s = mx_index_add_holder(x, root_fd, name, NULL, e);
    return s ? s : mx_text_read(bytes, size, root_fd, name, e);
}

mx_status mx_list_places(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    char *bytes;
    size_t size;
    mx_status st = MX_OK;
    if (s->classes) {
        if (read_file(&bytes, &size, x, root_fd, s->classes, e)) return e->status;
        if ((st = parse_categories(x, bytes, size, e))) mx_fail_where(e, "%s", s->classes);
        free(bytes);
    }
    if (st || (st = read_file(&bytes, &size, x, root_fd, s->file[0], e))) return st;
    st = mx_places_parse(x, s->images, bytes, size, e);
    free(bytes);
    if (st) mx_fail_where(e, "%s", s->file[0]);
    return st;
}
