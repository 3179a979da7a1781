/* iNaturalist 2018 and 2019: train20YY.json and val20YY.json in the root. Annotations are joined to images by id, in
 * any order; the class is category_id.
 *
 * A training file is well over 100 MB, and a jansson tree of it takes several times that. So this code parses only the
 * outermost object and its arrays, and jansson parses one element at a time. In addition to the file (at most 2 GiB) it
 * needs 16 bytes per image and per annotation. */
#include "base/again.h"
#include "base/json_text.h"
#include "data/source.h"
#include "data/text.h"

#include <jansson.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    int64_t id, value; /* value: an image's sample, an annotation's category */
} pair;

typedef struct {
    pair *at;
    int64_t count, room;
} pairs;

typedef struct {
    const char *bytes;
    size_t size, at;
    mx_index *x;
    pairs images, annotations, categories; /* categories: value = offset of the name in x->names */
    mx_error *e;
} reading;

static mx_status add_pair(pairs *p, int64_t id, int64_t value, mx_error *e) {
    if (p->count == p->room) {
        int64_t room = p->room ? p->room * 2 : 1024;
        pair *bigger = realloc(p->at, (size_t)room * sizeof *bigger);
        if (!bigger)
            return mx_fail(e, MX_ERR_MEMORY, "out of memory after %lld elements", (long long)p->count);
        p->at = bigger, p->room = room;
    }
    p->at[p->count++] = (pair){id, value};
    return MX_OK;
}

static mx_status wrong(reading *r, const char *expected) {
    return mx_fail(r->e, MX_ERR_FORMAT, "byte %zu: expected %s", r->at, expected);
}

static void skip_space(reading *r) {
    while (r->at < r->size && strchr(" \t\r\n", r->bytes[r->at]) && r->bytes[r->at]) r->at++;
}

/* If the next character is c, skips it and returns true. */
static bool pass(reading *r, char c) {
    skip_space(r);
    if (r->at == r->size || r->bytes[r->at] != c) return false;
    r->at++;
    return true;
}

/* Skips a string with any characters and escapes. False: it does not end. */
static bool skip_string(reading *r) {
    for (r->at++; r->at < r->size && r->bytes[r->at] != '"'; r->at++)
        if (r->bytes[r->at] == '\\' && r->at + 1 < r->size) r->at++;
    return r->at < r->size && r->bytes[r->at++] == '"';
}

/* Skips a value that is not needed. Checks only that strings and brackets end, since Python writes NaN and Infinity,
 * and other programs write numbers that fit no type. */
static mx_status skip_value(reading *r) {
    int64_t depth = 0;
    skip_space(r);
    size_t from = r->at;
    while (r->at < r->size) {
        char c = r->bytes[r->at];
        bool end = c == ',' || c == ']' || c == '}';
        if (depth == 0 && end) break;
        if (c == '"' ? !skip_string(r) : (r->at++, !c)) return wrong(r, "text, and strings that end");
        if (c == '[' || c == '{') depth++;
        if (c == ']' || c == '}') depth--;
    }
    return depth || r->at == from || r->at == r->size ? wrong(r, "a value that ends") : MX_OK;
}

/* The next value; NULL after an error. */
static json_t *next_value(reading *r) {
    json_error_t error;
    char quoted[MX_QUOTE];
    skip_space(r);
    bool memory;
    json_t *v = mx_json_parse(r->bytes + r->at, r->size - r->at,
                              JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error, &memory);
    if (memory)
        mx_fail(r->e, MX_ERR_MEMORY, "out of memory at byte %zu", r->at);
    else if (!v)
        mx_fail(r->e, MX_ERR_FORMAT, "byte %zu: %s",
                r->at + (size_t)(error.position > 0 ? error.position : 0), mx_quote(quoted, error.text));
    else
        r->at += (size_t)error.position;
    return v;
}

