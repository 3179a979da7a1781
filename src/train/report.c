/* report.html, see report.h. The page is written to memory and then to disk in one piece. */
#include "train/report.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "mixmae.h"
#include "train/plan.h"
#include "train/report_log.h"

#define MX_MOST_POINTS   1000
#define MX_MOST_PICTURES 6 /* small ones; the last picture is shown large */

static const char style[] =
    ":root{--paper:#fbfaf7;--ink:#22262b;--soft:#6a717a;--line:#e2dfd8;--a:#2b6cb0;--b:#c2571a;--card:#fff}"
    "@media(prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#e6e6e3;--soft:#98a0a8;--line:#2c3238;--a:"
    "#6fb1f0;--b:#f0a060;"
    "--card:#1c2025}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 "
    "system-ui,sans-serif}"
    "main{max-width:960px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.7rem;margin:0}h2{margin:40px 0 "
    "12px;font-size:1.15rem}"
    "p{margin:.3em "
    "0}.soft{color:var(--soft)}.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));"
    "gap:12px;"
    "margin:20px 0}.facts div{background:var(--card);border:1px solid "
    "var(--line);border-radius:8px;padding:10px 14px}.facts b{"
    "display:block;font-size:1.35rem;font-weight:600}figure{margin:12px 0;background:var(--card);border:1px "
    "solid var(--line);"
    "border-radius:8px;padding:10px}svg{display:block;width:100%;height:auto}svg "
    "text{fill:var(--soft);font:12px system-ui,sans-serif}"
    "svg .title{fill:var(--ink);font-size:14px;font-weight:600}svg polyline{fill:none;stroke-width:1.8}svg "
    ".a{stroke:var(--a)}"
    "svg .b{stroke:var(--b)}svg circle.a{fill:var(--a)}svg circle.b{fill:var(--b)}svg "
    ".a.key{fill:var(--a);stroke:none}"
    "svg .b.key{fill:var(--b);stroke:none}.grid{stroke:var(--line)}svg "
    "line.guide{stroke:var(--soft);stroke-dasharray:5 4}"
    "img{max-width:100%;display:block;border-radius:4px}.row{display:grid;grid-template-columns:repeat(auto-"
    "fit,minmax(280px,1fr));"
    "gap:12px}.row "
    "figure{margin:0}figcaption{color:var(--soft);font-size:.85rem;padding-top:6px}table{border-collapse:"
    "collapse;"
    "width:100%;font-size:.9rem}td{border-top:1px solid var(--line);padding:4px "
    "8px;vertical-align:top;overflow-wrap:anywhere}"
    "td:first-child{color:var(--soft);width:40%}";

static void escape(FILE *f, const char *text) {
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", f);
        else if (*text == '>')
            fputs("&gt;", f);
        else if (*text == '&')
            fputs("&amp;", f);
        else if (*text == '"')
            fputs("&quot;", f);
        else
            fputc(*text, f);
    }
}

static void base64(FILE *f, const unsigned char *b, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v =
            (unsigned)b[i] << 16 | (i + 1 < n ? (unsigned)b[i + 1] << 8 : 0) | (i + 2 < n ? b[i + 2] : 0);
        fputc(digit[v >> 18], f), fputc(digit[v >> 12 & 63], f);
        fputc(i + 1 < n ? digit[v >> 6 & 63] : '=', f), fputc(i + 2 < n ? digit[v & 63] : '=', f);
    }
}

static double median_of(const mx_series *s) {
    double *v = malloc(sizeof *v * (size_t)(s->count + 1)), m = 0;
    if (v && s->count) {
        memcpy(v, s->value, sizeof *v * (size_t)s->count);
        m = mx_median(v, s->count);
    }
    free(v);
    return m;
}

static void fact(FILE *f, const char *what, const char *format, double value) {
    fputs("<div><b>", f);
    fprintf(f, format, value);
    fprintf(f, "</b><span class=\"soft\">%s</span></div>\n", what);
}

static void facts(FILE *f, const mx_run_log *log) {
    const mx_series *loss = &log->series[MX_SERIES_LOSS], *val = &log->series[MX_SERIES_VAL];
    fputs("<div class=\"facts\">", f);
    if (val->count) fact(f, "held-out loss at the end", "%.4f", val->value[val->count - 1]);
    if (loss->count) fact(f, "training loss at the end", "%.4f", loss->value[loss->count - 1]);
    if (loss->count) fact(f, "epochs", "%.4g", loss->epoch[loss->count - 1]);
    fact(f, "steps", "%.0f", (double)log->last_step);
    if (log->series[MX_SERIES_RATE].count)
        fact(f, "images a second (median)", "%.4g", median_of(&log->series[MX_SERIES_RATE]));
    if (log->series[MX_SERIES_WAIT].count)
        fact(f, "of the time waiting for data", "%.1f %%", 100 * median_of(&log->series[MX_SERIES_WAIT]));
    fputs("</div>\n", f);
}

