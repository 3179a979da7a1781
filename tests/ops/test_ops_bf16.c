/* Mixed precision: bf16 activations in every op that takes them. Compares the reference with f32 arithmetic on rounded
 * numbers, which is written out here, and the cpu backend with the reference, row by row (cases.h). */
#ifdef MX_WITH_CPU
#include "compare.h"
#include "rows.h"

/* With the processor's bf16 products, attention's probabilities and dS are rounded too. So each term of a sum may be
 * off by half a unit, in addition to the rounding of the result. */
#define PROBABILITY_LIMIT (1.0 / 128)

static bool multiplies_bf16(void) { return !strcmp(mx_backend_isa(mx_backend_find("cpu")), "avx512bf16"); }

static float widen(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint16_t upper(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* Rounds x with an op: a product with 1, which changes the type but not the value. */
static uint16_t round_with(const mx_backend *b, float x) {
    mx_arena arena;
    mx_ctx c = {.backend = b, .arena = &arena, .threads = 1};
    uint16_t y = 0;
    float one = 1;
    assert_int_equal(mx_arena_make(&arena, 8 << 20, &c.error), MX_OK);
    mx_linear(&c, mx_view(&y, MX_BF16, 1, 1, 0, 0, 0), mx_view(&x, MX_F32, 1, 1, 0, 0, 0),
              mx_view(&one, MX_F32, 1, 1, 0, 0, 0), MX_ABSENT);
    assert_int_equal(c.error.status, MX_OK);
    mx_arena_free(&arena);
    return y;
}

/* To nearest, ties to even; infinities and NaN stay (IEEE 754-2019, 4.3.1). */
static void test_rounding(void **unused) {
    (void)unused;
    const mx_backend *backends[] = {mx_backend_find("ref"), mx_backend_find("cpu")};
    const float cases[][2] = {{1, 1},
                              {0x1.01p0f, 0x1p0f},        /* tie, down to even */
                              {0x1.03p0f, 0x1.04p0f},     /* tie, up to even */
                              {0x1.010002p0f, 0x1.02p0f}, /* just above a tie */
                              {-0x1.03p0f, -0x1.04p0f},
                              {0x1.fffffep127f, INFINITY}, /* the largest f32 */
                              {INFINITY, INFINITY},
                              {-INFINITY, -INFINITY},
                              {0x1p-126f, 0x1p-126f},  /* smallest normal one */
                              {0x1p-133f, 0x1p-133f}}; /* smallest bf16: 0 for the instructions */
    for (int b = 0; b < 2; b++) {
        const size_t count = sizeof cases / sizeof *cases;
        const bool flushes = backends[b] != mx_backend_find("ref") && multiplies_bf16();
        assert_true(!flushes || round_with(backends[b], cases[count - 1][0]) == 0);
        for (size_t i = 0; i < count - flushes; i++)
            if (round_with(backends[b], cases[i][0]) != upper(cases[i][1]))
                fail_msg("%a became %a", (double)cases[i][0],
                         (double)widen(round_with(backends[b], cases[i][0])));
        assert_true(isnan(widen(round_with(backends[b], NAN))));
        const uint32_t payload = 0x7f800001; /* rounding up its bits must not give infinity */
        float x;
        memcpy(&x, &payload, sizeof x);
        assert_true(isnan(widen(round_with(backends[b], x))));
        const uint32_t all = 0xffffffff;
        memcpy(&x, &all, sizeof x);
        assert_true(isnan(widen(round_with(backends[b], x))));
    }
}

static float flush(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

/* One sum as docs/MODEL.md defines it for the processor's bf16 products: in pairs, the second of a pair first, each by
 * one fused multiply-add without denormals; sums of 512 terms, which are then added. */
static float by_pairs(const uint16_t *x, const float *w, int64_t n) {
    float total = 0;
    for (int64_t begin = 0; begin < n; begin += 512) {
        float sum = 0;
        for (int64_t p = begin; p < n && p < begin + 512; p += 2)
            for (int64_t e = 1; e >= 0; e--)
                if (p + e < n) sum = flush(fmaf(widen(x[p + e]), w[p + e], sum));
        total = begin ? total + sum : sum;
    }
    return total;
}

/* Results must be equal bit for bit. Magnitudes are from 2^-70 to 2^-50, so that products are denormal and sums have
 * both signs. */
static void test_order_of_sums(void **unused) {
    (void)unused;
    if (!multiplies_bf16()) skip();
    enum { ROWS = 13, OUT = 37, IN = 1301 };
    static const int64_t sizes[][8] = {{ROWS, OUT, IN}};
    static const op_sizes one = {"noi", sizes, 1, 0};
    static const op_row row = {.name = "sums", .tensors = "no ni oi", .sizes = &one};
    op_case k;
    case_make(&k, &row, 0, "fhf");
    mx_tensor y = k.t[0], x = k.t[1], w = k.t[2];
    for (int64_t i = 0; i < mx_count(w); i++) {
        const float scaled = ldexpf(mx_f32(w)[i], i / IN % 2 ? 0 : -50 - (int)(i % 70));
        mx_f32(w)[i] = widen(upper(fabsf(scaled) < 0x1p-120f ? 0 : scaled));
    }
    mx_arena arena;
    mx_ctx c = {.backend = mx_backend_find("cpu"), .arena = &arena, .threads = 2};
    assert_int_equal(mx_arena_make(&arena, 64 << 20, &c.error), MX_OK);
    mx_linear(&c, y, x, w, MX_ABSENT);
    assert_int_equal(c.error.status, MX_OK);
    for (int64_t n = 0; n < ROWS; n++)
        for (int64_t o = 0; o < OUT; o++) {
            const float want = by_pairs((uint16_t *)x.data + n * IN, mx_f32(w) + o * IN, IN);
            if (memcmp(&want, mx_f32(y) + n * OUT + o, sizeof want))
                fail_msg("row %d, output %d: %a, expected %a", (int)n, (int)o, (double)mx_f32(y)[n * OUT + o],
                         (double)want);
        }
    mx_arena_free(&arena);
    case_free(&k);
}

/* The reference: a product of bf16 x rounds w, sums exactly and rounds y; one of f32 x does not round w. */
static void test_reference(void **unused) {
    (void)unused;
    mx_arena arena;
    mx_ctx c = {.backend = mx_backend_find("ref"), .arena = &arena, .threads = 1};
    assert_int_equal(mx_arena_make(&arena, 8 << 20, &c.error), MX_OK);
    const float w[2] = {0x1.01p0f, 0x1.03p0f}; /* as bf16: 1 and 1.015625 */
    const uint16_t x[2] = {upper(2.0f), upper(4.0f)};
    const float full[2] = {2, 4};
    float y = 0;
    uint16_t h = 0;
    mx_tensor wt = mx_view((void *)(uintptr_t)w, MX_F32, 1, 2, 0, 0, 0);
    mx_linear(&c, mx_view(&y, MX_F32, 1, 1, 0, 0, 0), mx_view((void *)(uintptr_t)x, MX_BF16, 1, 2, 0, 0, 0),
              wt, MX_ABSENT);
    assert_true(y == 2 * 1.0f + 4 * 0x1.04p0f);
    mx_linear(&c, mx_view(&y, MX_F32, 1, 1, 0, 0, 0), mx_view((void *)(uintptr_t)full, MX_F32, 1, 2, 0, 0, 0),
              wt, MX_ABSENT);
    assert_true(y == 2 * 0x1.01p0f + 4 * 0x1.03p0f);
    mx_linear(&c, mx_view(&h, MX_BF16, 1, 1, 0, 0, 0), mx_view((void *)(uintptr_t)x, MX_BF16, 1, 2, 0, 0, 0),
              wt, MX_ABSENT);
    assert_true(widen(h) == 0x1.84p2f); /* 6.0625 */
    assert_int_equal(c.error.status, MX_OK);
    mx_linear_add(&c, mx_view(&h, MX_BF16, 1, 1, 0, 0, 0), mx_view(&y, MX_F32, 1, 1, 0, 0, 0),
                  mx_view((void *)(uintptr_t)x, MX_BF16, 1, 2, 0, 0, 0), wt, MX_ABSENT, MX_ABSENT);
    assert_int_equal(c.error.status, MX_ERR_UNSUPPORTED); /* the residual stream is f32 */
    mx_arena_free(&arena);
}

static bool takes(const op_row *row) { return row->half[0].types; }

static void row_in_bf16(void **state) {
    const op_row *row = *state;
    for (int h = 0; h < MAX_HALF && row->half[h].types; h++)
        for (int at = 0; at < row->sizes->count - row->sizes->timed; at++) {
            const bool twice = row->half[h].rounds_twice && multiplies_bf16();
            op_case k;
            case_make(&k, row, at, row->half[h].types);
            check(&k, row->half[h].limit, twice ? PROBABILITY_LIMIT : BF16_LIMIT);
            case_free(&k);
        }
}

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_order_of_sums),
    };
    if (!has_isa()) return EXIT_FAILURE;
    return run_rows("cpu against ref, bf16", others, 3, row_in_bf16, takes, NULL);
}
#else
int main(void) { return 0; }
#endif