static mx_status whole(reading *r, const json_t *object, const char *key, int64_t *out) {
    const json_t *v = json_object_get(object, key);
    *out = 0;
    if (!json_is_integer(v))
        return mx_fail(r->e, MX_ERR_FORMAT,
                       "byte %zu: expected before it an object with a whole number \"%s\"", r->at, key);
    *out = json_integer_value(v);
    return MX_OK;
}

/* A string without 0 inside; NULL after an error. */
static const char *string(reading *r, const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    const char *text = json_string_value(v);
    if (text && strlen(text) == json_string_length(v)) return text;
    mx_fail(r->e, MX_ERR_FORMAT, "byte %zu: expected before it an object with a string \"%s\"", r->at, key);
    return NULL;
}

/* True for relative paths that stay below the root. */
static bool path_good(const char *path) {
    if (!*path || *path == '/') return false;
    for (const char *p = path; p; p = strchr(p, '/'), p = p ? p + 1 : NULL)
        if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2])) return false;
    return true;
}

static mx_status take_image(reading *r, const json_t *v) {
    int64_t id;
    const char *name;
    char quoted[MX_QUOTE];
    if (whole(r, v, "id", &id) || !(name = string(r, v, "file_name"))) return r->e->status;
    if (!path_good(name))
        return mx_fail(r->e, MX_ERR_FORMAT, "byte %zu: expected a file_name below the root, found \"%s\"",
                       r->at, mx_quote(quoted, name));
    if (add_pair(&r->images, id, r->x->files, r->e)) return r->e->status;
    return mx_text_sample(r->x, name, -1, r->e);
}

static mx_status take_annotation(reading *r, const json_t *v) {
    int64_t id, category;
    if (whole(r, v, "image_id", &id) || whole(r, v, "category_id", &category)) return r->e->status;
    if (category < 0 || category >= MX_CLASSES_MAX)
        return mx_fail(r->e, MX_ERR_FORMAT, "byte %zu: expected a category_id from 0 to %d, found %lld",
                       r->at, MX_CLASSES_MAX - 1, (long long)category);
    return add_pair(&r->annotations, id, category, r->e);
}

static mx_status take_category(reading *r, const json_t *v) {
    int64_t id;
    const char *name;
    if (whole(r, v, "id", &id) || !(name = string(r, v, "name"))) return r->e->status;
    if (id < 0 || id >= MX_CLASSES_MAX)
        return mx_fail(r->e, MX_ERR_FORMAT, "byte %zu: expected a category's id from 0 to %d, found %lld",
                       r->at, MX_CLASSES_MAX - 1, (long long)id);
    mx_status s = mx_index_add_class(r->x, name, strlen(name), r->e); /* settle_categories sorts them */
    return s ? s : add_pair(&r->categories, id, (int64_t)r->x->class_name[r->x->classes - 1], r->e);
}

/* A key and the colon after it; NULL after an error. The caller frees it. */
static json_t *next_key(reading *r) {
    json_t *key = next_value(r);
    if (key && !json_is_string(key))
        wrong(r, "before it a key");
    else if (key && !pass(r, ':'))
        wrong(r, "':'");
    if (!r->e->status) return key;
    json_decref(key);
    return NULL;
}

/* An object with the fields a and b of the next object; NULL after an error. */
static json_t *next_object(reading *r, const char *a, const char *b) {
    json_t *object = json_object();
    if (!object) mx_fail(r->e, MX_ERR_MEMORY, "out of memory");
    if (!pass(r, '{')) wrong(r, "an object, '{'");
    bool more = !r->e->status && !pass(r, '}');
    while (more) {
        json_t *key = next_key(r), *v = NULL;
        bool wanted = key && (!strcmp(json_string_value(key), a) || !strcmp(json_string_value(key), b));
        if (wanted && (v = next_value(r)) && json_object_set_new(object, json_string_value(key), v))
            mx_fail(r->e, MX_ERR_MEMORY, "out of memory");
        if (key && !wanted) skip_value(r);
        json_decref(key);
        more = !r->e->status && pass(r, ',');
        if (!r->e->status && !more && !pass(r, '}')) wrong(r, "',' or '}'");
    }
    if (!r->e->status) return object;
    json_decref(object);
    return NULL;
}

