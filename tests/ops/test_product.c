/* Compares bare products (ops/product.h), ours and oneDNN's, with sums in double: all transpositions, f32 and bf16, odd
 * sizes. The operands are exact in bf16, so products are exact and only sums round: within 1e-5 of the largest
 * element. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/product.h"

#define LIMIT 1e-5

static const int64_t sizes[][3] = {/* m, n, k */
                                   {1, 1, 1},    {7, 10, 3},   {49, 24, 7},     {98, 17, 130},
                                   {33, 300, 1}, {64, 64, 64}, {130, 129, 520}, {4, 1000, 97}};

typedef struct {
    mx_product p;
    float *a, *b, *c;
    uint16_t *half_a, *half_b;
} operands;

static void fill(float *x, uint16_t *half, int64_t n, uint32_t factor) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        x[i] = (float)(((uint32_t)(i + 1) * factor >> 8) & 127) / 128 - 0.4375f;
        memcpy(&bits, &x[i], sizeof bits);
        assert_int_equal(bits & 0xffff, 0);
        half[i] = (uint16_t)(bits >> 16);
    }
}

static operands make(const int64_t *size, bool trans_a, bool trans_b) {
    operands x = {.p = {size[0], size[1], size[2], trans_a, trans_b, 1}};
    const int64_t m = size[0], n = size[1], k = size[2];
    x.a = malloc(sizeof *x.a * (size_t)(m * k)), x.half_a = malloc(sizeof *x.half_a * (size_t)(m * k));
    x.b = malloc(sizeof *x.b * (size_t)(k * n)), x.half_b = malloc(sizeof *x.half_b * (size_t)(k * n));
    x.c = malloc(sizeof *x.c * (size_t)(m * n));
    fill(x.a, x.half_a, m * k, 2654435761u);
    fill(x.b, x.half_b, k * n, 2246822519u);
    return x;
}

static void release(operands *x) { free(x->a), free(x->b), free(x->c), free(x->half_a), free(x->half_b); }

/* The element of c at row i and column j. */
static double element(const operands *x, int64_t i, int64_t j) {
    const mx_product *p = &x->p;
    double sum = 0;
    for (int64_t q = 0; q < p->k; q++)
        sum += (double)x->a[p->trans_a ? q * p->m + i : i * p->k + q] *
               (double)x->b[p->trans_b ? j * p->k + q : q * p->n + j];
    return sum;
}

static void compare(const operands *x, mx_dtype type, bool blocks) {
    double largest = 1e-30, worst = 0;
    for (int64_t i = 0; i < x->p.m * x->p.n; i++) {
        const double want = element(x, i / x->p.n, i % x->p.n), gap = fabs((double)x->c[i] - want);
        largest = fmax(largest, fabs(want));
        if (!(gap <= worst)) worst = gap; /* NaN too */
    }
    if (!(worst <= LIMIT * largest))
        fail_msg("%s, %s, a%s b%s, m %d n %d k %d: off by %g of %g", blocks ? "ours" : "oneDNN",
                 type == MX_BF16 ? "bf16" : "f32", x->p.trans_a ? "T" : "", x->p.trans_b ? "T" : "",
                 (int)x->p.m, (int)x->p.n, (int)x->p.k, worst, largest);
}

/* Converts the operands that product.h wants in bf16, and multiplies. False: there is no such product, c is
 * unchanged. */
static bool multiply(operands *x, mx_dtype type, int threads, bool blocks) {
    const bool half = type == MX_BF16, weight = blocks && !x->p.trans_a;
    const size_t bytes = sizeof *x->c * (size_t)(x->p.m * x->p.n);
    memset(x->c, 0xff, bytes);
    if (mx_product_run(&x->p, type, x->c, half ? (void *)x->half_a : x->a,
                       half && !weight ? (void *)x->half_b : x->b, threads, blocks))
        return true;
    for (size_t i = 0; i < bytes; i++) assert_int_equal(((unsigned char *)x->c)[i], 0xff);
    return false;
}

/* The three products of a layer: y = x wᵀ, dX = dy w, dW = dyᵀ x. Each runs twice, since the second call reuses what
 * the first prepared. */
static void check(mx_dtype type, bool blocks) {
    static const bool turned[][2] = {{false, true}, {false, false}, {true, false}};
    int done = 0, all = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int w = 0; w < 3; w++) {
            operands x = make(sizes[s], turned[w][0], turned[w][1]);
            for (int call = 0; call < 4; call++, all++) {
                if (!multiply(&x, type, 1 + call / 2, blocks)) continue;
                compare(&x, type, blocks);
                done++;
            }
            release(&x);
        }
    if (!done) skip();
    assert_int_equal(done, all);
}

static void ours_f32(void **unused) {
    (void)unused;
    check(MX_F32, true);
}
static void ours_bf16(void **unused) {
    (void)unused;
    check(MX_BF16, true);
}
static void library_f32(void **unused) {
    (void)unused;
    check(MX_F32, false);
}
static void library_bf16(void **unused) {
    (void)unused;
    check(MX_BF16, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_f32),
        cmocka_unit_test(ours_bf16),
        cmocka_unit_test(library_f32),
        cmocka_unit_test(library_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
