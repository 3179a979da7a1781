/* Lines to the sink, see say.h. Lines contain names from files and command lines, so this escapes them. */
#include "base/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"

/* Lines have any length, because truncated JSON is invalid. */
static void line(void (*to)(void *, const char *), void *user, const char *format, va_list ap) {
    char *text = NULL, *plain;
    if (!to) return;
    if (vasprintf(&text, format, ap) < 0) text = NULL;
    plain = text ? mx_escape_control(text) : NULL;
    to(user, plain ? plain : "(out of memory for a line)");
    free(text), free(plain);
}

void mx_say(const mixmae_sink *sink, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    line(sink->text, sink->user, format, ap);
    va_end(ap);
}

void mx_notice(const mixmae_sink *sink, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    line(sink->notice, sink->user, format, ap);
    va_end(ap);
}

void mx_say_json(const mixmae_sink *sink, const char *json) {
    char *plain = json ? mx_escape_json(json) : NULL;
    if (sink->text) sink->text(sink->user, plain ? plain : "{}");
    free(plain);
}
