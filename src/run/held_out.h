/* Held-out images that cannot be read: found before the first step, judged as training images are, and left
 * out. Private to src/train. */
#ifndef MX_RUN_HELD_OUT_H
#define MX_RUN_HELD_OUT_H

#include "run/run.h"

/* Reads once every held-out image that is measured (as many as the objective asks for). Those that cannot be
 * read are named and counted in the log (by a run that begins; one that is resumed has named them), and are
 * no longer in p->held; p->held_left_out tells how many. More than --max-bad allows, or all: MX_ERR_DATA. */
mx_status mx_held_out_check(mx_training *p, mx_error *e);

/* The loader of a measure: no augmentation; what has become unreadable since is named in the log, and judged
 * together with what was left out. */
mx_loader_config mx_held_out_loader(mx_training *p);

#endif
