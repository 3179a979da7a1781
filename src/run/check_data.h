/* The images of a new run, looked at before it begins. Private to src/train. */
#ifndef MX_RUN_CHECK_DATA_H
#define MX_RUN_CHECK_DATA_H

#include "run/run.h"

/* Once p->data and p->held are open: channels that do not fit and images that cannot be read, more than
 * --max-bad passes over, are an error that names an image and the way out. */
mx_status mx_check_data(const mx_training *p, mx_error *e);
/* Once p->pixels are known: values that these statistics do not expect are said, with the option to set. An
 * error where no image looked at can be used. */
mx_status mx_check_values(const mx_training *p, mx_error *e);
/* The same for a finished model with these statistics: said, never an error. */
void mx_check_used_data(const mixmae_sink *sink, const mx_pixels *pixels, int channels, const mx_dataset *d);
void mx_check_used_files(const mixmae_sink *sink, const mx_pixels *pixels, int channels, char *const *files,
                         int64_t count);

#endif
