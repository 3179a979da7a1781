/* Values of options: defaults, parsing and printing, one kind at a time. See options.h. */
#include "options/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(o, row, type) ((type *)(void *)((char *)(o) + (row)->at))
#define COUNT(o, row)       ((int *)(void *)((char *)(o) + (row)->count_at))

static mx_status wrong(const mx_option_row *r, const char *expected, const char *found, mx_error *e) {
    return mx_fail(e, MX_ERR_ARGUMENT, "--%s: expected %s, found %s", r->name, expected,
                   found && *found ? found : "nothing");
}

/* ---- numbers: the whole text must be one, inside the row's range ---- */

static mx_status parse_real(const mx_option_row *r, const char *text, double *out, mx_error *e) {
    char *end, want[96];
    errno = 0;
    double v = strtod(text, &end); /* also reads hexadecimal, which is never meant */
    if (!strpbrk(text, "xX") && end != text && !*end && !errno && v >= r->low && v <= r->high) {
        *out = v;
        return MX_OK;
    }
    snprintf(want, sizeof want, "a number from %g to %g", r->low, r->high);
    return wrong(r, want, text, e);
}

static mx_status parse_whole(const mx_option_row *r, const char *text, int64_t *out, mx_error *e) {
    char *end, want[96];
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && (double)v >= r->low && (double)v <= r->high) {
        *out = v;
        return MX_OK;
    }
    snprintf(want, sizeof want, "a whole number from %.0f to %.0f", r->low, r->high);
    return wrong(r, want, text, e);
}

/* Cuts text at `separator` and parses at most `most` numbers into values. */
static mx_status parse_list(const mx_option_row *r, const char *text, char separator, double *values,
                            int most, int *count, mx_error *e) {
    char *copy = strdup(text), *next = copy;
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (*count = 0; next && !e->status;) {
        char *item = next, *cut = strchr(item, separator);
        next = cut ? cut + 1 : NULL;
        if (cut) *cut = 0;
        if (*count == most)
            mx_fail(e, MX_ERR_ARGUMENT, "--%s: expected at most %d numbers, found %s", r->name, most, text);
        else if (r->kind == MX_VALUE_WHOLES || r->kind == MX_VALUE_SIZE) {
            int64_t v = 0;
            parse_whole(r, item, &v, e);
            values[(*count)++] = (double)v;
        } else
            parse_real(r, item, &values[(*count)++], e);
    }
    free(copy);
    return e->status;
}

static mx_status set_list(mx_options *o, const mx_option_row *r, const char *text, mx_error *e) {
    double v[MX_MAX_LIST];
    int n = 0, most = r->kind == MX_VALUE_WHOLES  ? MX_MAX_STAGES
                      : r->kind == MX_VALUE_REALS ? MX_MAX_LIST
                                                  : 2;
    if (parse_list(r, text, r->kind == MX_VALUE_SIZE ? 'x' : ',', v, most, &n, e)) return e->status;
    if (r->kind == MX_VALUE_PAIR || r->kind == MX_VALUE_RANGE) {
        if (n != 2) return wrong(r, "two numbers, like 0.2,1", text, e);
        if (r->kind == MX_VALUE_RANGE && v[0] > v[1])
            return wrong(r, "two numbers, the first not above the second", text, e);
        FIELD(o, r, double)[0] = v[0], FIELD(o, r, double)[1] = v[1];
        return MX_OK;
    }
    if (r->kind == MX_VALUE_SIZE) {
        FIELD(o, r, int)[0] = (int)v[0], FIELD(o, r, int)[1] = (int)v[n - 1];
        return MX_OK;
    }
    for (int i = 0; i < n; i++) {
        if (r->kind == MX_VALUE_WHOLES)
            FIELD(o, r, int)[i] = (int)v[i];
        else
            FIELD(o, r, float)[i] = (float)v[i];
    }
    *COUNT(o, r) = n;
    return MX_OK;
}

