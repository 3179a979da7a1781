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

static json_t *metadata(const mx_st_pair *meta, int metas) {
    json_t *o = json_object();
    mx_st_pair *sorted = malloc(sizeof *sorted * (size_t)(metas + 1));
    if (sorted) {
        for (int i = 0; i < metas; i++) sorted[i] = meta[i];
        sorted[metas] = (mx_st_pair){"format", "pt"};
        qsort(sorted, (size_t)metas + 1, sizeof *sorted, by_key);
        for (int i = 0; i <= metas; i++) json_object_set_new(o, sorted[i].key, json_string(sorted[i].value));
    }
    free(sorted);
    return o;
}

/* Header text padded with spaces to a multiple of 8 (the caller frees it), or NULL. */
static char *header_text(const mx_st_tensor *const *order, int count, const mx_st_pair *meta, int metas,
                         size_t *size) {
    json_t *root = json_object();
    size_t offset = 0;
    json_object_set_new(root, "__metadata__", metadata(meta, metas));
    bool ok = true;
    for (int i = 0; i < count; i++)
        if (json_object_set_new(root, order[i]->name, entry(order[i], &offset))) ok = false;
    char *text = ok && json_object_size(root) == (size_t)count + 1 ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text) return NULL;
    size_t n = strlen(text), padded = (n + 7) / 8 * 8;
    char *grown = realloc(text, padded + 1);
    if (!grown) {
        free(text);
        return NULL;
    }
    memset(grown + n, ' ', padded - n);
    *size = padded;
    return grown;
}

mx_status mx_st_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                      int metas, mx_error *e) {
    const mx_st_tensor **order = malloc(sizeof *order * (size_t)(count + 1));
    char *header = NULL;
    size_t size = 0;
    mx_file *f = NULL;
    unsigned char length[8];
    if (!order) return mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
    for (int i = 0; i < count; i++) order[i] = &tensors[i];
    qsort(order, (size_t)count, sizeof *order, by_rank);
    if (!(header = header_text(order, count, meta, metas, &size))) {
        mx_fail(e, MX_ERR_MEMORY, "cannot make the header of %s: out of memory, or two tensors of one name",
                path);
        goto done;
    }
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
    free(header);
    free(order);
    return e->status;
}
