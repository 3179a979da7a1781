/* Which held-out images can be measured, see held_out.h. */
#include "run/held_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/say.h"

static void say(void *user, const char *line) {
    mx_training *p = user;
    mx_observe_event(p, p->state.step, line);
}

static void say_nothing(void *user, const char *line) { (void)user, (void)line; }

mx_loader_config mx_held_out_loader(mx_training *p) {
    mx_loader_config config = mx_settings_loader(&p->settings, p->held);
    config.transform.augment = false;
    config.log = say, config.user = p;
    config.bad_seen = config.bad_count = p->held_left_out;
    return config;
}

static bool stop_asked(const mx_training *p) { return p->sink->stop && p->sink->stop(p->sink->user); }

/* bad[i] of the first count images; returns how many. A stop that is asked for ends it: none is known then.
 */
static int64_t find_bad(mx_training *p, bool *bad, int64_t count, mx_error *e) {
    mx_loader_config config = mx_held_out_loader(p);
    mx_loader *loader = NULL;
    int64_t found = 0;
    config.no_replacement = true;
    config.batches_per_epoch = (count + config.batch - 1) / config.batch;
    if (p->resumed) config.log = say_nothing;
    if (mx_loader_open(&loader, &config, e)) return 0;
    for (int64_t n = 0; n < config.batches_per_epoch && !e->status; n++) {
        mx_batch b;
        if (stop_asked(p)) {
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

mx_status mx_held_out_check(mx_training *p, mx_error *e) {
    char line[160];
    if (!p->held) return MX_OK;
    int64_t all = mx_dataset_count(p->held), most = p->settings.objective->held_most;
    int64_t count = most && most < all ? most : all;
    bool *bad = calloc((size_t)all, sizeof *bad);
    if (!bad) return mx_fail(e, MX_ERR_MEMORY, "out of memory for %" PRId64 " held-out images", all);
    int64_t found = find_bad(p, bad, count, e);
    if (e->status) {
        mx_fail_where(e, "held-out images");
        if (e->status == MX_ERR_DATA) mx_fail_way(e, "--max-bad with a larger share leaves them out");
    } else if (found == count)
        mx_fail(e, MX_ERR_DATA, "none of %" PRId64 " held-out images can be read", count);
    else if (found && !mx_dataset_drop(p->held, bad, e)) {
        p->held_left_out = found;
        snprintf(line, sizeof line,
                 "held-out images: %" PRId64 " of %" PRId64 " cannot be read: left out of every measure",
                 found, count);
        if (p->resumed)
            mx_notice(p->sink, "%s", line);
        else
            mx_observe_event(p, p->state.step, line);
    }
    free(bad);
    return e->status;
}
