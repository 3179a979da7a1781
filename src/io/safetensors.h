/* safetensors files: read by mapping, written whole or not at all (docs/FORMATS.md, "How a safetensors file
 * is checked"). Every claim of the file (sizes, offsets, shapes) is checked against the file before use. */
#ifndef MX_IO_SAFETENSORS_H
#define MX_IO_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MX_ST_MAX_DIM 8

typedef struct {
    const char *name;
    const char *dtype; /* "F32", "BF16", "I64" ... */
    int ndim;
    int64_t dim[MX_ST_MAX_DIM];
    const void *data; /* may be unaligned: memcpy */
    size_t bytes;
} mx_st_tensor;

typedef struct mx_st mx_st;

/* Maps the file and names its path in messages; or parses memory, which must outlive the handle. */
mx_status mx_st_open(mx_st **out, const char *path, mx_error *e);
mx_status mx_st_parse(mx_st **out, const void *bytes, size_t size, mx_error *e);
void mx_st_close(mx_st *st);
int mx_st_count(const mx_st *st);
const mx_st_tensor *mx_st_at(const mx_st *st, int i); /* in the order of the data; valid until close */
const mx_st_tensor *mx_st_find(const mx_st *st, const char *name); /* NULL when absent */
int mx_st_meta_count(const mx_st *st);
void mx_st_meta_at(const mx_st *st, int i, const char **key, const char **value);
const char *mx_st_meta(const mx_st *st, const char *key); /* NULL when absent */

/* Does the file have checksums (mx_st_write_summed)? The header's is compared on opening. */
bool mx_st_summed(const mx_st *st);
/* Compares the checksum of every tensor, if the file has them. A mismatch is an error that names the
 * tensor. */
mx_status mx_st_check(const mx_st *st, mx_error *e);

/* Copies an F32, F16, BF16 or F64 tensor as f32. count must match. */
mx_status mx_st_copy_f32(const mx_st_tensor *t, float *out, int64_t count, mx_error *e);

/* Declares that a mapped tensor's data will not be read again soon: its pages stop counting as this process's
 * memory. */
void mx_st_done(const mx_st *st, const mx_st_tensor *t);

typedef struct {
    const char *key, *value;
} mx_st_pair;
/* Writes path atomically (temporary file in the same folder, fsync, rename, fsync of the folder). Tensors are
 * ordered by descending element size, then by name; the header is padded to 8 bytes; {"format":"pt"} is added
 * to the metadata. Equal input gives equal bytes. The written file is read back and compared before it
 * replaces path. */
mx_status mx_st_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                      int metas, mx_error *e);
/* The same, with checksums of the header and of every tensor in the metadata. */
mx_status mx_st_write_summed(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                             int metas, mx_error *e);

#endif
