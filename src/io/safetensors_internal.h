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

/* Bits of an element by dtype name; 0 for an unknown one. */
int mx_st_bits(const char *dtype);

#endif
