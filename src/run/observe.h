/* What a training run writes while it trains: progress, log, events, report. */
#ifndef MX_RUN_OBSERVE_H
#define MX_RUN_OBSERVE_H

#include "run/run.h"

/* Starts the logs, or on resume cuts them back to the state's step. */
mx_status mx_observe_begin(mx_run *run, mx_error *e);
/* Call for each step's result, in order. */
void mx_observe_result(mx_run *run, const mx_step_result *r);
/* Will mx_observe_step log, measure or draw after this step? Then it needs every result so far. */
bool mx_observe_due(const mx_run *run);
/* Call once all results are observed. Writes progress, log line, held-out images at the end of an epoch,
 * pictures. */
mx_status mx_observe_step(mx_run *run, mx_error *e);
/* Writes a line about a step to the sink and to log.jsonl. If that fails, the next save returns the error. */
void mx_observe_event(mx_run *run, int64_t step, const char *line);
typedef struct {
    const char *key;
    double value; /* written as null if it is not finite, which JSON cannot hold */
    bool whole;   /* a count */
} mx_observe_number;
/* Appends {"step":…,"epoch":…, and these numbers} to log.jsonl. */
mx_status mx_observe_numbers(mx_run *run, const mx_observe_number *n, int count, mx_error *e);
/* Epochs done, as a fraction. */
double mx_run_epoch(const mx_run *run);
/* Flushes the events and writes the report. */
mx_status mx_observe_end(mx_run *run, mx_error *e);

#endif
