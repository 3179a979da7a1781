/* The log of a run as series of numbers, thinned for drawing; and their curves. Private to src/train. */
#ifndef MX_TRAIN_REPORT_LOG_H
#define MX_TRAIN_REPORT_LOG_H

#include <stdio.h>

#include "base/status.h"

typedef struct {
    double *epoch, *value;
    int count, capacity;
} mx_series;

typedef enum {
    MX_SERIES_LOSS,
    MX_SERIES_VAL,
    MX_SERIES_LR,
    MX_SERIES_RATE,
    MX_SERIES_WAIT,
    MX_SERIES_NORM,
    MX_SERIES_KINDS
} mx_series_kind;

typedef struct {
    mx_series series[MX_SERIES_KINDS];
    char **event; /* lines about the run */
    int events;
    long lines, damaged, last_step;
} mx_run_log;

mx_status mx_run_log_read(mx_run_log *log, const char *path, mx_error *e);
void mx_run_log_free(mx_run_log *log);
/* Means of neighbours so that at most `most` points are left. */
void mx_series_thin(mx_series *s, int most);

/* One curve figure as SVG: up to two series over epochs; guide: a dashed line at that value with its text
 * (NULL: none). */
void mx_curve_svg(FILE *f, const char *title, const mx_series *a, const char *a_name, const mx_series *b,
                  const char *b_name, double guide, const char *guide_text);

#endif
