/* Turns members of a tar shard into samples: finds members that belong together, their image and label. Private to
 * src/data. */
#ifndef MX_DATA_TAR_SAMPLES_H
#define MX_DATA_TAR_SAMPLES_H

#include "data/source.h"

typedef struct {
    char *name;       /* as in the shard */
    size_t key, stem; /* length of the name up to the first, the last dot of its base name */
    bool image;       /* false: a label */
    int64_t offset, size, label;
} mx_tar_member;

/* A label stored apart from its image. */
typedef struct {
    char *name; /* of the sample */
    int64_t label;
    bool used;
} mx_tar_label;

typedef struct {
    mx_index *x;
    const char *shard;
    mx_tar_counts *counts;
    int64_t first;         /* sample of this shard */
    mx_tar_member *member; /* images and labels of the sample being collected */
    int64_t members, member_room;
    mx_tar_label *apart;
    int64_t aparts, apart_room;
    mx_error *e;
} mx_tar_samples;

/* Adds a member to the open sample. name is copied. */
mx_status mx_tar_add(mx_tar_samples *t, const mx_tar_member *m, const char *name);
/* Ends the open sample, when all members with its key were added. any: a member's name, for a message about a sample
 * without image. */
mx_status mx_tar_close(mx_tar_samples *t, const char *any);
/* Ends the shard: joins labels stored apart to their images. Either all samples have labels or none. */
mx_status mx_tar_join(mx_tar_samples *t);
void mx_tar_samples_free(mx_tar_samples *t);

#endif
