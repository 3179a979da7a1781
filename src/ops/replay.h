/* Work that repeats: a device records it once and then runs it whole, without a call for every op.
 *
 * A step of a large model is two thousand ops, each of microseconds. Their shapes and addresses never change; what
 * does (rate, counts, masks, images) lies in memory. */
#ifndef MX_OPS_REPLAY_H
#define MX_OPS_REPLAY_H

#include "ops/context.h"

typedef struct mx_replayed mx_replayed;
typedef void mx_replay_work(mx_ctx *c, void *user);

/* work(c, user), in order with the ops before and after. The work must make the same calls each time, apart from
 * what its uploads carry, and may not download. Uploads read the addresses that they were given at the first calls,
 * those in [moving, moving + bytes) at the same place from today's `moving`. *r: NULL at first; free with
 * mx_replay_free before the device is closed. Where a device cannot record, or ops are timed one by one, the work is
 * simply called. */
void mx_replay(mx_ctx *c, mx_replayed **r, const void *moving, size_t bytes, mx_replay_work *work,
               void *user);
/* True on a device that records. Two recordings take turns, each with page-locked host memory for its uploads. */
bool mx_replay_records(const mx_ctx *c);
void mx_replay_free(mx_ctx *c, mx_replayed **r);

#endif
