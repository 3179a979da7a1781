/* The parsed form of a safetensors file, shared by reader and accessors. Private to src/io. */
#ifndef MX_IO_SAFETENSORS_INTERNAL_H
#define MX_IO_SAFETENSORS_INTERNAL_H

#include "io/safetensors.h"

#include <jansson.h>

struct mx_st {
    const unsigned char *bytes;
    size_t size;
    bool mapped;
    json_t *header;       /* owns names and metadata texts */
    mx_st_tensor *tensor; /* in the order of the data */
    int count;
    int *by_name; /* [count] indices sorted by name */
    mx_st_pair *meta;
    int metas;
};

/* Metadata of a file with checksums, 8 hexadecimal digits each: one for the header (computed with zeros in
 * its place), and one per tensor in the order of the data. */
#define MX_ST_SUM_HEADER  "crc32c_header"
#define MX_ST_SUM_TENSORS "crc32c_tensors"
typedef struct {
    char text[9];
} mx_st_sum;
mx_st_sum mx_st_sum_of(const void *bytes, size_t size);
/* Checksum of a header's text. *place (unless place is NULL): the position of its own digits, or NULL if
 * absent. */
mx_st_sum mx_st_sum_header(const char *text, size_t size, const char **place);

/* Checks the checksum of a parsed file, if it has one. size: bytes of its header. */
mx_status mx_st_check_header(const mx_st *st, size_t size, mx_error *e);

/* Bits per element by dtype name; 0 if unknown. */
int mx_st_bits(const char *dtype);

#endif
