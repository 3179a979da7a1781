/* The cpu backend compared with the reference in f32, op by op: random input, odd sizes (ops_cases.h). Limits
 * are the f32 rounding of the sums, with about a factor of 3 to spare. */
#ifdef MX_WITH_CPU
#include "ops_cases.h"

/* ---- linear layers */

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
static void op_linear_add(mx_ctx *c, const mx_tensor *t, const void *m) { /* in place */
    (void)m;
    mx_linear_add(c, t[0], t[0], t[1], t[2], t[3], t[4]);
}
static void op_linear_add_apart(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_linear_add(c, t[0], t[1], t[2], t[3], MX_ABSENT, MX_ABSENT);
}
static void op_linear_back(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_linear_back(c, t[0], t[1], t[2], t[3], t[4], t[5]);
}
static void op_linear_back_parameters(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_linear_back(c, MX_ABSENT, t[0], MX_ABSENT, t[1], t[2], t[3]);
}
static void op_linear_gelu_back(mx_ctx *c, const mx_tensor *t, const void *m) { /* dh over h */
    (void)m;
    mx_linear_gelu_back(c, t[0], t[1], t[2], t[3], t[4], t[0], t[5]);
}

static void test_linear(void **unused) {
    (void)unused;
    for (int s = 0; s < SIZES; s++) {
        const int64_t n = sizes[s][0], o = sizes[s][1], i = sizes[s][2];
        const mx_tensor absent = MX_ABSENT;
#define NEW(...) make(__VA_ARGS__, 0, 0, 0, 1)
        check((test_case){"linear",
                          op_linear,
                          1,
                          4,
                          {NEW(n, o), NEW(n, i), NEW(o, i), make(o, 0, 0, 0, 0, 1)},
                          NULL,
                          1e-6});
        check((test_case){
            "linear, no bias", op_linear, 1, 4, {NEW(n, o), NEW(n, i), NEW(o, i), absent}, NULL, 1e-6});
        check((test_case){"linear_gelu",
                          op_linear_gelu,
                          2,
                          5,
                          {NEW(n, o), NEW(n, o), NEW(n, i), NEW(o, i), make(o, 0, 0, 0, 0, 1)},
                          NULL,
                          1e-6});
        check((test_case){
            "linear_add",
            op_linear_add,
            1,
            5,
            {NEW(n, o), NEW(n, i), NEW(o, i), make(o, 0, 0, 0, 0, 1), make(n % 2 ? 1 : 2, 0, 0, 0, 0, 1)},
            NULL,
            1e-6});
        check((test_case){"linear_add apart",
                          op_linear_add_apart,
                          1,
                          4,
                          {NEW(n, o), NEW(n, o), NEW(n, i), NEW(o, i)},
                          NULL,
                          1e-6});
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
                          {NEW(n, i), NEW(o, i), make(o, 0, 0, 0, 0, 1), NEW(n, o), NEW(n, i), NEW(o, i)},
                          NULL,
                          2e-6});
        check((test_case){"linear_back, parameters only",
                          op_linear_back_parameters,
                          1,
                          4,
                          {NEW(o, i), NEW(n, o), NEW(n, i), NEW(o, i)},
                          NULL,
                          2e-6});
        check((test_case){
            "linear_gelu_back",
            op_linear_gelu_back,
            3,
            6,
            {make(n, i, 0, 0, 0, 3), NEW(o, i), make(o, 0, 0, 0, 0, 1), NEW(n, o), NEW(n, i), NEW(o, i)},
            NULL,
            2e-6});
    }
}

/* ---- LayerNorm */

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
    static const bool yes = true, no = false;
    for (int s = 0; s < 6; s++) {
        const int64_t n = shape[s][0], w = shape[s][1];
#define ROW(k, v) make(k, 0, 0, 0, 0, v)
        check((test_case){"layernorm",
                          op_layernorm,
                          3,
                          6,
                          {NEW(n, w), ROW(n, 1), ROW(n, 1), make(n, w, 0, 0, 0, 4), ROW(w, 1), ROW(w, 1)},
                          NULL,
                          2e-6});
        for (int add = 0; add < 2; add++)
            check((test_case){
                "layernorm_back",
                op_layernorm_back,
                3,
                8,
                {NEW(n, w), ROW(w, 1), ROW(w, 1), NEW(n, w), NEW(n, w), ROW(n, 0.1f), ROW(n, 1), ROW(w, 1)},
                add ? &yes : &no,
                2e-6});
    }
}

/* ---- attention */

static void op_attention(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_attention(c, t[0], t[1], t[2], t[3], lay);
}

