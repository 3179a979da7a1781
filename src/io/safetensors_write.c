/* Writing safetensors files: a fixed order and padding, so that the same input gives the same bytes. */
#include "io/safetensors_internal.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"

static int by_rank(const void *a, const void *b) {
    const mx_st_tensor *x = *(const mx_st_tensor *const *)a, *y = *(const mx_st_tensor *const *)b;
    int p = mx_st_bits(x->dtype), q = mx_st_bits(y->dtype);
    return p != q ? q - p : strcmp(x->name, y->name);
}

static json_t *entry(const mx_st_tensor *t, size_t *offset) {
    json_t *shape = json_array();
    for (int i = 0; i < t->ndim; i++) json_array_append_new(shape, json_integer(t->dim[i]));
    size_t begin = *offset;
    *offset += t->bytes;
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", t->dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)*offset);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const mx_st_pair *)a)->key, ((const mx_st_pair *)b)->key);
}

/* What the reader would refuse is an error here, before anything is written. */
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

/* Adds a member whose name must be new; takes value over, NULL being a failure of its making. */
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
    text = json_dumps(root, JSON_COMPACT);
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

mx_status mx_st_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                      int metas, mx_error *e) {
    const mx_st_tensor **order = malloc(sizeof *order * (size_t)(count + 1));
    char *header = NULL;
    size_t size = 0;
    mx_file *f = NULL;
    unsigned char length[8];
    if (!order) return mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
    for (int i = 0; i < count; i++)
        if (check(order[i] = &tensors[i], e)) goto done;
    qsort(order, (size_t)count, sizeof *order, by_rank);
    if (header_text(&header, &size, order, count, meta, metas, e)) goto done;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)size >> (8 * i));
    if (mx_file_begin(&f, path, e)) goto done;
    mx_file_put(f, length, 8, e);
    if (!e->status) mx_file_put(f, header, size, e);
    for (int i = 0; i < count && !e->status; i++) mx_file_put(f, order[i]->data, order[i]->bytes, e);
    if (e->status)
        mx_file_drop(f);
    else
        mx_file_commit(f, e);
done:
    if (!header) mx_fail_where(e, "cannot write %s", path);
    free(header);
    free(order);
    return e->status;
}
