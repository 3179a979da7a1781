/* Checks a data set before training: the kinds of its images by channels, and the values of a few images. */
#ifndef MX_DATA_LOOK_H
#define MX_DATA_LOOK_H

#include "data/dataset.h"

#define MX_LOOK_KINDS 32

typedef struct {
    int channels; /* in the file, alpha included */
    int64_t count, example[3];
    int tries; /* number of examples */
} mx_look_kind;

typedef struct {
    int64_t images;
    mx_look_kind kind[MX_LOOK_KINDS]; /* further kinds are ignored */
    int kinds;
    int64_t unread, first_unread; /* images whose header could not be read; -1: none */
} mx_look;

/* From the index; a few images are decoded to be sure. */
mx_status mx_look_kinds(mx_look *look, const mx_dataset *d, mx_error *e);
/* Can images of this kind be decoded to this many channels? Also true if all examples are damaged. If e holds
 * an error (out of memory), ignore the answer. */
bool mx_look_fits(const mx_dataset *d, const mx_look_kind *k, int channels, mx_error *e);

/* Values as a share of the range that becomes 1 (range as in mx_transform), from images spread evenly. */
typedef struct {
    int64_t images, not_finite, first_not_finite; /* images read; images with NaN or infinity */
    double low[MX_MAX_CHANNELS], high[MX_MAX_CHANNELS];
    double least, most;          /* over all channels; the images that have them */
    double second, last_but_one; /* the next values above the least and below the most */
    int64_t least_at, most_at;
    double white; /* the range itself */
    bool whole;   /* all values are integers */
} mx_look_values;
mx_status mx_look_at_values(mx_look_values *v, const mx_dataset *d, int channels, float range, mx_error *e);
/* The same for files. Unreadable files are skipped. */
mx_status mx_look_at_files(mx_look_values *v, char *const *files, int64_t count, int channels, float range,
                           mx_error *e);

#endif