/* Forward in the same run, so that out and lse are the backend's own. */
static void op_attention_back(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_tensor out = mx_alloc_like(c, t[2]), lse = mx_alloc_like(c, t[5]);
    mx_attention(c, out, lse, t[3], t[4], lay);
    mx_attention_back(c, t[0], mx_present(t[4]) ? t[1] : MX_ABSENT, t[2], out, lse, t[3], t[4], lay);
}

static void attention_case(int64_t batch, int64_t heads, int64_t d, map *m, bool biased) {
    const int64_t l = m->lay.tokens, entries = (2 * m->lay.window_h - 1) * (2 * m->lay.window_w - 1);
    const mx_tensor absent = MX_ABSENT;
    check((test_case){"attention",
                      op_attention,
                      2,
                      4,
                      {make(batch, l, heads * d, 0, 0, 1), make(batch, heads, l, 0, 0, 1),
                       make(batch, l, 3, heads, d, 2), biased ? make(entries, heads, 0, 0, 0, 1) : absent},
                      &m->lay,
                      1e-6});
    check((test_case){"attention_back",
                      op_attention_back,
                      2,
                      6,
                      {make(batch, l, 3, heads, d, 1), make(entries, heads, 0, 0, 0, 1),
                       make(batch, l, heads * d, 0, 0, 1), make(batch, l, 3, heads, d, 2),
                       biased ? make(entries, heads, 0, 0, 0, 1) : absent, make(batch, heads, l, 0, 0, 1)},
                      &m->lay,
                      3e-6});
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
    attention_case(2, 1, 2, make_map(3, 3, 1, 1, 0.5), true); /* segments of one token */
    attention_case(1, 1, 16, make_map(24, 24, 24, 24, 0), true);
}

/* ---- tokens */

static void op_patch_rows(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_patch_rows(c, t[0], t[1], lay, 4);
}
static void op_add_position(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_add_position(c, t[0], t[1], lay);
}
static void op_unmix(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_unmix(c, t[0], t[1], t[2], t[3], lay);
}
static void op_unmix_back(mx_ctx *c, const mx_tensor *t, const void *lay) {
    mx_unmix_back(c, t[0], t[1], t[2], lay);
}

static void test_tokens(void **unused) {
    (void)unused;
    for (int masked = 0; masked < 2; masked++) {
        map *m = make_map(6, 8, 3, 4, masked ? 0.5 : 0);
        check((test_case){"patch_rows",
                          op_patch_rows,
                          1,
                          2,
                          {make(3, 48, 48, 0, 0, 1), make(3, 3, 24, 32, 0, 1)},
                          &m->lay,
                          0});
        check((test_case){
            "add_position", op_add_position, 1, 2, {make(3, 48, 37, 0, 0, 1), NEW(48, 37)}, &m->lay, 0});
        if (masked) {
            check((test_case){"unmix",
                              op_unmix,
                              1,
                              4,
                              {make(6, 48, 37, 0, 0, 1), make(3, 48, 37, 0, 0, 1), ROW(37, 1), NEW(48, 37)},
                              &m->lay,
                              0});
            check((test_case){"unmix_back",
                              op_unmix_back,
                              2,
                              3,
                              {make(3, 48, 37, 0, 0, 1), ROW(37, 1), make(6, 48, 37, 0, 0, 1)},
                              &m->lay,
                              1e-6});
        }
        free(m);
    }
}

/* ---- memory, losses, optimiser */

static const int32_t some_rows[] = {5, 0, 3};
static void op_fill(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_fill(c, t[0], 2.5f);
}
static void op_copy(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_copy(c, t[0], t[1]);
}
static void op_scale(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_scale_samples(c, t[0], t[0], t[1]);
}
static void op_gather(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_gather_rows(c, t[0], t[1], some_rows);
}
static void op_scatter(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_scatter_rows(c, t[0], t[1], some_rows);
}
static void op_mean(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_mean_rows(c, t[0], t[1]);
}
static void op_mean_back(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_mean_rows_back(c, t[0], t[1]);
}

static void test_memory(void **unused) {
    (void)unused;
    check((test_case){"fill", op_fill, 1, 1, {NEW(70001, 3)}, NULL, 0});
    check((test_case){"copy", op_copy, 1, 2, {NEW(70001, 3), NEW(70001, 3)}, NULL, 0});
    check((test_case){"scale_samples", op_scale, 1, 2, {NEW(3, 70001), ROW(3, 1)}, NULL, 0});
    check((test_case){
        "gather_rows", op_gather, 1, 2, {make(2, 3, 33, 0, 0, 1), make(2, 6, 33, 0, 0, 1)}, NULL, 0});
    check((test_case){
        "scatter_rows", op_scatter, 1, 2, {make(2, 6, 33, 0, 0, 1), make(2, 3, 33, 0, 0, 1)}, NULL, 0});
    check((test_case){"mean_rows", op_mean, 1, 2, {NEW(3, 37), make(3, 49, 37, 0, 0, 1)}, NULL, 1e-6});
    check((test_case){
        "mean_rows_back", op_mean_back, 1, 2, {make(3, 49, 37, 0, 0, 1), NEW(3, 37)}, NULL, 2e-7});
}