/* Values of options.ini as a table; the comment with the version is left out. */
static void settings(FILE *f, const char *text) {
    fputs("<h2>Settings</h2>\n<table>", f);
    for (const char *p = text; *p;) {
        const char *end = strchrnul(p, '\n'), *equals = memchr(p, '=', (size_t)(end - p));
        if (*p != ';' && equals) {
            char name[64], value[512];
            snprintf(name, sizeof name, "%.*s", (int)(equals - p), p);
            snprintf(value, sizeof value, "%.*s", (int)(end - equals - 1), equals + 1);
            fputs("<tr><td>", f), escape(f, name), fputs("</td><td>", f), escape(f, value),
                fputs("</td></tr>\n", f);
        }
        p = *end ? end + 1 : end;
    }
    fputs("</table>\n", f);
}

static int is_picture(const struct dirent *d) {
    size_t n = strlen(d->d_name);
    return n > 9 && !strncmp(d->d_name, "step-", 5) && !strcmp(d->d_name + n - 4, ".png");
}

static void picture(FILE *f, const char *folder, const char *name) {
    char *path = NULL;
    void *bytes = NULL;
    size_t size = 0;
    mx_error unread = {0};
    if (asprintf(&path, "%s/%s", folder, name) < 0) return;
    if (!mx_file_read(path, (size_t)64 << 20, &bytes, &size, &unread)) {
        fputs("<figure><img alt=\"reconstructions\" src=\"data:image/png;base64,", f);
        base64(f, bytes, size);
        fprintf(f, "\"><figcaption>step %ld</figcaption></figure>\n", strtol(name + 5, NULL, 10));
    }
    free(bytes);
    free(path);
}

static void pictures(FILE *f, const char *run) {
    struct dirent **list = NULL;
    char *folder = NULL;
    if (asprintf(&folder, "%s/pictures", run) < 0) return;
    int n = scandir(folder, &list, is_picture, alphasort);
    if (n > 0) {
        fputs("<h2>Reconstructions</h2>\n<p class=\"soft\">The image; the mixed image that the encoder saw; "
              "the image rebuilt from its own "
              "visible patches; its partner rebuilt from the others. Visible patches are pasted in.</p>\n",
              f);
        picture(f, folder, list[n - 1]->d_name);
        if (n > 1) fputs("<div class=\"row\">", f);
        int shown = n - 1 < MX_MOST_PICTURES ? n - 1 : MX_MOST_PICTURES;
        for (int i = 0; i < shown; i++) picture(f, folder, list[(long)i * (n - 1) / shown]->d_name);
        if (n > 1) fputs("</div>", f);
    }
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
    free(folder);
}

static void events(FILE *f, const mx_run_log *log) {
    if (!log->events && !log->damaged) return;
    fputs("<h2>Notes of the run</h2>\n<table>", f);
    for (int i = 0; i < log->events; i++)
        fputs("<tr><td colspan=\"2\">", f), escape(f, log->event[i]), fputs("</td></tr>\n", f);
    if (log->damaged)
        fprintf(f, "<tr><td colspan=\"2\">%ld damaged lines of the log were skipped</td></tr>\n",
                log->damaged);
    fputs("</table>\n", f);
}

static void page(FILE *f, const char *run, mx_run_log *log, const char *options) {
    bool norm = strstr(options, "norm-pix-loss = false") == NULL;
    facts(f, log);
    for (int k = 0; k < MX_SERIES_KINDS; k++) mx_series_thin(&log->series[k], MX_MOST_POINTS);
    mx_series *s = log->series;
    mx_curve_svg(f, "Loss", &s[MX_SERIES_LOSS], "training", &s[MX_SERIES_VAL], "held-out", 1,
                 norm ? "1.0: predicting each patch's mean" : NULL);
    pictures(f, run);
    fputs("<h2>Course</h2>\n<div class=\"row\">", f);
    mx_curve_svg(f, "Learning rate", &s[MX_SERIES_LR], "", NULL, "", 0, NULL);
    mx_curve_svg(f, "Images a second", &s[MX_SERIES_RATE], "", NULL, "", 0, NULL);
    mx_curve_svg(f, "Gradient norm", &s[MX_SERIES_NORM], "", NULL, "", 0, NULL);
    fputs("</div>\n", f);
    settings(f, options);
    events(f, log);
}

mx_status mx_report_write(const char *run, mx_error *e) {
    mx_error own = {0};
    mx_run_log log = {0};
    char *log_path = NULL, *options_path = NULL, *report_path = NULL, *html = NULL;
    void *options = NULL;
    size_t size = 0, length = 0;
    if (!e) e = &own;
    if (asprintf(&log_path, "%s/log.jsonl", run) < 0 || asprintf(&options_path, "%s/options.ini", run) < 0 ||
        asprintf(&report_path, "%s/report.html", run) < 0)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    FILE *f = open_memstream(&html, &length);
    if (f && !mx_run_log_read(&log, log_path, e) &&
        !mx_file_read(options_path, 1 << 20, &options, &size, e)) {
        fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
              "content=\"width=device-width,initial-scale=1\"><title>mixmae: ",
              f);
        escape(f, run);
        fprintf(f, "</title><style>%s</style></head><body><main>\n<h1>", style);
        escape(f, run);
        fprintf(f, "</h1><p class=\"soft\">A MixMAE pretraining run, mixmae %s</p>\n", mixmae_version());
        page(f, run, &log, options);
        fputs("</main></body></html>\n", f);
    } else if (!f)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the report");
    if (f) fclose(f);
    if (!e->status) mx_file_write(report_path, html, length, e);
    mx_run_log_free(&log);
    free(options), free(html), free(report_path), free(options_path), free(log_path);
    return e->status;
}
