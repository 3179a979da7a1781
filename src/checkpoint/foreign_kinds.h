/* Checkpoints of other architectures, recognised by tensors that only they hold. Private to foreign*.c. */
#ifndef MX_CHECKPOINT_FOREIGN_KINDS_H
#define MX_CHECKPOINT_FOREIGN_KINDS_H

#include "checkpoint/foreign.h"

/* For a file with none of our tensor names. Always an error; it names the file's kind or contents. */
mx_status mx_foreign_refuse_kind(const mx_foreign *f, mx_error *e);
/* For a chosen group with our names: an error if it is another architecture that uses the same names. */
mx_status mx_foreign_check_kind(mx_foreign *f, const mx_foreign_hints *hints, mx_error *e);

#endif
