/* Members of a tar shard to samples: which of them belong together, which is the image, where the label is.
 * Private to src/data. */
#ifndef MX_DATA_TAR_SAMPLES_H
#define MX_DATA_TAR_SAMPLES_H

#include "data/source.h"

typedef struct {
    char *name;       /* as it stands in the shard */
    size_t key, stem; /* its length up to the first dot of the base name; up to the last */
    bool image;       /* else a label */
    int64_t offset, size, label;
} mx_tar_member;

/* A label that lies apart from its image. */
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
    mx_tar_member *member; /* images and labels of the sample being gathered */
    int64_t members, member_room;
    mx_tar_label *apart;
    int64_t aparts, apart_room;
    mx_error *e;
} mx_tar_samples;

/* Adds a member to the open sample; name is copied. */
mx_status mx_tar_add(mx_tar_samples *t, const mx_tar_member *m, const char *name);
/* The open sample is complete: all members with its key were added. any: a member that a sample without image
 * is named after. */
mx_status mx_tar_close(mx_tar_samples *t, const char *any);
/* The shard is complete: labels that lie apart go to their images; all have labels or none. */
mx_status mx_tar_join(mx_tar_samples *t);
void mx_tar_samples_free(mx_tar_samples *t);

#endif
