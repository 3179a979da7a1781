/* Status codes and the one way to report an error.
 *
 * Every function that can fail returns mx_status and fills an mx_error that the caller owns. The first error
 * stays: later calls to mx_fail on the same mx_error change nothing, so the message names the cause and not
 * its consequences. A message says what was expected, what was found, and where. */
#ifndef MX_BASE_STATUS_H
#define MX_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

typedef enum {
    MX_OK = 0,
    MX_ERR_ARGUMENT,    /* an option or argument that cannot work */
    MX_ERR_SHAPE,       /* tensors that do not fit together */
    MX_ERR_MEMORY,      /* allocation failed or a limit was passed */
    MX_ERR_IO,          /* the system refused to read or write */
    MX_ERR_FORMAT,      /* a file is not what it claims to be */
    MX_ERR_DATA,        /* the data set cannot be trained on */
    MX_ERR_NUMERIC,     /* not-finite numbers several times in a row */
    MX_ERR_MISMATCH,    /* a comparison past its limit */
    MX_ERR_UNSUPPORTED, /* legal, but not by this build or machine */
    MX_ERR_INTERRUPTED  /* stopped by a signal after saving */
} mx_status;

typedef struct {
    mx_status status;
    char text[1024]; /* one sentence, no newline */
} mx_error;

/* Records status and a printf-formatted message unless an error is already held; e may be NULL. Returns the
 * status that is held afterwards (status itself when e is NULL). */
mx_status mx_fail(mx_error *e, mx_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the held message (where it happened); nothing without an error. Returns it. */
mx_status mx_fail_where(mx_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "; text" behind the held message (a way out); nothing without an error. Returns it. */
mx_status mx_fail_way(mx_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "ok", "argument", "shape" ...; never NULL. */
const char *mx_status_name(mx_status status);

#endif
