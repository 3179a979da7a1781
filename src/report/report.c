/* report.html, see report.h. The page is written to memory and then to disk in one piece; unreadable parts
 * (no log yet, options of another version) are left out or shown unchanged, and are never an error. */
#include "report/report.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text_stream.h"
#include "io/file.h"
#include "mixmae.h"
#include "options/options.h"
#include "report/html.h"
#include "report/log.h"
#include "report/svg.h"

/* Contents of the page. */
typedef struct {
    const char *run;
    const mx_objective *objective;
    mx_run_log log;
    char *text;         /* options.ini, unchanged */
    mx_options options; /* the same, parsed */
    mx_settings settings;
    bool understood; /* could it be parsed? */
} story;

static void fact(FILE *f, const char *value, const char *what) {
    fprintf(f, "<div><b>%s</b><span>%s</span></div>\n", value, what);
}

static void number_fact(FILE *f, const char *format, double value, const char *what) {
    char text[64];
    snprintf(text, sizeof text, format, value);
    fact(f, text, what);
}

static void duration(char out[64], double seconds) {
    long long s = (long long)(seconds + 0.5);
    if (s >= 86400)
        snprintf(out, 64, "%lld d %lld h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, 64, "%lld h %lld min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 64, "%lld min %lld s", s / 60, s % 60);
    else
        snprintf(out, 64, "%lld s", s);
}

static void facts(FILE *f, const story *t) {
    const mx_run_log *log = &t->log;
    const mx_series *loss = &log->series[MX_SERIES_LOSS], *val = &log->series[MX_SERIES_VAL];
    char text[64];
    const mx_series *top1 = &log->series[MX_SERIES_TOP1];
    fputs("<div class=\"facts\">\n", f);
    if (top1->count) {
        number_fact(f, "%.2f&#8239;%%", top1->high, "best top-1");
        number_fact(f, "%.2f&#8239;%%", top1->last, "top-1 at the end");
    }
    if (val->count) number_fact(f, "%.4f", val->last, "held-out loss at the end");
    if (loss->count) number_fact(f, "%.4f", loss->last, "training loss at the end");
    if (log->epochs) {
        snprintf(text, sizeof text, "epochs, %" PRId64 " steps", log->last_step);
        number_fact(f, "%.4g", log->last_epoch, text);
    } else if (log->last_step)
        number_fact(f, "%.0f", (double)log->last_step, "steps");
    if (log->series[MX_SERIES_RATE].count)
        number_fact(f, "%.4g", mx_series_median(&log->series[MX_SERIES_RATE]), "images a second (median)");
    if (t->understood && log->work > 0) {
        duration(text, log->work * t->settings.batch * t->settings.accum);
        fact(f, text, "of training steps");
    }
    if (log->work > 0)
        number_fact(f, "%.1f&#8239;%%", 100 * log->waited / log->work, "of it spent waiting for data");
    fputs("</div>\n", f);
}

/* A chart in two shapes; the style shows the one that fits the window. */
static void put_chart(FILE *f, const mx_chart *chart) {
    fputs("<figure class=\"chart\">", f);
    mx_chart_svg(f, chart, 960, 380, "wide");
    mx_chart_svg(f, chart, 360, 280, "narrow");
    fputs("</figure>\n", f);
}

static void small_charts(FILE *f, const story *t, const char *x_name) {
    const mx_series *s = t->log.series;
    const mx_chart all[] = {{.title = "Learning rate", .series = {&s[MX_SERIES_LR]}, .from_zero = true},
                            {.title = "Images per second", .series = {&s[MX_SERIES_RATE]}, .from_zero = true},
                            {.title = "Gradient norm", .series = {&s[MX_SERIES_NORM]}, .from_zero = true}};
    fputs("<section><h2>Course of the run</h2>\n<div class=\"row\">", f);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mx_chart chart = all[i];
        if (!chart.series[0]->count) continue;
        chart.x_name = x_name;
        fputs("<figure class=\"chart\">", f);
        mx_chart_svg(f, &chart, 320, 220, "always");
        fputs("</figure>\n", f);
    }
    fputs("</div></section>\n", f);
}

static void charts(FILE *f, const story *t, mx_error *e) {
    const mx_series *s = t->log.series;
    const char *x = t->log.epochs ? "epoch" : "step";
    bool classes = t->objective->labels;
    bool norm = t->understood ? t->settings.model.norm_pix : !strstr(t->text, "norm-pix-loss = false");
    mx_chart loss = {.title = "Loss",
                     .x_name = x,
                     .y_name = classes ? "cross entropy (training: of mixed, augmented images)"
                               : norm  ? "mean squared error, normalised patches"
                                       : "mean squared error",
                     .series = {&s[MX_SERIES_LOSS], &s[MX_SERIES_VAL]},
                     .name = {"training", "held-out"},
                     .guide = 1,
                     .guide_text = norm && !classes ? "1.0: predicting each patch&#39;s mean" : NULL};
    const mx_chart accuracy = {.title = "Held-out images classified right, percent",
                               .x_name = x,
                               .series = {&s[MX_SERIES_TOP1], &s[MX_SERIES_TOP5]},
                               .name = {"top-1", "top-5"},
                               .from_zero = true};
    if (s[MX_SERIES_TOP1].count) put_chart(f, &accuracy);
    if (s[MX_SERIES_LOSS].count || s[MX_SERIES_VAL].count)
        put_chart(f, &loss);
    else
        fputs("<p class=\"soft\">The log holds no losses yet.</p>\n", f);
    mx_html_pictures(f, t->run, e);
    small_charts(f, t, x);
}

