/* Writes safetensors files in a fixed order and with fixed padding, so that the same input gives the same
 * bytes. */
#include "io/safetensors_internal.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "base/json_text.h"

static int by_rank(const void *a, const void *b) {
    const mx_st_tensor *x = *(const mx_st_tensor *const *)a, *y = *(const mx_st_tensor *const *)b;
    int p = mx_st_bits(x->dtype), q = mx_st_bits(y->dtype);
    return p != q ? q - p : strcmp(x->name, y->name);
}

static json_t *entry(const mx_st_tensor *t, size_t *offset) {
    json_t *shape = json_array();
    size_t begin = *offset;
    *offset += t->bytes;
    for (int i = 0; i < t->ndim; i++)
        if (json_array_append_new(shape, json_integer(t->dim[i]))) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", t->dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)*offset);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const mx_st_pair *)a)->key, ((const mx_st_pair *)b)->key);
}

/* Anything that the reader would refuse is an error here, before writing. */
static mx_status check(const mx_st_tensor *t, mx_error *e) {
    int64_t bits = t->dtype ? mx_st_bits(t->dtype) : 0;
    if (!bits)
        return mx_fail(e, MX_ERR_ARGUMENT, "tensor %s: unknown dtype %s", t->name,
                       t->dtype ? t->dtype : "NULL");
    if (t->ndim < 0 || t->ndim > MX_ST_MAX_DIM)
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected 0 to %d dimensions, found %d", t->name,
                       MX_ST_MAX_DIM, t->ndim);
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] < 0 || __builtin_mul_overflow(bits, t->dim[i], &bits))
            return mx_fail(e, MX_ERR_SHAPE, "tensor %s: dimension %d is %lld, which cannot be", t->name, i,
                           (long long)t->dim[i]);
    if (bits % 8 || (uint64_t)bits / 8 != t->bytes)
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: shape and dtype ask for %lld bits, found %zu bytes",
                       t->name, (long long)bits, t->bytes);
    return MX_OK;
}

/* Adds a member whose name must be new. Takes ownership of value; NULL means that making it failed. */
static mx_status add(json_t *o, const char *what, const char *name, json_t *value, mx_error *e) {
    if (json_object_get(o, name)) {
        json_decref(value);
        return mx_fail(e, MX_ERR_ARGUMENT, "two %s have the name %s", what, name);
    }
    if (!json_object_set_new(o, name, value)) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "%s %.100s: not UTF-8 text, or out of memory", what, name);
}

static mx_status add_metadata(json_t *root, const mx_st_pair *meta, int metas, mx_error *e) {
    json_t *o = json_object();
    mx_st_pair *sorted = malloc(sizeof *sorted * (size_t)(metas + 1));
    if (sorted) {
        for (int i = 0; i < metas; i++) sorted[i] = meta[i];
        sorted[metas] = (mx_st_pair){"format", "pt"};
        qsort(sorted, (size_t)metas + 1, sizeof *sorted, by_key);
        for (int i = 0; i <= metas && !e->status; i++)
            add(o, "metadata", sorted[i].key, json_string(sorted[i].value), e);
    } else
        mx_fail(e, MX_ERR_MEMORY, "out of memory for metadata");
    free(sorted);
    if (!e->status) return add(root, "tensors", "__metadata__", o, e);
    json_decref(o);
    return e->status;
}

/* Header text padded with spaces to a multiple of 8 (the caller frees it). */
static mx_status header_text(char **out, size_t *size, const mx_st_tensor *const *order, int count,
                             const mx_st_pair *meta, int metas, mx_error *e) {
    json_t *root = json_object();
    char *text = NULL, *grown = NULL;
    size_t offset = 0;
    if (add_metadata(root, meta, metas, e)) goto done;
    for (int i = 0; i < count; i++)
        if (add(root, "tensors", order[i]->name, entry(order[i], &offset), e)) goto done;
    text = mx_json_text(root, JSON_COMPACT);
    size_t n = text ? strlen(text) : 0, padded = (n + 7) / 8 * 8;
    if (!text || !(grown = realloc(text, padded + 1))) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the header");
        goto done;
    }
    memset(grown + n, ' ', padded - n);
    text = NULL;
    *out = grown, *size = padded;
done:
    free(text);
    json_decref(root);
    return e->status;
}

/* A file while it is made. */
typedef struct {
    const char *path;
    const mx_st_tensor **order; /* [count] */
    int count, metas;
    char *sums;       /* [8 * count + 1] of each tensor, in that order */
    mx_st_pair *meta; /* [metas], including checksums if the file has them */
    char *header;
    size_t size; /* of the header */
} writing;

