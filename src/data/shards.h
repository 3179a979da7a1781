/* Names of tar shards. Private to src/data. */
#ifndef MX_DATA_SHARDS_H
#define MX_DATA_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct {
    char **at;
    int64_t count, room;
    size_t bytes;
} mx_names;
void mx_names_free(mx_names *n);
/* Appends name and takes ownership. NULL (from a failed allocation) is reported as out of memory. */
mx_status mx_names_take(mx_names *n, char *name, mx_error *e);

/* Appends the names that a pattern expands to: {000000..000146}, {0..90..10}, {a,b}, nested, in order. */
mx_status mx_shards_expand(mx_names *out, const char *pattern, mx_error *e);
/* Appends prefix + name of every tar file in the folder, sorted bytewise. Nothing if the folder cannot be listed. */
mx_status mx_shards_in(mx_names *out, const char *folder, const char *prefix, mx_error *e);
/* True if the name ends in .tar, .tar.gz or similar. */
bool mx_shard_name(const char *name);

#endif
