/* WebDataset's rule: consecutive members that share their name up to the first dot are one sample. Two common ways of
 * packing break it: names with dots ("v1.2.jpg", whose field is then "2.jpg"), and unsorted shards with all labels
 * after all images. Both are read as intended if only one interpretation is possible. Members that are not used are
 * counted and reported. See tar_samples.h. */
#include "data/tar_samples.h"
#include "data/text.h"

#include <stdlib.h>
#include <string.h>

static void count(int64_t *n, char first[MX_QUOTE], const char *name) {
    if (!(*n)++) mx_quote(first, name);
}

static void clear_members(mx_tar_samples *t) {
    while (t->members) free(t->member[--t->members].name);
}

void mx_tar_samples_free(mx_tar_samples *t) {
    clear_members(t);
    for (int64_t i = 0; i < t->aparts; i++) free(t->apart[i].name);
    free(t->member), free(t->apart);
    t->member = NULL, t->apart = NULL, t->aparts = 0;
}

mx_status mx_tar_add(mx_tar_samples *t, const mx_tar_member *m, const char *name) {
    if (t->members == t->member_room) {
        int64_t room = t->member_room ? 2 * t->member_room : 8;
        mx_tar_member *more = realloc(t->member, (size_t)room * sizeof *more);
        if (!more) return mx_fail(t->e, MX_ERR_MEMORY, "out of memory for a sample");
        t->member = more, t->member_room = room;
    }
    char *copy = strdup(name);
    if (!copy) return mx_fail(t->e, MX_ERR_MEMORY, "out of memory for a sample");
    t->member[t->members] = *m;
    t->member[t->members++].name = copy;
    return MX_OK;
}

static bool plain(const mx_tar_member *m) { return m->key == m->stem; }

static int by_stem(const void *a, const void *b) {
    const mx_tar_member *x = *(const mx_tar_member *const *)a, *y = *(const mx_tar_member *const *)b;
    int order = memcmp(x->name, y->name, x->stem < y->stem ? x->stem : y->stem);
    return order ? order : (x->stem > y->stem) - (x->stem < y->stem);
}

/* The sample's labels, sorted, since there may be many: by its dots, a shard of "film.0001.jpg" and so on is one
 * sample. */
typedef struct {
    const mx_tar_member **at;
    int64_t count;
} labels;

static bool sort_labels(labels *l, const mx_tar_samples *t) {
    *l = (labels){.at = malloc(((size_t)t->members + 1) * sizeof *l->at)};
    for (int64_t i = 0; l->at && i < t->members; i++)
        if (!t->member[i].image) l->at[l->count++] = &t->member[i];
    if (l->count > 1) qsort(l->at, (size_t)l->count, sizeof *l->at, by_stem);
    return l->at;
}

/* A member's own label, by its whole name: v1.2.cls for v1.2.jpg. NULL: none. */
static const mx_tar_member *own_label(const labels *l, const mx_tar_member *of) {
    const mx_tar_member **found =
        l->count ? bsearch(&of, l->at, (size_t)l->count, sizeof *l->at, by_stem) : NULL;
    return found ? *found : NULL;
}

static mx_status emit(mx_tar_samples *t, const mx_tar_member *m, int64_t label) {
    char quoted[MX_QUOTE], *path = mx_text_make("%s/%s", t->shard, m->name);
    mx_status s =
        path ? mx_text_sample(t->x, path, label, t->e) : mx_fail(t->e, MX_ERR_MEMORY, "out of memory");
    free(path);
    if (s) return mx_fail_where(t->e, "%s", mx_quote(quoted, m->name));
    mx_entry *f = &t->x->file[t->x->files - 1];
    f->holder = (uint32_t)t->x->folders, f->offset = m->offset, f->size = m->size;
    return MX_OK;
}

static mx_status set_apart(mx_tar_samples *t, const mx_tar_member *m) {
    if (t->aparts == t->apart_room) {
        int64_t room = t->apart_room ? 2 * t->apart_room : 64;
        mx_tar_label *more = realloc(t->apart, (size_t)room * sizeof *more);
        if (!more)
            return mx_fail(t->e, MX_ERR_MEMORY, "out of memory after %lld labels", (long long)t->aparts);
        t->apart = more, t->apart_room = room;
    }
    char *name = strndup(m->name, m->stem);
    if (!name) return mx_fail(t->e, MX_ERR_MEMORY, "out of memory");
    t->apart[t->aparts++] = (mx_tar_label){name, m->label, false};
    return MX_OK;
}

/* Decides for an image whose field has a dot: is it a sample of its own, the only image of the sample, or an additional
 * one? */
