/* Calls of a backend's ops, generated from op_list.h, with their scratch memory, time and FLOPs. See run.h. */
#include "ops/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ops/device.h"

/* ---- calls ---- */

/* On a device, arguments hold handles (device.h), which a call replaces by the device's addresses. Layouts and
 * targets belong to the caller, so a copy takes the addresses. */
static mx_layout layout_of(mx_ctx *c, const mx_layout *lay) {
    mx_layout l = *lay;
    l.segment = mx_device_address(c, l.segment, sizeof *l.segment * (size_t)(l.max_segments + 1));
    l.raster = mx_device_address(c, l.raster, sizeof *l.raster * (size_t)l.tokens);
    l.group = mx_device_address(c, l.group, sizeof *l.group * (size_t)l.tokens);
    return l;
}

static mx_targets targets_of(mx_ctx *c, const mx_targets *targets, int64_t rows) {
    mx_targets t = *targets;
    t.image = mx_device_address(c, t.image, sizeof *t.image * (size_t)rows);
    t.patch = mx_device_address(c, t.patch, sizeof *t.patch * (size_t)rows);
    return t;
}

#define RESOLVE(kind, ...)    RESOLVE_##kind(__VA_ARGS__)
#define RESOLVE_TENSOR(t)     t.data = mx_device_address(c, t.data, mx_bytes(t));
#define RESOLVE_INDEX(p, n)   p = mx_device_address(c, p, sizeof *p * (size_t)(n));
#define RESOLVE_LAYOUT(lay)   const mx_layout there_##lay = layout_of(c, lay);
#define RESOLVE_TARGETS(t, n) const mx_targets there_##t = targets_of(c, t, n);
#define RESOLVE_VALUE(type, x)

#define ARGUMENT(kind, ...)     ARGUMENT_##kind(__VA_ARGS__)
#define ARGUMENT_TENSOR(t)      , t
#define ARGUMENT_INDEX(p, n)    , p
#define ARGUMENT_LAYOUT(lay)    , &there_##lay
#define ARGUMENT_TARGETS(t, n)  , &there_##t
#define ARGUMENT_VALUE(type, x) , x

#define MX_OP(name, scratch, ...)                                                                            \
    MX_OP_FUNCTION(mx_run_##name, scratch, __VA_ARGS__) {                                                    \
        MX_EACH(RESOLVE, __VA_ARGS__)                                                                        \
        MX_IF_WORK_##scratch(work = mx_device_address(c, work, 1));                                          \
        if (mx_ok(c)) c->backend->name(c MX_EACH(ARGUMENT, __VA_ARGS__) MX_IF_WORK_##scratch(, work));       \
    }
#include "ops/op_list.h"

/* ---- scratch, time, FLOPs, products ---- */

void *mx_work(mx_ctx *c, size_t bytes) { return bytes ? mx_arena_push(c->arena, bytes, &c->error) : NULL; }

double mx_op_begin(const mx_ctx *c) { return c->profile ? mx_clock_now() : 0; }

void mx_op_end(mx_ctx *c, const char *op, double begun, double flops) {
    mx_profile *p = c->profile;
    c->flops += flops;
    if (!p || c->planning) return;
    int i = 0;
    while (i < p->count && (p->phase[i] != p->now || strcmp(p->name[i], op))) i++;
    if (i == MX_PROFILE_OPS) return;
    if (i == p->count) {
        p->name[i] = op, p->phase[i] = p->now, p->seconds[i] = p->flops[i] = 0, p->calls[i] = 0;
        p->count++;
    }
    p->seconds[i] += mx_clock_now() - begun, p->flops[i] += flops, p->calls[i]++;
}

void mx_note_product(mx_ctx *c, int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b) {
    mx_products *p = c->products;
    if (!p) return;
    for (int i = 0; i < p->count; i++) {
        mx_product *q = &p->item[i];
        if (q->m == m && q->n == n && q->k == k && q->trans_a == trans_a && q->trans_b == trans_b) {
            q->calls++;
            return;
        }
    }
    if (p->count == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 64;
        mx_product *item = realloc(p->item, sizeof *item * (size_t)capacity);
        if (!item) {
            mx_fail(&c->error, MX_ERR_MEMORY, "out of memory while listing products");
            return;
        }
        p->item = item, p->capacity = capacity;
    }
    p->item[p->count++] = (mx_product){m, n, k, trans_a, trans_b, 1};
}