static void notes(FILE *f, const mx_run_log *log) {
    if (!log->events && !log->damaged) return;
    fputs("<section><h2>Notes of the run</h2>\n<ul class=\"notes\">\n", f);
    for (int i = 0; i < log->events; i++) {
        fprintf(f, "<li><span>step %" PRId64 "</span> ", log->event[i].step);
        mx_html_escape(f, log->event[i].text);
        fputs("</li>\n", f);
    }
    if (log->events_left_out)
        fprintf(f, "<li>%" PRId64 " more notes: see log.jsonl</li>\n", log->events_left_out);
    if (log->damaged)
        fprintf(f, "<li>%" PRId64 " damaged line%s of the log skipped, of %" PRId64 "</li>\n", log->damaged,
                log->damaged == 1 ? " was" : "s were", log->lines);
    fputs("</ul></section>\n", f);
}

/* "A MixMAE pretraining run of nano, 64x64 pixels: complete" */
static void subtitle(FILE *f, const story *t) {
    const mx_settings *s = &t->settings;
    fprintf(f, "<p class=\"soft\">%s", t->objective->title);
    if (t->understood) {
        fputs(" of ", f), mx_html_escape(f, s->model.name);
        fprintf(f, " at %d&times;%d pixels, %d images a step, ", s->model.image_w, s->model.image_h,
                s->batch * s->accum);
        if (t->log.epochs && t->log.last_epoch >= s->epochs - 1e-6)
            fprintf(f, "%g epochs, complete", s->epochs);
        else
            fprintf(f, "at epoch %.4g of %g", t->log.epochs ? t->log.last_epoch : 0.0, s->epochs);
    }
    fputs("</p>\n", f);
}

static void page(FILE *f, const story *t, mx_error *e) {
    char *copy = realpath(t->run, NULL);
    if (!copy && errno == ENOMEM) mx_fail(e, MX_ERR_MEMORY, "out of memory");
    char *name = copy ? basename(copy) : (char *)t->run;
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width,initial-scale=1\"><title>",
          f);
    mx_html_escape(f, name);
    fprintf(f, " &ndash; mixmae</title><style>%s</style></head><body><main>\n<header><h1>", mx_report_style);
    mx_html_escape(f, name);
    fputs("</h1>\n", f);
    subtitle(f, t);
    fputs("</header>\n", f);
    facts(f, t);
    charts(f, t, e);
    mx_html_settings(f, t->text, &t->options, t->understood ? &t->settings : NULL);
    notes(f, &t->log);
    fprintf(f,
            "<footer>Written by mixmae %s. This page is one file and needs no "
            "network.</footer>\n</main></body></html>\n",
            mixmae_version());
    free(copy);
}

/* options.ini: its text and its parsed options; either may be missing. */
static void read_options(story *t, const char *path, mx_error *e) {
    mx_error unread = {0}, unclear = {0};
    void *bytes = NULL;
    size_t size;
    mx_model_config any; /* for a model without a name: a run's options hold every size */
    mx_command command = mx_run_command(path);
    if (!mx_objective_of_command(mx_command_name(command))) command = MX_CMD_PRETRAIN;
    t->objective = mx_objective_of_command(mx_command_name(command));
    if (!mx_file_read(path, 1 << 20, &bytes, &size, &unread)) t->text = bytes;
    if (unread.status == MX_ERR_MEMORY) *e = unread;
    mx_model_named("nano", &any, NULL);
    t->understood = t->text && !mx_run_options_read(&t->options, command, path, &unclear) &&
                    !mx_settings_make(&t->settings, t->objective, &t->options,
                                      t->objective->pretrains ? NULL : &any, &unclear);
    if (unclear.status == MX_ERR_MEMORY) mx_fail(e, unclear.status, "%s", unclear.text);
    if (!t->text) t->text = strdup("");
}

mx_status mx_report_write(const char *run, mx_error *e) {
    mx_error own = {0};
    char *path[3] = {NULL, NULL, NULL}, *html = NULL;
    size_t length = 0;
    FILE *f = NULL;
    if (!e) e = &own;
    story *t = calloc(1, sizeof *t); /* its log is large */
    if (!t || asprintf(&path[0], "%s/log.jsonl", run) < 0 || asprintf(&path[1], "%s/options.ini", run) < 0 ||
        asprintf(&path[2], "%s/report.html", run) < 0 || !(f = mx_text_stream(&html, &length))) {
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the report of %s", run);
        goto done;
    }
    t->run = run;
    read_options(t, path[1], e);
    if (!t->text)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the report of %s", run);
    else if (!mx_run_log_read(&t->log, path[0], e))
        page(f, t, e);
    bool whole = !ferror(f);
    whole = !fclose(f) && whole;
    f = NULL;
    if (!whole) mx_fail(e, MX_ERR_MEMORY, "out of memory for the report of %s", run);
    if (!e->status) mx_file_write(path[2], html, length, e);
done:
    if (f) fclose(f);
    if (t) {
        mx_run_log_free(&t->log);
        mx_options_free(&t->options);
        free(t->text);
    }
    free(t);
    free(html);
    for (int i = 0; i < 3; i++) free(path[i]);
    return e->status;
}