typedef struct {
    const char *name, *a, *b; /* the array; the fields of its objects */
    mx_status (*take)(reading *, const json_t *);
} table;

static mx_status take_array(reading *r, const table *t) {
    if (!pass(r, '[')) return wrong(r, "an array");
    if (pass(r, ']')) return MX_OK;
    do {
        json_t *v = next_object(r, t->a, t->b);
        if (!v) return r->e->status;
        t->take(r, v);
        json_decref(v);
        if (r->e->status) return r->e->status;
    } while (pass(r, ','));
    return pass(r, ']') ? MX_OK : wrong(r, "',' or ']'");
}

static mx_status take_member(reading *r) {
    static const table tables[] = {{"images", "id", "file_name", take_image},
                                   {"annotations", "image_id", "category_id", take_annotation},
                                   {"categories", "id", "name", take_category}};
    json_t *key = next_key(r);
    if (!key) return r->e->status;
    const table *t = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!strcmp(json_string_value(key), tables[i].name)) t = &tables[i];
    json_decref(key);
    return t ? take_array(r, t) : skip_value(r);
}

static int by_id(const void *a, const void *b) {
    const pair *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Sets the labels from the annotations. */
static mx_status join(reading *r) {
    pairs *p = &r->images;
    mx_entry *file = r->x->file;
    if (p->count) qsort(p->at, (size_t)p->count, sizeof *p->at, by_id);
    for (int64_t i = 1; i < p->count; i++)
        if (p->at[i].id == p->at[i - 1].id)
            return mx_fail(r->e, MX_ERR_FORMAT, "expected each image once, found the id %lld twice",
                           (long long)p->at[i].id);
    for (int64_t i = 0; i < r->annotations.count; i++) {
        const pair *a = &r->annotations.at[i];
        const pair *image = p->count ? bsearch(a, p->at, (size_t)p->count, sizeof *a, by_id) : NULL;
        if (!image)
            return mx_fail(r->e, MX_ERR_FORMAT, "annotation %lld: there is no image with the id %lld",
                           (long long)i, (long long)a->id);
        mx_entry *f = &file[image->value];
        if (f->label >= 0 && f->label != a->value)
            return mx_fail(r->e, MX_ERR_FORMAT, "expected one category for image %lld, found %d and %lld",
                           (long long)a->id, f->label, (long long)a->value);
        f->label = (int32_t)a->value;
    }
    for (int64_t i = 0; r->annotations.count && i < p->count; i++)
        if (file[p->at[i].value].label < 0)
            return mx_fail(r->e, MX_ERR_FORMAT, "image %lld has no annotation, though others have",
                           (long long)p->at[i].id);
    return MX_OK;
}

/* Sorts class names by id. A class without a name gets its number as a name. */
static mx_status settle_categories(reading *r) {
    mx_index *x = r->x;
    pairs *p = &r->categories;
    int64_t most = -1, next = 0;
    for (int64_t i = 0; i < x->files; i++)
        if (x->file[i].label > most) most = x->file[i].label;
    x->classes = 0;
    if (!p->count || most < 0) return mx_text_numbered(x, most, r->e);
    qsort(p->at, (size_t)p->count, sizeof *p->at, by_id);
    if (most > p->at[p->count - 1].id)
        return mx_fail(r->e, MX_ERR_FORMAT, "expected categories up to %lld, found none above %lld",
                       (long long)most, (long long)p->at[p->count - 1].id);
    for (int64_t i = 0; i < p->count; i++, next++) {
        if (p->at[i].id < next)
            return mx_fail(r->e, MX_ERR_FORMAT, "expected each category once, found the id %lld twice",
                           (long long)p->at[i].id);
        next = p->at[i].id;
        if (mx_text_numbered(x, next - 1, r->e)) return r->e->status;
        char *name = strdup(x->names + p->at[i].value); /* a copy, since names may move */
        if (!name) return mx_fail(r->e, MX_ERR_MEMORY, "out of memory");
        mx_status s = mx_index_add_class(x, name, strlen(name), r->e);
        free(name);
        if (s) return s;
    }
    return MX_OK;
}

mx_status mx_inat_parse(mx_index *x, const char *bytes, size_t size, mx_error *e) {
    reading r = {.bytes = bytes, .size = size, .x = x, .e = e};
    mx_status s = pass(&r, '{') ? MX_OK : wrong(&r, "an object, '{'");
    if (!s && !pass(&r, '}')) {
        do s = take_member(&r);
        while (!s && pass(&r, ','));
        if (!s && !pass(&r, '}')) s = wrong(&r, "',' or '}'");
    }
    skip_space(&r);
    if (!s && r.at != size) s = wrong(&r, "the end");
    if (!s && !x->files) s = mx_fail(e, MX_ERR_FORMAT, "expected images, found none");
    if (!s) s = join(&r);
    if (!s) s = settle_categories(&r);
    free(r.images.at), free(r.annotations.at), free(r.categories.at);
    return s;
}

/* "train2018.json": train, then four digits that begin with 20. */
static bool is_train(const char *name) {
    return !strncmp(name, "train20", 7) && strspn(name + 7, "0123456789") == 2 && !strcmp(name + 9, ".json");
}

/* The training file of a folder, which the caller frees. *several: there is more than one. */
static char *train_file(const char *folder, bool *several) {
    char *name = NULL;
    DIR *dir = mx_open_folder(folder);
    *several = false;
    for (const struct dirent *f; dir && (f = mx_next_name(dir));) {
        if (!is_train(f->d_name)) continue;
        *several = name != NULL;
        if (!name || strcmp(f->d_name, name) < 0) free(name), name = strdup(f->d_name);
        if (*several) break;
    }
    if (dir) closedir(dir);
    return name;
}

char *mx_sign_inat(const char *folder) {
    bool several;
    return train_file(folder, &several);
}

mx_status mx_find_inat(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    size_t length = strlen(path);
    char quoted[MX_QUOTE], *name = NULL;
    bool several = false;
    if (length > 5 && !strcmp(path + length - 5, ".json")) { /* the annotations themselves */
        const char *slash = strrchr(path, '/');
        s->root = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
        name = strdup(slash ? slash + 1 : path);
    } else {
        name = train_file(path, &several);
        if (!name || several) {
            free(name);
            return mx_fail(e, MX_ERR_DATA,
                           "inat: expected one file train20YY.json in %s, found %s; name it itself to choose",
                           mx_quote(quoted, path), several ? "several" : "none");
        }
        s->root = strdup(path);
    }
    *found = split == MX_SPLIT_TRAIN;
    if (split == MX_SPLIT_VAL && name && s->root && !strncmp(name, "train", 5)) {
        char *val = mx_text_make("val%s", name + 5), *there = mx_text_make("%s/val%s", s->root, name + 5);
        *found = val && there && mx_there(there);
        free(name), free(there);
        name = val;
    }
    mx_status st = !name || !s->root ? mx_fail(e, MX_ERR_MEMORY, "out of memory")
                   : *found          ? mx_source_add(s, name, e)
                                     : MX_OK;
    free(name);
    return st;
}

mx_status mx_list_inat(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    char *bytes, quoted[MX_QUOTE];
    size_t size;
    mx_status st = mx_index_add_holder(x, root_fd, s->file[0], NULL, e);
    if (!st) st = mx_text_read(&bytes, &size, root_fd, s->file[0], e);
    if (st) return st;
    st = mx_inat_parse(x, bytes, size, e);
    free(bytes);
    if (st) mx_fail_where(e, "%s", mx_quote(quoted, s->file[0]));
    return st;
}
