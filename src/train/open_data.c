/* Opening the part of a data set that a command asks for, see open_data.h. */
#include "train/open_data.h"

#include <string.h>

static mx_status open_part(mx_dataset **out, const mx_options *o, const char *fallback, mx_error *e) {
    const char *split = o->split ? o->split : fallback;
    *out = NULL;
    if (!o->data) return mx_fail(e, MX_ERR_ARGUMENT, "--data DIR is needed: the images to read");
    if (!strcmp(split, "all")) return mx_dataset_open_split(out, o->data, MX_SPLIT_ALL, NULL, e);
    if (!strcmp(split, "train")) return mx_dataset_open_split(out, o->data, MX_SPLIT_TRAIN, NULL, e);
    if (strcmp(split, "val"))
        return mx_fail(e, MX_ERR_ARGUMENT, "--split: expected train, val or all, found %s", split);
    if (mx_dataset_open_split(out, o->data, MX_SPLIT_VAL, NULL, e) || *out) return e->status;
    if (!o->split) return mx_dataset_open_split(out, o->data, MX_SPLIT_TRAIN, NULL, e);
    return mx_fail(e, MX_ERR_DATA, "--split val: %s has no held-out part", o->data);
}

mx_status mx_open_part(mx_dataset **out, const mx_options *o, const char *fallback, mx_error *e) {
    if (open_part(out, o, fallback, e)) return e->status;
    mx_dataset_turn(*out, o->exif_orientation);
    return MX_OK;
}

void mx_notice_passed(const mixmae_sink *sink, const mx_dataset *d) {
    const char *text = d ? mx_dataset_unread(d) : "";
    if (*text) mx_notice(sink, "passed over in %s: %s", mx_dataset_root(d), text);
}
