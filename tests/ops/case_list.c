/* The rows: every op, at odd and small sizes and at sizes next to the kernels' blocks. See cases.h. */
#include "cases.h"

#include <math.h>
#include <stdlib.h>

#define F32_LIMIT  2e-6 /* for f32 sums of the same rounded operands on both sides */
#define SUMS_LIMIT 1e-5 /* for gradients that sum differences of rounded terms */

#define OP(name, call)                                                                                       \
    static void op_##name(mx_ctx *c, const mx_tensor *t, const void *more) {                                 \
        (void)more;                                                                                          \
        call;                                                                                                \
    }
#define BACK(name, call)                                                                                     \
    static void back_##name(mx_ctx *c, const mx_tensor *d, mx_tensor dy, const mx_tensor *t,                 \
                            const void *more) {                                                              \
        (void)more, (void)dy, (void)t;                                                                       \
        call;                                                                                                \
    }

/* ---- linear layers */

static const int64_t linear_at[][8] = {/* rows, out, in, samples */
                                       {1, 1, 1, 1},
                                       {7, 10, 3, 1},
                                       {7, 5, 3, 1},
                                       {49, 24, 7, 1},
                                       {49, 16, 17, 1},
                                       {98, 17, 130, 2},
                                       {392, 64, 257, 2},
                                       {197, 300, 33, 1},
                                       {3136, 30, 48, 2},
                                       {1300, 129, 520, 2},
                                       {4, 1000, 96, 2},
                                       /* base: a stage's MLP and projection */
                                       {1568, 2048, 512, 8},
                                       {1568, 512, 2048, 8},
                                       {25088, 512, 128, 8}};
static const op_sizes linear_sizes = {"noik", linear_at, 14, 3};

OP(linear, mx_linear(c, t[0], t[1], t[2], t[3]))
OP(linear_no_bias, mx_linear(c, t[0], t[1], t[2], MX_ABSENT))
OP(linear_gelu, mx_linear_gelu(c, t[0], t[1], t[2], t[3], t[4]))
OP(gelu, mx_gelu(c, t[0], t[1]))
OP(linear_add, mx_linear_add(c, t[0], t[0], t[1], t[2], t[3], t[4])) /* in place */
OP(linear_add_apart, mx_linear_add(c, t[0], t[1], t[2], t[3], MX_ABSENT, MX_ABSENT))
OP(linear_back, mx_linear_back(c, t[0], t[1], t[2], t[3], t[4], t[5]))
OP(linear_back_parameters, mx_linear_back(c, MX_ABSENT, t[0], MX_ABSENT, t[1], t[2], t[3]))
OP(linear_gelu_back, mx_linear_gelu_back(c, t[0], t[1], t[2], t[3], t[4], t[0], t[5])) /* dh aliases h */
BACK(linear, mx_linear_back(c, d[1], d[2], d[3], dy, t[1], t[2]))
BACK(linear_no_bias, mx_linear_back(c, d[1], d[2], MX_ABSENT, dy, t[1], t[2]))
BACK(linear_add_apart, (mx_copy(c, d[1], dy), mx_linear_back(c, d[2], d[3], MX_ABSENT, dy, t[2], t[3])))

/* y = r + keep (GELU(x w1 + b1) w2 + b2): the whole MLP branch with drop path. Tensors: y h a | x w1 b1 w2 b2 r keep */
static const int64_t mlp_at[][8] = {{2, 7, 5, 9, 6}, {3, 49, 33, 132, 33}};
static const op_sizes mlp_sizes = {"btokx", mlp_at, 2, 0};
static void op_mlp(mx_ctx *c, const mx_tensor *t, const void *more) {
    (void)more;
    mx_linear_gelu(c, t[1], t[2], t[3], t[4], t[5]);
    mx_linear_add(c, t[0], t[8], t[1], t[6], t[7], t[9]);
}
static void back_mlp(mx_ctx *c, const mx_tensor *d, mx_tensor dy, const mx_tensor *t, const void *more) {
    (void)more;
    mx_tensor dh = mx_alloc_like(c, t[2]), scaled = mx_alloc_like(c, dy);
    mx_scale_samples(c, scaled, dy, t[9]);
    mx_linear_gelu_back(c, dh, d[6], d[7], scaled, t[1], t[2], t[6]);
    mx_linear_back(c, d[3], d[4], d[5], dh, t[3], t[4]);
    mx_copy(c, d[8], dy);
}

