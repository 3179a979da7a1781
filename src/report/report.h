/* A run as one page: report.html, self-contained. */
#ifndef MX_REPORT_REPORT_H
#define MX_REPORT_REPORT_H

#include "base/status.h"

/* Reads run/log.jsonl, options.ini and pictures/step-*.png and writes run/report.html: curves (inline SVG),
 * pictures (embedded), settings, timings. Opens without a network, needs no script. Damaged log lines are
 * skipped and counted. */
mx_status mx_report_write(const char *run, mx_error *e);

#endif