static mx_status close_dotted(mx_tar_samples *t, const mx_tar_member *m, const mx_tar_member *own,
                              bool has_plain, int64_t dotted, int64_t label) {
    char quoted[MX_QUOTE];
    if (own) return emit(t, m, own->label);
    if (has_plain) {
        count(&t->counts->further, t->counts->first_further, m->name);
        return MX_OK;
    }
    if (dotted == 1 || label < 0) return emit(t, m, label);
    return mx_fail(
        t->e, MX_ERR_FORMAT,
        "%s: expected one image in a sample with a label, found %lld: name the one to use "
        "%.*s.jpg (or by its format), or, where the dots belong to the names, give each its own .cls",
        mx_quote(quoted, m->name), (long long)dotted, (int)m->key, m->name);
}

mx_status mx_tar_close(mx_tar_samples *t, const char *any) {
    const mx_tar_member *image = NULL;
    labels own;
    int64_t dotted = 0, label = -1, before = t->x->files;
    for (int64_t i = 0; i < t->members; i++) {
        const mx_tar_member *m = &t->member[i];
        if (!image && m->image && plain(m)) image = m;
        dotted += m->image && !plain(m);
        if (!m->image && plain(m)) label = m->label;
    }
    if (!sort_labels(&own, t)) return mx_fail(t->e, MX_ERR_MEMORY, "out of memory for a sample");
    if (image) emit(t, image, label);
    for (int64_t i = 0; i < t->members && !t->e->status; i++) {
        const mx_tar_member *m = &t->member[i];
        if (m->image && !plain(m)) close_dotted(t, m, own_label(&own, m), image != NULL, dotted, label);
        if (m->image && plain(m) && m != image) count(&t->counts->further, t->counts->first_further, m->name);
    }
    bool none = t->x->files == before;
    for (int64_t i = 0; none && i < t->members && !t->e->status; i++) set_apart(t, &t->member[i]);
    if (none && !t->members) count(&t->counts->without, t->counts->first_without, any);
    free(own.at);
    clear_members(t);
    return t->e->status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const mx_tar_label *)a)->name, ((const mx_tar_label *)b)->name);
}

/* The label stored apart for the first `length` characters of name; NULL: none. */
static mx_tar_label *find_apart(const mx_tar_samples *t, const char *name, size_t length) {
    char *key = strndup(name, length);
    mx_tar_label want = {.name = key};
    mx_tar_label *found =
        key && t->aparts ? bsearch(&want, t->apart, (size_t)t->aparts, sizeof want, by_name) : NULL;
    free(key);
    return found;
}

/* Joins a label stored apart: by the image's whole name, else by its name up to the first dot. */
static void find_label(mx_tar_samples *t, mx_entry *f) {
    const char *name = t->x->names + f->name + strlen(t->shard) + 1, *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    mx_tar_label *l = find_apart(t, name, (size_t)(strrchr(base, '.') - name));
    if (!l) l = find_apart(t, name, (size_t)(strchr(base, '.') - name));
    if (l) f->label = (int32_t)l->label, l->used = true;
}

static mx_status join_labels(mx_tar_samples *t) {
    char quoted[MX_QUOTE];
    qsort(t->apart, (size_t)t->aparts, sizeof *t->apart, by_name);
    for (int64_t i = 1; i < t->aparts; i++)
        if (!by_name(&t->apart[i - 1], &t->apart[i]))
            return mx_fail(t->e, MX_ERR_FORMAT, "expected one label of %s, found two .cls members",
                           mx_quote(quoted, t->apart[i].name));
    for (int64_t i = t->first; i < t->x->files; i++)
        if (t->x->file[i].label < 0) find_label(t, &t->x->file[i]);
    for (int64_t i = 0; i < t->aparts; i++)
        if (!t->apart[i].used) count(&t->counts->apart, t->counts->first_apart, t->apart[i].name);
    return MX_OK;
}

mx_status mx_tar_join(mx_tar_samples *t) {
    const mx_index *x = t->x;
    char quoted[MX_QUOTE];
    if (t->aparts && join_labels(t)) return t->e->status;
    for (int64_t i = t->first; i < x->files; i++) {
        int64_t label = x->file[i].label;
        const char *name = x->names + x->file[i].name + strlen(t->shard) + 1;
        if (label > t->counts->most) t->counts->most = label;
        *(label < 0 ? &t->counts->unlabelled : &t->counts->labelled) += 1;
        if (t->counts->labelled && t->counts->unlabelled)
            return mx_fail(t->e, MX_ERR_FORMAT, "%s: %s, though others have %s", mx_quote(quoted, name),
                           label < 0 ? "no .cls field" : "a .cls field", label < 0 ? "one" : "none");
    }
    return MX_OK;
}