/* y = r + keep (x w + b), with drop path's factor keep [samples] */
static const int64_t keep_at[][8] = {{2, 7, 5, 9}, {3, 49, 30, 17}};
static const op_sizes keep_sizes = {"btoi", keep_at, 2, 0};
OP(linear_add_keep, mx_linear_add(c, t[0], t[1], t[2], t[3], t[4], t[5]))
static void back_linear_add_keep(mx_ctx *c, const mx_tensor *d, mx_tensor dy, const mx_tensor *t,
                                 const void *more) {
    (void)more;
    mx_tensor scaled = mx_alloc_like(c, dy);
    mx_copy(c, d[1], dy);
    mx_scale_samples(c, scaled, dy, t[5]);
    mx_linear_back(c, d[2], d[3], d[4], scaled, t[2], t[3]);
}

/* ---- LayerNorm */

static const int64_t norm_at[][8] = {{1, 5},     {7, 3},      {7, 12},   {7, 48},    {49, 33},
                                     {3136, 16}, {130, 1024}, {65, 500}, {1568, 512}};
static const op_sizes norm_sizes = {"nw", norm_at, 9, 1};

OP(layernorm, mx_layernorm(c, t[0], t[1], t[2], t[3], t[4], t[5]))
OP(layernorm_back, mx_layernorm_back(c, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], false))
OP(layernorm_back_add, mx_layernorm_back(c, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], true))
BACK(layernorm, mx_layernorm_back(c, d[3], d[4], d[5], dy, t[3], t[1], t[2], t[4], true))

/* ---- attention */

static const int64_t attention_at[][8] = {/* batch, heads, head width, map, biased */
                                          {3, 2, 32, 0, 1}, {2, 3, 32, 1, 1},  {5, 1, 24, 2, 1},
                                          {2, 2, 64, 3, 1}, {4, 16, 32, 4, 0}, {1, 2, 3, 5, 1},
                                          {2, 1, 2, 6, 1},  {1, 1, 16, 7, 1},  {1, 1, 40, 8, 1},
                                          {1, 1, 32, 9, 1}, {2, 3, 4, 14, 1},  {1, 1, 1, 14, 0},
                                          {2, 2, 3, 13, 1}, {1, 2, 8, 13, 0},  {8, 16, 32, 1, 1}};
static const op_sizes attention_sizes = {"bhdmB", attention_at, 15, 1};
static const void *layout_of(const op_row *row, int at) { return case_map(row, at); }

OP(attention, mx_attention(c, t[0], t[1], t[2], t[3], more))
OP(attention_back,
   mx_attention_back(c, t[0], mx_present(t[4]) ? t[1] : MX_ABSENT, t[2], t[6], t[5], t[3], t[4], more))
/* out and lse as the reference's forward leaves them, so that all backends read the same bytes */
static void attend(mx_tensor *t, const int64_t *v, const void *lay) {
    mx_ctx c = {.backend = mx_backend_find("ref"), .threads = 1};
    mx_arena arena;
    (void)v;
    c.arena = &arena;
    if (mx_arena_make(&arena, (size_t)1 << 20, &c.error)) abort();
    mx_attention(&c, t[6], t[5], t[3], t[4], lay);
    if (c.error.status) abort();
    mx_arena_free(&arena);
}
BACK(attention, mx_attention_back(c, d[2], d[3], dy, t[0], t[1], t[2], t[3], more))

/* ---- tokens */

static const int64_t patch_at[][8] = {{3, 10, 24, 32, 48}, {3, 11, 24, 32, 48}};
static const op_sizes patch_sizes = {"bmpqr", patch_at, 2, 0};
static const int64_t token_at[][8] = {{3, 10, 37}, {3, 11, 37}};
static const op_sizes token_sizes = {"bmw", token_at, 2, 0};
static const int64_t unmix_at[][8] = {{6, 3, 11, 37}, {6, 3, 12, 5}}; /* sequences, images, map, width */
static const op_sizes unmix_sizes = {"sbmw", unmix_at, 2, 0};

