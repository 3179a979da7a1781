/* Pieces of the report's page: its style, escaped text, embedded pictures, the settings. */
#ifndef MX_REPORT_HTML_H
#define MX_REPORT_HTML_H

#include <stddef.h>
#include <stdio.h>

#include "options/options.h"
#include "train/settings.h"

extern const char mx_report_style[];

/* Escapes any text for use between tags and inside quotes. */
void mx_html_escape(FILE *f, const char *text);
/* Figures of run/pictures/step-N.png: the last one large, the first and some between small. Writes nothing if
 * there are none. Skips files that are not PNG. Lack of memory is an error. */
void mx_html_pictures(FILE *f, const char *run, mx_error *e);
/* options.ini as a table, with the values that the named model and its recipe fill in. `settings` NULL: the
 * text unchanged, line by line. */
void mx_html_settings(FILE *f, const char *text, const mx_options *options, const mx_settings *settings);

#endif
