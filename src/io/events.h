/* TensorBoard event files and the JSON-lines log of a run. Source: spec formats.md (c).
 * Both can be cut back to a step, so that a resumed run's logs look as if it had never stopped. */
#ifndef MX_IO_EVENTS_H
#define MX_IO_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct mx_events mx_events;

/* Opens folder/events.out.tfevents.<time>.<host>.<pid>.<n>, a new file for each process start. resume_step >=
 * 0: existing event files of the folder are first cut of all events with a later step (rewritten atomically).
 * -1: none are touched. */
mx_status mx_events_open(mx_events **out, const char *folder, int64_t resume_step, mx_error *e);
mx_status mx_events_scalar(mx_events *w, const char *tag, int64_t step, double value, mx_error *e);
/* png: a whole PNG file. */
mx_status mx_events_image(mx_events *w, const char *tag, int64_t step, int width, int height, const void *png,
                          size_t size, mx_error *e);
mx_status mx_events_flush(mx_events *w, mx_error *e);
void mx_events_close(mx_events *w);
/* Bytes of the whole, undamaged records at the start of an event file whose step is at most `step`; a later
 * record ends them. What resuming keeps. */
size_t mx_events_keep(const void *bytes, size_t size, int64_t step);

/* log.jsonl: one JSON object a line, each with an integer "step". Cuts off lines with a later step and a torn
 * last line. */
mx_status mx_jsonl_cut(const char *path, int64_t step, mx_error *e);
/* Appends one line (a newline is added). */
mx_status mx_jsonl_append(const char *path, const char *json, mx_error *e);

#endif
