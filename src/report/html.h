/* Pieces of the report's page: its style, escaped text, embedded pictures, the settings. Private to
 * src/train. */
#ifndef MX_REPORT_HTML_H
#define MX_REPORT_HTML_H

#include <stddef.h>
#include <stdio.h>

#include "options/options.h"
#include "train/settings.h"

extern const char mx_report_style[];

/* Text that may hold anything, safe between tags and inside quotes. */
void mx_html_escape(FILE *f, const char *text);
/* Figures of run/pictures/step-N.png: the last one large, the first and some between small. Nothing without
 * any. Files that are no PNG are left out; want of memory
 * is an error. */
void mx_html_pictures(FILE *f, const char *run, mx_error *e);
/* options.ini as a table, with what the named model and its recipe fill in. `settings` NULL: the text as it
 * stands, line by line. */
void mx_html_settings(FILE *f, const char *text, const mx_options *options, const mx_settings *settings);

#endif
