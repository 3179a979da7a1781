/* Reading a run's log line by line, see log.h. The file is treated as hostile: the length of a line, the
 * number of events and the size of every number are limited. */
#include "report/log.h"
#include "base/again.h"
#include "base/json_text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#define MX_LOG_MOST_NUMBER 1e15

static void join(mx_point *a, const mx_point *b) {
    double n = (double)a->lines, m = (double)b->lines;
    a->x = (a->x * n + b->x * m) / (n + m), a->y = (a->y * n + b->y * m) / (n + m);
    a->low = fmin(a->low, b->low), a->high = fmax(a->high, b->high);
    a->lines += b->lines;
}

void mx_series_add(mx_series *s, double x, double y) {
    mx_point one = {x, y, y, y, 1};
    if (!s->count) s->group = 1, s->low = s->high = y;
    s->last = y, s->low = fmin(s->low, y), s->high = fmax(s->high, y);
    if (s->count && s->point[s->count - 1].lines < s->group) {
        join(&s->point[s->count - 1], &one);
        return;
    }
    if (s->count ==
        MX_SERIES_POINTS) { /* full: joins points in pairs; later ones count twice as many lines */
        for (int i = 0; i < MX_SERIES_POINTS / 2; i++) {
            s->point[i] = s->point[2 * i];
            join(&s->point[i], &s->point[2 * i + 1]);
        }
        s->count /= 2, s->group *= 2;
    }
    s->point[s->count++] = one;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double mx_series_median(const mx_series *s) {
    double v[MX_SERIES_POINTS];
    if (!s->count) return 0;
    for (int i = 0; i < s->count; i++) v[i] = s->point[i].y;
    qsort(v, (size_t)s->count, sizeof *v, by_value);
    return s->count % 2 ? v[s->count / 2] : (v[s->count / 2 - 1] + v[s->count / 2]) / 2;
}

/* Reads the number under key; sets *bad for an impossible one. null is legal: the writer's form of "not finite". */
static bool number(const json_t *o, const char *key, double *v, bool *bad) {
    const json_t *j = json_object_get(o, key);
    if (!j || json_is_null(j)) return false;
    *v = json_number_value(j);
    if (json_is_number(j) && fabs(*v) <= MX_LOG_MOST_NUMBER) return true;
    *bad = true;
    return false;
}

static void add_event(mx_run_log *log, int64_t step, const char *text) {
    if (log->events == MX_LOG_MOST_EVENTS) {
        log->events_left_out++;
        return;
    }
    char *copy = strndup(text, 500);
    if (copy) log->event[log->events].step = step, log->event[log->events++].text = copy;
}

/* false: the line is damaged. Its valid numbers still count. */
static bool add_line(mx_run_log *log, const json_t *o) {
    static const char *const key[MX_SERIES_KINDS] = {
        "loss", "val_loss", "lr", "images_per_second", "wait_share", "grad_norm", "val_top1", "val_top5"};
    double step = 0, epoch = 0, rate = 0, share = 0, v;
    bool bad = false, has_step = number(o, "step", &step, &bad), has_epoch = number(o, "epoch", &epoch, &bad);
    const json_t *event = json_object_get(o, "event");
    if (bad || step < 0 || epoch < 0) return false;
    if (!has_step && !event) return false; /* a line of numbers always has its step */
    if (has_epoch)
        log->epochs = true;
    else /* a step without epoch: extrapolates from the last line that had both */
        epoch = log->last_step > 0 && log->epochs ? step * log->last_epoch / (double)log->last_step : step;
    for (int k = 0; k < MX_SERIES_KINDS; k++)
        if (number(o, key[k], &v, &bad)) mx_series_add(&log->series[k], epoch, v);
    if (number(o, "images_per_second", &rate, &bad) && rate > 0 && step > (double)log->trained) {
        double work = (step - (double)log->trained) / rate;
        log->work += work, log->trained = (int64_t)step;
        if (number(o, "wait_share", &share, &bad)) log->waited += work * fmin(fmax(share, 0), 1);
    }
    if (json_is_string(event)) add_event(log, (int64_t)step, json_string_value(event));
    if (has_step && (!event || step > (double)log->last_step))
        log->last_step = (int64_t)step, log->last_epoch = epoch;
    return !bad;
}

/* Reads to the end of a line, without the newline; *size gets its length, which may be more than room. false
 * at the end of the file. */
static bool next_line(FILE *f, char *line, size_t room, size_t *size) {
    int c;
    *size = 0;
    while ((c = getc_unlocked(f)) != EOF && c != '\n') {
        if (*size < room) line[*size] = (char)c;
        ++*size;
    }
    return c != EOF || *size;
}

static FILE *open_log(const char *path, mx_error *e) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not hang if it is a pipe */
    if (fd < 0) {
        if (errno != ENOENT) mx_fail(e, MX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    bool seen = !mx_stat_fd(fd, &st);
    FILE *f = seen && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
    if (f) return f;
    if (!seen)
        mx_fail(e, MX_ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    else if (S_ISREG(st.st_mode))
        mx_fail(e, MX_ERR_MEMORY, "out of memory while opening %s", path);
    else
        mx_fail(e, MX_ERR_FORMAT, "%s: expected a file of lines, found something else", path);
    close(fd);
    return NULL;
}

mx_status mx_run_log_read(mx_run_log *log, const char *path, mx_error *e) {
    mx_error own = {0};
    if (!e) e = &own;
    memset(log, 0, sizeof *log);
    FILE *f = open_log(path, e);
    char *line = malloc(MX_LOG_MOST_LINE);
    if (f && !line) mx_fail(e, MX_ERR_MEMORY, "out of memory while reading %s", path);
    for (size_t n; f && line && next_line(f, line, MX_LOG_MOST_LINE, &n);) {
        if (!n) continue;
        log->lines++;
        bool memory = false;
        json_t *o = n <= MX_LOG_MOST_LINE ? mx_json_parse(line, n, 0, NULL, &memory) : NULL;
        if (memory) mx_fail(e, MX_ERR_MEMORY, "out of memory for a line of %s", path);
        if (!json_is_object(o) || !add_line(log, o)) log->damaged++;
        json_decref(o);
    }
    if (f && ferror(f)) mx_fail(e, MX_ERR_IO, "cannot read %s", path);
    free(line);
    if (f) fclose(f);
    return e->status;
}

void mx_run_log_free(mx_run_log *log) {
    if (!log) return;
    for (int i = 0; i < log->events; i++) free(log->event[i].text);
    log->events = 0;
}
