/* Cases for ops of the cpu backend: one op, its tensors, and the comparison with the reference.
 *
 * Each op runs with 1, 2, 3, 8 and 16 threads on one instruction set per process (MIXMAE_ISA, see with_isa.c;
 * without it the machine's best): bytes must be equal. Outputs are placed between canaries, unaligned.
 * Scratch memory is filled with NaN, so a sum that starts from it shows. Limits are relative to the largest
 * element of the reference's output. */
#ifndef MX_TESTS_OPS_CASES_H
#define MX_TESTS_OPS_CASES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/backend.h"
#include "ops/cpu/cpu.h"

#define GUARD  (67 * 4) /* bytes before an output */
#define CANARY 0xA5
/* Equal sums round apart in bf16 when they lie at a boundary: one unit in the last place of the largest
 * element. */
#define BF16_LIMIT (1.0 / 256)
#define MAX_OUT    4
#define MAX_TENSOR 9

static uint64_t state = 1;

static float uniform(void) { /* in [-1, 1) */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 40) / 8388608.0 - 1.0);
}

static mx_tensor make(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, float scale) {
    mx_tensor t = mx_view((void *)1, MX_F32, a, b, c, d, e);
    float *x = malloc(mx_bytes(t) + 1);
    for (int64_t i = 0; i < mx_count(t); i++) x[i] = scale * uniform();
    t.data = x;
    return t;
}

/* t as bf16, cut off: the values are what a test makes of them. Frees t. */
static inline mx_tensor to_bf16(mx_tensor t) {
    mx_tensor h = t;
    h.type = MX_BF16;
    h.data = malloc(mx_bytes(h) + 1);
    for (int64_t i = 0; i < mx_count(t); i++) {
        uint32_t bits;
        memcpy(&bits, (float *)t.data + i, sizeof bits);
        ((uint16_t *)h.data)[i] = (uint16_t)(bits >> 16);
    }
    free(t.data);
    return h;
}

/* One op: t[0..outs) are outputs (or updated), the rest inputs. */
typedef struct {
    const char *name;
    void (*op)(mx_ctx *c, const mx_tensor *t, const void *more);
    int outs, tensors;
    mx_tensor t[MAX_TENSOR];
    const void *more;
    double limit;
} test_case;

typedef struct {
    unsigned char *block[MAX_OUT], *data[MAX_OUT];
} outputs;

/* A copy of t between canaries; the address of f32 and bf16 is off every larger alignment. */
static void guard_output(outputs *o, int i, mx_tensor *t) {
    const size_t before = t->type == MX_F64 ? 272 : GUARD, bytes = mx_bytes(*t);
    o->block[i] = malloc(bytes + 2 * 272);
    memset(o->block[i], CANARY, bytes + 2 * 272);
    o->data[i] = o->block[i] + before;
    memcpy(o->data[i], t->data, bytes);
    t->data = o->data[i];
}

static void check_guards(const test_case *k, const outputs *o, int i) {
    const int64_t n = (int64_t)mx_bytes(k->t[i]), before = o->data[i] - o->block[i];
    for (int64_t j = 0; j < n + 544; j++)
        if ((j < before || j >= before + n) && o->block[i][j] != CANARY)
            fail_msg("%s: output %d written at byte %lld of %lld", k->name, i, (long long)(j - before),
                     (long long)n);
}

/* Scratch memory for one op, all that is known to have been used of it full of NaN. Made once: under a
 * sanitizer making it costs more than most ops. */
static mx_arena *scratch(void) {
    static mx_arena arena;
    mx_error e = {0};
    if (!arena.base) assert_int_equal(mx_arena_make(&arena, (size_t)256 << 20, &e), MX_OK);
    mx_arena_release(&arena, 0);
    const size_t least = (size_t)2 << 20;
    memset(arena.base, 0xff, arena.peak > least ? arena.peak : least);
    arena.peak = 0;
    return &arena;
}

static void run(const test_case *k, const mx_backend *backend, int threads, outputs *o) {
    mx_ctx c = {.backend = backend, .arena = scratch(), .threads = threads};
    mx_tensor t[MAX_TENSOR];
    memcpy(t, k->t, sizeof t);
    for (int i = 0; i < k->outs; i++) guard_output(o, i, &t[i]);
    k->op(&c, t, k->more);
    if (c.error.status != MX_OK) fail_msg("%s: %s", k->name, c.error.text);
    for (int i = 0; i < k->outs; i++) check_guards(k, o, i);
}

