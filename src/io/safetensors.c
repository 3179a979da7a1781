/* Reads safetensors files, see safetensors.h. The checks are those of docs/FORMATS.md, "How a safetensors
 * file is checked". */
#include "io/safetensors_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/json_text.h"
#include "io/file.h"

#define MX_ST_MAX_HEADER  100000000u
#define MX_ST_MAX_TENSORS 1000000

int mx_st_bits(const char *dtype) {
    static const struct {
        const char *name;
        int bits;
    } known[] = {{"F32", 32},        {"BF16", 16},      {"F16", 16},    {"F64", 64},    {"I64", 64},
                 {"I32", 32},        {"I16", 16},       {"I8", 8},      {"U8", 8},      {"BOOL", 8},
                 {"U16", 16},        {"U32", 32},       {"U64", 64},    {"C64", 64},    {"F4", 4},
                 {"F6_E2M3", 6},     {"F6_E3M2", 6},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
                 {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, dtype)) return known[i].bits;
    return 0;
}

static mx_status bad(mx_error *e, const char *name, const char *why) {
    return mx_fail(e, MX_ERR_FORMAT, "tensor %.100s: %s", name, why);
}

/* A non-negative integer. jansson has refused those that exceed 63 bits. */
static bool whole(const json_t *v, int64_t *out) {
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = json_integer_value(v);
    return true;
}

static mx_status parse_shape(mx_st_tensor *t, const json_t *shape, int64_t *elements, mx_error *e) {
    size_t n = json_array_size(shape);
    if (!json_is_array(shape)) return bad(e, t->name, "\"shape\" is not a list");
    if (n > MX_ST_MAX_DIM) return bad(e, t->name, "more than 8 dimensions");
    *elements = 1;
    t->ndim = (int)n;
    for (size_t i = 0; i < n; i++) {
        if (!whole(json_array_get(shape, i), &t->dim[i]))
            return bad(e, t->name, "a dimension is not a whole number");
        if (__builtin_mul_overflow(*elements, t->dim[i], elements))
            return bad(e, t->name, "the shape overflows");
    }
    return MX_OK;
}

static mx_status parse_tensor(mx_st *st, const char *name, const json_t *entry, size_t data_size,
                              mx_error *e) {
    mx_st_tensor *t = &st->tensor[st->count];
    const json_t *dtype = json_object_get(entry, "dtype"), *offsets = json_object_get(entry, "data_offsets");
    int64_t begin, end, elements = 0, bits;
    *t = (mx_st_tensor){.name = name, .dtype = json_string_value(dtype)};
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return bad(e, name, "expected dtype, shape and data_offsets");
    if (!t->dtype || !mx_st_bits(t->dtype)) return bad(e, name, "unknown dtype");
    if (json_array_size(offsets) != 2 || !whole(json_array_get(offsets, 0), &begin) ||
        !whole(json_array_get(offsets, 1), &end))
        return bad(e, name, "\"data_offsets\" is not two whole numbers");
    if (end < begin || (uint64_t)end > data_size) return bad(e, name, "its data lies outside the file");
    if (parse_shape(t, json_object_get(entry, "shape"), &elements, e)) return e->status;
    if (__builtin_mul_overflow(elements, (int64_t)mx_st_bits(t->dtype), &bits))
        return bad(e, name, "the shape overflows");
    if (bits % 8 || bits / 8 != end - begin)
        return bad(e, name, "shape and dtype do not fit its number of bytes");
    t->data = st->bytes + st->size - data_size + (size_t)begin;
    t->bytes = (size_t)(end - begin);
    st->count++;
    return MX_OK;
}

static int by_place(const void *a, const void *b) {
    const mx_st_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1; /* empty ones first */
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b, void *tensors) {
    const mx_st_tensor *t = tensors;
    return strcmp(t[*(const int *)a].name, t[*(const int *)b].name);
}

/* No hole, no overlap, no trailing byte; and the index for lookups. */
static mx_status order(mx_st *st, size_t data_size, mx_error *e) {
    const char *next = (const char *)st->bytes + st->size - data_size;
    qsort(st->tensor, (size_t)st->count, sizeof *st->tensor, by_place);
    for (int i = 0; i < st->count; i++) {
        const mx_st_tensor *t = &st->tensor[i];
        if ((const char *)t->data != next)
            return bad(e, t->name, "its data overlaps another tensor's or leaves a hole");
        next += t->bytes;
        st->by_name[i] = i;
    }
    if (next != (const char *)st->bytes + st->size)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes after the last tensor",
                       (size_t)((const char *)st->bytes + st->size - next));
    qsort_r(st->by_name, (size_t)st->count, sizeof *st->by_name, by_name, st->tensor);
    return MX_OK;
}

