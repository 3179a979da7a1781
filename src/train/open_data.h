/* Which images a command reads: --data with --split. */
#ifndef MX_TRAIN_OPEN_DATA_H
#define MX_TRAIN_OPEN_DATA_H

#include "data/dataset.h"
#include "train/commands.h"
#include "train/options.h"

/* --split, or `fallback` where it was not given: "train", "val" (all of --data where it has no such part and
 * --split did not ask for it) or "all". */
mx_status mx_open_part(mx_dataset **out, const mx_options *o, const char *fallback, mx_error *e);
/* A line on the files of d that are not read, if there are any; d may be NULL. */
void mx_notice_passed(const mixmae_sink *sink, const mx_dataset *d);

#endif