static void release(const test_case *k, outputs *o) {
    for (int i = 0; i < k->outs; i++) free(o->block[i]);
}

static double element(const test_case *k, const outputs *o, int i, int64_t j) {
    if (k->t[i].type == MX_F64) return ((double *)(void *)o->data[i])[j];
    if (k->t[i].type == MX_F32) return (double)((float *)(void *)o->data[i])[j];
    const uint32_t bits = (uint32_t)((uint16_t *)(void *)o->data[i])[j] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static void compare(const test_case *k, const outputs *want, const outputs *got, double half_limit,
                    const char *isa) {
    for (int i = 0; i < k->outs; i++) {
        double largest = 1e-30, worst = 0, limit = k->limit;
        int64_t at = 0;
        if (k->t[i].type == MX_BF16 && limit < half_limit) limit = half_limit;
        for (int64_t j = 0; j < mx_count(k->t[i]); j++) {
            const double w = element(k, want, i, j), d = fabs(element(k, got, i, j) - w);
            if (fabs(w) > largest) largest = fabs(w);
            if (!(d <= worst)) worst = d, at = j; /* NaN too */
        }
        if (!(worst <= limit * largest))
            fail_msg("%s (%s): output %d differs at %lld by %g of %g (limit %g): %g, expected %g", k->name,
                     isa, i, (long long)at, worst, largest, limit * largest, element(k, got, i, at),
                     element(k, want, i, at));
    }
}

/* half_limit: of outputs in bf16 */
static void check_within(test_case k, double half_limit) {
    static const int threads[] = {2, 3, 8, 16};
    const mx_backend *backend = mx_backend_find("cpu");
    outputs want, one, many;
    run(&k, mx_backend_find("ref"), 1, &want);
    run(&k, backend, 1, &one);
    compare(&k, &want, &one, half_limit, mx_backend_isa(backend));
    for (int n = 0; n < 4; n++) {
        run(&k, backend, threads[n], &many);
        for (int i = 0; i < k.outs; i++)
            if (memcmp(one.data[i], many.data[i], mx_bytes(k.t[i])))
                fail_msg("%s (%s): output %d has other bytes with %d threads", k.name,
                         mx_backend_isa(backend), i, threads[n]);
        release(&k, &many);
    }
    release(&k, &one);
    release(&k, &want);
    for (int i = 0; i < k.tensors; i++) free(k.t[i].data);
}

static void check(test_case k) { check_within(k, BF16_LIMIT); }

/* Fails, with the reason on stderr, where MIXMAE_ISA names what this machine lacks. */
static bool has_isa(void) {
    mx_error e = {0};
    if (!mx_backend_check(mx_backend_find("cpu"), &e)) return true;
    fprintf(stderr, "%s\n", e.text);
    return false;
}

/* ---- layouts */

typedef struct {
    mx_layout lay;
    int32_t segment[130], raster[1024];
    uint8_t group[1024];
} map;

/* Windows in order; inside a window the tokens of group 0, then of group 1; ratio: share of group 1, 0 for
 * none. */
static map *make_map(int h, int w, int wh, int ww, double ratio) {
    map *m = calloc(1, sizeof *m);
    int at = 0, segments = 0;
    for (int wy = 0; wy < h; wy += wh)
        for (int wx = 0; wx < w; wx += ww) {
            uint8_t mask[1024];
            for (int i = 0; i < wh * ww; i++) mask[i] = (double)uniform() * 0.5 + 0.5 < ratio;
            for (uint8_t g = 0; g < 2; g++) {
                const int first = at;
                for (int i = 0; i < wh * ww; i++)
                    if (mask[i] == g) m->raster[at] = (wy + i / ww) * w + wx + i % ww, m->group[at++] = g;
                if (at > first) m->segment[segments++] = first;
            }
        }
    m->segment[segments] = at;
    m->lay = (mx_layout){.grid_h = h,
                         .grid_w = w,
                         .window_h = wh,
                         .window_w = ww,
                         .tokens = h * w,
                         .segments = segments,
                         .max_segment = wh * ww,
                         .max_segments = 2 * (h / wh) * (w / ww),
                         .segment = m->segment,
                         .raster = m->raster,
                         .group = ratio > 0 ? m->group : NULL};
    return m;
}

#endif
