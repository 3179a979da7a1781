/* Mixed precision: bf16 activations in every op that supports them. The reference is compared with f32
 * arithmetic on rounded numbers, written out here; the cpu backend is compared with the reference
 * (ops_cases.h). */
#ifdef MX_WITH_CPU
#include "ops_cases.h"

#define H(...)     to_bf16(make(__VA_ARGS__, 0, 0, 0, 1))
#define NEW(...)   make(__VA_ARGS__, 0, 0, 0, 1)
#define ROW(k, v)  make(k, 0, 0, 0, 0, v)
#define F32_LIMIT  2e-6 /* of what stays f32: the operands are the same rounded numbers on both sides */
#define SUMS_LIMIT 1e-5 /* of gradients that sum differences of rounded terms */

/* Where the processor multiplies bf16 itself, attention's probabilities and dS are rounded too: each term of
 * a sum may be off by half a unit of its own, beside the rounding of the result. */
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

/* Rounds x through an op: y = LN(x) would change it, a copy has one type; a product with 1 does not change
 * it. */
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

/* Nearest, ties to even, infinities and what is not a number kept (IEEE 754-2019, 4.3.1). */
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
        const uint32_t payload = 0x7f800001; /* rounding up its bits must not end at infinity */
        float x;
        memcpy(&x, &payload, sizeof x);
        assert_true(isnan(widen(round_with(backends[b], x))));
        const uint32_t all = 0xffffffff;
        memcpy(&x, &all, sizeof x);
        assert_true(isnan(widen(round_with(backends[b], x))));
    }
}

static float flush(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

/* One sum as docs/MODEL.md has it for the processor's own products: by twos, the second of two first, each
 * one fused multiply-add without denormals; 512 terms a sum, then added. */
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

/* Bit for bit; magnitudes from 2^-70 to 2^-50, so that products are denormal, and sums of both signs. */
static void test_order_of_sums(void **unused) {
    (void)unused;
    if (!multiplies_bf16()) skip();
    enum { ROWS = 13, OUT = 37, IN = 1301 };
    mx_tensor x = to_bf16(make(ROWS, IN, 0, 0, 0, 1)), w = make(OUT, IN, 0, 0, 0, 1),
              y = make(ROWS, OUT, 0, 0, 0, 0);
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
    free(x.data), free(w.data), free(y.data);
}

/* The reference itself: a product of bf16 x rounds w, sums exactly, rounds y; one of f32 x does not round w.
 */
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

/* ---- cpu against ref */

static const int64_t sizes[][3] = {/* rows, out, in */
                                   {1, 1, 1},      {7, 10, 3},       {49, 24, 7},
                                   {98, 17, 130},  {392, 64, 257},   {197, 300, 33},
                                   {3136, 30, 48}, {1300, 129, 520}, {4, 1000, 96}};
#define SIZES (int)(sizeof sizes / sizeof sizes[0])

static void op_linear(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_linear(c, t[0], t[1], t[2], t[3]);
}
static void op_linear_gelu(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_linear_gelu(c, t[0], t[1], t[2], t[3], t[4]);
}
static void op_gelu(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_gelu(c, t[0], t[1]);
}
static void op_linear_add(mx_ctx *c, const mx_tensor *t, const void *m) { /* in place */
    (void)m;
    mx_linear_add(c, t[0], t[0], t[1], t[2], t[3], t[4]);
}
static void op_linear_back(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_linear_back(c, t[0], t[1], t[2], t[3], t[4], t[5]);
}
static void op_linear_gelu_back(mx_ctx *c, const mx_tensor *t, const void *m) { /* dh over h */
    (void)m;
    mx_linear_gelu_back(c, t[0], t[1], t[2], t[3], t[4], t[0], t[5]);
}

static void test_linear(void **unused) {
    (void)unused;
    for (int s = 0; s < SIZES; s++) {
        const int64_t n = sizes[s][0], o = sizes[s][1], i = sizes[s][2];
        check((test_case){"linear", op_linear, 1, 4, {H(n, o), H(n, i), NEW(o, i), ROW(o, 1)}, NULL, 0});
        check((test_case){"linear, bf16 to f32",
                          op_linear,
                          1,
                          4,
                          {NEW(n, o), H(n, i), NEW(o, i), ROW(o, 1)},
                          NULL,
                          F32_LIMIT});
        check((test_case){
            "linear, f32 to bf16", op_linear, 1, 4, {H(n, o), NEW(n, i), NEW(o, i), ROW(o, 1)}, NULL, 0});
        check((test_case){
            "linear_gelu", op_linear_gelu, 2, 5, {H(n, o), H(n, o), H(n, i), NEW(o, i), ROW(o, 1)}, NULL, 0});
        check((test_case){"linear_add",
                          op_linear_add,
                          1,
                          5,
                          {NEW(n, o), H(n, i), NEW(o, i), ROW(o, 1), ROW(n % 2 ? 1 : 2, 1)},
                          NULL,
                          F32_LIMIT});
        check((test_case){"gelu", op_gelu, 1, 2, {H(n, o), to_bf16(make(n, o, 0, 0, 0, 5))}, NULL, 0});
    }
}

static void test_linear_back(void **unused) {
    (void)unused;
    for (int s = 0; s < SIZES; s++) {
        const int64_t n = sizes[s][0], o = sizes[s][1], i = sizes[s][2];
        check((test_case){"linear_back",
                          op_linear_back,
                          3,
                          6,
                          {H(n, i), NEW(o, i), ROW(o, 1), H(n, o), H(n, i), NEW(o, i)},
                          NULL,
                          F32_LIMIT});
        check((test_case){"linear_back, f32 dy",
                          op_linear_back,
                          3,
                          6,
                          {H(n, i), NEW(o, i), ROW(o, 1), NEW(n, o), H(n, i), NEW(o, i)},
                          NULL,
                          F32_LIMIT});
        check((test_case){
            "linear_gelu_back",
            op_linear_gelu_back,
            3,
            6,
            {to_bf16(make(n, i, 0, 0, 0, 3)), NEW(o, i), ROW(o, 1), NEW(n, o), H(n, i), NEW(o, i)},
            NULL,
            F32_LIMIT});
    }
}

static void op_layernorm(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_layernorm(c, t[0], t[1], t[2], t[3], t[4], t[5]);
}
static void op_layernorm_back(mx_ctx *c, const mx_tensor *t, const void *add) {
    mx_layernorm_back(c, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], *(const bool *)add);
}

