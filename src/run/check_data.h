/* Checks the images of a new run before it begins. */
#ifndef MX_RUN_CHECK_DATA_H
#define MX_RUN_CHECK_DATA_H

#include "run/run.h"

/* Call once run->data and run->held are open. Wrong channels, or more unreadable images than --max-bad allows,
 * are an error that names an image and a remedy. */
mx_status mx_check_data(const mx_run *run, mx_error *e);
/* Call once run->pixels are known. Warns of values that do not fit these statistics and names the option to set. If no
 * sampled image can be used: an error. */
mx_status mx_check_values(const mx_run *run, mx_error *e);
/* The same warnings for the use of a finished model. */
void mx_check_used_data(const mixmae_sink *sink, const mx_pixels *pixels, int channels, const mx_dataset *d);
void mx_check_used_files(const mixmae_sink *sink, const mx_pixels *pixels, int channels, char *const *files,
                         int64_t count);

#endif