static mx_status add_text(mx_options *o, const mx_option_row *r, const char *text, mx_error *e) {
    if (!*text) return mx_fail(e, MX_ERR_ARGUMENT, "expected the name of a file, found nothing");
    char ***list = FIELD(o, r, char **);
    int *n = COUNT(o, r);
    char **grown = realloc(*list, sizeof *grown * (size_t)(*n + 1));
    if (grown) *list = grown;
    if (!grown || !(grown[*n] = strdup(text))) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    ++*n;
    return MX_OK;
}

static mx_status set_text(mx_options *o, const mx_option_row *r, const char *text, mx_error *e) {
    char *copy = strdup(text);
    if (!copy) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    /* An option file consists of lines: values that cannot be written in one are refused here, not lost
     * later. */
    if (strpbrk(text, "\n\r") || !*text) {
        free(copy);
        return wrong(r, "a text in one line", *text ? "a line break" : "", e);
    }
    free(*FIELD(o, r, char *));
    *FIELD(o, r, char *) = copy;
    return MX_OK;
}

mx_status mx_options_set_row(mx_options *o, int row, const char *value, mx_error *e) {
    const mx_option_row *r = mx_option_at(row);
    int64_t whole = 0;
    if (!value) return wrong(r, r->value ? r->value : "true or false", NULL, e);
    switch (r->kind) {
    case MX_VALUE_TEXT: return set_text(o, r, value, e);
    case MX_VALUE_TEXTS: return add_text(o, r, value, e);
    case MX_VALUE_REAL: return parse_real(r, value, FIELD(o, r, double), e);
    case MX_VALUE_WHOLE:
        if (parse_whole(r, value, &whole, e)) return e->status;
        if (r->narrow)
            *FIELD(o, r, int) = (int)whole;
        else
            *FIELD(o, r, int64_t) = whole;
        return MX_OK;
    case MX_VALUE_SWITCH:
        if (strcmp(value, "true") && strcmp(value, "false")) return wrong(r, "true or false", value, e);
        *FIELD(o, r, bool) = !strcmp(value, "true");
        return MX_OK;
    default: return set_list(o, r, value, e);
    }
}

mx_status mx_options_set(mx_options *o, const char *name, const char *value, mx_error *e) {
    int row = mx_option_find(name, 0);
    if (row < 0) return mx_fail(e, MX_ERR_ARGUMENT, "there is no option --%s", name);
    return mx_options_set_row(o, row, value, e);
}

/* Does an earlier row, for other commands, use the same field? */
static bool shares_field(int row) {
    for (int i = 0; i < row; i++)
        if (mx_option_at(i)->at == mx_option_at(row)->at) return true;
    return false;
}

mx_status mx_options_init(mx_options *o, mx_error *e) {
    memset(o, 0, sizeof *o);
    o->epochs = o->warmup_epochs = o->blr = o->lr = -1;
    o->layer_decay = o->drop_path = -1;
    o->workers = o->steps = -1;
    for (int i = 0; i < mx_option_count(); i++)
        if (mx_option_at(i)->fallback && !shares_field(i) &&
            mx_options_set_row(o, i, mx_option_at(i)->fallback, e))
            return e->status;
    return MX_OK;
}

mx_status mx_options_defaults(mx_options *o, mx_command command, mx_error *e) {
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        if (!(r->commands & (unsigned)command)) continue;
        if (r->fallback && mx_options_set_row(o, i, r->fallback, e)) return e->status;
        if (r->fallback || r->kind != MX_VALUE_TEXT) continue;
        free(*FIELD(o, r, char *));
        *FIELD(o, r, char *) = NULL;
    }
    return MX_OK;
}

void mx_options_free(mx_options *o) {
    if (!o) return;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        if (r->kind == MX_VALUE_TEXT) free(*FIELD(o, r, char *)), *FIELD(o, r, char *) = NULL;
        if (r->kind != MX_VALUE_TEXTS) continue;
        for (int j = 0; j < *COUNT(o, r); j++) free((*FIELD(o, r, char **))[j]);
        free(*FIELD(o, r, char **));
        *FIELD(o, r, char **) = NULL, *COUNT(o, r) = 0;
    }
    memset(o, 0, sizeof *o);
}

