/* Lines of a command to its caller's sink (mixmae.h): results, and notices about the run. */
#ifndef MX_BASE_SAY_H
#define MX_BASE_SAY_H

#include "mixmae.h"

/* One printf-formatted line, of any length. What a terminal would obey is escaped. */
void mx_say(const mixmae_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mx_notice(const mixmae_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of JSON in UTF-8; NULL: there was no memory for it. */
void mx_say_json(const mixmae_sink *sink, const char *json);

#endif