static void op_pixel_loss(mx_ctx *c, const mx_tensor *t, const void *targets) {
    mx_pixel_loss(c, t[0], t[1], t[1], t[2], targets, 0.7f); /* gradient over prediction */
}
static void op_cross_entropy(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_soft_cross_entropy(c, t[0], t[1], t[2], t[3], 0.7f);
}
static void op_square_sum(mx_ctx *c, const mx_tensor *t, const void *m) {
    (void)m;
    mx_square_sum(c, t[0], t[1]);
}
static void op_adamw(mx_ctx *c, const mx_tensor *t, const void *args) {
    mx_adamw(c, t[0], t[1], t[2], t[3], t[4], args);
}

static void test_losses(void **unused) {
    (void)unused;
    static const int32_t image[] = {0, 1, 1, 0, 1, 0, 0}, patch[] = {3, 0, 5, 2, 1, 4, 0};
    for (int normalise = 0; normalise < 2; normalise++) {
        const mx_targets targets = {image, patch, 5, normalise != 0};
        check((test_case){"pixel_loss",
                          op_pixel_loss,
                          2,
                          3,
                          {ROW(1, 1), NEW(7, 75), make(2, 3, 10, 15, 0, 1)},
                          &targets,
                          1e-6});
    }
    for (int64_t k = 1; k < 1100; k = 3 * k + 7)
        check((test_case){"soft_cross_entropy",
                          op_cross_entropy,
                          2,
                          4,
                          {ROW(1, 1), NEW(5, k), make(5, k, 0, 0, 0, 20), NEW(5, k)},
                          NULL,
                          1e-6});
}

static void op_update_begin(mx_ctx *c, const mx_tensor *t, const void *clip) {
    mx_update_begin(c, t[0], t[1], t[2], *(const double *)clip);
}

