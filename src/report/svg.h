/* Curves of a run as inline SVG. */
#ifndef MX_REPORT_SVG_H
#define MX_REPORT_SVG_H

#include <stdio.h>

#include "report/log.h"

typedef struct {
    const char *title, *x_name, *y_name; /* y_name NULL: the title says it */
    const mx_series *series[2];          /* the second may be NULL or empty */
    const char *name[2];                 /* for the legend and for hovering; NULL with one series */
    double guide;                        /* a dashed line at this value ... */
    const char *guide_text;              /* ... with this text; NULL: none */
    bool from_zero;                      /* the axis shows 0 */
} mx_chart;

/* One svg element. Shapes take their colours from the page's style: .s0 and .s1 (lines), .band, .grid,
 * .guide, .key0, .key1, .hit (the strips that show values when pointed at). Writes nothing if there are no
 * points. */
void mx_chart_svg(FILE *f, const mx_chart *chart, int width, int height, const char *class_name);

#endif