mx_status mx_options_copy(mx_options *to, const mx_options *from, mx_error *e) {
    *to = *from;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        if (r->kind == MX_VALUE_TEXT) *FIELD(to, r, char *) = NULL;
        if (r->kind == MX_VALUE_TEXTS) *FIELD(to, r, char **) = NULL, *COUNT(to, r) = 0;
    }
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        if (r->kind == MX_VALUE_TEXT && *FIELD(from, r, char *)) set_text(to, r, *FIELD(from, r, char *), e);
        for (int j = 0; r->kind == MX_VALUE_TEXTS && j < *COUNT(from, r); j++)
            add_text(to, r, (*FIELD(from, r, char **))[j], e);
    }
    return e->status;
}

/* ---- printing ---- */

static char *print_wholes(const int *v, int n, char separator) {
    char *text = calloc((size_t)n + 1, 16);
    for (int i = 0, at = 0; text && i < n; i++) {
        if (i) text[at++] = separator;
        at += sprintf(text + at, "%d", v[i]);
    }
    return text;
}

/* Each number with the fewest digits that read back as the same double (or, `single`, the same float). */
static char *print_reals(const double *v, int n, bool single) {
    char *text = calloc((size_t)n + 1, 32);
    for (int i = 0, at = 0; text && i < n; i++) {
        if (i) text[at++] = ',';
        int used = 0;
        for (int digits = single ? 6 : 15; digits <= 17; digits++) {
            used = sprintf(text + at, "%.*g", digits, v[i]);
            double back = strtod(text + at, NULL);
            if (single ? (float)back == (float)v[i] : back == v[i]) break;
        }
        at += used;
    }
    return text;
}

bool mx_options_has(const mx_options *o, int i) {
    const mx_option_row *r = mx_option_at(i);
    switch (r->kind) {
    case MX_VALUE_TEXT: return *FIELD(o, r, char *);
    case MX_VALUE_TEXTS: return false; /* inputs of one call, never stored */
    case MX_VALUE_SWITCH:
    case MX_VALUE_PAIR:
    case MX_VALUE_RANGE: return true;
    case MX_VALUE_REAL: return !(*FIELD(o, r, double) < r->low);
    case MX_VALUE_SIZE: return FIELD(o, r, int)[0];
    case MX_VALUE_WHOLES:
    case MX_VALUE_REALS: return *COUNT(o, r);
    default: break;
    }
    int64_t whole = r->narrow ? *FIELD(o, r, int) : *FIELD(o, r, int64_t);
    return !((double)whole < r->low || (!whole && r->narrow)); /* unset: taken from the named model */
}

char *mx_options_get(const mx_options *o, int i) {
    const mx_option_row *r = mx_option_at(i);
    char *text = NULL;
    if (!mx_options_has(o, i)) return NULL;
    switch (r->kind) {
    case MX_VALUE_TEXT: return strdup(*FIELD(o, r, char *));
    case MX_VALUE_SWITCH: return strdup(*FIELD(o, r, bool) ? "true" : "false");
    case MX_VALUE_REAL: return print_reals(FIELD(o, r, double), 1, false);
    case MX_VALUE_PAIR:
    case MX_VALUE_RANGE: return print_reals(FIELD(o, r, double), 2, false);
    case MX_VALUE_SIZE: return print_wholes(FIELD(o, r, int), 2, 'x');
    case MX_VALUE_WHOLES: return print_wholes(FIELD(o, r, int), *COUNT(o, r), ',');
    case MX_VALUE_REALS: {
        double v[MX_MAX_LIST];
        for (int j = 0; j < *COUNT(o, r); j++) v[j] = (double)FIELD(o, r, float)[j];
        return print_reals(v, *COUNT(o, r), true);
    }
    default: break;
    }
    int64_t whole = r->narrow ? *FIELD(o, r, int) : *FIELD(o, r, int64_t);
    return asprintf(&text, "%" PRId64, whole) < 0 ? NULL : text;
}
