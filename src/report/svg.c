/* Drawing of curves, see svg.h: axes with round numbers, a line of means over a pale band of extremes where
 * one point covers many lines of the log, and title elements, which browsers show on hovering without any
 * script. */
#include "report/svg.h"

#include <math.h>
#include <string.h>

#define TOP    36
#define BOTTOM 40
#define RIGHT  14
#define HITS   100 /* strips to point at */

typedef struct {
    FILE *f;
    const mx_chart *chart;
    int width, height, left;
    double x0, x1, y0, y1;
} canvas;

static double px(const canvas *c, double x) {
    return c->left + (x - c->x0) / (c->x1 - c->x0) * (c->width - c->left - RIGHT);
}
static double py(const canvas *c, double y) {
    return c->height - BOTTOM - (y - c->y0) / (c->y1 - c->y0) * (c->height - TOP - BOTTOM);
}

static void find_range(canvas *c) {
    c->x0 = c->y0 = INFINITY, c->x1 = c->y1 = -INFINITY;
    for (int k = 0; k < 2; k++) {
        const mx_series *s = c->chart->series[k];
        for (int i = 0; s && i < s->count; i++) {
            const mx_point *p = &s->point[i];
            c->x0 = fmin(c->x0, p->x), c->x1 = fmax(c->x1, p->x);
            c->y0 = fmin(c->y0, p->low), c->y1 = fmax(c->y1, p->high);
        }
    }
    if (c->chart->guide_text) c->y0 = fmin(c->y0, c->chart->guide), c->y1 = fmax(c->y1, c->chart->guide);
    if (c->chart->from_zero) c->y0 = fmin(c->y0, 0), c->y1 = fmax(c->y1, 0);
    if (c->x0 > 0 && c->x0 < 0.5 * c->x1) c->x0 = 0; /* the run began at 0 */
    if (!(c->x1 - c->x0 > 1e-9 * fabs(c->x1))) c->x1 = c->x0 + fmax(1, 1e-3 * fabs(c->x0));
    double span = fmax(c->y1 - c->y0, fmax(1e-6 * fmax(fabs(c->y0), fabs(c->y1)), 1e-12));
    if (c->y0 != 0) c->y0 -= 0.06 * span;
    c->y1 += 0.06 * span;
}