static mx_status lay_out(writing *w, const mx_st_tensor *tensors, const mx_st_pair *meta, bool summed,
                         mx_error *e) {
    int count = w->count, metas = w->metas;
    w->order = malloc(sizeof *w->order * (size_t)(count + 1)), w->sums = malloc(8 * (size_t)count + 1);
    w->meta = malloc(sizeof *w->meta * (size_t)(metas + 2));
    if (!w->order || !w->sums || !w->meta) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int i = 0; i < count; i++)
        if (check(w->order[i] = &tensors[i], e)) return e->status;
    qsort(w->order, (size_t)count, sizeof *w->order, by_rank);
    w->sums[0] = 0;
    for (int i = 0; i < count; i++)
        memcpy(w->sums + 8 * (size_t)i, mx_st_sum_of(w->order[i]->data, w->order[i]->bytes).text, 9);
    for (int i = 0; i < metas; i++) w->meta[i] = meta[i];
    if (summed) {
        w->meta[w->metas++] = (mx_st_pair){MX_ST_SUM_HEADER, "00000000"};
        w->meta[w->metas++] = (mx_st_pair){MX_ST_SUM_TENSORS, w->sums};
    }
    if (header_text(&w->header, &w->size, w->order, count, w->meta, w->metas, e) || !summed) return e->status;
    const char *place;
    mx_st_sum sum = mx_st_sum_header(w->header, w->size, &place);
    if (!place) return mx_fail(e, MX_ERR_FORMAT, "no place for the checksum in the header");
    memcpy(w->header + (place - w->header), sum.text, 8);
    return MX_OK;
}

static bool same_tensor(const mx_st_tensor *a, const mx_st_tensor *b) {
    return !strcmp(a->name, b->name) && !strcmp(a->dtype, b->dtype) && a->ndim == b->ndim &&
           !memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->ndim) && a->bytes == b->bytes;
}

static mx_status compare(const writing *w, const mx_st *st, mx_error *e) {
    if (st->count != w->count)
        return mx_fail(e, MX_ERR_IO, "expected %d tensors, found %d", w->count, st->count);
    if (memcmp(st->bytes + 8, w->header, w->size))
        return mx_fail(e, MX_ERR_IO, "another header than was written");
    for (int i = 0; i < w->metas; i++) {
        const char *found = mx_st_meta(st, w->meta[i].key);
        if (!found || (strcmp(found, w->meta[i].value) && strcmp(w->meta[i].key, MX_ST_SUM_HEADER)))
            return mx_fail(e, MX_ERR_IO, "metadata %s: expected \"%.40s\", found \"%.40s\"", w->meta[i].key,
                           w->meta[i].value, found ? found : "nothing");
    }
    for (int i = 0; i < w->count; i++) {
        const mx_st_tensor *t = &st->tensor[i];
        if (!same_tensor(t, w->order[i]))
            return mx_fail(e, MX_ERR_IO, "expected tensor %s, found %s of another name, type or shape",
                           w->order[i]->name, t->name);
        mx_st_sum sum = mx_st_sum_of(t->data, t->bytes);
        mx_st_done(st, t);
        if (memcmp(sum.text, w->sums + 8 * (size_t)i, 8))
            return mx_fail(e, MX_ERR_IO, "tensor %s: expected checksum %.8s, found %s", t->name,
                           w->sums + 8 * (size_t)i, sum.text);
    }
    return MX_OK;
}

static mx_status read_back(const void *what, const char *temporary, mx_error *e) {
    mx_st *st = NULL;
    if (!mx_st_open(&st, temporary, e)) compare(what, st, e);
    mx_st_close(st);
    return e->status;
}

static mx_status put(const writing *w, mx_error *e) {
    mx_file *f = NULL;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)w->size >> (8 * i));
    if (mx_file_begin(&f, w->path, e)) return e->status;
    mx_file_put(f, length, 8, e);
    if (!e->status) mx_file_put(f, w->header, w->size, e);
    for (int i = 0; i < w->count && !e->status; i++) mx_file_put(f, w->order[i]->data, w->order[i]->bytes, e);
    return mx_file_commit_read(f, read_back, w, e);
}

static mx_status write_file(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                            int metas, bool summed, mx_error *e) {
    writing w = {.path = path, .count = count, .metas = metas};
    if (lay_out(&w, tensors, meta, summed, e))
        mx_fail_where(e, "cannot write %s", path);
    else
        put(&w, e);
    free(w.header);
    free(w.meta);
    free(w.sums);
    free(w.order);
    return e->status;
}

mx_status mx_st_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                      int metas, mx_error *e) {
    return write_file(path, tensors, count, meta, metas, false, e);
}

mx_status mx_st_write_summed(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                             int metas, mx_error *e) {
    return write_file(path, tensors, count, meta, metas, true, e);
}
