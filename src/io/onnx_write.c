/* Writes an ONNX graph, see onnx.h. The generated code packs everything small. Weights are written directly
 * from their memory, so a model is never held twice: protobuf's messages may be written in pieces, and the
 * tags and lengths around a piece are a few bytes. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/onnx_internal.h"

#define MX_ONNX_LIMIT INT32_MAX /* protobuf's readers count with 32 bits and a sign */
#define MX_ONNX_TILE  16        /* columns turned at a time: one cache line of a row */

enum { TAG_GRAPH = 7 << 3 | 2, TAG_INITIALIZER = 5 << 3 | 2, TAG_RAW_DATA = 9 << 3 | 2 }; /* length follows */

/* A file with a small buffer: packing delivers its bytes in pieces of a few. */
typedef struct {
    ProtobufCBuffer base;
    mx_file *file;
    size_t used;
    uint64_t written;
    mx_error *e;
    unsigned char buffer[1 << 15];
} sink;

static void flush(sink *s) {
    if (s->used && !s->e->status) mx_file_put(s->file, s->buffer, s->used, s->e);
    s->used = 0;
}

static void put(sink *s, const void *bytes, size_t size) {
    s->written += size;
    if (size > sizeof s->buffer - s->used) flush(s);
    if (size > sizeof s->buffer) {
        if (!s->e->status) mx_file_put(s->file, bytes, size, s->e);
        return;
    }
    memcpy(s->buffer + s->used, bytes, size);
    s->used += size;
}

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes) {
    put((sink *)buffer, bytes, size);
}

/* Base-128 number, low groups first; NULL: only its length. */
static size_t varint(sink *s, uint64_t v) {
    unsigned char bytes[10];
    size_t n = 0;
    for (; v > 127; v >>= 7) bytes[n++] = (unsigned char)(v | 128);
    bytes[n++] = (unsigned char)v;
    if (s) put(s, bytes, n);
    return n;
}

/* Bytes of a field: tag (all of ours below 16, one byte), length, content. */
static uint64_t field_size(uint64_t content) { return 1 + varint(NULL, content) + content; }

static void put_head(sink *s, unsigned tag, uint64_t content) {
    varint(s, tag);
    varint(s, content);
}

static size_t packed_size(const void *message) { return protobuf_c_message_get_packed_size(message); }
static void pack(sink *s, const void *message) { protobuf_c_message_pack_to_buffer(message, &s->base); }

/* [rows,columns] as [columns,rows], some columns at a time */
static void put_transposed(sink *s, const mx_onnx_constant *c) {
    const float *x = c->data;
    float *tile = calloc((size_t)c->rows, MX_ONNX_TILE * sizeof *tile);
    if (!tile) mx_fail(s->e, MX_ERR_MEMORY, "out of memory while turning %s", c->tensor->name);
    for (int64_t j = 0; tile && j < c->columns; j += MX_ONNX_TILE) {
        int64_t n = c->columns - j < MX_ONNX_TILE ? c->columns - j : MX_ONNX_TILE;
        for (int64_t i = 0; i < c->rows; i++)
            for (int64_t k = 0; k < n; k++) tile[k * c->rows + i] = x[i * c->columns + j + k];
        put(s, tile, sizeof *tile * (size_t)(n * c->rows));
    }
    free(tile);
}

static void put_content(sink *s, const mx_onnx_constant *c) {
    if (c->rows)
        put_transposed(s, c);
    else
        put(s, c->data, c->bytes);
}

const Onnx__Tensor *mx_onnx_describe_outside(mx_onnx_outside *o, const mx_onnx_constant *c, const char *file,
                                             uint64_t at) {
    snprintf(o->offset, sizeof o->offset, "%llu", (unsigned long long)at);
    snprintf(o->length, sizeof o->length, "%zu", c->bytes);
    const char *const text[3][2] = {{"location", file}, {"offset", o->offset}, {"length", o->length}};
    for (int i = 0; i < 3; i++) {
        onnx__string_pair__init(&o->pair[i]);
        o->pair[i].key = (char *)text[i][0], o->pair[i].value = (char *)text[i][1];
        o->list[i] = &o->pair[i];
    }
    o->tensor = *c->tensor;
    o->tensor.external_data = o->list, o->tensor.n_external_data = 3;
    o->tensor.has_data_location = 1, o->tensor.data_location = 1;
    return &o->tensor;
}

uint64_t mx_onnx_page_up(uint64_t n) { return (n + MX_ONNX_PAGE - 1) / MX_ONNX_PAGE * MX_ONNX_PAGE; }

/* Writes one initializer; s NULL: only computes its size. *at: the start of the next external content; file
 * NULL: no external content. */
