/* Status codes, and how functions report errors.
 *
 * Every function that can fail returns mx_status and fills an mx_error that the caller owns. The first error
 * stays: later calls of mx_fail change nothing, so the message names the cause, not its consequences. A
 * message says what was expected, what was found, and where. */
#ifndef MX_BASE_STATUS_H
#define MX_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

typedef enum {
    MX_OK = 0,
    MX_ERR_ARGUMENT,    /* an option or argument that cannot work */
    MX_ERR_SHAPE,       /* tensors that do not fit together */
    MX_ERR_MEMORY,      /* an allocation failed, or a limit is exceeded */
    MX_ERR_IO,          /* the system failed to read or write */
    MX_ERR_FORMAT,      /* a file is not what it claims to be */
    MX_ERR_DATA,        /* the data set cannot be trained on */
    MX_ERR_NUMERIC,     /* non-finite numbers several times in a row */
    MX_ERR_MISMATCH,    /* a comparison exceeded its limit */
    MX_ERR_UNSUPPORTED, /* legal, but this build or machine cannot do it */
    MX_ERR_INTERRUPTED  /* stopped by a signal after saving */
} mx_status;

typedef struct {
    mx_status status;
    char text[1024]; /* one sentence, no newline */
} mx_error;

/* Records status and a printf-formatted message, unless e already holds an error. e may be NULL. Returns the
 * status that e then holds, or `status` when e is NULL. */
mx_status mx_fail(mx_error *e, mx_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the message, to say where it happened. Does nothing without an error. Returns the status. */
mx_status mx_fail_where(mx_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "; text" after the message, to offer a way out. Does nothing without an error. Returns the status. */
mx_status mx_fail_way(mx_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "ok", "argument", "shape" ...; never NULL. */
const char *mx_status_name(mx_status status);

#endif
