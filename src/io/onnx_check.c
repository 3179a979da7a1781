/* Reads a written ONNX file back before it takes its name, see mx_file_read_back. The generated code unpacks
 * everything small, which is then packed again and compared. Weights are compared where they lie in the mapped
 * file, so a model is never held twice: a message is split at its fields before it is unpacked. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "io/onnx_internal.h"

enum { FIELD_GRAPH = 7, FIELD_INITIALIZER = 5, FIELD_RAW_DATA = 9 };

typedef struct {
    const uint8_t *at, *end;
} span;

/* ---- the wire format ---- */

static bool take_number(span *s, uint64_t *v) {
    *v = 0;
    for (unsigned shift = 0; s->at < s->end && shift < 64; shift += 7) {
        uint8_t byte = *s->at++;
        *v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* The next field: its number, and its content if it has a length. */
static bool take_field(span *s, uint64_t *number, span *content) {
    uint64_t tag, size = 0;
    if (!take_number(s, &tag)) return false;
    switch (tag & 7) {
    case 0:
        if (!take_number(s, &size)) return false;
        size = 0;
        break;
    case 1: size = 8; break;
    case 2:
        if (!take_number(s, &size)) return false;
        break;
    case 5: size = 4; break;
    default: return false;
    }
    if (size > (uint64_t)(s->end - s->at)) return false;
    *number = tag >> 3, *content = (span){s->at, s->at + size};
    s->at += size;
    return true;
}

/* Splits a message: the contents of its fields `number` go to part[most], the rest to *rest, which the caller
 * frees. */
static mx_status split(span message, uint64_t number, span *part, size_t most, size_t *parts, span *rest,
                       mx_error *e) {
    uint64_t found;
    span content, begin = message;
    size_t size = 0;
    *parts = 0;
    for (span s = begin; s.at < s.end; begin = s) {
        if (!take_field(&s, &found, &content)) return mx_fail(e, MX_ERR_IO, "not a protobuf message");
        if (found != number) size += (size_t)(s.at - begin.at);
    }
    uint8_t *kept = malloc(size + 1), *to = kept;
    if (!kept) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    begin = message;
    for (span s = begin; s.at < s.end && take_field(&s, &found, &content); begin = s)
        if (found != number) {
            memcpy(to, begin.at, (size_t)(s.at - begin.at));
            to += s.at - begin.at;
        } else if ((*parts)++ < most)
            part[*parts - 1] = content;
    *rest = (span){kept, to};
    return MX_OK;
}

/* ---- messages ---- */

static void *take_memory(void *failed, size_t size) {
    void *memory = malloc(size);
    if (!memory) *(bool *)failed = true;
    return memory;
}

static void give_back(void *failed, void *memory) {
    (void)failed;
    free(memory);
}

static uint8_t *packed(const ProtobufCMessage *m, size_t *size) {
    uint8_t *bytes = malloc((*size = protobuf_c_message_get_packed_size(m)) + 1);
    if (bytes) protobuf_c_message_pack(m, bytes);
    return bytes;
}

/* Unpacks `found` and compares it with the message that was to be written. */
static mx_status compare_message(span found, const ProtobufCMessage *expected, const char *what,
                                 mx_error *e) {
    bool failed = false;
    ProtobufCAllocator memory = {.alloc = take_memory, .free = give_back, .allocator_data = &failed};
    size_t size = 0, size2 = 0;
    ProtobufCMessage *m =
        protobuf_c_message_unpack(expected->descriptor, &memory, (size_t)(found.end - found.at), found.at);
    uint8_t *a = m ? packed(m, &size) : NULL, *b = packed(expected, &size2);
    if (failed || (m && !a) || !b)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for %s", what);
    else if (!m)
        mx_fail(e, MX_ERR_IO, "%s cannot be unpacked", what);
    else if (size != size2 || memcmp(a, b, size))
        mx_fail(e, MX_ERR_IO, "%s differs from what was written", what);
    free(a);
    free(b);
    protobuf_c_message_free_unpacked(m, &memory);
    return e->status;
}

static bool same_content(const mx_onnx_constant *c, const uint8_t *bytes) {
    if (!c->rows) return !memcmp(bytes, c->data, c->bytes);
    const float *x = c->data;
    for (int64_t i = 0; i < c->rows; i++)
        for (int64_t j = 0; j < c->columns; j++)
            if (memcmp(bytes + sizeof *x * (size_t)(j * c->rows + i), &x[i * c->columns + j], sizeof *x))
                return false;
    return true;
}

static mx_status other_numbers(const mx_onnx_constant *c, mx_error *e) {
    return mx_fail(e, MX_ERR_IO, "tensor %s: other numbers than were written", c->tensor->name);
}

/* *at: the start of the next external content. */
static mx_status compare_constant(const mx_onnx_constant *c, span message, const char *file, uint64_t *at,
                                  mx_error *e) {
    mx_onnx_outside o;
    bool out = file && c->bytes >= MX_ONNX_INLINE;
    const Onnx__Tensor *t = out ? mx_onnx_describe_outside(&o, c, file, *at) : c->tensor;
    span content, rest;
    size_t parts;
    if (out) *at = mx_onnx_page_up(*at + c->bytes);
    if (split(message, FIELD_RAW_DATA, &content, 1, &parts, &rest, e)) return e->status;
    if (parts != !out ||
        (!out && ((size_t)(content.end - content.at) != c->bytes || !same_content(c, content.at))))
        other_numbers(c, e);
    else
        compare_message(rest, &t->base, t->name, e);
    free((void *)rest.at);
    return e->status;
}

static mx_status compare_graph(const mx_onnx_written *w, span graph, mx_error *e) {
    span *initializer = calloc(w->g->constants + 1, sizeof *initializer), rest = {0};
    size_t parts = 0;
    uint64_t at = 0;
    if (!initializer) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (split(graph, FIELD_INITIALIZER, initializer, w->g->constants, &parts, &rest, e)) goto done;
    if (parts != w->g->constants) {
        mx_fail(e, MX_ERR_IO, "expected %zu tensors, found %zu", w->g->constants, parts);
        goto done;
    }
    if (compare_message(rest, &w->g->graph.base, "the graph", e)) goto done;
    for (size_t i = 0; i < parts && !e->status; i++)
        compare_constant(&w->g->constant[i], initializer[i], w->file, &at, e);
done:
    free((void *)rest.at);
    free(initializer);
    return e->status;
}

mx_status mx_onnx_check_model(const void *what, const char *temporary, mx_error *e) {
    const mx_onnx_written *w = what;
    const void *bytes;
    size_t size, graphs = 0;
    span graph = {0}, rest = {0};
    if (mx_file_map(temporary, &bytes, &size, e)) return e->status;
    const span all = {bytes, (const uint8_t *)bytes + size};
    if (!split(all, FIELD_GRAPH, &graph, 1, &graphs, &rest, e)) {
        if (graphs != 1)
            mx_fail(e, MX_ERR_IO, "expected one graph, found %zu", graphs);
        else if (!compare_message(rest, &w->g->model.base, "the model", e))
            compare_graph(w, graph, e);
    }
    free((void *)rest.at);
    munmap((void *)bytes, size);
    return e->status;
}

mx_status mx_onnx_check_data(const void *what, const char *temporary, mx_error *e) {
    const mx_onnx_written *w = what;
    const void *bytes;
    size_t size, end = 0;
    if (mx_file_map(temporary, &bytes, &size, e)) return e->status;
    for (size_t i = 0; i < w->g->constants && !e->status; i++) {
        const mx_onnx_constant *c = &w->g->constant[i];
        if (c->bytes < MX_ONNX_INLINE) continue;
        size_t at = (size_t)mx_onnx_page_up(end);
        for (; end < at && end < size; end++)
            if (((const uint8_t *)bytes)[end]) mx_fail(e, MX_ERR_IO, "byte %zu: expected 0", end);
        end = at + c->bytes;
        if (end > size || !same_content(c, (const uint8_t *)bytes + at)) other_numbers(c, e);
    }
    if (!e->status && end != size) mx_fail(e, MX_ERR_IO, "expected %zu bytes, found %zu", end, size);
    munmap((void *)bytes, size);
    return e->status;
}
