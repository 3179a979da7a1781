/* The container of PyTorch before 1.6: five pickles in sequence (magic number, protocol, a dict about the
 * machine, the object, a list of storage keys), then each storage's count and raw elements in the order of
 * that list. Elements are little-endian on every machine. See docs/FORMATS.md, "PyTorch files". */
#include "io/pth_internal.h"

#include <stdlib.h>
#include <string.h>

#define MX_LEGACY_PROTOCOL 1001

/* Parses the pickle at *at and advances *at past it. */
static mx_status next(mx_pk **out, const mx_pth *p, size_t *at, const char *what, mx_error *e) {
    size_t used = 0;
    if (mx_pk_parse(out, p->bytes + *at, p->size - *at, &used, e)) return mx_fail_where(e, "%s", what);
    *at += used;
    return MX_OK;
}

static int compare_keys(const mx_pk_node *a, const mx_pk_node *b) {
    uint32_t n = a->size < b->size ? a->size : b->size;
    int order = n ? memcmp(a->text, b->text, n) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int by_key(const void *a, const void *b) {
    return compare_keys(((const mx_pth_record *)a)->key, ((const mx_pth_record *)b)->key);
}

mx_status mx_pth_legacy_find(const mx_pth *p, const mx_pk_node *key, int64_t *record, size_t *bytes,
                             mx_error *e) {
    const mx_pth_record want = {.key = key};
    const mx_pth_record *r =
        p->records ? bsearch(&want, p->record, (size_t)p->records, sizeof want, by_key) : NULL;
    if (!r)
        return mx_fail(e, MX_ERR_FORMAT, "the storage \"%.*s\" is not in the file's list",
                       key->size < 100 ? (int)key->size : 100, key->text);
    *record = r - p->record, *bytes = r->bytes;
    return MX_OK;
}

/* Every storage the object names, sorted by key, one entry each; `bytes` is the width of an element yet. */
static mx_status list_storages(mx_pth *p, mx_error *e) {
    int n = mx_pk_persistent_count(p->pk), kept = 0;
    if (!(p->record = calloc((size_t)n + 1, sizeof *p->record)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %d storages", n);
    for (int i = 0; i < n; i++) {
        mx_pth_storage s;
        const mx_pk_node *id = mx_pk_persistent_at(p->pk, i)->item[0];
        bool module = id->kind == MX_PK_TUPLE && id->count && mx_pk_is_text(id->item[0], "module");
        if (module) continue; /* a class whose source was stored with it; treated as a name */
        if (mx_pth_storage_read(&s, mx_pk_persistent_at(p->pk, i), NULL, e)) return e->status;
        p->record[p->records++] = (mx_pth_record){.key = s.key, .bytes = (size_t)s.type->width};
    }
    if (p->records) qsort(p->record, (size_t)p->records, sizeof *p->record, by_key);
    for (int i = 0; i < p->records; i++) {
        if (kept && !by_key(&p->record[kept - 1], &p->record[i])) {
            if (p->record[kept - 1].bytes != p->record[i].bytes)
                return mx_fail(e, MX_ERR_FORMAT, "one storage is used with two element sizes");
            continue;
        }
        p->record[kept++] = p->record[i];
    }
    p->records = kept;
    return MX_OK;
}

/* One storage: an i64 count, then the elements. */
static mx_status place(mx_pth *p, const mx_pk_node *key, size_t *at, mx_error *e) {
    int64_t i;
    size_t width, bytes;
    uint64_t count = 0;
    if (key->kind != MX_PK_TEXT) return mx_fail(e, MX_ERR_FORMAT, "a storage key is no text");
    if (mx_pth_legacy_find(p, key, &i, &width, e)) return e->status;
    if (p->record[i].at) return mx_fail(e, MX_ERR_FORMAT, "a storage key is listed twice");
    if (p->size - *at < 8) return mx_fail(e, MX_ERR_FORMAT, "cut off before the storages' end");
    for (int b = 0; b < 8; b++) count |= (uint64_t)p->bytes[*at + (size_t)b] << (8 * b);
    *at += 8;
    if (__builtin_mul_overflow(count, width, &bytes) || bytes > p->size - *at)
        return mx_fail(e, MX_ERR_FORMAT, "cut off, or a storage of %llu elements that passes the end",
                       (unsigned long long)count);
    p->record[i].at = *at, p->record[i].bytes = bytes;
    *at += bytes;
    return MX_OK;
}

static mx_status place_all(mx_pth *p, size_t at, mx_error *e) {
    mx_pk *keys = NULL;
    if (next(&keys, p, &at, "list of storages", e)) return e->status;
    const mx_pk_node *list = mx_pk_root(keys);
    if (list->kind != MX_PK_LIST || list->count != (uint32_t)p->records)
        mx_fail(e, MX_ERR_FORMAT, "expected a list of %d storage keys", p->records);
    for (uint32_t i = 0; !e->status && i < list->count; i++) place(p, list->item[i], &at, e);
    if (!e->status && at != p->size)
        mx_fail(e, MX_ERR_FORMAT, "%zu bytes after the last storage", p->size - at);
    mx_pk_free(keys);
    return e->status;
}

mx_status mx_pth_legacy_open(mx_pth *p, mx_error *e) {
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        static const char *const what[] = {"magic number", "protocol", "machine"};
        mx_pk *pk = NULL;
        if (next(&pk, p, &at, what[i], e)) return e->status;
        const mx_pk_node *root = mx_pk_root(pk);
        if (i == 1 && (root->kind != MX_PK_INT || root->whole != MX_LEGACY_PROTOCOL))
            mx_fail(e, MX_ERR_FORMAT, "a legacy PyTorch file of another protocol than %d",
                    MX_LEGACY_PROTOCOL);
        mx_pk_free(pk);
        if (e->status) return e->status;
    }
    if (next(&p->pk, p, &at, "object", e) || list_storages(p, e)) return e->status;
    return place_all(p, at, e);
}
