/* The reference backend compared with finite differences, in double: this program compiles the front end and
 * the reference with -Dfloat=double (CMakeLists.txt). A central difference is then accurate to about 1e-9, so
 * a wrong term, factor or index shows. Each case is a scalar Σ c·y of an op's outputs; its analytic gradient
 * is the op's backward with dy = c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "ops/ops.h"

#define STEP      1e-5
#define TOLERANCE 1e-7 /* of the gradient's norm */
#define PROBES    60   /* elements probed of each input */

static mx_arena arena;
static mx_ctx context;

static mx_ctx *ctx(void) {
    mx_error e = {0};
    mx_arena_free(&arena);
    assert_int_equal(mx_arena_make(&arena, (size_t)64 << 20, &e), MX_OK);
    context = (mx_ctx){.backend = mx_backend_find("ref"), .arena = &arena, .threads = 1};
    return &context;
}

/* A tensor of normal numbers on the arena. */
static mx_tensor draw(mx_ctx *c, uint64_t stream, int ndim, const int64_t *dim) {
    mx_tensor t = mx_alloc(c, MX_F32, ndim, dim);
    mx_rng r = mx_rng_make(11, MX_RNG_TEST, stream, 0);
    for (int64_t i = 0; i < mx_count(t); i++) mx_f32(t)[i] = mx_rng_normal(&r);
    return t;
}
#define DRAW(c, stream, ...)                                                                                 \
    draw(c, stream, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static mx_tensor zeros(mx_ctx *c, mx_tensor like) {
    mx_tensor t = mx_alloc_like(c, like);
    memset(t.data, 0, mx_bytes(t));
    return t;
}

static double dot(mx_tensor a, mx_tensor b) {
    double s = 0;
    for (int64_t i = 0; i < mx_count(a); i++) s += mx_f32(a)[i] * mx_f32(b)[i];
    return s;
}

typedef struct {
    mx_ctx *c;
    mx_tensor in[6], grad[6], out, dout, extra[6];
    int inputs;
    const mx_layout *lay;
    mx_targets targets;
} op_case;

typedef double value_function(op_case *k); /* runs the forward, returns Σ c·y */

/* Compares k->grad[i] with central differences of `value` in k->in[i]. */
static void compare(op_case *k, value_function *value) {
    assert_true(mx_ok(k->c));
    for (int i = 0; i < k->inputs; i++) {
        double *x = mx_f32(k->in[i]), diff = 0, norm = 0;
        int64_t n = mx_count(k->in[i]), stride = n > PROBES ? n / PROBES : 1;
        for (int64_t j = 0; j < n; j += stride) {
            double keep = x[j];
            x[j] = keep + STEP;
            double up = value(k);
            x[j] = keep - STEP;
            double down = value(k);
            x[j] = keep;
            double slope = (up - down) / (2 * STEP), g = mx_f32(k->grad[i])[j];
            diff += (slope - g) * (slope - g), norm += slope * slope;
        }
        if (!(norm > 1e-12)) fail_msg("input %d: no gradient to compare", i);
        if (!(sqrt(diff / norm) < TOLERANCE)) fail_msg("input %d: relative error %g", i, sqrt(diff / norm));
    }
    assert_true(mx_ok(k->c));
}

/* ---- linear layers
 * -------------------------------------------------------------------------------------------- */

static double linear_value(op_case *k) {
    mx_linear(k->c, k->out, k->in[0], k->in[1], k->in[2]);
    return dot(k->out, k->dout);
}

static void linear(void **state) {
    (void)state;
    const int64_t shapes[][3] = {{1, 1, 1}, {7, 3, 5}, {49, 17, 16}};
    for (int s = 0; s < 3; s++) {
        const int64_t *n = shapes[s];
        mx_ctx *c = ctx();
        op_case k = {.c = c, .inputs = 3};
        k.in[0] = DRAW(c, 1, n[0], n[1]), k.in[1] = DRAW(c, 2, n[2], n[1]), k.in[2] = DRAW(c, 3, n[2]);
        k.out = DRAW(c, 4, n[0], n[2]), k.dout = DRAW(c, 5, n[0], n[2]);
        for (int i = 0; i < 3; i++) k.grad[i] = zeros(c, k.in[i]);
        mx_linear_back(c, k.grad[0], k.grad[1], k.grad[2], k.dout, k.in[0], k.in[1]);
        compare(&k, linear_value);
    }
}

/* y = r + keep (GELU(x w1 + b1) w2 + b2): the whole MLP branch with drop path. */
static double mlp_value(op_case *k) {
    mx_linear_gelu(k->c, k->extra[0], k->extra[1], k->in[0], k->in[1], k->in[2]);
    mx_linear_add(k->c, k->out, k->in[5], k->extra[0], k->in[3], k->in[4], k->extra[2]);
    return dot(k->out, k->dout);
}

static void mlp(void **state) {
    (void)state;
    mx_ctx *c = ctx();
    op_case k = {.c = c, .inputs = 6};
    k.in[0] = DRAW(c, 1, 2, 7, 6), k.in[1] = DRAW(c, 2, 9, 6), k.in[2] = DRAW(c, 3, 9);
    k.in[3] = DRAW(c, 4, 5, 9), k.in[4] = DRAW(c, 5, 5), k.in[5] = DRAW(c, 6, 2, 7, 5);
    k.extra[0] = DRAW(c, 7, 2, 7, 9), k.extra[1] = DRAW(c, 8, 2, 7, 9), k.extra[2] = DRAW(c, 9, 2);
    k.out = DRAW(c, 10, 2, 7, 5), k.dout = DRAW(c, 11, 2, 7, 5);
    for (int i = 0; i < 6; i++) k.grad[i] = zeros(c, k.in[i]);
    mlp_value(&k);
    mx_tensor scaled = zeros(c, k.dout), dh = zeros(c, k.extra[1]);
    mx_scale_samples(c, scaled, k.dout, k.extra[2]);
    mx_linear_gelu_back(c, dh, k.grad[3], k.grad[4], scaled, k.extra[0], k.extra[1], k.in[3]);
    mx_linear_back(c, k.grad[0], k.grad[1], k.grad[2], dh, k.in[0], k.in[1]);
    mx_copy(c, k.grad[5], k.dout);
    compare(&k, mlp_value);
}

/* ---- norm
 * ------------------------------------------------------------------------------------------------------- */

static double norm_value(op_case *k) {
    mx_layernorm(k->c, k->out, k->extra[0], k->extra[1], k->in[0], k->in[1], k->in[2]);
    return dot(k->out, k->dout);
}

static void layernorm(void **state) {
    (void)state;
    for (int width = 3; width <= 48; width *= 4) {
        mx_ctx *c = ctx();
        op_case k = {.c = c, .inputs = 3};
        k.in[0] = DRAW(c, 1, 7, width), k.in[1] = DRAW(c, 2, width), k.in[2] = DRAW(c, 3, width);
        k.out = DRAW(c, 4, 7, width), k.dout = DRAW(c, 5, 7, width), k.extra[0] = DRAW(c, 6, 7),
        k.extra[1] = DRAW(c, 7, 7);
        for (int i = 0; i < 3; i++) k.grad[i] = zeros(c, k.in[i]);
        norm_value(&k);
        mx_tensor start = DRAW(c, 8, 7, width); /* the residual stream's gradient is added to */
        mx_copy(c, k.grad[0], start);
        mx_layernorm_back(c, k.grad[0], k.grad[1], k.grad[2], k.dout, k.in[0], k.extra[0], k.extra[1],
                          k.in[1], true);
        for (int64_t i = 0; i < mx_count(start); i++) mx_f32(k.grad[0])[i] -= mx_f32(start)[i];
        compare(&k, norm_value);
    }
}

/* ---- attention
 * --------------------------------------------------------------------------------------------------- */

static double attention_value(op_case *k) {
    mx_attention(k->c, k->out, k->extra[0], k->in[0], k->inputs > 1 ? k->in[1] : MX_ABSENT, k->lay);
    return dot(k->out, k->dout);
}

static void attention_case(const mx_layout *lay, int64_t batch, int64_t heads, int64_t d, bool biased) {
    mx_ctx *c = ctx();
    int64_t l = lay->tokens, entries = (int64_t)(2 * lay->window_h - 1) * (2 * lay->window_w - 1);
    op_case k = {.c = c, .inputs = biased ? 2 : 1, .lay = lay};
    k.in[0] = DRAW(c, 1, batch, l, 3, heads, d), k.in[1] = DRAW(c, 2, entries, heads);
    k.out = DRAW(c, 3, batch, l, heads * d), k.dout = DRAW(c, 4, batch, l, heads * d),
    k.extra[0] = DRAW(c, 5, batch, heads, l);
    k.grad[0] = DRAW(c, 6, batch, l, 3, heads, d), k.grad[1] = zeros(c, k.in[1]);
    attention_value(&k);
    mx_attention_back(c, k.grad[0], biased ? k.grad[1] : MX_ABSENT, k.dout, k.out, k.extra[0], k.in[0],
                      biased ? k.in[1] : MX_ABSENT, lay);
    compare(&k, attention_value);
}

static void attention(void **state) {
    (void)state;
    /* 4x6 tokens in windows of 2x3, groups of 1+5, 6, 2+4 and 3+3 tokens, stored in an order of its own */
    const int32_t raster[24] = {0,  1,  2,  6,  7,  8,  9,  10, 11, 3,  4,  5,
                                14, 12, 13, 18, 19, 20, 21, 23, 16, 22, 15, 17};
    const int32_t segment[8] = {0, 1, 6, 12, 14, 18, 21, 24}, whole[2] = {0, 24};
    const mx_layout grouped = {4, 6, 2, 3, 24, 7, 6, 8, segment, raster, NULL};
    const mx_layout map = {4, 6, 4, 6, 24, 1, 24, 1, whole, raster, NULL};
    attention_case(&grouped, 2, 3, 4, true);
    attention_case(&grouped, 1, 1, 1, false);
    attention_case(&map, 2, 2, 3, true);
    attention_case(&map, 1, 2, 8, false);
}

/* ---- the decoder's sequences, gathering, pooling, losses
 * ----------------------------------------------------------- */

static double unmix_value(op_case *k) {
    mx_unmix(k->c, k->out, k->in[0], k->in[1], k->extra[0], k->lay);
    return dot(k->out, k->dout);
}

static void unmix(void **state) {
    (void)state;
    const int32_t raster[6] = {3, 1, 0, 2, 5, 4}, segment[2] = {0, 6};
    const uint8_t group[6] = {0, 1, 1, 0, 1, 0};
    const mx_layout lay = {2, 3, 2, 3, 6, 1, 6, 1, segment, raster, group};
    mx_ctx *c = ctx();
    op_case k = {.c = c, .inputs = 2, .lay = &lay};
    k.in[0] = DRAW(c, 1, 3, 6, 5), k.in[1] = DRAW(c, 2, 5), k.extra[0] = DRAW(c, 3, 6, 5);
    k.out = DRAW(c, 4, 6, 6, 5), k.dout = DRAW(c, 5, 6, 6, 5);
    k.grad[0] = DRAW(c, 6, 3, 6, 5), k.grad[1] = zeros(c, k.in[1]);
    mx_unmix_back(c, k.grad[0], k.grad[1], k.dout, &lay);
    compare(&k, unmix_value);
}

static double gather_value(op_case *k) {
    static const int32_t index[4] = {5, 0, 3, 2};
    mx_gather_rows(k->c, k->out, k->in[0], index);
    return dot(k->out, k->dout);
}

static void gather(void **state) {
    (void)state;
    const int32_t index[4] = {5, 0, 3, 2};
    mx_ctx *c = ctx();
    op_case k = {.c = c, .inputs = 1};
    k.in[0] = DRAW(c, 1, 2, 7, 3), k.out = DRAW(c, 2, 2, 4, 3), k.dout = DRAW(c, 3, 2, 4, 3),
    k.grad[0] = DRAW(c, 4, 2, 7, 3);
    mx_scatter_rows(c, k.grad[0], k.dout, index);
    compare(&k, gather_value);
}

static double mean_value(op_case *k) {
    mx_mean_rows(k->c, k->out, k->in[0]);
    return dot(k->out, k->dout);
}

static void mean_rows(void **state) {
    (void)state;
    mx_ctx *c = ctx();
    op_case k = {.c = c, .inputs = 1};
    k.in[0] = DRAW(c, 1, 2, 7, 3), k.out = DRAW(c, 2, 2, 3), k.dout = DRAW(c, 3, 2, 3),
    k.grad[0] = DRAW(c, 4, 2, 7, 3);
    mx_mean_rows_back(c, k.grad[0], k.dout);
    compare(&k, mean_value);
}

static double pixel_value(op_case *k) {
    mx_fill(k->c, k->out, 0);
    mx_pixel_loss(k->c, k->out, MX_ABSENT, k->in[0], k->extra[0], &k->targets, 0.7);
    return mx_f32(k->out)[0];
}

static void pixel_loss(void **state) {
    (void)state;
    const int32_t image[5] = {0, 1, 1, 2, 0}, patch[5] = {0, 5, 2, 3, 4};
    for (int normalise = 0; normalise < 2; normalise++) {
        mx_ctx *c = ctx();
        op_case k = {.c = c, .inputs = 1, .targets = {image, patch, 4, normalise}};
        k.in[0] = DRAW(c, 1, 5, 4 * 4 * 2), k.extra[0] = DRAW(c, 2, 3, 2, 8, 12), k.out = DRAW(c, 3, 1);
        k.grad[0] = DRAW(c, 4, 5, 4 * 4 * 2);
        mx_pixel_loss(c, k.out, k.grad[0], k.in[0], k.extra[0], &k.targets, 0.7);
        compare(&k, pixel_value);
    }
}

static double entropy_value(op_case *k) {
    mx_fill(k->c, k->out, 0);
    mx_soft_cross_entropy(k->c, k->out, MX_ABSENT, k->in[0], k->extra[0], 1.3);
    return mx_f32(k->out)[0];
}

static void soft_cross_entropy(void **state) {
    (void)state;
    mx_ctx *c = ctx();
    op_case k = {.c = c, .inputs = 1};
    k.in[0] = DRAW(c, 1, 4, 9), k.extra[0] = DRAW(c, 2, 4, 9), k.out = DRAW(c, 3, 1),
    k.grad[0] = DRAW(c, 4, 4, 9);
    for (int i = 0; i < 36; i++)
        mx_f32(k.extra[0])[i] = fabs(mx_f32(k.extra[0])[i]) / 9; /* targets need not sum to 1 */
    mx_soft_cross_entropy(c, k.out, k.grad[0], k.in[0], k.extra[0], 1.3);
    compare(&k, entropy_value);
}

static void wrong_shapes_are_named(void **state) {
    (void)state;
    mx_ctx *c = ctx();
    mx_tensor x = DRAW(c, 1, 3, 4), w = DRAW(c, 2, 5, 6), y = DRAW(c, 3, 3, 5);
    mx_linear(c, y, x, w, MX_ABSENT);
    assert_int_equal(c->error.status, MX_ERR_SHAPE);
    assert_non_null(strstr(c->error.text, "linear"));
    assert_non_null(strstr(c->error.text, "[3,4]"));
    mx_fill(c, y, 5); /* nothing happens after an error */
    assert_true(mx_f32(y)[0] != 5);
}

static int tear_down(void **state) {
    (void)state;
    mx_arena_free(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(linear),
                                       cmocka_unit_test(mlp),
                                       cmocka_unit_test(layernorm),
                                       cmocka_unit_test(attention),
                                       cmocka_unit_test(unmix),
                                       cmocka_unit_test(gather),
                                       cmocka_unit_test(mean_rows),
                                       cmocka_unit_test(pixel_loss),
                                       cmocka_unit_test(soft_cross_entropy),
                                       cmocka_unit_test(wrong_shapes_are_named)};
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