/* 1, 2 or 5 times a power of ten, so that about `count` of them make the span. */
static double tick(double span, int count) {
    double raw = span / count, base = pow(10, floor(log10(raw))), m = raw / base;
    return base * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void axes(const canvas *c) {
    double t = tick(c->y1 - c->y0, 4);
    int right = c->width - RIGHT, bottom = c->height - BOTTOM;
    for (double n = ceil(c->y0 / t); n * t <= c->y1; n++) {
        double y = py(c, n * t);
        fprintf(c->f, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", c->left, right, y,
                y);
        fprintf(c->f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", c->left - 8, y + 4,
                n * t);
    }
    t = tick(c->x1 - c->x0, c->width > 500 ? 8 : 4);
    for (double n = ceil(c->x0 / t); n * t <= c->x1; n++)
        fprintf(c->f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.5g</text>\n", px(c, n * t),
                bottom + 17, n * t);
    fprintf(c->f, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", c->left, right, bottom,
            bottom);
    fprintf(c->f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", right, c->height - 6,
            c->chart->x_name);
    if (c->chart->y_name)
        fprintf(c->f, "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                (TOP + bottom) / 2, c->chart->y_name);
}

static void curve(const canvas *c, int k) {
    const mx_series *s = c->chart->series[k];
    if (!s || !s->count) return;
    if (s->group > 1) { /* there and back: lowest values, then highest */
        fprintf(c->f, "<polygon class=\"band s%d\" points=\"", k);
        for (int i = 0; i < s->count; i++)
            fprintf(c->f, "%.1f,%.1f ", px(c, s->point[i].x), py(c, s->point[i].low));
        for (int i = s->count; i-- > 0;)
            fprintf(c->f, "%.1f,%.1f ", px(c, s->point[i].x), py(c, s->point[i].high));
        fputs("\"/>\n", c->f);
    }
    fprintf(c->f, "<polyline class=\"s%d\" points=\"", k);
    for (int i = 0; i < s->count; i++)
        fprintf(c->f, "%.1f,%.1f ", px(c, s->point[i].x), py(c, s->point[i].y));
    fputs("\"/>\n", c->f);
    for (int i = s->count <= 40 ? 0 : s->count - 1; i < s->count;
         i++) /* few points are marked, else the last */
        fprintf(c->f, "<circle class=\"key%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>", k, px(c, s->point[i].x),
                py(c, s->point[i].y), i == s->count - 1 ? "4" : "2.5");
}

static void guide(const canvas *c) {
    if (!c->chart->guide_text) return;
    double y = py(c, c->chart->guide);
    fprintf(c->f, "<line class=\"guide\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", c->left,
            c->width - RIGHT, y, y);
    fprintf(c->f, "<text class=\"halo\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
            c->width - RIGHT - 4, y - 6, c->chart->guide_text);
}

static void legend(const canvas *c) {
    int at = c->width - RIGHT;
    fprintf(c->f, "<text class=\"title\" x=\"%d\" y=\"18\">%s</text>\n", c->chart->y_name ? c->left : 4,
            c->chart->title);
    for (int k = 2; k-- > 0;) {
        const mx_series *s = c->chart->series[k];
        if (!s || !s->count || !c->chart->name[k]) continue;
        fprintf(c->f, "<text x=\"%d\" y=\"18\" text-anchor=\"end\">%s</text>", at, c->chart->name[k]);
        at -= 8 + 7 * (int)strlen(c->chart->name[k]); /* about the text's width */
        fprintf(c->f, "<rect class=\"key%d\" x=\"%d\" y=\"12\" width=\"14\" height=\"4\" rx=\"2\"/>\n", k,
                at - 14);
        at -= 32;
    }
}

/* Index of the point nearest to x. */
static int nearest(const mx_series *s, double x) {
    int best = 0;
    for (int i = 1; i < s->count; i++)
        if (fabs(s->point[i].x - x) < fabs(s->point[best].x - x)) best = i;
    return best;
}

static void hits(const canvas *c) {
    double step = (double)(c->width - c->left - RIGHT) / HITS;
    for (int i = 0; i < HITS; i++) {
        double x = c->x0 + (i + 0.5) / HITS * (c->x1 - c->x0);
        fprintf(c->f, "<rect class=\"hit\" x=\"%.1f\" y=\"%d\" width=\"%.2f\" height=\"%d\"><title>",
                c->left + i * step, TOP, step, c->height - TOP - BOTTOM);
        for (int k = 0, n = 0; k < 2; k++) {
            const mx_series *s = c->chart->series[k];
            if (!s || !s->count) continue;
            const mx_point *p = &s->point[nearest(s, x)];
            fprintf(c->f, "%s%s %.5g, %s: %.5g", n++ ? "\n" : "", c->chart->x_name, p->x,
                    c->chart->name[k] ? c->chart->name[k] : c->chart->title, p->y);
        }
        fputs("</title></rect>", c->f);
    }
    fputs("\n", c->f);
}

void mx_chart_svg(FILE *f, const mx_chart *chart, int width, int height, const char *class_name) {
    canvas c = {.f = f, .chart = chart, .width = width, .height = height, .left = chart->y_name ? 74 : 52};
    find_range(&c);
    if (!(c.x0 <= c.x1)) return; /* nothing to draw */
    fprintf(f, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", class_name, width,
            height, chart->title);
    axes(&c);
    curve(&c, 0);
    curve(&c, 1);
    guide(&c);
    legend(&c);
    hits(&c);
    fputs("</svg>\n", f);
}
