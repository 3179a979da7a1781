/* safetensors files: read by mapping, written whole or not at all. Source: spec formats.md (a). Every claim
 * of the file (sizes, offsets, shapes) is checked against the file before use. */
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

/* Maps the file, whose path is in each message; or parses memory that must outlive the handle. */
mx_status mx_st_open(mx_st **out, const char *path, mx_error *e);
mx_status mx_st_parse(mx_st **out, const void *bytes, size_t size, mx_error *e);
void mx_st_close(mx_st *st);
int mx_st_count(const mx_st *st);
const mx_st_tensor *mx_st_at(const mx_st *st, int i); /* in the order of the data; valid until close */
const mx_st_tensor *mx_st_find(const mx_st *st, const char *name); /* NULL when absent */
int mx_st_meta_count(const mx_st *st);
void mx_st_meta_at(const mx_st *st, int i, const char **key, const char **value);
const char *mx_st_meta(const mx_st *st, const char *key); /* NULL when absent */

/* Are there checksums (mx_st_write_summed)? The header's was compared when the file was read. */
bool mx_st_summed(const mx_st *st);
/* Compares the checksum of every tensor, where the file has them; another one is an error that names it. */
mx_status mx_st_check(const mx_st *st, mx_error *e);

/* Copies an F32, F16, BF16 or F64 tensor out as f32; count must match. */
mx_status mx_st_copy_f32(const mx_st_tensor *t, float *out, int64_t count, mx_error *e);

/* Says that a mapped tensor\'s data will not be read again soon: its pages stop counting as this process\'s
 * memory. */
void mx_st_done(const mx_st *st, const mx_st_tensor *t);

typedef struct {
    const char *key, *value;
} mx_st_pair;
/* Writes path atomically (temporary sibling, fsync, rename, fsync of the folder). Tensors are laid out by
 * descending element size then name, header padded to 8 bytes, {"format":"pt"} added to the metadata: the
 * same input gives the same bytes. What was written is read back and compared before it takes path's place.
 */
mx_status mx_st_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                      int metas, mx_error *e);
/* The same, with checksums of the header and every tensor in the metadata. */
mx_status mx_st_write_summed(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *meta,
                             int metas, mx_error *e);

#endif
