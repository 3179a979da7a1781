/* Reads PyTorch checkpoints (.pth, .pt) without Python: the zip container of torch 1.6 and later, and the
 * legacy container (docs/FORMATS.md, "PyTorch files"). The pickle inside is treated as data (pickle.h). Every
 * claim of the file (sizes, offsets, strides, record sizes) is checked against the file before use. */
#ifndef MX_IO_PTH_H
#define MX_IO_PTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MX_PTH_MAX_DIM 8

typedef struct {
    const char *name;  /* the keys on the path to it, joined by dots: "model.norm.weight" */
    int level;         /* number of those keys */
    size_t key;        /* where the last key starts in the name; the dict's name is before it */
    const char *dtype; /* as in safetensors: "F32", "BF16", "I64"; or "C128" */
    int ndim;
    int64_t dim[MX_PTH_MAX_DIM];
    int64_t count;  /* elements */
    int64_t stored; /* elements of its storage: less than count if strides repeat them */
    /* its position: private to pth*.c */
    int64_t stride[MX_PTH_MAX_DIM]; /* in elements, as stored */
    int width;                      /* bytes of an element */
    int64_t record;                 /* index of the storage's record */
    size_t offset;                  /* of the first element, in bytes */
} mx_pth_tensor;

/* A number or text in the upper levels ("epoch" 599, "args.lr" 0.001), to be shown; long texts are cut. Or an
 * entry that is a Python object, with its class's name as value. */
typedef struct {
    const char *name, *value;
    int level;
    size_t key; /* as of a tensor */
} mx_pth_fact;

typedef struct mx_pth mx_pth;

/* Are these the first bytes of a .pth? 512 bytes are enough. */
bool mx_pth_begins(const void *bytes, size_t size);
/* The same for a file; false if it cannot be read. */
bool mx_pth_is_file(const char *path);

/* Maps the file (or parses memory, which must outlive the handle). */
mx_status mx_pth_open(mx_pth **out, const char *path, mx_error *e);
mx_status mx_pth_parse(mx_pth **out, const void *bytes, size_t size, mx_error *e);
void mx_pth_close(mx_pth *p);

bool mx_pth_legacy(const mx_pth *p);
int mx_pth_count(const mx_pth *p);
const mx_pth_tensor *mx_pth_at(const mx_pth *p, int i); /* in the order of the pickle; valid until close */
const mx_pth_tensor *mx_pth_find(const mx_pth *p, const char *name); /* NULL when absent */
int mx_pth_fact_count(const mx_pth *p);
const mx_pth_fact *mx_pth_fact_at(const mx_pth *p, int i);
const char *mx_pth_fact_find(const mx_pth *p, const char *name); /* NULL when absent */
/* Entries that are neither tensors nor plain values. */
int mx_pth_object_count(const mx_pth *p);
const mx_pth_fact *mx_pth_object_at(const mx_pth *p, int i);
/* The whole text under a key of the top dict (free it). NULL if absent, not a text, or containing a 0
 * byte. */
char *mx_pth_text(const mx_pth *p, const char *key, mx_error *e); /* e is set only when out of memory */

/* Copies the elements in C order, little-endian: count·width bytes. Not const: p keeps the last storage read.
 * Its checksum is compared on reading. */
mx_status mx_pth_copy(mx_pth *p, const mx_pth_tensor *t, void *out, mx_error *e);
/* Copies F32, F16, BF16 or F64 as f32. count must match. */
mx_status mx_pth_copy_f32(mx_pth *p, const mx_pth_tensor *t, float *out, int64_t count, mx_error *e);

#endif