OP(patch_rows, mx_patch_rows(c, t[0], t[1], more, 4))
OP(add_position, mx_add_position(c, t[0], t[1], more))
OP(unmix, mx_unmix(c, t[0], t[1], t[2], t[3], more))
OP(unmix_back, mx_unmix_back(c, t[0], t[1], t[2], more))
BACK(unmix, mx_unmix_back(c, d[1], d[2], dy, more))

/* ---- memory */

static const int64_t copy_at[][8] = {{70001, 3}};
static const op_sizes copy_sizes = {"nw", copy_at, 1, 0};
static const int64_t rows_at[][8] = {{2, 5, 9, 3},  {3, 5, 9, 1},  {3, 5, 9, 7},
                                     {3, 5, 9, 13}, {3, 5, 9, 19}, {2, 5, 9, 33}};
static const op_sizes rows_sizes = {"bkrw", rows_at, 6, 0};
static const int64_t mean_at[][8] = {{2, 7, 3}, {3, 49, 37}};
static const op_sizes mean_sizes = {"btw", mean_at, 2, 0};
static const int32_t some_rows[] = {2, 0, 3, 7, 1}; /* without the last row, which scatter must set to 0 */

OP(fill, mx_fill(c, t[0], 2.5f))
OP(copy, mx_copy(c, t[0], t[1]))
OP(scale, mx_scale_samples(c, t[0], t[0], t[1]))
OP(gather, mx_gather_rows(c, t[0], t[1], some_rows))
OP(scatter, mx_scatter_rows(c, t[0], t[1], some_rows))
OP(mean, mx_mean_rows(c, t[0], t[1]))
OP(mean_back, mx_mean_rows_back(c, t[0], t[1]))
BACK(gather, mx_scatter_rows(c, d[1], dy, some_rows))
BACK(mean, mx_mean_rows_back(c, d[1], dy))

/* ---- losses */

static const int64_t pixel_at[][8] = {{7, 75, 3, 10, 15, 2, 5, 0},
                                      {7, 75, 3, 10, 15, 2, 5, 1},
                                      {7, 32, 2, 8, 12, 2, 4, 0},
                                      {7, 32, 2, 8, 12, 2, 4, 1}};
static const op_sizes pixel_sizes = {"nwcpqbsz", pixel_at, 4, 0};
static const void *targets_of(const op_row *row, int at) {
    static const int32_t image[] = {0, 1, 1, 0, 1, 0, 0}, patch[] = {3, 0, 5, 2, 1, 4, 0};
    static mx_targets made[4];
    made[at] = (mx_targets){image, patch, (int)case_size(row, at, 's'), case_size(row, at, 'z') != 0};
    return &made[at];
}
static const int64_t entropy_at[][8] = {{5, 1}, {4, 9}, {5, 10}, {5, 37}, {5, 118}, {5, 361}, {5, 1090}};
static const op_sizes entropy_sizes = {"nk", entropy_at, 7, 0};

static void targets_from_0(mx_tensor *t, const int64_t *v,
                           const void *more) { /* so that the loss does not cancel */
    (void)v, (void)more;
    for (int64_t i = 0; i < mx_count(t[3]); i++) mx_f32(t[3])[i] = (float)fabs((double)mx_f32(t[3])[i]);
}

OP(pixel_loss, mx_pixel_loss(c, t[0], t[1], t[1], t[2], more, 0.7f)) /* the gradient aliases the prediction */
OP(cross_entropy, mx_soft_cross_entropy(c, t[0], t[1], t[2], t[3], 0.7f))
OP(pixel_value, mx_pixel_loss(c, t[0], MX_ABSENT, t[1], t[2], more, 0.7f))
OP(entropy_value, mx_soft_cross_entropy(c, t[0], MX_ABSENT, t[2], t[3], 0.7f))
BACK(pixel_loss, mx_pixel_loss(c, t[0], d[1], t[1], t[2], more, 0.7f))
BACK(cross_entropy, mx_soft_cross_entropy(c, t[0], d[2], t[2], t[3], 0.7f))

/* ---- optimiser */

