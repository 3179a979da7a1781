/* Checks that a resumed run has the data set it was started with. The data may have moved (--resume RUN
 * --data NEW): names, sizes and classes count, not the place. See same_data.h. */
#include "run/same_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"

/* A temporary name, which is removed with the other leftovers of a killed process. */
static char *kept_name(const mx_training *p) {
    char *name = NULL;
    return asprintf(&name, "%s.0.0.tmp", p->paths.index) < 0 ? NULL : name;
}

void mx_same_data_keep(const mx_training *p) {
    char *kept = p->resumed ? kept_name(p) : NULL;
    if (kept && link(p->paths.index, kept)) { /* no such links here: the message will say less */
    }
    free(kept);
}

void mx_same_data_drop(const mx_training *p, bool same) {
    char *kept = p->resumed ? kept_name(p) : NULL;
    if (kept && (same ? unlink(kept) : rename(kept, p->paths.index))) { /* there was none */
    }
    free(kept);
}

/* Describes the difference from the old list. Opens the data set again, because p->data may be a share of it. */
static void describe(const mx_training *p, char *text, size_t room) {
    mx_dataset *whole = NULL;
    char *kept = kept_name(p);
    mx_error ignored = {0};
    *text = 0;
    if (kept && !mx_dataset_open_split(&whole, p->o.data, MX_SPLIT_TRAIN, NULL, &ignored) && whole)
        mx_dataset_changes(whole, kept, text, room);
    mx_dataset_close(whole);
    free(kept);
}

void mx_same_data_note(mx_training *p) {
    p->state.held_fingerprint = p->held ? mx_dataset_fingerprint(p->held) : 0;
    snprintf(p->state.held_out, sizeof p->state.held_out, "%s", p->held ? "some" : "none");
}

mx_status mx_same_data_check(const mx_training *p, mx_error *e) {
    uint64_t now = mx_dataset_fingerprint(p->data), held = p->held ? mx_dataset_fingerprint(p->held) : 0;
    char what[600];
    if (p->state.fingerprint != now) {
        describe(p, what, sizeof what);
        return mx_fail(e, MX_ERR_DATA, "%s %s: %s; the run cannot be continued as if it had never stopped",
                       mx_dataset_root(p->data),
                       p->paths.moved ? "is not the data set that the run was started with"
                                      : "has changed since the run was started",
                       what[0] ? what : "files were added, removed or resized");
    }
    if (p->held && !strcmp(p->state.held_out, "none"))
        return mx_fail(e, MX_ERR_DATA,
                       "%s: %lld held-out images, where the run was started without any; the run cannot be "
                       "continued as if it had never stopped: take them away, or start another run",
                       mx_dataset_root(p->held), (long long)mx_dataset_count(p->held));
    if (p->state.held_fingerprint && p->state.held_fingerprint != held)
        return mx_fail(e, MX_ERR_DATA,
                       "%s: its held-out images are not those that the run was started with (names or sizes "
                       "differ); --val-data names others",
                       p->held ? mx_dataset_root(p->held) : mx_dataset_root(p->data));
    return MX_OK;
}