static mx_status parse_meta(mx_st *st, json_t *meta, mx_error *e) {
    const char *key;
    json_t *value;
    if (!meta) return MX_OK;
    if (!json_is_object(meta)) return mx_fail(e, MX_ERR_FORMAT, "__metadata__ is not an object");
    if (!(st->meta = calloc(json_object_size(meta) + 1, sizeof *st->meta)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    json_object_foreach(meta, key, value) {
        if (!json_is_string(value))
            return mx_fail(e, MX_ERR_FORMAT, "__metadata__ \"%.60s\" is not a string", key);
        st->meta[st->metas++] = (mx_st_pair){key, json_string_value(value)};
    }
    return MX_OK;
}

static mx_status parse(mx_st *st, mx_error *e) {
    uint64_t n = 0;
    json_error_t why;
    const char *name;
    json_t *entry;
    if (st->size < 8)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes are too few for a safetensors file", st->size);
    for (int i = 0; i < 8; i++) n |= (uint64_t)st->bytes[i] << (8 * i);
    if (n > MX_ST_MAX_HEADER || n > st->size - 8)
        return mx_fail(e, MX_ERR_FORMAT,
                       "not a safetensors file, or cut off: its header claims %llu bytes and %zu follow",
                       (unsigned long long)n, st->size - 8);
    bool memory;
    st->header = mx_json_parse((const char *)st->bytes + 8, (size_t)n, JSON_REJECT_DUPLICATES, &why, &memory);
    if (memory)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the header's %llu bytes", (unsigned long long)n);
    if (!json_is_object(st->header))
        return mx_fail(e, MX_ERR_FORMAT, "the header is not a JSON object: %s",
                       st->header ? "another kind of value" : why.text);
    size_t most = json_object_size(st->header), data_size = st->size - 8 - (size_t)n;
    if (most > MX_ST_MAX_TENSORS)
        return mx_fail(e, MX_ERR_FORMAT, "%zu tensors are more than %d", most, MX_ST_MAX_TENSORS);
    st->tensor = calloc(most + 1, sizeof *st->tensor), st->by_name = calloc(most + 1, sizeof *st->by_name);
    if (!st->tensor || !st->by_name) return mx_fail(e, MX_ERR_MEMORY, "out of memory for %zu tensors", most);
    json_object_foreach(st->header, name, entry) {
        if (!strcmp(name, "__metadata__")) continue;
        if (parse_tensor(st, name, entry, data_size, e)) return e->status;
    }
    if (order(st, data_size, e) || parse_meta(st, json_object_get(st->header, "__metadata__"), e))
        return e->status;
    return mx_st_check_header(st, (size_t)n, e);
}

mx_status mx_st_parse(mx_st **out, const void *bytes, size_t size, mx_error *e) {
    mx_st *st = calloc(1, sizeof *st);
    *out = NULL;
    if (!st) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    st->bytes = bytes, st->size = size;
    if (parse(st, e)) {
        mx_st_close(st);
        return e->status;
    }
    *out = st;
    return MX_OK;
}

mx_status mx_st_open(mx_st **out, const char *path, mx_error *e) {
    const void *bytes;
    size_t size;
    *out = NULL;
    if (mx_file_map(path, &bytes, &size, e)) return e->status;
    if (mx_st_parse(out, bytes, size, e)) {
        munmap((void *)bytes, size);
        return mx_fail_where(e, "%s", path);
    }
    (*out)->mapped = true;
    return MX_OK;
}

void mx_st_close(mx_st *st) {
    if (!st) return;
    if (st->mapped) munmap((void *)st->bytes, st->size);
    json_decref(st->header);
    free(st->tensor);
    free(st->by_name);
    free(st->meta);
    free(st);
}

void mx_st_done(const mx_st *st, const mx_st_tensor *t) {
    const uintptr_t page = 4096, first = ((uintptr_t)t->data + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)t->data + t->bytes) / page * page;
    if (st->mapped && end > first) madvise((void *)first, end - first, MADV_DONTNEED);
}

int mx_st_count(const mx_st *st) { return st->count; }
const mx_st_tensor *mx_st_at(const mx_st *st, int i) { return &st->tensor[i]; }

const mx_st_tensor *mx_st_find(const mx_st *st, const char *name) {
    int low = 0, high = st->count - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2, order = strcmp(name, st->tensor[st->by_name[middle]].name);
        if (!order) return &st->tensor[st->by_name[middle]];
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}

int mx_st_meta_count(const mx_st *st) { return st->metas; }

void mx_st_meta_at(const mx_st *st, int i, const char **key, const char **value) {
    *key = st->meta[i].key, *value = st->meta[i].value;
}

const char *mx_st_meta(const mx_st *st, const char *key) {
    for (int i = 0; i < st->metas; i++)
        if (!strcmp(st->meta[i].key, key)) return st->meta[i].value;
    return NULL;
}

static float half_to_float(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexpf((float)(fraction + 1024), exponent - 25);
    return h & 0x8000 ? -value : value;
}

mx_status mx_st_copy_f32(const mx_st_tensor *t, float *out, int64_t count, mx_error *e) {
    int64_t n = 1;
    const unsigned char *from = t->data;
    for (int i = 0; i < t->ndim; i++) n *= t->dim[i]; /* checked when the file was read */
    if (n != count)
        return mx_fail(e, MX_ERR_SHAPE, "tensor %s: expected %lld elements, found %lld", t->name,
                       (long long)count, (long long)n);
    if (!strcmp(t->dtype, "F32")) {
        if (n) memcpy(out, from, sizeof *out * (size_t)n);
        return MX_OK;
    }
    bool half = !strcmp(t->dtype, "F16"), brain = !strcmp(t->dtype, "BF16"), wide = !strcmp(t->dtype, "F64");
    if (!half && !brain && !wide)
        return mx_fail(
            e, MX_ERR_FORMAT,
            "tensor %s: expected floating-point numbers, found %s (F32, F64, F16 and BF16 are read)", t->name,
            t->dtype);
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        uint32_t bits;
        double d;
        if (wide)
            memcpy(&d, from + 8 * i, 8), out[i] = (float)d;
        else {
            memcpy(&h, from + 2 * i, 2);
            bits = (uint32_t)h << 16;
            if (half)
                out[i] = half_to_float(h);
            else
                memcpy(&out[i], &bits, 4);
        }
    }
    return MX_OK;
}
