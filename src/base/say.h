/* Sends a command's lines to the caller's sink (mixmae.h): results, and notices about the run. */
#ifndef MX_BASE_SAY_H
#define MX_BASE_SAY_H

#include "mixmae.h"

/* One printf-formatted line, of any length. Control characters are escaped. */
void mx_say(const mixmae_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mx_notice(const mixmae_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of JSON in UTF-8; NULL: out of memory. */
void mx_say_json(const mixmae_sink *sink, const char *json);

#endif
