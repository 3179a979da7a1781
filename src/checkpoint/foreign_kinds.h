/* Checkpoints of other architectures, told by what only they hold. Private to foreign*.c. */
#ifndef MX_CHECKPOINT_FOREIGN_KINDS_H
#define MX_CHECKPOINT_FOREIGN_KINDS_H

#include "checkpoint/foreign.h"

/* Of a file without any tensor named as ours: always an error, which says what the file is or what it holds.
 */
mx_status mx_foreign_refuse_kind(const mx_foreign *f, mx_error *e);
/* A chosen group whose names are ours: an error where it is something else that has those names too. */
mx_status mx_foreign_check_kind(mx_foreign *f, const mx_foreign_hints *hints, mx_error *e);

#endif