static uint64_t initializer(sink *s, const mx_onnx_constant *c, const char *file, uint64_t *at) {
    mx_onnx_outside o;
    bool out = file && c->bytes >= MX_ONNX_INLINE;
    const Onnx__Tensor *t = out ? mx_onnx_describe_outside(&o, c, file, *at) : c->tensor;
    uint64_t size = packed_size(t) + (out ? 0 : field_size(c->bytes));
    if (out) *at = mx_onnx_page_up(*at + c->bytes);
    if (s) {
        put_head(s, TAG_INITIALIZER, size);
        pack(s, t);
        if (!out) put_head(s, TAG_RAW_DATA, c->bytes), put_content(s, c);
    }
    return field_size(size);
}

static uint64_t initializers(sink *s, const mx_onnx *g, const char *file) {
    uint64_t size = 0, at = 0;
    for (size_t i = 0; i < g->constants; i++) size += initializer(s, &g->constant[i], file, &at);
    return size;
}

static uint64_t graph_size(const mx_onnx *g, const char *file) {
    return packed_size(&g->graph) + initializers(NULL, g, file);
}

static uint64_t file_size(const mx_onnx *g, const char *file) {
    return packed_size(&g->model) + field_size(graph_size(g, file));
}

static void put_model(sink *s, const mx_onnx *g, const char *file) {
    pack(s, &g->model);
    put_head(s, TAG_GRAPH, graph_size(g, file));
    pack(s, &g->graph);
    initializers(s, g, file);
}

static void put_data(sink *s, const mx_onnx *g) {
    static const unsigned char zeros[MX_ONNX_PAGE];
    for (size_t i = 0; i < g->constants && !s->e->status; i++) {
        if (g->constant[i].bytes < MX_ONNX_INLINE) continue;
        put(s, zeros, (size_t)(mx_onnx_page_up(s->written) - s->written));
        put_content(s, &g->constant[i]);
    }
}

/* Writes the temporary of one file; the caller commits it. */
static mx_file *write_temporary(const mx_onnx *g, const char *path, bool data, const char *file,
                                mx_error *e) {
    sink *s = calloc(1, sizeof *s);
    mx_file *f = NULL;
    if (!s) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
        return NULL;
    }
    *s = (sink){.base = {.append = append}, .e = e};
    if (!mx_file_begin(&s->file, path, e)) {
        if (data)
            put_data(s, g);
        else
            put_model(s, g, file);
        flush(s);
        f = s->file;
    }
    free(s);
    if (!e->status) return f;
    mx_file_drop(f);
    return NULL;
}

static mx_status write_with_data(const mx_onnx *g, const char *path, uint64_t limit, mx_error *e) {
    char *data_path = NULL, *copy = NULL;
    mx_file *data = NULL, *model = NULL;
    if (asprintf(&data_path, "%s.data", path) < 0) {
        data_path = NULL;
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
        goto done;
    }
    if (!(copy = strdup(data_path))) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s", path);
        goto done;
    }
    const char *file = basename(copy); /* a place is relative to the model's file */
    uint64_t size = file_size(g, file);
    if (size > limit) {
        mx_fail(e, MX_ERR_UNSUPPORTED, "%s would have %llu bytes without its weights, more than %llu", path,
                (unsigned long long)size, (unsigned long long)limit);
        goto done;
    }
    if (!(data = write_temporary(g, data_path, true, NULL, e))) goto done;
    if (!(model = write_temporary(g, path, false, file, e))) goto done;
    const mx_onnx_written w = {g, file};
    if (mx_file_read_back(data, mx_onnx_check_data, &w, e)) goto done;
    if (mx_file_read_back(model, mx_onnx_check_model, &w, e)) goto done;
    mx_file *first = data;
    data = NULL;
    if (mx_file_commit(first, e)) goto done;
    mx_file_commit(model, e);
    model = NULL;
done:
    mx_file_drop(data);
    mx_file_drop(model);
    free(copy);
    free(data_path);
    return e->status;
}

mx_status mx_onnx_write(const mx_onnx *g, const char *path, uint64_t limit, mx_error *e) {
    if (g->error.status) return mx_fail(e, g->error.status, "%s", g->error.text);
    if (!limit || limit > MX_ONNX_LIMIT) limit = MX_ONNX_LIMIT;
    if (file_size(g, NULL) > limit) return write_with_data(g, path, limit, e);
    mx_file *f = write_temporary(g, path, false, NULL, e);
    return f ? mx_file_commit_read(f, mx_onnx_check_model, &(mx_onnx_written){g, NULL}, e) : e->status;
}
