/* TensorBoard event files and a run's log of JSON lines (docs/FORMATS.md, "log.jsonl"). Both can be cut back
 * to a step, so that a resumed run's logs look as if it had never stopped. */
#ifndef MX_IO_EVENTS_H
#define MX_IO_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct mx_events mx_events;

/* Opens a new file folder/events.out.tfevents.<time>.<host>.<pid>.<n> for each start of the process.
 * resume_step >= 0: first removes all later events from the folder's existing event files (rewritten
 * atomically). -1: leaves them unchanged. */
mx_status mx_events_open(mx_events **out, const char *folder, int64_t resume_step, mx_error *e);
mx_status mx_events_scalar(mx_events *w, const char *tag, int64_t step, double value, mx_error *e);
/* png: a whole PNG file. */
mx_status mx_events_image(mx_events *w, const char *tag, int64_t step, int width, int height, const void *png,
                          size_t size, mx_error *e);
mx_status mx_events_flush(mx_events *w, mx_error *e);
void mx_events_close(mx_events *w);
/* What resuming keeps of an event file: bytes of the whole, undamaged records at its start, up to the first
 * with a step after `step`. */
size_t mx_events_keep(const void *bytes, size_t size, int64_t step);

/* log.jsonl: one JSON object per line, each with an integer "step". Removes lines with a later step and an
 * incomplete last line. */
mx_status mx_jsonl_cut(const char *path, int64_t step, mx_error *e);
/* Appends one line (a newline is added). */
mx_status mx_jsonl_append(const char *path, const char *json, mx_error *e);

#endif
