/* Compares the cpu backend with the reference, one case at a time (cases.h).
 *
 * Each op runs with 1, 2, 3, 8 and 16 threads, which must give the same bytes, on one instruction set per process
 * (MIXMAE_ISA, see with_isa.c; otherwise the machine's best). Outputs are between canaries and not aligned. Scratch
 * memory is filled with NaN, so a sum that starts from it fails. Each case also runs on infinite, NaN, huge and
 * denormal numbers. Limits are relative to the largest element of the reference's output. */
#ifndef MX_TESTS_OPS_COMPARE_H
#define MX_TESTS_OPS_COMPARE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cases.h"
#include "ops/backend.h"
#include "ops/cpu/cpu.h"

#define GUARD  (67 * 4) /* bytes before an output */
#define CANARY 0xA5
/* Nearly equal sums can round to different bf16 values: one unit in the last place of the largest element. */
#define BF16_LIMIT (1.0 / 256)

typedef struct {
    unsigned char *block[MAX_OUT], *data[MAX_OUT];
} outputs;

/* Moves t between canaries, to an address that is aligned to its element and no more. */
static void guard_output(outputs *o, int i, mx_tensor *t) {
    const size_t before = t->type == MX_F64 ? 272 : GUARD, bytes = mx_bytes(*t);
    o->block[i] = malloc(bytes + 2 * 272);
    memset(o->block[i], CANARY, bytes + 2 * 272);
    o->data[i] = o->block[i] + before;
    memcpy(o->data[i], t->data, bytes);
    t->data = o->data[i];
}

static void check_guards(const op_case *k, const outputs *o, int i) {
    const int64_t n = (int64_t)mx_bytes(k->t[i]), before = o->data[i] - o->block[i];
    for (int64_t j = 0; j < n + 544; j++)
        if ((j < before || j >= before + n) && o->block[i][j] != CANARY)
            fail_msg("%s: output %d written at byte %lld of %lld", k->name, i, (long long)(j - before),
                     (long long)n);
}

/* Scratch memory for one op, full of NaN as far as ops have used it. Made once, since under a sanitizer that costs more
 * than most ops. */
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

static void run(const op_case *k, const mx_backend *backend, int threads, outputs *o) {
    mx_ctx c = {.backend = backend, .arena = scratch(), .threads = threads};
    mx_tensor t[MAX_TENSOR];
    memcpy(t, k->t, sizeof t);
    for (int i = 0; i < k->row->outs; i++) guard_output(o, i, &t[i]);
    k->row->op(&c, t, k->more);
    if (c.error.status != MX_OK) fail_msg("%s: %s", k->name, c.error.text);
    for (int i = 0; i < k->row->outs; i++) check_guards(k, o, i);
}

static void release(const op_case *k, outputs *o) {
    for (int i = 0; i < k->row->outs; i++) free(o->block[i]);
}

static double element(const op_case *k, const outputs *o, int i, int64_t j) {
    if (k->t[i].type == MX_F64) return ((double *)(void *)o->data[i])[j];
    if (k->t[i].type == MX_F32) return (double)((float *)(void *)o->data[i])[j];
    const uint32_t bits = (uint32_t)((uint16_t *)(void *)o->data[i])[j] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

/* limit: for f32 and f64 outputs; half_limit: for bf16 outputs. */
static void compare(const op_case *k, const outputs *want, const outputs *got, double limit,
                    double half_limit) {
    for (int i = 0; i < k->row->outs; i++) {
        double largest = 1e-30, worst = 0, most = k->t[i].type == MX_BF16 ? fmax(limit, half_limit) : limit;
        int64_t at = 0;
        for (int64_t j = 0; j < mx_count(k->t[i]); j++) {
            const double w = element(k, want, i, j), d = fabs(element(k, got, i, j) - w);
            if (fabs(w) > largest) largest = fabs(w);
            if (!(d <= worst)) worst = d, at = j; /* NaN too */
        }
        if (!(worst <= most * largest))
            fail_msg("%s (%s): output %d differs at %lld by %g of %g (limit %g): %g, expected %g", k->name,
                     mx_backend_isa(mx_backend_find("cpu")), i, (long long)at, worst, largest, most * largest,
                     element(k, got, i, at), element(k, want, i, at));
    }
}

/* Values that a damaged or diverged model may contain. */
static const float hostile_values[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e-40f, -1e-45f, 0};
enum { HUGE_VALUE = 3, HOSTILE_VALUES = (int)(sizeof hostile_values / sizeof *hostile_values) };

/* Replaces a third of t's elements by value number `which` or, for HOSTILE_VALUES, by each in turn. */
static void make_hostile(mx_tensor t, int which) {
    for (int64_t i = 0; i < mx_count(t); i++) {
        if ((i * 7 + i / 5) % 3) continue;
        const float x = hostile_values[which < HOSTILE_VALUES ? which : i / 3 % HOSTILE_VALUES];
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        if (t.type == MX_F64) ((double *)t.data)[i] = (double)x;
        if (t.type == MX_F32) ((float *)t.data)[i] = x;
        if (t.type == MX_BF16) ((uint16_t *)t.data)[i] = (uint16_t)(bits >> 16);
    }
}

/* Runs the op on such values, in ref and cpu. Any result is correct, but the op must write only its outputs, and
 * sanitizers must not report anything. */
static inline void check_hostile(const op_case *k) {
    for (int turn = 0; turn < 2; turn++) {
        const int which = turn ? HUGE_VALUE : HOSTILE_VALUES;
        op_case h = *k;
        outputs o;
        for (int i = 0; i < k->count; i++) {
            if (!k->t[i].data) continue;
            h.t[i].data = malloc(mx_bytes(k->t[i]) + 1);
            memcpy(h.t[i].data, k->t[i].data, mx_bytes(k->t[i]));
            make_hostile(h.t[i], which);
        }
        run(&h, mx_backend_find("ref"), 1, &o), release(&h, &o);
        run(&h, mx_backend_find("cpu"), 3, &o), release(&h, &o);
        for (int i = 0; i < k->count; i++)
            if (k->t[i].data) free(h.t[i].data);
    }
}

static inline void check(const op_case *k, double limit, double half_limit) {
    static const int threads[] = {2, 3, 8, 16};
    const mx_backend *backend = mx_backend_find("cpu");
    outputs want, one, many;
    check_hostile(k);
    run(k, mx_backend_find("ref"), 1, &want);
    run(k, backend, 1, &one);
    compare(k, &want, &one, limit, half_limit);
    for (int n = 0; n < 4; n++) {
        run(k, backend, threads[n], &many);
        for (int i = 0; i < k->row->outs; i++)
            if (memcmp(one.data[i], many.data[i], mx_bytes(k->t[i])))
                fail_msg("%s (%s): output %d has other bytes with %d threads", k->name,
                         mx_backend_isa(backend), i, threads[n]);
        release(k, &many);
    }
    release(k, &one);
    release(k, &want);
}

/* False, with the reason on stderr, if this machine lacks the instruction set in MIXMAE_ISA. */
static inline bool has_isa(void) {
    mx_error e = {0};
    if (!mx_backend_check(mx_backend_find("cpu"), &e)) return true;
    fprintf(stderr, "%s\n", e.text);
    return false;
}

#endif
