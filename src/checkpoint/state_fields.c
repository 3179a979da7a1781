/* The table of a run state's fields, see state_fields.h. */
#include "checkpoint/state_fields.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum { WHOLE, INT, REAL, BOOL, NEWER_WHOLE, NEWER_TEXT } field_kind; /* older files lack newer ones */
typedef struct {
    const char *key;
    field_kind kind; /* int64_t, int, double, bool, int64_t, char[size] */
    size_t at, size;
} state_field;
#define FIELD(name, kind)                                                                                    \
    { #name, kind, offsetof(mx_run_state, name), sizeof((mx_run_state *)0)->name }
static const state_field fields[] = {FIELD(step, WHOLE),
                                     FIELD(updates, WHOLE),
                                     FIELD(skipped, WHOLE),
                                     FIELD(skipped_in_row, INT),
                                     FIELD(bad_seen, WHOLE),
                                     FIELD(bad_count, WHOLE),
                                     FIELD(loss_sum, REAL),
                                     FIELD(norm_sum, REAL),
                                     FIELD(loss_count, WHOLE),
                                     FIELD(norm_count, WHOLE),
                                     FIELD(fingerprint, WHOLE),
                                     FIELD(finished, BOOL),
                                     FIELD(best, REAL),
                                     FIELD(held_fingerprint, NEWER_WHOLE),
                                     FIELD(instruction_set, NEWER_TEXT),
                                     FIELD(decoders, NEWER_TEXT),
                                     FIELD(held_out, NEWER_TEXT),
                                     FIELD(options, NEWER_TEXT),
                                     FIELD(best_sum, NEWER_WHOLE)};
_Static_assert(sizeof fields / sizeof *fields == MX_STATE_FIELDS, "state_fields.h counts the rows");

const char *mx_state_field_key(int i) { return fields[i].key; }

void mx_state_field_print(const mx_run_state *s, int i, char text[MX_STATE_TEXT]) {
    const state_field *f = &fields[i];
    const char *at = (const char *)s + f->at;
    if (f->kind == WHOLE || f->kind == NEWER_WHOLE)
        snprintf(text, 40, "%" PRId64, *(const int64_t *)at);
    else if (f->kind == INT)
        snprintf(text, 40, "%d", *(const int *)at);
    else if (f->kind == REAL)
        snprintf(text, 40, "%.17g", *(const double *)at);
    else if (f->kind == NEWER_TEXT)
        snprintf(text, MX_STATE_TEXT, "%s", at);
    else
        snprintf(text, 40, "%d", *(const bool *)at);
}

mx_status mx_state_field_parse(mx_run_state *s, int i, const char *text, mx_error *e) {
    const state_field *f = &fields[i];
    char *at = (char *)s + f->at, *end = NULL;
    if (f->kind == NEWER_TEXT) snprintf(at, f->size, "%s", text ? text : "");
    if (f->kind == NEWER_TEXT || (!text && f->kind == NEWER_WHOLE)) return MX_OK;
    if (!text || !*text)
        return mx_fail(e, MX_ERR_FORMAT, "metadata \"%s\" of the run state is missing", f->key);
    double number = f->kind == REAL ? strtod(text, &end) : 0;
    int64_t whole = f->kind == REAL ? 0 : strtoll(text, &end, 10);
    if (*end)
        return mx_fail(e, MX_ERR_FORMAT, "metadata \"%s\" of the run state: %.40s is not a number", f->key,
                       text);
    if (f->kind == WHOLE || f->kind == NEWER_WHOLE)
        *(int64_t *)at = whole;
    else if (f->kind == INT)
        *(int *)at = (int)whole;
    else if (f->kind == REAL)
        *(double *)at = number;
    else
        *(bool *)at = whole != 0;
    return MX_OK;
}
