/* Opening the part of a data set that a command asks for, see open_data.h. */
#include "train/open_data.h"

#include <string.h>

mx_status mx_open_part(mx_dataset **out, const mx_options *o, const char *fallback, mx_error *e) {
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
