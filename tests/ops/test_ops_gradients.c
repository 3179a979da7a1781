/* The reference backend against finite differences, in double. This program is linked with the front end and the
 * reference compiled with -Dfloat=double (mixmae_double). Central differences are then accurate to about 1e-9, so any
 * wrong term, factor or index shows. A case (cases.h) is the scalar Σ c·y of an op's output; its analytic gradient is
 * the op's backward with dy = c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "rows.h"

#define STEP      1e-5
#define TOLERANCE 1e-7 /* relative to the gradient's norm */
#define PROBES    60   /* elements to probe of each input */
#define LARGEST   5000 /* elements of the largest case to test here */

static mx_arena arena;

typedef struct {
    op_case k;
    mx_ctx c;
    mx_tensor dy, d[MAX_TENSOR], start[MAX_TENSOR];
} trial;

static mx_tensor draw(mx_ctx *c, mx_tensor like, uint64_t stream) {
    mx_tensor t = mx_alloc_like(c, like);
    mx_rng r = mx_rng_make(11, MX_RNG_TEST, stream, 0);
    for (int64_t i = 0; i < mx_count(t); i++) mx_f32(t)[i] = mx_rng_normal(&r);
    return t;
}

static double value(trial *x) { /* runs the forward, returns Σ c·y */
    const op_row *row = x->k.row;
    double sum = 0;
    memset(x->k.t[0].data, 0, mx_bytes(x->k.t[0])); /* losses add */
    (row->forward ? row->forward : row->op)(&x->c, x->k.t, x->k.more);
    for (int64_t i = 0; i < mx_count(x->dy); i++) sum += mx_f32(x->dy)[i] * mx_f32(x->k.t[0])[i];
    return sum;
}

/* The op's gradients. All start from random numbers, which the op overwrites or adds to. */
static void analytic(trial *x) {
    const op_row *row = x->k.row;
    x->dy = draw(&x->c, x->k.t[0], 1);
    if (row->roles[0] == 'Y') mx_f32(x->dy)[0] = 1;
    for (int i = 1; i < x->k.count; i++) {
        if (row->roles[i] == '.' || !mx_present(x->k.t[i])) continue;
        x->start[i] = draw(&x->c, x->k.t[i], 2 + (uint64_t)i);
        x->d[i] = draw(&x->c, x->k.t[i], 2 + (uint64_t)i);
    }
    value(x);
    row->back(&x->c, x->d, x->dy, x->k.t, x->k.more);
    for (int i = 1; i < x->k.count; i++)
        for (int64_t j = 0; row->roles[i] == '+' && mx_present(x->d[i]) && j < mx_count(x->d[i]); j++)
            mx_f32(x->d[i])[j] -= mx_f32(x->start[i])[j];
}

/* Central differences in input i. Returns the gradient's norm over the probed elements. */
static double differences(trial *x, int i) {
    double *in = mx_f32(x->k.t[i]), diff = 0, norm = 0;
    const int64_t n = mx_count(x->k.t[i]), stride = n > PROBES ? n / PROBES : 1;
    for (int64_t j = 0; j < n; j += stride) {
        const double keep = in[j];
        in[j] = keep + STEP;
        const double up = value(x);
        in[j] = keep - STEP;
        const double down = value(x);
        in[j] = keep;
        const double slope = (up - down) / (2 * STEP), g = mx_f32(x->d[i])[j];
        diff += (slope - g) * (slope - g), norm += slope * slope;
    }
    norm = sqrt(norm), diff = sqrt(diff);
    if (norm > 1e-6 ? !(diff < TOLERANCE * norm)
                    : !(diff < 1e-8)) /* gradients of 0, as of a softmax of one */
        fail_msg("%s: tensor %d: off by %g of %g", x->k.name, i, diff, norm);
    return norm;
}

static bool takes(const op_row *row) { return row->roles; }

static void row_gradients(void **state) {
    const op_row *row = *state;
    double largest[MAX_TENSOR] = {0};
    mx_error e = {0};
    if (!arena.base) assert_int_equal(mx_arena_make(&arena, (size_t)64 << 20, &e), MX_OK);
    for (int at = 0; at < row->sizes->count - row->sizes->timed; at++) {
        trial x = {.c = {.backend = mx_backend_find("ref"), .arena = &arena, .threads = 1}};
        mx_arena_release(&arena, 0);
        case_make(&x.k, row, at, NULL);
        assert_int_equal(strlen(row->roles), x.k.count);
        if (x.k.numbers <= LARGEST) {
            analytic(&x);
            for (int i = 1; i < x.k.count; i++)
                if (mx_present(x.d[i])) largest[i] = fmax(largest[i], differences(&x, i));
        }
        if (!mx_ok(&x.c)) fail_msg("%s: %s", x.k.name, x.c.error.text);
        case_free(&x.k);
    }
    for (int i = 1; row->roles[i]; i++)
        if (row->roles[i] != '.' && !(largest[i] > 1e-6))
            fail_msg("%s: tensor %d has no gradient to compare", row->name, i);
}

static void wrong_shapes_are_named(void **state) {
    (void)state;
    double x[12] = {0}, w[30] = {0}, y[15] = {0};
    mx_ctx c = {.backend = mx_backend_find("ref"), .threads = 1};
    mx_tensor out = mx_view(y, MX_F32, 3, 5, 0, 0, 0);
    mx_linear(&c, out, mx_view(x, MX_F32, 3, 4, 0, 0, 0), mx_view(w, MX_F32, 5, 6, 0, 0, 0), MX_ABSENT);
    assert_int_equal(c.error.status, MX_ERR_SHAPE);
    assert_non_null(strstr(c.error.text, "linear"));
    assert_non_null(strstr(c.error.text, "[3,4]"));
    mx_fill(&c, out, 5); /* nothing happens after an error */
    assert_true(y[0] != 5);
}

static int tear_down(void **state) {
    (void)state;
    mx_arena_free(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest others[] = {cmocka_unit_test(wrong_shapes_are_named)};
    return run_rows("gradients", others, 1, row_gradients, takes, tear_down);
}
