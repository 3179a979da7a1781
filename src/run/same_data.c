/* Checks that a resumed run has the data set it was started with. It may have moved (--resume RUN --data NEW): names,
 * sizes and classes must agree, the path may differ. See same_data.h. */
#include "run/same_data.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"

/* A temporary name: mx_folder_sweep removes it after a killed process. Made without memory, so that what was kept can
 * be removed whatever happens. false: the path is too long, nothing is kept. */
static bool kept_name(const mx_run *run, char name[PATH_MAX]) {
    return snprintf(name, PATH_MAX, "%s.0.0.tmp", run->paths.index) < PATH_MAX;
}

void mx_same_data_keep(const mx_run *run) {
    char kept[PATH_MAX];
    if (run->resumed && kept_name(run, kept) &&
        link(run->paths.index, kept)) { /* no hard links on this disk: the message will be less precise */
    }
}

void mx_same_data_drop(const mx_run *run, bool same) {
    char kept[PATH_MAX];
    if (run->resumed && kept_name(run, kept) &&
        (same ? unlink(kept) : rename(kept, run->paths.index))) { /* no old list was kept */
    }
}

/* Describes the difference from the old list. Opens the data set again, because run->data may be a share of it. */
static void describe(const mx_run *run, char *text, size_t room) {
    mx_dataset *whole = NULL;
    char kept[PATH_MAX];
    mx_error ignored = {0};
    *text = 0;
    if (kept_name(run, kept) && !mx_dataset_open_split(&whole, run->o.data, MX_SPLIT_TRAIN, NULL, &ignored) &&
        whole)
        mx_dataset_changes(whole, kept, text, room);
    mx_dataset_close(whole);
}

void mx_same_data_note(mx_run *run) {
    run->state.held_fingerprint = run->held ? mx_dataset_fingerprint(run->held) : 0;
    snprintf(run->state.held_out, sizeof run->state.held_out, "%s", run->held ? "some" : "none");
}

mx_status mx_same_data_check(const mx_run *run, mx_error *e) {
    uint64_t now = mx_dataset_fingerprint(run->data),
             held = run->held ? mx_dataset_fingerprint(run->held) : 0;
    char what[600];
    if (run->state.fingerprint != now) {
        describe(run, what, sizeof what);
        return mx_fail(e, MX_ERR_DATA, "%s %s: %s; the run cannot be continued as if it had never stopped",
                       mx_dataset_root(run->data),
                       run->paths.data_moved ? "is not the data set that the run was started with"
                                             : "has changed since the run was started",
                       what[0] ? what : "files were added, removed or resized");
    }
    if (run->held && !strcmp(run->state.held_out, "none"))
        return mx_fail(e, MX_ERR_DATA,
                       "%s: %lld held-out images, where the run was started without any; the run cannot be "
                       "continued as if it had never stopped: remove them, or start another run",
                       mx_dataset_root(run->held), (long long)mx_dataset_count(run->held));
    if (run->state.held_fingerprint && run->state.held_fingerprint != held)
        return mx_fail(e, MX_ERR_DATA,
                       "%s: its held-out images are not those that the run was started with (names or sizes "
                       "differ); --val-data selects others",
                       run->held ? mx_dataset_root(run->held) : mx_dataset_root(run->data));
    return MX_OK;
}
