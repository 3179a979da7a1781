/* The log of a run as a few thousand numbers, however long it is. Reading takes memory of a fixed size: a
 * series that is full joins its points in pairs. */
#ifndef MX_REPORT_LOG_H
#define MX_REPORT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define MX_SERIES_POINTS   1000 /* even */
#define MX_LOG_MOST_EVENTS 200
#define MX_LOG_MOST_LINE   65536 /* bytes; a longer line counts as damaged */

/* Consecutive lines of the log: mean position, mean value, and the extremes. */
typedef struct {
    double x, y, low, high;
    int64_t lines;
} mx_point;

typedef struct {
    mx_point point[MX_SERIES_POINTS];
    int count;
    int64_t group;          /* lines a point */
    double last, low, high; /* of the values in the log */
} mx_series;

typedef enum {
    MX_SERIES_LOSS,
    MX_SERIES_VAL,
    MX_SERIES_LR,
    MX_SERIES_RATE,
    MX_SERIES_WAIT,
    MX_SERIES_NORM,
    MX_SERIES_TOP1,
    MX_SERIES_TOP5,
    MX_SERIES_KINDS
} mx_series_kind;

typedef struct {
    mx_series series[MX_SERIES_KINDS];
    struct {
        int64_t step;
        char *text; /* may hold anything: escape it */
    } event[MX_LOG_MOST_EVENTS];
    int events;
    int64_t events_left_out, lines, damaged;
    int64_t last_step, trained; /* the last step of any line; of a line with a rate */
    double last_epoch;
    bool epochs; /* x is in epochs; false: no line holds one, x is the step */
    /* Sums over training lines of steps / (images a second), and the part of it spent waiting for data. Multiplied
     * by the images of a step these are seconds. */
    double work, waited;
} mx_run_log;

/* A missing log reads as an empty one. `damaged` counts lines that are not JSON objects or hold impossible numbers
 * (negative steps, beyond 1e15). mx_run_log is large: keep it on the heap. */
mx_status mx_run_log_read(mx_run_log *log, const char *path, mx_error *e);
void mx_run_log_free(mx_run_log *log);
/* Adds a value at position x. */
void mx_series_add(mx_series *s, double x, double y);
/* Median of the points; 0 without any. */
double mx_series_median(const mx_series *s);

#endif
