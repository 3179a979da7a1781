/* Reading and thinning a run's log, and drawing its curves. See report_log.h. */
#include "train/report_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define MX_MOST_EVENTS 200

static void add(mx_series *s, double epoch, double value) {
    if (s->count == s->capacity) {
        int capacity = s->capacity ? 2 * s->capacity : 256;
        double *e = realloc(s->epoch, sizeof *e * (size_t)capacity);
        if (e) s->epoch = e;
        double *v = e ? realloc(s->value, sizeof *v * (size_t)capacity) : NULL;
        if (!v) return; /* a curve with a point less */
        s->value = v, s->capacity = capacity;
    }
    s->epoch[s->count] = epoch, s->value[s->count++] = value;
}

static void add_line(mx_run_log *log, const json_t *o) {
    static const char *const key[MX_SERIES_KINDS] = {"loss",       "val_loss", "lr", "images_per_second",
                                                     "wait_share", "grad_norm"};
    const json_t *step = json_object_get(o, "step"), *event = json_object_get(o, "event");
    double epoch = json_number_value(json_object_get(o, "epoch"));
    if (json_is_integer(step)) log->last_step = (long)json_integer_value(step);
    for (int k = 0; k < MX_SERIES_KINDS; k++) {
        const json_t *v = json_object_get(o, key[k]);
        if (json_is_number(v) && isfinite(epoch) && isfinite(json_number_value(v)))
            add(&log->series[k], epoch, json_number_value(v));
    }
    if (json_is_string(event) && log->events < MX_MOST_EVENTS) {
        char **grown = realloc(log->event, sizeof *grown * (size_t)(log->events + 1));
        if (grown) log->event = grown;
        if (grown && (grown[log->events] = strdup(json_string_value(event)))) log->events++;
    }
}

mx_status mx_run_log_read(mx_run_log *log, const char *path, mx_error *e) {
    memset(log, 0, sizeof *log);
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    if (!f) return MX_OK; /* nothing was logged yet */
    for (ssize_t n; (n = getline(&line, &room, f)) > 0; log->lines++) {
        json_t *o = json_loadb(line, (size_t)n, JSON_DISABLE_EOF_CHECK, NULL);
        if (json_is_object(o))
            add_line(log, o);
        else
            log->damaged++;
        json_decref(o);
    }
    if (ferror(f)) mx_fail(e, MX_ERR_IO, "cannot read %s", path);
    free(line);
    fclose(f);
    return e ? e->status : MX_OK;
}

void mx_run_log_free(mx_run_log *log) {
    for (int k = 0; k < MX_SERIES_KINDS; k++) free(log->series[k].epoch), free(log->series[k].value);
    for (int i = 0; i < log->events; i++) free(log->event[i]);
    free(log->event);
    memset(log, 0, sizeof *log);
}

void mx_series_thin(mx_series *s, int most) {
    int group = (s->count + most - 1) / most, n = 0;
    for (int i = 0; group > 1 && i < s->count; i += group, n++) {
        double epoch = 0, value = 0;
        int k = 0;
        for (; k < group && i + k < s->count; k++) epoch += s->epoch[i + k], value += s->value[i + k];
        s->epoch[n] = epoch / k, s->value[n] = value / k;
    }
    if (group > 1) s->count = n;
}

/* ---- drawing ----------------------------------------------------------------------------------------------
 */

enum { WIDTH = 720, HEIGHT = 280, LEFT = 64, RIGHT = 16, TOP = 34, BOTTOM = 34 };

typedef struct {
    double x0, x1, y0, y1;
} range;

static void widen(range *r, const mx_series *s) {
    for (int i = 0; s && i < s->count; i++) {
        r->x0 = fmin(r->x0, s->epoch[i]), r->x1 = fmax(r->x1, s->epoch[i]);
        r->y0 = fmin(r->y0, s->value[i]), r->y1 = fmax(r->y1, s->value[i]);
    }
}

static double px(const range *r, double x) {
    return LEFT + (x - r->x0) / (r->x1 - r->x0) * (WIDTH - LEFT - RIGHT);
}
static double py(const range *r, double y) {
    return HEIGHT - BOTTOM - (y - r->y0) / (r->y1 - r->y0) * (HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, near span/4. */
static double tick(double span) {
    double raw = span / 4, base = pow(10, floor(log10(raw))), m = raw / base;
    return base * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void grid(FILE *f, const range *r) {
    double t = tick(r->y1 - r->y0);
    for (double y = ceil(r->y0 / t) * t; y <= r->y1 + 1e-12; y += t) {
        fprintf(f, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT,
                py(r, y), py(r, y));
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", LEFT - 8, py(r, y) + 4,
                fabs(y) < t / 1e6 ? 0 : y);
    }
    t = tick(r->x1 - r->x0);
    for (double x = ceil(r->x0 / t) * t; x <= r->x1 + 1e-12; x += t)
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>\n", px(r, x),
                HEIGHT - BOTTOM + 18, x);
}

static void line(FILE *f, const range *r, const mx_series *s, const char *class) {
    if (!s || !s->count) return;
    fprintf(f, "<polyline class=\"%s\" points=\"", class);
    for (int i = 0; i < s->count; i++) fprintf(f, "%.1f,%.1f ", px(r, s->epoch[i]), py(r, s->value[i]));
    fprintf(f, "\"/>\n");
    if (s->count <= 60)
        for (int i = 0; i < s->count; i++)
            fprintf(f,
                    "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>epoch %.4g: "
                    "%.5g</title></circle>\n",
                    class, px(r, s->epoch[i]), py(r, s->value[i]), s->epoch[i], s->value[i]);
}

void mx_curve_svg(FILE *f, const char *title, const mx_series *a, const char *a_name, const mx_series *b,
                  const char *b_name, double guide, const char *guide_text) {
    range r = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    widen(&r, a), widen(&r, b);
    if (!(r.x0 <= r.x1)) return;
    if (guide_text) r.y0 = fmin(r.y0, guide), r.y1 = fmax(r.y1, guide);
    if (r.x1 - r.x0 < 1e-9) r.x1 = r.x0 + 1;
    double margin = 0.06 * (r.y1 - r.y0) + 1e-9 * (fabs(r.y1) + 1e-9);
    r.y0 -= r.y0 == 0 ? 0 : margin, r.y1 += margin;
    fprintf(f, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT, title);
    fprintf(f, "<text class=\"title\" x=\"%d\" y=\"18\">%s</text>\n", LEFT, title);
    grid(f, &r);
    if (guide_text) {
        fprintf(f, "<line class=\"guide\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT,
                py(&r, guide), py(&r, guide));
        fprintf(f, "<text class=\"guide\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                WIDTH - RIGHT - 4, py(&r, guide) - 5, guide_text);
    }
    line(f, &r, a, "a"), line(f, &r, b, "b");
    int at = WIDTH - RIGHT;
    if (b && b->count)
        fprintf(f, "<text class=\"b key\" x=\"%d\" y=\"18\" text-anchor=\"end\">%s</text>\n", at, b_name),
            at -= 110;
    if (b && b->count && a->count)
        fprintf(f, "<text class=\"a key\" x=\"%d\" y=\"18\" text-anchor=\"end\">%s</text>\n", at, a_name);
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">epoch</text></svg></figure>\n", WIDTH - RIGHT,
            HEIGHT - 2);
}
