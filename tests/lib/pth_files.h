/* Makes PyTorch files byte by byte: pickles, stored zip archives as PyTorch streams them (sizes and checksums
 * after the data) or as others write them, and the legacy container. For test_pickle.c and test_pth.c. */
#ifndef TESTS_PTH_FILES_H
#define TESTS_PTH_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned char *at;
    size_t size;
    size_t room;
} bytes;

static inline void put(bytes *b, const void *from, size_t size) {
    if (b->size + size > b->room) b->at = realloc(b->at, b->room = 2 * (b->size + size));
    if (size) memcpy(b->at + b->size, from, size);
    b->size += size;
}

static inline void put_number(bytes *b, uint64_t v, int width) {
    for (int i = 0; i < width; i++) put(b, &(unsigned char){(unsigned char)(v >> (8 * i))}, 1);
}

/* Opcodes and lines: a C string without its end. */
static inline void op(bytes *b, const char *text) { put(b, text, strlen(text)); }

static inline void text(bytes *b, const char *s) {
    op(b, "X");
    put_number(b, strlen(s), 4);
    op(b, s);
}

static inline void whole(bytes *b, int32_t v) {
    op(b, "J");
    put_number(b, (uint32_t)v, 4);
}

/* Protocol 2 and what follows. */
static inline bytes pickle_of(const char *head) {
    bytes b = {0};
    put(&b, "\x80\x02", 2);
    op(&b, head);
    return b;
}

static inline void tuple(bytes *b, const int32_t *v, int count) {
    op(b, "(");
    for (int i = 0; i < count; i++) whole(b, v[i]);
    op(b, "t");
}

/* A tensor as protocol 2 writes it. view: the sixth item of a legacy id; NULL: no view. */
static inline void tensor(bytes *b, const char *storage, const char *key, int32_t numel, int32_t offset,
                          int ndim, const int32_t *dim, const int32_t *stride, const char *view) {
    op(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(b, "storage");
    op(b, "ctorch\n"), op(b, storage), op(b, "\n");
    text(b, key), text(b, "cpu"), whole(b, numel);
    if (view) op(b, view);
    op(b, "tQ");
    whole(b, offset);
    tuple(b, dim, ndim), tuple(b, stride, ndim);
    op(b, "\x89"
          "ccollections\nOrderedDict\n)RtR");
}

static inline uint32_t crc32_of(const unsigned char *p, size_t size) {
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

typedef enum { PLAIN, STREAMED, ZIP64 } zip_style;

typedef struct {
    bytes file, central;
    zip_style style;
    int entries;
    int method;    /* as claimed; 8: each entry is one stored block of deflate */
    bool unsummed; /* checksums are 0 */
} archive;

/* One stored entry. */
static inline void entry(archive *z, const char *name, const void *data, size_t size) {
    uint64_t at = z->file.size;
    uint32_t crc = z->unsummed ? 0 : crc32_of(data, size);
    size_t stored = z->method == 8 ? size + 5 : size;
    bool streamed = z->style == STREAMED, wide = z->style == ZIP64;
    int flags = streamed ? 0x0808 : 0x0800, version = wide ? 45 : 20;
    bytes *f = &z->file, *c = &z->central;
    put_number(f, 0x04034b50, 4), put_number(f, version, 2), put_number(f, flags, 2),
        put_number(f, z->method, 2);
    put_number(f, 0, 2), put_number(f, 0x21, 2), put_number(f, streamed ? 0 : crc, 4);
    for (int i = 0; i < 2; i++) put_number(f, streamed ? 0 : wide ? 0xffffffff : i ? size : stored, 4);
    put_number(f, strlen(name), 2), put_number(f, wide ? 20 : streamed ? 6 : 0, 2), op(f, name);
    if (wide) put_number(f, 1, 2), put_number(f, 16, 2), put_number(f, size, 8), put_number(f, size, 8);
    if (streamed)
        put_number(f, 0x4246, 2), put_number(f, 2, 2), put_number(f, 0, 2); /* "FB", in local headers only */
    if (z->method == 8) put(f, "\1", 1), put_number(f, size, 2), put_number(f, ~(uint64_t)size, 2);
    put(f, data, size);
    if (streamed) {
        put_number(f, 0x08074b50, 4), put_number(f, crc, 4);
        put_number(f, size, 4), put_number(f, size, 4);
    }
    put_number(c, 0x02014b50, 4), put_number(c, version, 2), put_number(c, version, 2),
        put_number(c, flags, 2);
    put_number(c, z->method, 2), put_number(c, 0, 2), put_number(c, 0x21, 2), put_number(c, crc, 4);
    for (int i = 0; i < 2; i++) put_number(c, wide ? 0xffffffff : i ? size : stored, 4);
    put_number(c, strlen(name), 2), put_number(c, wide ? 28 : 0, 2), put_number(c, 0, 2), put_number(c, 0, 2);
    put_number(c, 0, 2), put_number(c, 0, 4), put_number(c, wide ? 0xffffffff : at, 4), op(c, name);
    if (wide) {
        put_number(c, 1, 2), put_number(c, 24, 2);
        put_number(c, size, 8), put_number(c, size, 8), put_number(c, at, 8);
    }
    z->entries++;
}

/* The end; frees the central directory. */
static inline bytes finish(archive *z) {
    uint64_t at = z->file.size, size = z->central.size;
    bytes *f = &z->file;
    put(f, z->central.at, z->central.size);
    if (z->style == ZIP64) {
        uint64_t end = f->size;
        put_number(f, 0x06064b50, 4), put_number(f, 44, 8), put_number(f, 45, 2), put_number(f, 45, 2);
        put_number(f, 0, 4), put_number(f, 0, 4), put_number(f, (uint64_t)z->entries, 8);
        put_number(f, (uint64_t)z->entries, 8), put_number(f, size, 8), put_number(f, at, 8);
        put_number(f, 0x07064b50, 4), put_number(f, 0, 4), put_number(f, end, 8), put_number(f, 1, 4);
        size = at = 0xffffffff;
    }
    put_number(f, 0x06054b50, 4), put_number(f, 0, 4);
    for (int i = 0; i < 2; i++) put_number(f, z->style == ZIP64 ? 0xffff : (uint64_t)z->entries, 2);
    put_number(f, size, 4), put_number(f, at, 4), put_number(f, 0, 2);
    free(z->central.at);
    return z->file;
}

/* The part of the legacy container before the object. */
static inline void legacy_head(bytes *b) {
    put(b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    put(b, "\x80\x02M\xe9\x03.", 6);
    put(b, "\x80\x02}q\x00(", 6);
    text(b, "protocol_version"), put(b, "M\xe9\x03", 3);
    text(b, "little_endian"), put(b, "\x88u.", 3);
}

#endif
