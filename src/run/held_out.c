/* Finds the held-out images that cannot be read, see held_out.h. */
#include "run/held_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/say.h"
#include "run/observe.h"

static void say(void *user, const char *line) {
    mx_run *run = user;
    mx_observe_event(run, run->state.step, line);
}

static void say_nothing(void *user, const char *line) { (void)user, (void)line; }

mx_loader_config mx_held_out_loader(mx_run *run) {
    mx_loader_config config = mx_settings_loader(&run->settings, run->held);
    config.transform.augment = false;
    config.log = say, config.user = run;
    config.bad_seen = config.bad_count = run->held_left_out;
    return config;
}

static bool stop_asked(const mx_run *run) { return run->sink->stop && run->sink->stop(run->sink->user); }

/* Sets bad[i] for the first `count` images and returns how many are bad. If a stop is asked for: returns 0 early. */
static int64_t find_bad(mx_run *run, bool *bad, int64_t count, mx_error *e) {
    mx_loader_config config = mx_held_out_loader(run);
    mx_loader *loader = NULL;
    int64_t found = 0;
    config.no_replacement = true;
    config.batches_per_epoch = (count + config.batch - 1) / config.batch;
    if (run->resumed) config.log = say_nothing;
    if (mx_loader_open(&loader, &config, e)) return 0;
    for (int64_t n = 0; n < config.batches_per_epoch && !e->status; n++) {
        mx_batch b;
        if (stop_asked(run)) {
            found = 0;
            break;
        }
        if (mx_loader_next(loader, &b, e)) break;
        for (int64_t i = 0; i < config.batch && n * config.batch + i < count; i++)
            found += bad[n * config.batch + i] = b.index[i] < 0;
    }
    mx_loader_close(loader);
    return found;
}

mx_status mx_held_out_check(mx_run *run, mx_error *e) {
    char line[160];
    if (!run->held) return MX_OK;
    int64_t all = mx_dataset_count(run->held), most = run->settings.objective->held_most;
    int64_t count = most && most < all ? most : all;
    bool *bad = calloc((size_t)all, sizeof *bad);
    if (!bad) return mx_fail(e, MX_ERR_MEMORY, "out of memory for %" PRId64 " held-out images", all);
    int64_t found = find_bad(run, bad, count, e);
    if (e->status) {
        mx_fail_where(e, "held-out images");
        if (e->status == MX_ERR_DATA) mx_fail_way(e, "--max-bad with a larger share leaves them out");
    } else if (found == count)
        mx_fail(e, MX_ERR_DATA, "none of %" PRId64 " held-out images can be read", count);
    else if (found && !mx_dataset_drop(run->held, bad, e)) {
        run->held_left_out = found;
        snprintf(line, sizeof line,
                 "held-out images: %" PRId64 " of %" PRId64 " cannot be read: left out of every measure",
                 found, count);
        if (run->resumed)
            mx_notice(run->sink, "%s", line);
        else
            mx_observe_event(run, run->state.step, line);
    }
    free(bad);
    return e->status;
}
