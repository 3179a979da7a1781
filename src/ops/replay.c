/* Recording and replaying on devices that can. See replay.h. */
#include "ops/replay.h"

#include <stdlib.h>

#include "ops/backend.h"
#include "ops/device.h"

/* Two recordings take turns: while one runs, the host fills the other's staging memory. */
struct mx_replayed {
    void *recording[2];
    int64_t calls;
    double flops;    /* of one call */
    size_t uploaded; /* bytes of one call's uploads, each rounded up to MX_ALIGN */
};

bool mx_replay_records(const mx_ctx *c) { return c->backend->record_begin != NULL; }

static bool can_record(const mx_ctx *c) {
    return mx_replay_records(c) && !c->planning && !c->profile && mx_ok(c);
}

/* The first call: makes what recording may not (plans of products), and measures. */
static void first_call(mx_ctx *c, mx_replayed *r, mx_replay_work *work, void *user) {
    const double flops = c->flops;
    const size_t uploaded = mx_device_uploaded(c);
    work(c, user);
    r->flops = c->flops - flops, r->uploaded = mx_device_uploaded(c) - uploaded;
}

static void *record(mx_ctx *c, const mx_replayed *r, const void *moving, size_t bytes, mx_replay_work *work,
                    void *user) {
    const double flops = c->flops;
    if (!c->backend->record_begin(c, r->uploaded, moving, bytes)) return NULL;
    work(c, user);
    c->flops = flops;
    return c->backend->record_end(c);
}

void mx_replay(mx_ctx *c, mx_replayed **replayed, const void *moving, size_t bytes, mx_replay_work *work,
               void *user) {
    if (!can_record(c)) {
        work(c, user);
        return;
    }
    if (!*replayed && !(*replayed = calloc(1, sizeof **replayed))) {
        mx_fail(&c->error, MX_ERR_MEMORY, "out of memory for a recording");
        return;
    }
    mx_replayed *r = *replayed;
    void **recording = &r->recording[r->calls & 1];
    if (r->calls++ == 0) {
        first_call(c, r, work, user);
        return;
    }
    if (!*recording) *recording = record(c, r, moving, bytes, work, user);
    if (*recording && mx_ok(c)) c->backend->replay(c, *recording, moving), c->flops += r->flops;
}

void mx_replay_free(mx_ctx *c, mx_replayed **replayed) {
    mx_replayed *r = *replayed;
    if (!r) return;
    for (int i = 0; i < 2; i++)
        if (r->recording[i]) c->backend->recording_free(c, r->recording[i]);
    free(r);
    *replayed = NULL;
}