/* Norm, clipping, count and the verdict, by hand; and that nothing moves after a bad verdict. */
static void test_update(void **unused) {
    (void)unused;
    static const double clips[] = {0, 0.5, 100};
    const struct {
        double square;
        float loss;
        bool finite;
    } given[] = {{9, 1, true}, {9, NAN, false}, {INFINITY, 1, false}, {(double)NAN, 1, false}, {0, 1, true}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        for (size_t j = 0; j < 3; j++) {
            double u[MX_UPDATE] = {[MX_UPDATE_LR] = 0.25,
                                   [MX_UPDATE_COUNT] = 6,
                                   [MX_UPDATE_SQUARE] = given[i].square,
                                   [MX_UPDATE_ROW] = 1};
            double log[2][MX_UPDATE] = {{-1, -1, -1, -1, -1, -1, -1, -1}};
            float loss = given[i].loss, w[3] = {1, 2, 3}, m[3] = {0}, v[3] = {0}, g[3] = {1, 1, 1};
            const mx_adamw_args args = {.lr_scale = 1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
            mx_ctx c = {.backend = mx_backend_find("cpu"), .threads = 1};
            mx_tensor U = mx_view(u, MX_F64, MX_UPDATE, 0, 0, 0, 0), W = mx_view(w, MX_F32, 3, 0, 0, 0, 0);
            mx_update_begin(&c, U, mx_view(log, MX_F64, 2, MX_UPDATE, 0, 0, 0),
                            mx_view(&loss, MX_F32, 1, 0, 0, 0, 0), clips[j]);
            mx_adamw(&c, W, mx_view(m, MX_F32, 3, 0, 0, 0, 0), mx_view(v, MX_F32, 3, 0, 0, 0, 0),
                     mx_view(g, MX_F32, 3, 0, 0, 0, 0), U, &args);
            assert_true(mx_ok(&c) && u[MX_UPDATE_LR] == 0.25 && u[MX_UPDATE_SQUARE] == 0);
            assert_true(u[MX_UPDATE_FINITE] == given[i].finite && u[MX_UPDATE_COUNT] == 6 + given[i].finite);
            assert_true((w[0] != 1) == given[i].finite && (m[2] != 0) == given[i].finite);
            assert_true(u[MX_UPDATE_LOSS] == (double)loss || isnan(loss));
            assert_true(u[MX_UPDATE_ROW] == 0 && !memcmp(log[1], u, MX_UPDATE_ROW * sizeof *u));
            for (int k = 0; k < MX_UPDATE; k++) assert_true(log[0][k] == -1);
            if (i == 0) assert_true(u[MX_UPDATE_NORM] == 3);
            if (i == 0 && j != 1) assert_true(u[MX_UPDATE_SCALE] == 1);
            if (i == 0 && j == 1) assert_true(u[MX_UPDATE_SCALE] == 0.5 / (3 + 1e-6));
        }
}

static void test_optimiser(void **unused) {
    (void)unused;
    static const mx_adamw_args args = {
        .lr_scale = 0.5, .weight_decay = 0.05, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
    static const double clip = 0.125;
    for (int64_t n = 1; n < 300000; n = 7 * n + 2) {
        mx_tensor sum = {malloc(8), {1}, 1, MX_F64};
        *(double *)sum.data = 0.25;
        check((test_case){"square_sum", op_square_sum, 1, 2, {sum, ROW(n, 1)}, NULL, 1e-12});
        mx_tensor u[2];
        for (int i = 0; i < 2; i++) {
            u[i] = (mx_tensor){calloc(MX_UPDATE, 8), {MX_UPDATE}, 1, MX_F64};
            double *x = u[i].data;
            x[MX_UPDATE_LR] = 2e-2, x[MX_UPDATE_COUNT] = 3, x[MX_UPDATE_SQUARE] = (double)n;
            x[MX_UPDATE_SCALE] = 0.5, x[MX_UPDATE_FINITE] = 1, x[MX_UPDATE_ROW] = (double)(n % 3);
        }
        mx_tensor log = {calloc(3 * MX_UPDATE, 8), {3, MX_UPDATE}, 2, MX_F64};
        check((test_case){"update_begin", op_update_begin, 2, 3, {u[0], log, ROW(1, 1)}, &clip, 1e-15});
        test_case k = {"adamw", op_adamw, 3, 5, {ROW(n, 1), ROW(n, 1), ROW(n, 1), ROW(n, 1), u[1]},
                       &args,   1e-6};
        for (int64_t i = 0; i < n; i++) mx_f32(k.t[2])[i] = fabsf(mx_f32(k.t[2])[i]) + 1e-3f;
        check(k);
    }
}

/* A gradient that is not a number must be seen by the norm, one that is huge must not look like one. */
static void test_square_sum_extremes(void **unused) {
    (void)unused;
    double sum = 0;
    float g[100] = {0};
    mx_ctx c = {.backend = mx_backend_find("cpu"), .threads = 2};
    g[57] = 1e25f;
    mx_square_sum(&c, mx_view(&sum, MX_F64, 1, 0, 0, 0, 0), mx_view(g, MX_F32, 100, 0, 0, 0, 0));
    assert_true(isfinite(sum) && fabs(sum / 1e50 - 1) < 1e-5);
    g[57] = NAN;
    mx_square_sum(&c, mx_view(&sum, MX_F64, 1, 0, 0, 0, 0), mx_view(g, MX_F32, 100, 0, 0, 0, 0));
    assert_true(isnan(sum));
}

/* ---- exp and erf over their range */

static void test_functions(void **unused) {
    (void)unused;
    const mx_kernels *k = mx_backend_find("cpu")->own;
    enum { N = 400001 };
    float *x = malloc(sizeof *x * N), *y = malloc(sizeof *y * N);
    for (int i = 0; i < N; i++) x[i] = -87.0f + (float)i * (175.0f / N);
    k->exp(y, x, N);
    for (int i = 0; i < N; i++)
        if (!(fabs((double)y[i] / exp((double)x[i]) - 1) < 2e-7)) fail_msg("exp(%g) = %g", x[i], y[i]);
    for (int i = 0; i < N; i++) x[i] = -6.0f + (float)i * (12.0f / N);
    k->erf(y, x, N);
    for (int i = 0; i < N; i++)
        if (!(fabs((double)y[i] - erf((double)x[i])) < 2e-7)) fail_msg("erf(%g) = %g", x[i], y[i]);
    x[0] = NAN, x[1] = -INFINITY, x[2] = INFINITY, x[3] = 0;
    k->exp(y, x, 4);
    assert_true(isnan(y[0]) && y[1] < 2e-38f && y[3] == 1);
    k->erf(y, x, 4);
    assert_true(isnan(y[0]) && y[1] == -1 && y[2] == 1 && fabsf(y[3]) < 2e-7f);
    free(x);
    free(y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_back),
        cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_optimiser),
        cmocka_unit_test(test_square_sum_extremes),
    };
    if (!has_isa()) return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) { return 0; }
#endif
