/* The fields of a run state as texts in the metadata of its file. Reader and writer use one table, so that they cannot
 * drift apart. Private to checkpoint.c. */
#ifndef MX_CHECKPOINT_STATE_FIELDS_H
#define MX_CHECKPOINT_STATE_FIELDS_H

#include "checkpoint/checkpoint.h"

#define MX_STATE_FIELDS 19
#define MX_STATE_TEXT   MX_OPTIONS_KEPT /* bytes of the longest text of mx_run_state */

/* Name of field i in the metadata. */
const char *mx_state_field_key(int i);
void mx_state_field_print(const mx_run_state *s, int i, char text[MX_STATE_TEXT]);
/* text NULL: the field is missing; an error, unless older files lack it. */
mx_status mx_state_field_parse(mx_run_state *s, int i, const char *text, mx_error *e);

#endif
