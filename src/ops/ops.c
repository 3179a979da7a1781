/* The front end of every op: shapes, FLOPs, scratch memory; the arithmetic is the backend's. See ops.h. */
#include "ops/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ops/check.h"

/* ---- backends and memory ----------------------------------------------------------------------------------
 */

const mx_backend *mx_backend_find(const char *name) {
    if (!strcmp(name, "ref")) return &mx_backend_ref;
#ifdef MX_WITH_CPU
    if (!strcmp(name, "cpu")) return mx_backend_cpu();
#endif
#ifdef MX_WITH_FAR
    if (!strcmp(name, "far")) return mx_backend_test_far();
#endif
    return NULL;
}

mx_status mx_backend_check(const mx_backend *b, mx_error *e) {
#ifdef MX_WITH_CPU
    if (!strcmp(b->name, "cpu")) return mx_backend_cpu_check(b, e);
#endif
    (void)b, (void)e;
    return MX_OK;
}

const char *mx_backend_name(const mx_backend *b) { return b->name; }
const char *mx_backend_isa(const mx_backend *b) { return b->isa; }
bool mx_backend_bf16(const mx_backend *b) { return b->bf16; }

mx_tensor mx_alloc(mx_ctx *c, mx_dtype type, int ndim, const int64_t *dim) {
    mx_tensor t = {.ndim = ndim, .type = type};
    if (!mx_ok(c)) return MX_ABSENT;
    for (int i = 0; i < ndim; i++) t.dim[i] = dim[i];
    t.data = mx_arena_push(c->arena, mx_bytes(t), &c->error);
    return t.data ? t : MX_ABSENT;
}

mx_tensor mx_alloc_like(mx_ctx *c, mx_tensor t) { return mx_alloc(c, t.type, t.ndim, t.dim); }

/* ---- checks -----------------------------------------------------------------------------------------------
 */

static void print_shape(char *out, size_t size, mx_tensor t) {
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t.ndim; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "", (long long)t.dim[i]);
    snprintf(out + n, size - n, "]");
}

bool mx_need(mx_ctx *c, const char *op, const char *what, mx_tensor t, mx_dtype type, int64_t rows,
             int64_t width) {
    if (!mx_ok(c)) return false;
    if (!mx_present(t)) return mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s is absent", op, what), false;
    if (t.type != type)
        return mx_fail(&c->error, MX_ERR_UNSUPPORTED, "%s: %s has element type %d, expected %d", op, what,
                       (int)t.type, (int)type),
               false;
    if (mx_count(t) == rows * width && mx_width(t) == width) return true;
    char found[128];
    print_shape(found, sizeof found, t);
    mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s has shape %s, expected %lld rows of %lld", op, what, found,
            (long long)rows, (long long)width);
    return false;
}

bool mx_need_activation(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t rows,
                        int64_t width) {
    return mx_need(c, op, what, t, t.type == MX_BF16 ? MX_BF16 : MX_F32, rows, width);
}

bool mx_need_same_type(mx_ctx *c, const char *op, const char *what, mx_tensor a, mx_tensor b) {
    if (!mx_ok(c) || a.type == b.type) return mx_ok(c);
    mx_fail(&c->error, MX_ERR_UNSUPPORTED, "%s: %s have element types %d and %d, expected one", op, what,
            (int)a.type, (int)b.type);
    return false;
}

bool mx_need_count(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t count) {
    if (!mx_ok(c)) return false;
    if (mx_present(t) && t.type == MX_F32 && mx_count(t) == count) return true;
    char found[128];
    print_shape(found, sizeof found, t);
    mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s has shape %s, expected %lld elements", op, what, found,
            (long long)count);
    return false;
}

bool mx_need_dims(mx_ctx *c, const char *op, const char *what, mx_tensor t, int ndim) {
    if (!mx_ok(c)) return false;
    if (mx_present(t) && t.ndim == ndim && t.type == MX_F32) return true;
    char found[128];
    print_shape(found, sizeof found, t);
    mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s has shape %s, expected %d dimensions", op, what, found, ndim);
    return false;
}

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

void mx_profile_enter(mx_profile *p, mx_phase phase) {
    if (!p) return;
    double time = mx_clock_now();
    if (p->since > 0) p->wall[p->now] += time - p->since;
    p->now = phase, p->since = time;
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
