/* Opening the part of a data set that a command asks for, see open_data.h. */
#include "train/open_data.h"

#include <inttypes.h>
#include <string.h>

#include "base/say.h"

mx_status mx_open_spec(mx_dataset **out, const mx_options *o, const char *spec, mx_split split,
                       const char *cache, mx_error *e) {
    const mx_data_request r = {spec, o->image_column, o->label_column};
    if (mx_dataset_open_request(out, &r, split, cache, e)) return e->status;
    mx_dataset_turn(*out, o->exif_orientation);
    return MX_OK;
}

mx_status mx_open_part(mx_dataset **out, const mx_options *o, const char *fallback, mx_error *e) {
    static const char *const names[] = {"train", "val", "test", "all"};
    const char *split = o->split ? o->split : fallback;
    int part = 0;
    *out = NULL;
    if (!o->data) return mx_fail(e, MX_ERR_ARGUMENT, "--data DIR is needed: the images to read");
    while (part < 4 && strcmp(split, names[part])) part++;
    if (part == 4)
        return mx_fail(e, MX_ERR_ARGUMENT, "--split: expected train, val, test or all, found %s", split);
    const mx_split splits[] = {MX_SPLIT_TRAIN, MX_SPLIT_VAL, MX_SPLIT_TEST, MX_SPLIT_ALL};
    if (mx_open_spec(out, o, o->data, splits[part], NULL, e) || *out) return e->status;
    if (!o->split) return mx_open_spec(out, o, o->data, MX_SPLIT_TRAIN, NULL, e);
    return mx_fail(e, MX_ERR_DATA, "--split %s: %s has no %s part", split, o->data,
                   part == 1 ? "held-out" : "such");
}

/* --val-share: opens the listing twice; each data set drops the other's images. */
static mx_status split_off(mx_dataset *data, mx_dataset **held, const mx_options *o, const char *cache,
                           mx_error *e) {
    uint64_t seed = (uint64_t)o->seed;
    if (o->val_data)
        return mx_fail(e, MX_ERR_ARGUMENT, "--val-share %g and --val-data %s: give one of them", o->val_share,
                       o->val_data);
    mx_dataset *own = NULL;
    if (mx_open_spec(&own, o, o->data, MX_SPLIT_VAL, NULL, e)) return e->status;
    if (own)
        mx_fail(e, MX_ERR_ARGUMENT, "--val-share %g: the data have a held-out part, %s; leave the option out",
                o->val_share, mx_dataset_root(own));
    mx_dataset_close(own);
    if (!e->status && held && !mx_open_spec(held, o, o->data, MX_SPLIT_TRAIN, cache, e))
        mx_dataset_take_share(*held, o->val_share, seed, true, e);
    return e->status ? e->status : mx_dataset_take_share(data, o->val_share, seed, false, e);
}

mx_status mx_open_training_data(mx_dataset **data, mx_dataset **held, const mx_options *o, const char *cache,
                                mx_error *e) {
    if (mx_open_spec(data, o, o->data, MX_SPLIT_TRAIN, cache, e)) return e->status;
    if (o->val_share > 0) return split_off(*data, held, o, cache, e);
    if (!held) return MX_OK;
    const char *spec = o->val_data ? o->val_data : o->data;
    if (mx_open_spec(held, o, spec, MX_SPLIT_VAL, NULL, e) || *held || !o->val_data) return e->status;
    return mx_open_spec(held, o, spec, MX_SPLIT_TRAIN, NULL, e); /* it has no parts: hold out all of it */
}

void mx_notice_unread(const mixmae_sink *sink, const mx_dataset *d) {
    const char *unread = mx_dataset_unread(d);
    if (*unread) mx_notice(sink, "passed over in %s: %s", mx_dataset_root(d), unread);
}

static void notice_notes(const mixmae_sink *sink, const mx_dataset *d) {
    mx_notice_unread(sink, d);
    for (const char *line = mx_dataset_note(d); *line;) {
        int n = (int)strcspn(line, "\n");
        mx_notice(sink, "data      %.*s", n, line);
        line += n + (line[n] != 0);
    }
}

void mx_notice_data(const mixmae_sink *sink, const mx_dataset *data, const mx_dataset *held) {
    mx_notice(sink, "data      %" PRId64 " images in %s", mx_dataset_count(data), mx_dataset_root(data));
    if (held)
        mx_notice(sink, "held out  %" PRId64 " images in %s", mx_dataset_count(held), mx_dataset_root(held));
    notice_notes(sink, data);
    if (held) notice_notes(sink, held);
}
