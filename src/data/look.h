/* A look at a data set before it is trained on: kinds of images by channels, and the values of a few. */
#ifndef MX_DATA_LOOK_H
#define MX_DATA_LOOK_H

#include "data/dataset.h"

#define MX_LOOK_KINDS 32

typedef struct {
    int channels; /* in the file, alpha included */
    int64_t count, example[3];
    int tries; /* examples there are */
} mx_look_kind;

typedef struct {
    int64_t images;
    mx_look_kind kind[MX_LOOK_KINDS]; /* further ones are not looked at */
    int kinds;
    int64_t unread, first_unread; /* images whose header could not be read; -1: none */
} mx_look;

/* From the index, and a few images to be sure. */
mx_status mx_look_kinds(mx_look *look, const mx_dataset *d, mx_error *e);
/* Can images of this kind be decoded to so many channels? Also true where all that were tried are damaged.
 * With an error in e, for want of memory, the answer says nothing. */
bool mx_look_fits(const mx_dataset *d, const mx_look_kind *k, int channels, mx_error *e);

/* Values over the range that becomes 1 (range as in mx_transform), of images spread evenly. */
typedef struct {
    int64_t images, not_finite, first_not_finite; /* looked at; those with NaN or infinity */
    double low[MX_MAX_CHANNELS], high[MX_MAX_CHANNELS];
    double least, most;          /* over all channels; of which images */
    double second, last_but_one; /* the next values above the least and below the most */
    int64_t least_at, most_at;
    double white; /* the range itself */
    bool whole;   /* whole numbers */
} mx_look_values;
mx_status mx_look_at_values(mx_look_values *v, const mx_dataset *d, int channels, float range, mx_error *e);
/* The same of files; what cannot be read is passed over. */
mx_status mx_look_at_files(mx_look_values *v, char *const *files, int64_t count, int channels, float range,
                           mx_error *e);

#endif
