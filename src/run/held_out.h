/* Held-out images that cannot be read: found before the first step, counted against --max-bad like training
 * images, and left out. */
#ifndef MX_RUN_HELD_OUT_H
#define MX_RUN_HELD_OUT_H

#include "run/run.h"

/* Reads once every held-out image that the objective will measure. Removes unreadable ones from run->held and
 * counts them in run->held_left_out. A new run also names them in the log. More than --max-bad allows, or all:
 * MX_ERR_DATA. */
mx_status mx_held_out_check(mx_run *run, mx_error *e);

/* The loader of a measure, without augmentation. It names newly unreadable images in the log and counts them
 * together with those already left out. */
mx_loader_config mx_held_out_loader(mx_run *run);

#endif