static const int64_t flat_at[][8] = {{1}, {9}, {65}, {457}, {3201}, {22409}, {156865}};
static const op_sizes flat_sizes = {"n", flat_at, 7, 0};
static const int64_t update_at[][8] = {{1, MX_UPDATE}, {9, MX_UPDATE}, {65, MX_UPDATE}};
static const op_sizes update_sizes = {"nu", update_at, 3, 0};
static const int64_t adamw_at[][8] = {{1, MX_UPDATE},     {9, MX_UPDATE},    {65, MX_UPDATE},
                                      {457, MX_UPDATE},   {3201, MX_UPDATE}, {22409, MX_UPDATE},
                                      {156865, MX_UPDATE}};
static const op_sizes adamw_sizes = {"nu", adamw_at, 7, 0};

static void start_sum(mx_tensor *t, const int64_t *v, const void *more) {
    (void)v, (void)more, *(double *)t[0].data = 0.25;
}
static void start_update(double *u, int64_t n) {
    u[MX_UPDATE_LR] = 2e-2, u[MX_UPDATE_COUNT] = 3, u[MX_UPDATE_SQUARE] = (double)n;
    u[MX_UPDATE_SCALE] = 0.5, u[MX_UPDATE_FINITE] = 1, u[MX_UPDATE_ROW] = (double)(n % 3);
}
static void prepare_update(mx_tensor *t, const int64_t *v, const void *more) {
    (void)more, start_update(t[0].data, v[0]);
}
static void prepare_adamw(mx_tensor *t, const int64_t *v, const void *more) {
    (void)more;
    start_update(t[4].data, v[0]);
    for (int64_t i = 0; i < v[0]; i++) mx_f32(t[2])[i] = (float)fabs((double)mx_f32(t[2])[i]) + 1e-3f;
}
static const void *adamw_of(const op_row *row, int at) {
    static const mx_adamw_args args = {
        .lr_scale = 0.5, .weight_decay = 0.05, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
    (void)row, (void)at;
    return &args;
}
OP(square_sum, mx_square_sum(c, t[0], t[1]))
OP(update_begin, mx_update_begin(c, t[0], t[1], t[2], 0.125))
OP(average, mx_average(c, t[0], t[1], 0.75))
OP(adamw, mx_adamw(c, t[0], t[1], t[2], t[3], t[4], more))

/* clang-format off */
#define ROW(NAME, OP, OUTS, TENSORS, SIZES, LIMIT) \
    .name = NAME, .op = op_##OP, .outs = OUTS, .tensors = TENSORS, .sizes = &SIZES##_sizes, .limit = LIMIT
#define GRADIENT(ROLES, BACK) .roles = ROLES, .back = back_##BACK
const op_row op_rows[] = {
    {ROW("linear", linear, 1, "no ni oi o", linear, 1e-6), GRADIENT("yo++", linear),
     .half = {{"hhff", 0, 0}, {"fhff", F32_LIMIT, 0}, {"hfff", 0, 0}}},
    {ROW("linear, no bias", linear_no_bias, 1, "no ni oi", linear, 1e-6), GRADIENT("yo+", linear_no_bias)},
    {ROW("linear_gelu", linear_gelu, 2, "no no ni oi o", linear, 1e-6), .half = {{"hhhff", 0, 0}}},
    {ROW("gelu", gelu, 1, "no no*5", linear, -1), .half = {{"hh", 0, 0}}},
    {ROW("linear_add", linear_add, 1, "no ni oi o k", linear, 1e-6), .half = {{"fhfff", F32_LIMIT, 0}}},
    {ROW("linear_add apart", linear_add_apart, 1, "no no ni oi", linear, 1e-6), GRADIENT("yoo+", linear_add_apart)},
    {ROW("linear_add, drop path", linear_add_keep, 1, "bto bto bti oi o b", keep, 1e-6), GRADIENT("yoo++.", linear_add_keep)},
    {ROW("mlp", mlp, 3, "bto btk btk btx kx k ok o bto b", mlp, 2e-6), GRADIENT("y..o++++o.", mlp)},
    {ROW("linear_back", linear_back, 3, "ni oi o no ni oi", linear, 2e-6),
     .half = {{"hffhhf", F32_LIMIT, 0}, {"hfffhf", F32_LIMIT, 0}}},
    {ROW("linear_back, parameters only", linear_back_parameters, 1, "oi no ni oi", linear, 2e-6)},
    {ROW("linear_gelu_back", linear_gelu_back, 3, "ni*3 oi o no ni oi", linear, 2e-6), .half = {{"hfffhf", F32_LIMIT, 0}}},
    {ROW("layernorm", layernorm, 3, "nw n n nw*4 w w", norm, 2e-6), GRADIENT("y..+++", layernorm),
     .half = {{"hfffff", F32_LIMIT, 0}}},
    {ROW("layernorm_back", layernorm_back, 3, "nw w w nw nw n*0.1 n w", norm, 2e-6)},
    {ROW("layernorm_back, adding", layernorm_back_add, 3, "nw w w nw nw n*0.1 n w", norm, 2e-6),
     .half = {{"fffhffff", F32_LIMIT, 0}}},
    {ROW("attention", attention, 2, "blw bhl bl3hd*2 eh?", attention, 1e-6), GRADIENT("y.o+", attention), .more = layout_of,
     .half = {{"hfhf", F32_LIMIT, true}}},
    {ROW("attention_back", attention_back, 2, "bl3hd eh blw bl3hd*2 eh? bhl blw", attention, 3e-6), .more = layout_of,
     .prepare = attend, .half = {{"hfhhffh", SUMS_LIMIT, true}}},
    {ROW("patch_rows", patch_rows, 1, "blr b3pq", patch, 0), .more = layout_of},
    {ROW("add_position", add_position, 1, "blw lw", token, 0), .more = layout_of},
    {ROW("unmix", unmix, 1, "slw blw w lw", unmix, 0), GRADIENT("yo+.", unmix), .more = layout_of},
    {ROW("unmix_back", unmix_back, 2, "blw w slw", unmix, 1e-6), .more = layout_of},
    {ROW("fill", fill, 1, "nw", copy, 0)},
    {ROW("copy", copy, 1, "nw nw", copy, 0)},
    {ROW("scale_samples", scale, 1, "wn w", copy, 0)},
    {ROW("gather_rows", gather, 1, "bkw brw", rows, 0), GRADIENT("yo", gather), .half = {{"hh", 0, 0}}},
    {ROW("scatter_rows", scatter, 1, "brw bkw", rows, 0), .half = {{"hh", 0, 0}}},
    {ROW("mean_rows", mean, 1, "bw btw", mean, 1e-6), GRADIENT("yo", mean)},
    {ROW("mean_rows_back", mean_back, 1, "btw bw", mean, 2e-7)},
    {ROW("pixel_loss", pixel_loss, 2, "1 nw bcpq", pixel, 1e-6), GRADIENT("Yo.", pixel_loss),
     .more = targets_of, .forward = op_pixel_value},
    {ROW("soft_cross_entropy", cross_entropy, 2, "1 nk nk*20 nk", entropy, 1e-6), GRADIENT("Y.o.", cross_entropy),
     .forward = op_entropy_value, .prepare = targets_from_0},
    {ROW("square_sum", square_sum, 1, "$1 n", flat, 1e-12), .prepare = start_sum},
    {ROW("update_begin", update_begin, 2, "$u $3u 1", update, 1e-15), .prepare = prepare_update},
    {ROW("adamw", adamw, 3, "n n n n $u", adamw, 1e-6), .more = adamw_of, .prepare = prepare_adamw},
    {ROW("average", average, 1, "n n", flat, 1e-7)},
};
/* clang-format on */
const int op_row_count = sizeof op_rows / sizeof *op_rows;

void case_tables(const op_case *k, void (*visit)(const void *table, size_t bytes)) {
    if (k->row->more == layout_of) {
        const mx_layout *lay = k->more;
        visit(lay->segment, sizeof *lay->segment * (size_t)(lay->max_segments + 1));
        visit(lay->raster, sizeof *lay->raster * (size_t)lay->tokens);
        visit(lay->group, sizeof *lay->group * (size_t)lay->tokens);
    }
    if (k->row->more == targets_of) {
        const mx_targets *t = k->more;
        visit(t->image, sizeof *t->image * 7), visit(t->patch, sizeof *t->patch * 7);
    }
    if (k->row->op == op_gather || k->row->op == op_scatter) visit(some_rows, sizeof some_rows);
}
