/* CSV files and the page of an evaluation, see evaluation.h. */
#include "report/evaluation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text_stream.h"
#include "io/file.h"
#include "mixmae.h"
#include "report/html.h"

#define MX_TABLE_CLASSES   1000 /* more: the confusion matrix is a list */
#define MX_PICTURE_CLASSES 40   /* more: the page shows the commonest confusions only */
#define MX_LISTED_MISTAKES 30

/* Number of images of class `label` that were classified as `predicted`. */
typedef struct {
    int32_t label, predicted;
    int64_t count;
} cell;

typedef struct {
    cell *item; /* sorted by label, then predicted; only those that are not 0 */
    int64_t count;
    int64_t *images, *right; /* [classes] */
} tally;

static int by_place(const void *a, const void *b) {
    const cell *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

static int by_count(const void *a, const void *b) {
    const cell *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return by_place(a, b);
}

static mx_status make_tally(tally *t, const mx_eval_story *s, mx_error *e) {
    const mx_evaluation *v = s->result;
    *t = (tally){.item = malloc(sizeof *t->item * (size_t)(v->images + 1)),
                 .images = calloc((size_t)s->classes, sizeof *t->images),
                 .right = calloc((size_t)s->classes, sizeof *t->right)};
    if (!t->item || !t->images || !t->right)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for a confusion matrix");
    for (int64_t i = 0; i < v->images; i++) {
        t->item[i] = (cell){v->label[i], v->predicted[i], 1};
        t->images[v->label[i]]++, t->right[v->label[i]] += v->label[i] == v->predicted[i];
    }
    qsort(t->item, (size_t)v->images, sizeof *t->item, by_place);
    for (int64_t i = 0; i < v->images; i++) {
        if (t->count && !by_place(&t->item[t->count - 1], &t->item[i]))
            t->item[t->count - 1].count++;
        else
            t->item[t->count++] = t->item[i];
    }
    return MX_OK;
}

static void free_tally(tally *t) { free(t->item), free(t->images), free(t->right); }

/* Count of one cell; the cursor only moves forwards, as the caller asks in order. */
static int64_t next_cell(const tally *t, int64_t *at, int label, int predicted) {
    const cell want = {label, predicted, 0};
    while (*at < t->count && by_place(&t->item[*at], &want) < 0) ++*at;
    return *at < t->count && !by_place(&t->item[*at], &want) ? t->item[*at].count : 0;
}

/* ---- CSV: RFC 4180 quoting, no formulas ---- */

/* A name, which comes from outside. Spreadsheets compute a cell that begins with one of these signs; a leading ' makes
 * it text. */
static void put_field(FILE *f, const char *text) {
    const char *guard = *text && strchr("=+-@\t\r", *text) ? "'" : "";
    if (!strpbrk(text, ",\"\r\n")) {
        fprintf(f, "%s%s", guard, text);
        return;
    }
    fprintf(f, "\"%s", guard);
    for (; *text; text++) fprintf(f, "%s%c", *text == '"' ? "\"" : "", *text);
    fputc('"', f);
}

static void put_confusion(FILE *f, const mx_eval_story *s, const tally *t) {
    int64_t at = 0;
    if (s->classes > MX_TABLE_CLASSES) {
        fputs("true,predicted,images\n", f);
        for (int64_t i = 0; i < t->count; i++) {
            put_field(f, s->name[t->item[i].label]), fputc(',', f);
            put_field(f, s->name[t->item[i].predicted]);
            fprintf(f, ",%" PRId64 "\n", t->item[i].count);
        }
        return;
    }
    fputs("true \\ predicted", f);
    for (int c = 0; c < s->classes; c++) fputc(',', f), put_field(f, s->name[c]);
    fputc('\n', f);
    for (int r = 0; r < s->classes; r++) {
        put_field(f, s->name[r]);
        for (int c = 0; c < s->classes; c++) fprintf(f, ",%" PRId64, next_cell(t, &at, r, c));
        fputc('\n', f);
    }
}

static void put_classes(FILE *f, const mx_eval_story *s, const tally *t) {
    fputs("class,images,right,accuracy\n", f);
    for (int c = 0; c < s->classes; c++) {
        put_field(f, s->name[c]);
        fprintf(f, ",%" PRId64 ",%" PRId64 ",", t->images[c], t->right[c]);
        if (t->images[c]) fprintf(f, "%.4f", 100.0 * (double)t->right[c] / (double)t->images[c]);
        fputc('\n', f);
    }
}

static void put_predictions(FILE *f, const mx_eval_story *s, const tally *t) {
    const mx_evaluation *v = s->result;
    (void)t;
    fputs("file,true,predicted\n", f);
    for (int64_t i = 0; i < v->images; i++) {
        put_field(f, mx_dataset_path(s->images, v->index[i])), fputc(',', f);
        put_field(f, s->name[v->label[i]]), fputc(',', f);
        put_field(f, s->name[v->predicted[i]]), fputc('\n', f);
    }
}

/* ---- the page ---- */

static void put_facts(FILE *f, const mx_evaluation *v) {
    fprintf(f,
            "<div class=\"facts\"><div><b>%.2f&#8239;%%</b><span>top-1</span></div><div><b>%.2f&#8239;%%</b>"
            "<span>top-5</span></div><div><b>%.4f</b><span>cross entropy</span></div><div><b>%" PRId64
            "</b><span>images%s</span></div></div>\n",
            v->top1, v->top5, v->loss, v->images, v->broken ? ", broken ones left out" : "");
}

/* A square for each pair of classes; the larger its share of the true class, the darker. */
static void put_matrix(FILE *f, const mx_eval_story *s, const tally *t) {
    int n = s->classes, side = n <= 12 ? 44 : n <= 24 ? 28 : 18, left = 150, top = 120;
    int64_t at = 0;
    fprintf(f,
            "<section><h2>Confusion matrix</h2><p class=\"soft\">A row is a true class, a column what it was "
            "taken "
            "for; numbers are images.</p><figure><svg viewBox=\"0 0 %d %d\" style=\"max-width:%dpx\">",
            left + n * side + 8, top + n * side + 8, left + n * side + 8);
    for (int c = 0; c < n; c++) {
        fprintf(f, "<text transform=\"translate(%d,%d) rotate(-50)\">", left + c * side + side / 2, top - 8);
        mx_html_escape(f, s->name[c]);
        fprintf(f, "</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 8,
                top + c * side + side / 2 + 4);
        mx_html_escape(f, s->name[c]);
        fputs("</text>", f);
    }
    for (int r = 0; r < n; r++)
        for (int c = 0; c < n; c++) {
            int64_t count = next_cell(t, &at, r, c);
            double share = t->images[r] ? (double)count / (double)t->images[r] : 0;
            fprintf(f,
                    "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"var(--%c)\" "
                    "opacity=\"%.3f\"><title>",
                    left + c * side, top + r * side, side - 2, side - 2, r == c ? 'a' : 'b',
                    0.06 + 0.94 * share);
            mx_html_escape(f, s->name[r]), fputs(" taken for ", f), mx_html_escape(f, s->name[c]);
            fprintf(f, ": %" PRId64 " of %" PRId64 "</title></rect>", count, t->images[r]);
            if (side >= 28 && count)
                fprintf(f,
                        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" style=\"fill:var(--ink)\">%" PRId64
                        "</text>",
                        left + c * side + side / 2 - 1, top + r * side + side / 2 + 4, count);
        }
    fputs("</svg></figure></section>\n", f);
}

static void put_class_list(FILE *f, const mx_eval_story *s, const tally *t) {
    fputs("<section><h2>Accuracy by class</h2><dl class=\"settings\">\n", f);
    for (int c = 0; c < s->classes; c++) {
        fputs("<div><dt>", f), mx_html_escape(f, s->name[c]);
        if (t->images[c])
            fprintf(f, "</dt><dd>%.1f&#8239;%% <i>of %" PRId64 "</i></dd></div>\n",
                    100.0 * (double)t->right[c] / (double)t->images[c], t->images[c]);
        else
            fputs("</dt><dd><i>no images</i></dd></div>\n", f);
    }
    fputs("</dl></section>\n", f);
}

/* Re-sorts the tally, so call it last. */
static void put_mistakes(FILE *f, const mx_eval_story *s, tally *t) {
    int shown = 0;
    qsort(t->item, (size_t)t->count, sizeof *t->item, by_count);
    fputs("<section><h2>Commonest mistakes</h2><ul class=\"notes\">\n", f);
    for (int64_t i = 0; i < t->count && shown < MX_LISTED_MISTAKES; i++) {
        const cell *k = &t->item[i];
        if (k->label == k->predicted) continue;
        shown++;
        fprintf(f, "<li><span>%" PRId64 " images</span> ", k->count);
        mx_html_escape(f, s->name[k->label]), fputs(" taken for ", f),
            mx_html_escape(f, s->name[k->predicted]);
        fputs("</li>\n", f);
    }
    fputs(shown ? "</ul></section>\n" : "<li>none</li></ul></section>\n", f);
}

static void put_page(FILE *f, const mx_eval_story *s, tally *t) {
    fprintf(f,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
            "content=\"width=device-width,initial-scale=1\"><title>Evaluation &ndash; mixmae</title>"
            "<style>%s</style></head><body><main>\n<header><h1>Evaluation</h1><p class=\"soft\">",
            mx_report_style);
    mx_html_escape(f, s->checkpoint), fputs(" on ", f), mx_html_escape(f, s->data);
    fputs("</p></header>\n", f);
    put_facts(f, s->result);
    if (s->classes <= MX_PICTURE_CLASSES) put_matrix(f, s, t);
    put_class_list(f, s, t);
    put_mistakes(f, s, t);
    fprintf(f, "<footer>Written by mixmae %s.</footer>\n</main></body></html>\n", mixmae_version());
}

/* ---- files ---- */

typedef void put_function(FILE *f, const mx_eval_story *s, const tally *t);

static mx_status write_one(const mx_eval_story *s, tally *t, const char *folder, const char *name,
                           put_function *put, mx_error *e) {
    char *path = NULL, *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    bool whole = f && asprintf(&path, "%s/%s", folder, name) >= 0;
    if (whole && put)
        put(f, s, t);
    else if (whole)
        put_page(f, s, t);
    if (f) whole = !ferror(f) && whole, whole = !fclose(f) && whole;
    if (whole)
        mx_file_write(path, text, size, e);
    else
        mx_fail(e, MX_ERR_MEMORY, "out of memory while writing %s/%s", folder, name);
    free(path), free(text);
    return e->status;
}

mx_status mx_eval_report(const mx_eval_story *s, const char *folder, mx_error *e) {
    tally t = {0};
    if (!mx_folder_make(folder, e) && !make_tally(&t, s, e) &&
        !write_one(s, &t, folder, "confusion.csv", put_confusion, e) &&
        !write_one(s, &t, folder, "per_class.csv", put_classes, e) &&
        !write_one(s, &t, folder, "predictions.csv", put_predictions, e))
        write_one(s, &t, folder, "report.html", NULL, e);
    free_tally(&t);
    return e->status;
}
