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
/* Takes name, which may be NULL: no memory then, too. */
mx_status mx_names_take(mx_names *n, char *name, mx_error *e);

/* Adds to out what a pattern means: {000000..000146}, {0..90..10}, {a,b}, nested; in order. */
mx_status mx_shards_expand(mx_names *out, const char *pattern, mx_error *e);
/* Adds prefix + name of every tar file in the folder, sorted bytewise; none when it cannot be listed. */
mx_status mx_shards_in(mx_names *out, const char *folder, const char *prefix, mx_error *e);
/* .tar, .tar.gz and the like. */
bool mx_shard_name(const char *name);

#endif
