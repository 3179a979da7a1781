/* Describes the content of a checkpoint in lines of text. */
#ifndef MX_CHECKPOINT_INSPECT_H
#define MX_CHECKPOINT_INSPECT_H

#include "base/status.h"

/* Metadata, configuration, every tensor's shape, type, size and statistics, parameter totals. */
mx_status mx_inspect(const char *path, void (*line)(void *user, const char *text), void *user, mx_error *e);

#endif
