/* The cpu backend against the reference in f32, op by op (cases.h). Limits are the f32 rounding of the sums, times
 * about 3. Also tests that a list of cases cannot express: whether an update is skipped, exp and erf over their
 * range. */
#ifdef MX_WITH_CPU
#include "compare.h"
#include "rows.h"

static bool takes(const op_row *row) { return row->limit >= 0; }

static void row_in_f32(void **state) {
    const op_row *row = *state;
    for (int at = 0; at < row->sizes->count - row->sizes->timed; at++) {
        op_case k;
        case_make(&k, row, at, NULL);
        check(&k, row->limit, BF16_LIMIT);
        case_free(&k);
    }
}

/* Norm, clipping, count and FINITE against values computed here. With FINITE 0, nothing may change. */
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

/* A NaN gradient must make the norm NaN; a huge one must not. */
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
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_square_sum_extremes),
    };
    if (!has_isa()) return EXIT_FAILURE;
    return run_rows("cpu against ref, f32", others, 3, row_in_f32, takes, NULL);
}
#else
int main(void) { return 0; }
#endif