static void test_layernorm(void **unused) {
    (void)unused;
    static const int64_t shape[][2] = {{1, 5}, {7, 3}, {49, 33}, {3136, 16}, {130, 1024}, {65, 500}};
    static const bool yes = true;
    for (int s = 0; s < 6; s++) {
        const int64_t n = shape[s][0], w = shape[s][1];
        check((test_case){"layernorm",
                          op_layernorm,
                          3,
                          6,
                          {H(n, w), ROW(n, 1), ROW(n, 1), make(n, w, 0, 0, 0, 4), ROW(w, 1), ROW(w, 1)},
                          NULL,
                          F32_LIMIT});
        check((test_case){
            "layernorm_back",
            op_layernorm_back,
            3,
            8,
            {NEW(n, w), ROW(w, 1), ROW(w, 1), H(n, w), NEW(n, w), ROW(n, 0.1f), ROW(n, 1), ROW(w, 1)},
            &yes,
            F32_LIMIT});
    }
}

static void op_attention(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_attention(c, t[0], t[1], t[2], t[3], lay);
}

/* out and lse come in as the reference's forward left them, so that both sides read the same bytes. */
static void op_attention_back(mx_ctx *c, const mx_tensor *t, const void *lay) {
    const mx_backend *own = c->backend;
    mx_tensor out = mx_alloc_like(c, t[2]), lse = mx_alloc_like(c, t[5]);
    c->backend = mx_backend_find("ref");
    mx_attention(c, out, lse, t[3], t[4], lay);
    c->backend = own;
    mx_attention_back(c, t[0], mx_present(t[4]) ? t[1] : MX_ABSENT, t[2], out, lse, t[3], t[4], lay);
}

static void attention_case(int64_t batch, int64_t heads, int64_t d, map *m, bool biased) {
    const int64_t l = m->lay.tokens, entries = (2 * m->lay.window_h - 1) * (2 * m->lay.window_w - 1);
    const mx_tensor absent = MX_ABSENT;
    const double half_limit = multiplies_bf16() ? PROBABILITY_LIMIT : BF16_LIMIT;
    check_within((test_case){"attention",
                             op_attention,
                             2,
                             4,
                             {to_bf16(make(batch, l, heads * d, 0, 0, 1)), make(batch, heads, l, 0, 0, 1),
                              to_bf16(make(batch, l, 3, heads, d, 2)),
                              biased ? make(entries, heads, 0, 0, 0, 1) : absent},
                             &m->lay,
                             F32_LIMIT},
                 half_limit);
    check_within(
        (test_case){"attention_back",
                    op_attention_back,
                    2,
                    6,
                    {to_bf16(make(batch, l, 3, heads, d, 1)), make(entries, heads, 0, 0, 0, 1),
                     to_bf16(make(batch, l, heads * d, 0, 0, 1)), to_bf16(make(batch, l, 3, heads, d, 2)),
                     biased ? make(entries, heads, 0, 0, 0, 1) : absent, make(batch, heads, l, 0, 0, 1)},
                    &m->lay,
                    SUMS_LIMIT},
        half_limit);
    free(m);
}

static void test_attention(void **unused) {
    (void)unused;
    attention_case(3, 2, 32, make_map(14, 14, 7, 7, 0.5), true);
    attention_case(2, 3, 32, make_map(14, 14, 14, 14, 0.5), true);
    attention_case(5, 1, 24, make_map(6, 9, 3, 3, 0.6), true);
    attention_case(2, 2, 64, make_map(14, 7, 14, 7, 0), true);
    attention_case(4, 16, 32, make_map(7, 7, 7, 7, 0.3), false);
    attention_case(1, 2, 3, make_map(4, 4, 2, 2, 0.5), true);
    attention_case(1, 1, 40, make_map(5, 5, 5, 5, 0), true);
    attention_case(1, 1, 32, make_map(20, 21, 20, 21, 0), true); /* more queries than a block */
}

/* Rows move as they are. */
static void op_gather(mx_ctx *c, const mx_tensor *t, const void *index) {
    mx_gather_rows(c, t[0], t[1], index);
}
static void op_scatter(mx_ctx *c, const mx_tensor *t, const void *index) {
    mx_scatter_rows(c, t[0], t[1], index);
}

static void test_rows(void **unused) {
    (void)unused;
    static const int32_t index[5] = {2, 0, 3, 7, 1}; /* not the last row: it must become 0 */
#define H3(a, b, d) to_bf16(make(a, b, d, 0, 0, 1))
    for (int64_t w = 1; w < 20; w += 6) {
        check((test_case){"gather_rows", op_gather, 1, 2, {H3(3, 5, w), H3(3, 9, w)}, index, 0});
        check((test_case){"scatter_rows", op_scatter, 1, 2, {H3(3, 9, w), H3(3, 5, w)}, index, 0});
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),      cmocka_unit_test(test_reference),
        cmocka_unit_test(test_order_of_sums), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_back),   cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_attention),     cmocka_unit_test(test_rows),
    };
    if (!has_isa()) return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) { return 0; }
#endif
