/* Opens the images that a command reads: --data with --split. */
#ifndef MX_TRAIN_OPEN_DATA_H
#define MX_TRAIN_OPEN_DATA_H

#include "data/dataset.h"
#include "options/options.h"

/* Opens the part named by --split, else by `fallback`: "train", "val", "test" or "all". Without --split, data
 * without that part is opened whole. */
mx_status mx_open_part(mx_dataset **out, const mx_options *o, const char *fallback, mx_error *e);
/* mx_dataset_open_request with the options' columns and EXIF orientation. */
mx_status mx_open_spec(mx_dataset **out, const mx_options *o, const char *spec, mx_split split,
                       const char *cache, mx_error *e);
/* The training images of --data (listed in the file `cache`, or NULL) and, unless held is NULL, the held-out
 * ones: --val-data's, --data's own, or those split off by --val-share. *held is NULL when there are none. */
mx_status mx_open_training_data(mx_dataset **data, mx_dataset **held, const mx_options *o, const char *cache,
                                mx_error *e);
/* Reports the images opened and the files skipped, as a command's first lines. held may be NULL. */
void mx_notice_data(const mixmae_sink *sink, const mx_dataset *data, const mx_dataset *held);
/* Reports skipped files in one line, if there are any. */
void mx_notice_unread(const mixmae_sink *sink, const mx_dataset *d);

#endif
