/* The options as a run's state keeps them, to notice a damaged or edited options.ini. See options.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/crc32c.h"
#include "options/options.h"

#define MX_KEPT_VALUE 48 /* bytes; of longer ones only the checksum */

/* Does a resume hold it to its value? */
static bool fixed(const mx_option_row *r, mx_command command) {
    static const char *const may_change[] = {"data", "val-data", "init", "device", "dtype"};
    for (size_t i = 0; i < sizeof may_change / sizeof *may_change; i++)
        if (!strcmp(r->name, may_change[i])) return false;
    return r->matters && r->commands & (unsigned)command;
}

/* The value as it is kept. */
static mx_status shorten(const mx_options *o, int row, char text[MX_KEPT_VALUE + 1], mx_error *e) {
    char *value = mx_options_get(o, row);
    *text = 0;
    if (!value && mx_options_has(o, row))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for the value of --%s", mx_option_at(row)->name);
    size_t n = value ? strlen(value) : 0;
    if (n > MX_KEPT_VALUE || (n && value[strcspn(value, ";#\n")]))
        snprintf(text, MX_KEPT_VALUE + 1, "#%08" PRIx32, mx_crc32c(value, n));
    else if (value)
        memcpy(text, value, n + 1);
    free(value);
    return MX_OK;
}

mx_status mx_options_kept(const mx_options *o, mx_command command, char text[MX_OPTIONS_KEPT], mx_error *e) {
    size_t used = 0;
    char value[MX_KEPT_VALUE + 1];
    *text = 0;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        if (!fixed(r, command)) continue;
        if (shorten(o, i, value, e)) return e->status;
        size_t need = strlen(r->name) + strlen(value) + 2;
        if (used + need >= MX_OPTIONS_KEPT) return MX_OK;
        used +=
            (size_t)snprintf(text + used, MX_OPTIONS_KEPT - used, "%s%s=%s", used ? ";" : "", r->name, value);
    }
    return MX_OK;
}

mx_status mx_options_same(const mx_options *o, mx_command command, const char *text, const char *path,
                          mx_error *e) {
    char name[64], is[MX_KEPT_VALUE + 1];
    for (const char *at = text; *at;) {
        size_t all = strcspn(at, ";"), n = strcspn(at, "=;"), skip = n < all ? n + 1 : all;
        const char *was = at + skip;
        size_t size = all - skip;
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        int row = mx_option_find(name, (unsigned)command);
        if (row >= 0 && fixed(mx_option_at(row), command)) {
            if (shorten(o, row, is, e)) return e->status;
            if (strlen(is) != size || strncmp(is, was, size))
                return mx_fail(
                    e, MX_ERR_FORMAT,
                    "%s: %s is %s, where the run was started with %.*s: the file is damaged or was "
                    "edited",
                    path, name, *is ? is : "not set", size ? (int)size : 7, size ? was : "nothing");
        }
        at += all + (at[all] == ';');
    }
    return MX_OK;
}
