/* Command lines and option files, see options.h. */
#include "train/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

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

static mx_status unknown(const char *name, unsigned commands, mx_error *e) {
    const char *nearest = NULL;
    int best = 4; /* further apart than three letters is no misspelling */
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        int d = commands && !(r->commands & commands) ? best : distance(name, r->name);
        if (d < best) best = d, nearest = r->name;
    }
    if (nearest)
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no option --%s here; did you mean --%s?", name, nearest);
    return mx_fail(e, MX_ERR_ARGUMENT, "there is no option --%s here; --help lists them", name);
}

/* ---- option files -----------------------------------------------------------------------------------------
 */

typedef struct {
    mx_options *o;
    unsigned commands;
    bool *given;
    mx_error *e;
} reader;

static int file_line(void *user, const char *section, const char *name, const char *value) {
    reader *r = user;
    (void)section;
    int row = mx_option_find(name, r->commands);
    if (row < 0)
        unknown(name, r->commands, r->e);
    else if (!mx_options_set_row(r->o, row, value, r->e) && r->given)
        r->given[row] = true;
    return r->e->status == MX_OK;
}

mx_status mx_options_read(mx_options *o, const char *path, unsigned commands, bool *given, mx_error *e) {
    FILE *f = fopen(path, "r");
    if (!f) return mx_fail(e, MX_ERR_IO, "cannot open the option file %s", path);
    reader r = {o, commands, given, e};
    int line = ini_parse_file(f, file_line, &r);
    fclose(f);
    if (!line) return MX_OK;
    if (!e->status) mx_fail(e, MX_ERR_FORMAT, "expected \"name = value\"");
    return mx_fail_where(e, "%s, line %d", path, line);
}

char *mx_options_text(const mx_options *o, mx_command command) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        char *value = r->commands & (unsigned)command ? mx_options_get(o, i) : NULL;
        if (value && strcmp(r->name, "config") && strcmp(r->name, "resume"))
            fprintf(f, "%s = %s\n", r->name, value);
        free(value);
    }
    fclose(f);
    return text;
}

/* ---- command lines ----------------------------------------------------------------------------------------
 */

typedef struct {
    mx_options *o;
    mx_command command;
    int argc, at;
    char **argv;
    bool *given, *help;
} line_reader;

static mx_status assign(line_reader *l, int row, const char *value, mx_error *e) {
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
    if (row < 0 && off && (row = mx_option_find(name + 3, l->command)) >= 0 &&
        mx_option_at(row)->kind == MX_VALUE_SWITCH)
        return assign(l, row, "false", e);
    if (row < 0) return unknown(name, l->command, e);
    const mx_option_row *r = mx_option_at(row);
    if (equals) return assign(l, row, equals + 1, e);
    if (r->kind == MX_VALUE_SWITCH) return assign(l, row, "true", e);
    bool negative =
        l->at < l->argc && l->argv[l->at][0] == '-' && r->kind != MX_VALUE_TEXT && r->kind != MX_VALUE_TEXTS;
    if (l->at >= l->argc || (!strncmp(l->argv[l->at], "--", 2) && !negative))
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

/* --config FILE anywhere on the line, read before everything else so that the command line wins. */
static mx_status read_configs(line_reader *l, mx_error *e) {
    for (int i = 0; i < l->argc && !e->status; i++) {
        const char *path = NULL;
        if (!strncmp(l->argv[i], "--config=", 9))
            path = l->argv[i] + 9;
        else if (!strcmp(l->argv[i], "--config") && i + 1 < l->argc)
            path = l->argv[i + 1];
        if (path && mx_option_find("config", l->command) >= 0)
            mx_options_read(l->o, path, l->command, l->given, e);
    }
    return e->status;
}

mx_status mx_options_parse(mx_options *o, mx_command command, int argc, char **argv, bool *given, bool *help,
                           mx_error *e) {
    line_reader l = {o, command, argc, 0, argv, given, help};
    *help = false;
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help")) *help = true;
    if (*help || read_configs(&l, e)) return e->status;
    while (l.at < argc && !e->status) {
        if (!strncmp(argv[l.at], "--", 2) && argv[l.at][2])
            take_option(&l, e);
        else
            take_file(&l, e);
    }
    return e->status;
}
