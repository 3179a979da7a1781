/* Command lines: flags, values and files without a name, see options.h. Option files are in file.c. */
#include "options/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MX_MAX_NAME 40

/* Levenshtein distance of two short names. */
static int distance(const char *a, const char *b) {
    int row[MX_MAX_NAME + 1], n = (int)strlen(b);
    if (n > MX_MAX_NAME) return MX_MAX_NAME;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]), best = change;
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j], row[j] = best;
        }
    }
    return row[n];
}

mx_status mx_options_unknown(const char *name, unsigned commands, mx_error *e) {
    const char *nearest = NULL;
    int best = 4; /* names that differ in more letters are not misspellings */
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        int d = commands && !(r->commands & commands) ? best : distance(name, r->name);
        if (d < best) best = d, nearest = r->name;
    }
    if (nearest)
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no option --%s here; did you mean --%s?", name, nearest);
    return mx_fail(e, MX_ERR_ARGUMENT, "there is no option --%s here; --help lists them", name);
}

/* ---- command lines ---- */

typedef struct {
    mx_options *o;
    mx_command command;
    int argc, at;
    char **argv;
    bool *given, *help;
    const char *data[2]; /* --data and --val-data of this line */
} line_reader;

/* Other options may be given again; the last one counts. A second data set is refused, so that none is
 * dropped. */
static mx_status once(line_reader *l, const char *name, const char *value, mx_error *e) {
    if (strcmp(name, "data") && strcmp(name, "val-data")) return MX_OK;
    const char **was = &l->data[*name == 'v'];
    if (*was)
        return mx_fail(
            e, MX_ERR_ARGUMENT,
            "--%s: expected one data set, found %s and %s. A list (.csv) of the images of both and "
            "their labels is one",
            name, *was, value);
    *was = value;
    return MX_OK;
}

static mx_status assign(line_reader *l, int row, const char *value, mx_error *e) {
    if (once(l, mx_option_at(row)->name, value, e)) return e->status;
    if (l->given) l->given[row] = true;
    return mx_options_set_row(l->o, row, value, e);
}

static mx_status take_option(line_reader *l, mx_error *e) {
    char name[MX_MAX_NAME + 1];
    const char *arg = l->argv[l->at++] + 2, *equals = strchr(arg, '=');
    int n = equals ? (int)(equals - arg) : (int)strlen(arg);
    if (n > MX_MAX_NAME) return mx_fail(e, MX_ERR_ARGUMENT, "there is no option --%.40s...", arg);
    snprintf(name, sizeof name, "%.*s", n, arg);
    if (!strcmp(name, "help")) {
        *l->help = true;
        return MX_OK;
    }
    bool off = !strncmp(name, "no-", 3);
    int row = mx_option_find(name, l->command);
    int switched = row < 0 && off ? mx_option_find(name + 3, l->command) : -1;
    if (switched >= 0 && mx_option_at(switched)->kind == MX_VALUE_SWITCH) {
        if (equals) return mx_fail(e, MX_ERR_ARGUMENT, "--%s takes no value, found %s", name, equals);
        return assign(l, switched, "false", e);
    }
    if (row < 0) return mx_options_unknown(name, l->command, e);
    const mx_option_row *r = mx_option_at(row);
    if (equals) return assign(l, row, equals + 1, e);
    if (r->kind == MX_VALUE_SWITCH) return assign(l, row, "true", e);
    if (l->at >= l->argc || !strncmp(l->argv[l->at], "--", 2))
        return mx_fail(e, MX_ERR_ARGUMENT, "--%s needs a value: --%s %s", name, name, r->value);
    do assign(l, row, l->argv[l->at++], e);
    while (!e->status && r->kind == MX_VALUE_TEXTS && l->at < l->argc && strncmp(l->argv[l->at], "--", 2));
    return e->status;
}

static mx_status take_file(line_reader *l, mx_error *e) {
    const char *arg = l->argv[l->at++];
    int row = mx_option_find("images", l->command);
    if (row < 0 || mx_option_at(row)->kind != MX_VALUE_TEXTS)
        return mx_fail(e, MX_ERR_ARGUMENT, "%s: expected an option (--name), see --help", arg);
    return assign(l, row, arg, e);
}

/* --config FILE at any position on the line. It is read before everything else, so that the command line
 * wins. */
static mx_status read_configs(line_reader *l, mx_error *e) {
    for (int i = 0; i < l->argc && !e->status; i++) {
        const char *path = NULL;
        if (!strncmp(l->argv[i], "--config=", 9))
            path = l->argv[i] + 9;
        else if (!strcmp(l->argv[i], "--config") && i + 1 < l->argc)
            path = l->argv[i + 1];
        if (path && !*path)
            mx_fail(e, MX_ERR_ARGUMENT, "--config: expected the name of a file, found nothing");
        if (path && *path && mx_option_find("config", l->command) >= 0)
            mx_options_read(l->o, path, l->command, l->given, e);
    }
    return e->status;
}

mx_status mx_options_parse(mx_options *o, mx_command command, int argc, char **argv, bool *given, bool *help,
                           mx_error *e) {
    line_reader l = {o, command, argc, 0, argv, given, help, {NULL, NULL}};
    *help = false;
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help")) *help = true;
    if (*help || read_configs(&l, e)) return e->status;
    for (bool files = false; l.at < argc && !e->status;) {
        bool dashes = !files && !strncmp(argv[l.at], "--", 2);
        if (dashes && !argv[l.at][2])
            files = true, l.at++; /* after "--": only files */
        else if (dashes)
            take_option(&l, e);
        else
            take_file(&l, e);
    }
    return e->status;
}
