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

/* Counts the kinds by the index. Also decodes the first image without a readable header: if that works, unread is 0. */
mx_status mx_look_kinds(mx_look *look, const mx_dataset *d, mx_error *e);
/* True if images of this kind can be decoded to this many channels, or if all examples are damaged. If e holds an error
 * (out of memory), ignore the result. */
bool mx_look_fits(const mx_dataset *d, const mx_look_kind *k, int channels, mx_error *e);

/* Values divided by the range (mx_transform.value_range), from images spread evenly. */
typedef struct {
    int64_t images, not_finite, first_not_finite; /* images read; images with NaN or infinity */
    double low[MX_MAX_CHANNELS], high[MX_MAX_CHANNELS];
    double least, most;          /* over all channels */
    double second, last_but_one; /* the next values above the least and below the most */
    int64_t least_at, most_at;   /* the images with the least and the most */
    double white;                /* the range itself */
    bool whole;                  /* all values are integers */
} mx_look_values;
mx_status mx_look_at_values(mx_look_values *v, const mx_dataset *d, int channels, float range, mx_error *e);
/* The same for files. Unreadable files are skipped. */
mx_status mx_look_at_files(mx_look_values *v, char *const *files, int64_t count, int channels, float range,
                           mx_error *e);

#endif
