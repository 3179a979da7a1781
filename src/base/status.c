/* Error reporting, see status.h. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

mx_status mx_fail(mx_error *e, mx_status status, const char *format, ...) {
    if (!e) return status;
    if (e->status != MX_OK) return e->status;
    va_list ap;
    va_start(ap, format);
    vsnprintf(e->text, sizeof e->text, format, ap);
    va_end(ap);
    return e->status = status;
}

mx_status mx_fail_where(mx_error *e, const char *format, ...) {
    if (!e || e->status == MX_OK) return e ? e->status : MX_OK;
    char joined[sizeof e->text], prefix[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(prefix, sizeof prefix, format, ap);
    va_end(ap);
    int n = snprintf(joined, sizeof joined, "%s: ", prefix);
    size_t used = n < 0 ? 0 : (size_t)n, room = sizeof joined - 1 - used, len = strlen(e->text);
    if (len > room) len = room;
    memcpy(joined + used, e->text, len);
    joined[used + len] = 0;
    memcpy(e->text, joined, sizeof joined);
    return e->status;
}

mx_status mx_fail_way(mx_error *e, const char *format, ...) {
    if (!e || e->status == MX_OK) return e ? e->status : MX_OK;
    size_t used = strlen(e->text), room = sizeof e->text - used;
    if (room < 4) return e->status;
    memcpy(e->text + used, "; ", 3);
    va_list ap;
    va_start(ap, format);
    vsnprintf(e->text + used + 2, room - 2, format, ap);
    va_end(ap);
    return e->status;
}

const char *mx_status_name(mx_status status) {
    static const char *const name[] = {"ok",   "argument", "shape",    "memory",      "io",         "format",
                                       "data", "numeric",  "mismatch", "unsupported", "interrupted"};
    return (unsigned)status < sizeof name / sizeof *name ? name[status] : "unknown";
}
