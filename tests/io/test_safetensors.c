/* safetensors files: written tensors are read back, the same input gives the same bytes, and malicious files
 * are refused with the reason (io/safetensors.h; docs/FORMATS.md). */
#include "image_folder.h"

#include <math.h>

#include "base/rng.h"
#include "io/file.h"
#include "io/safetensors.h"

/* ---- round trip ------------------------------------------------------------------------------------------
 */

static const float weights[6] = {1, -2.5f, 3e-30f, 0, -0.0f, 1e30f};
static const int64_t counts[2] = {INT64_MIN, 7};
static const uint8_t flags[3] = {0, 1, 255};

static const mx_st_tensor written[] = {
    {"flags", "U8", 1, {3}, flags, 3},
    {"b.weight", "F32", 2, {2, 3}, weights, 24},
    {"empty", "F32", 2, {0, 5}, NULL, 0},
    {"counts", "I64", 1, {2}, counts, 16},
    {"a \"quoted\" \xc3\xa9 name", "F32", 0, {0}, weights + 1, 4},
};
enum { WRITTEN = sizeof written / sizeof *written };
static const mx_st_pair pairs[] = {
    {"zeta", "a\nb\t\"c\""}, {"config", "{\"depths\":[2,2]}"}, {"", "empty key"}};

static void write_sample(const char *rel, bool reversed) {
    mx_st_tensor t[WRITTEN];
    mx_st_pair p[3];
    mx_error e = {0};
    for (int i = 0; i < WRITTEN; i++) t[i] = written[reversed ? WRITTEN - 1 - i : i];
    for (int i = 0; i < 3; i++) p[i] = pairs[reversed ? 2 - i : i];
    if (mx_st_write(at(rel), t, WRITTEN, p, 3, &e)) fail_msg("%s", e.text);
}

static unsigned char *whole_file(const char *rel, size_t *size) {
    void *bytes = NULL;
    mx_error e = {0};
    if (mx_file_read(at(rel), 1 << 20, &bytes, size, &e)) fail_msg("%s", e.text);
    return bytes;
}

static void comes_back(void **state) {
    (void)state;
    mx_st *st = NULL;
    mx_error e = {0};
    write_sample("a.safetensors", false);
    if (mx_st_open(&st, at("a.safetensors"), &e)) fail_msg("%s", e.text);
    assert_int_equal(mx_st_count(st), WRITTEN);
    for (int i = 0; i < WRITTEN; i++) {
        const mx_st_tensor *t = mx_st_find(st, written[i].name);
        assert_non_null(t);
        assert_string_equal(t->dtype, written[i].dtype);
        assert_int_equal(t->ndim, written[i].ndim);
        for (int k = 0; k < t->ndim; k++) assert_int_equal(t->dim[k], written[i].dim[k]);
        assert_int_equal(t->bytes, written[i].bytes);
        if (t->bytes) assert_memory_equal(t->data, written[i].data, t->bytes);
    }
    assert_null(mx_st_find(st, "b.weigh"));
    assert_null(mx_st_find(st, "__metadata__"));
    assert_int_equal(mx_st_meta_count(st), 4);
    for (int i = 0; i < 3; i++) assert_string_equal(mx_st_meta(st, pairs[i].key), pairs[i].value);
    assert_string_equal(mx_st_meta(st, "format"), "pt");
    assert_null(mx_st_meta(st, "none"));
    mx_st_close(st);
    mx_st_close(NULL);
}

/* Larger elements first, so that none is unaligned; the order of the caller must not matter. */
static void same_input_same_bytes(void **state) {
    (void)state;
    size_t n = 0, m = 0;
    write_sample("a.safetensors", false), write_sample("b.safetensors", true);
    unsigned char *a = whole_file("a.safetensors", &n), *b = whole_file("b.safetensors", &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    assert_int_equal(a[0] % 8, 0);
    assert_int_equal(a[8], '{');
    mx_st *st = NULL;
    mx_error e = {0};
    assert_int_equal(mx_st_parse(&st, a, n, &e), MX_OK);
    assert_string_equal(mx_st_at(st, 0)->name, "counts");
    assert_string_equal(mx_st_at(st, WRITTEN - 1)->name, "flags");
    mx_st_close(st);
    free(a), free(b);
}

static void nothing_at_all(void **state) {
    (void)state;
    mx_st *st = NULL;
    mx_error e = {0};
    assert_int_equal(mx_st_write(at("none.safetensors"), NULL, 0, NULL, 0, &e), MX_OK);
    assert_int_equal(mx_st_open(&st, at("none.safetensors"), &e), MX_OK);
    assert_int_equal(mx_st_count(st), 0);
    assert_null(mx_st_find(st, "x"));
    mx_st_close(st);
}

/* What the reader would refuse is never written, and an old file stays. */
static void refused_when_written(void **state) {
    (void)state;
    const mx_st_tensor same[2] = {{"x", "U8", 1, {1}, flags, 1}, {"x", "U8", 1, {1}, flags, 1}};
    const mx_st_tensor taken[1] = {{"__metadata__", "U8", 1, {1}, flags, 1}};
    const mx_st_tensor latin[1] = {{"caf\xe9", "U8", 1, {1}, flags, 1}};
    const mx_st_tensor lying[1] = {{"x", "F32", 1, {2}, weights, 4}};
    const mx_st_tensor odd[1] = {{"x", "F31", 1, {1}, weights, 4}};
    const mx_st_tensor negative[1] = {{"x", "F32", 1, {-1}, weights, 4}};
    const mx_st_pair bad_text[1] = {{"k", "\xff"}};
    const mx_st_pair twice[2] = {{"k", "1"}, {"k", "2"}}, ours[1] = {{"format", "np"}};
    struct {
        const mx_st_tensor *t;
        int n;
        const mx_st_pair *p;
        int m;
        const char *expected;
    } cases[] = {{same, 2, NULL, 0, "two tensors have the name x"},
                 {taken, 1, NULL, 0, "two tensors have the name __metadata__"},
                 {latin, 1, NULL, 0, "not UTF-8 text"},
                 {lying, 1, NULL, 0, "ask for 64 bits, found 4 bytes"},
                 {odd, 1, NULL, 0, "unknown dtype F31"},
                 {negative, 1, NULL, 0, "dimension 0 is -1"},
                 {NULL, 0, bad_text, 1, "not UTF-8 text"},
                 {NULL, 0, twice, 2, "two metadata have the name k"},
                 {NULL, 0, ours, 1, "two metadata have the name format"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mx_error e = {0};
        put_text("kept.safetensors", "old");
        if (!mx_st_write(at("kept.safetensors"), cases[i].t, cases[i].n, cases[i].p, cases[i].m, &e))
            fail_msg("case %zu was written", i);
        if (!strstr(e.text, cases[i].expected) || !strstr(e.text, "kept.safetensors"))
            fail_msg("case %zu: %s", i, e.text);
        size_t n = 0;
        unsigned char *b = whole_file("kept.safetensors", &n);
        assert_int_equal(n, 3);
        free(b);
    }
}

/* ---- malformed files --------------------------------------------------------------------------------------
 */

/* Length, header, `data` bytes of zeros; the caller frees it. length < 0: the header's own. */
static unsigned char *make(const char *header, long long length, size_t data, size_t *size) {
    size_t n = strlen(header);
    unsigned long long claimed = length < 0 ? n : (unsigned long long)length;
    unsigned char *b = calloc(1, 8 + n + data);
    assert_non_null(b);
    for (int i = 0; i < 8; i++) b[i] = (unsigned char)(claimed >> (8 * i));
    memcpy(b + 8, header, n);
    *size = 8 + n + data;
    return b;
}

/* parses bytes from an allocation of exactly that size, so that a sanitizer sees one byte too many */
static mx_status parse_exactly(const unsigned char *bytes, size_t size, mx_error *e) {
    unsigned char *copy = malloc(size ? size : 1);
    mx_st *st = NULL;
    memcpy(copy, bytes, size);
    mx_status s = mx_st_parse(&st, copy, size, e);
    assert_int_equal(s, e->status);
    assert_true((s == MX_OK) == (st != NULL));
    if (st) { /* every byte that a valid handle offers can be read */
        unsigned sum = 0;
        for (int i = 0; i < mx_st_count(st); i++) {
            const mx_st_tensor *t = mx_st_at(st, i);
            for (size_t k = 0; k < t->bytes; k++) sum += ((const unsigned char *)t->data)[k];
            assert_ptr_equal(mx_st_find(st, t->name), t);
        }
        assert_true(sum < ~0u);
    }
    mx_st_close(st);
    free(copy);
    return s;
}

#define ONE(dtype, shape, offsets)                                                                           \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(a, b)                                                                                            \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" a "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],"  \
    "\"data_offsets\":" b "}}"

static const struct {
    const char *header;
    long long length; /* -1: that of header */
    size_t data;
    const char *expected;
} malformed[] = {
    {"{}", 3, 0, "claims 3 bytes and 2 follow"},
    {"{}", 0x7fffffffffffffff, 0, "claims"},
    {"{}", 100000001, 0, "claims 100000001"},
    {"", -1, 0, "not a JSON object"},
    {"{\"x\":", -1, 0, "not a JSON object"},
    {"[1,2]", -1, 0, "another kind of value"},
    {"null", -1, 0, "not a JSON object"},
    {"{} x", -1, 0, "not a JSON object"},
    {"{\"\xff\":1}", -1, 0, "not a JSON object"},
    {"{\"a\\u0000b\":1}", -1, 0, "not a JSON object"},
    {"{\"a\":1,\"a\":2}", -1, 0, "duplicate"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", -1, 0, "duplicate"},
    {"{\"x\":3}", -1, 0, "tensor x: expected dtype, shape and data_offsets"},
    {"{\"x\":{}}", -1, 0, "expected dtype, shape and data_offsets"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"strides\":[1]}}", -1, 0,
     "expected dtype"},
    {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"offsets\":[0,0]}}", -1, 0, "data_offsets"},
    {ONE("\"F31\"", "[1]", "[0,4]"), -1, 4, "unknown dtype"},
    {ONE("\"f32\"", "[1]", "[0,4]"), -1, 4, "unknown dtype"},
    {ONE("32", "[1]", "[0,4]"), -1, 4, "unknown dtype"},
    {ONE("\"F32\"", "[1]", "[-4,0]"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0,4.0]"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0,4e0]"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0,\"4\"]"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0]"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0,4,4]"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "4"), -1, 4, "not two whole numbers"},
    {ONE("\"F32\"", "[1]", "[0,18446744073709551616]"), -1, 4, "not a JSON object"},
    {ONE("\"F32\"", "[1]", "[0,9223372036854775807]"), -1, 4, "outside the file"},
    {ONE("\"F32\"", "[1]", "[0,5]"), -1, 4, "outside the file"},
    {ONE("\"F32\"", "[1]", "[4,0]"), -1, 4, "outside the file"},
    {ONE("\"F32\"", "1", "[0,4]"), -1, 4, "\"shape\" is not a list"},
    {ONE("\"F32\"", "{}", "[0,4]"), -1, 4, "\"shape\" is not a list"},
    {ONE("\"F32\"", "[-1]", "[0,4]"), -1, 4, "dimension is not a whole number"},
    {ONE("\"F32\"", "[1.0]", "[0,4]"), -1, 4, "dimension is not a whole number"},
    {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), -1, 4, "more than 8 dimensions"},
    {ONE("\"F32\"", "[4294967296,4294967296]", "[0,4]"), -1, 4, "the shape overflows"},
    {ONE("\"F32\"", "[4294967296,4294967296,0]", "[0,0]"), -1, 0, "the shape overflows"},
    {ONE("\"F32\"", "[576460752303423488]", "[0,0]"), -1, 0, "the shape overflows"},
    {ONE("\"F32\"", "[2]", "[0,4]"), -1, 4, "do not fit its number of bytes"},
    {ONE("\"F32\"", "[0]", "[0,4]"), -1, 4, "do not fit its number of bytes"},
    {ONE("\"F4\"", "[1]", "[0,1]"), -1, 1, "do not fit its number of bytes"},
    {ONE("\"F6_E2M3\"", "[3]", "[0,2]"), -1, 2, "do not fit its number of bytes"},
    {TWO("[0,4]", "[3,7]"), -1, 8, "overlaps another tensor's or leaves a hole"},
    {TWO("[0,4]", "[0,4]"), -1, 4, "overlaps another tensor's or leaves a hole"},
    {TWO("[0,4]", "[5,9]"), -1, 9, "overlaps another tensor's or leaves a hole"},
    {TWO("[1,5]", "[5,9]"), -1, 9, "overlaps another tensor's or leaves a hole"},
    {TWO("[0,4]", "[4,8]"), -1, 9, "1 bytes after the last tensor"},
    {"{}", -1, 2, "2 bytes after the last tensor"},
    {"{\"__metadata__\":[]}", -1, 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":\"x\"}", -1, 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", -1, 0, "__metadata__ \"k\" is not a string"},
    {"{\"__metadata__\":{\"k\":null}}", -1, 0, "__metadata__ \"k\" is not a string"},
};

static void malformed_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        size_t size = 0;
        mx_error e = {0};
        unsigned char *b = make(malformed[i].header, malformed[i].length, malformed[i].data, &size);
        mx_status s = parse_exactly(b, size, &e);
        if (s != MX_ERR_FORMAT || !strstr(e.text, malformed[i].expected))
            fail_msg("%s: expected \"%s\", found %s \"%s\"", malformed[i].header, malformed[i].expected,
                     mx_status_name(s), e.text);
        free(b);
    }
}

static void odd_but_valid_files(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
    } valid[] = {
        {"{}", 0},
        {" \n{} \t\r\n", 0},
        {"{\"__metadata__\":{}}", 0},
        {ONE("\"F32\"", "[]", "[0,4]"), 4},
        {ONE("\"F4\"", "[2]", "[0,1]"), 1},
        {ONE("\"F32\"", "[1,1,1,1,1,1,1,1]", "[0,4]"), 4},
        {ONE("\"F32\"", "[0,9223372036854775807]", "[0,0]"), 0},
        {TWO("[4,8]", "[0,4]"), 8},
        {"{\"e\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[1,1]},"
         "\"f\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[1,1]},"
         "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
         1},
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        size_t size = 0;
        mx_error e = {0};
        unsigned char *b = make(valid[i].header, -1, valid[i].data, &size);
        if (parse_exactly(b, size, &e)) fail_msg("%s: %s", valid[i].header, e.text);
        free(b);
    }
}

/* A header of nothing but brackets must not exhaust the stack. */
static void deep_nesting(void **state) {
    (void)state;
    size_t depth = 1 << 20, size = 0;
    char *header = malloc(depth + 1);
    mx_error e = {0};
    memset(header, '[', depth), header[depth] = 0;
    unsigned char *b = make(header, -1, 0, &size);
    assert_int_equal(parse_exactly(b, size, &e), MX_ERR_FORMAT);
    free(b), free(header);
}

static void damaged_files(void **state) {
    (void)state;
    size_t size = 0;
    write_sample("a.safetensors", false);
    unsigned char *b = whole_file("a.safetensors", &size);
    for (size_t n = 0; n < size; n++) { /* each cut is noticed */
        mx_error e = {0};
        if (parse_exactly(b, n, &e) != MX_ERR_FORMAT) fail_msg("cut to %zu bytes: accepted", n);
    }
    mx_rng r = mx_rng_make(1, MX_RNG_TEST, 0, 0);
    size_t header = size - 16 - 24 - 4 - 3; /* data can hold anything, so bits are flipped before it */
    for (int i = 0; i < 20000; i++) {
        unsigned char *c = malloc(size);
        memcpy(c, b, size);
        for (uint32_t k = 1 + mx_rng_u32(&r) % 3; k; k--)
            c[mx_rng_u32(&r) % header] ^= (unsigned char)(1u << mx_rng_u32(&r) % 8);
        mx_error e = {0};
        mx_status s = parse_exactly(c, size, &e);
        assert_true(s == MX_OK || (s == MX_ERR_FORMAT && e.text[0]));
        free(c);
    }
    free(b);
}

static void files_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *rel, *expected;
    } cases[] = {{"absent", "cannot open"},
                 {"empty", "is empty"},
                 {"folder", "not a regular file"},
                 {"pipe", "not a regular file"}};
    put_text("empty", "");
    mkdir(at("folder"), 0755);
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    alarm(20); /* a pipe that nobody writes must not hang the reader */
    for (int i = 0; i < 4; i++) {
        mx_st *st = (mx_st *)1;
        mx_error e = {0};
        assert_int_not_equal(mx_st_open(&st, at(cases[i].rel), &e), MX_OK);
        assert_null(st);
        if (!strstr(e.text, cases[i].expected) || !strstr(e.text, cases[i].rel)) fail_msg("%s", e.text);
    }
    alarm(0);
    put_text("seven", "1234567");
    mx_st *st = NULL;
    mx_error e = {0};
    assert_int_equal(mx_st_open(&st, at("seven"), &e), MX_ERR_FORMAT);
    assert_non_null(strstr(e.text, "7 bytes are too few"));
}

/* ---- numbers ----------------------------------------------------------------------------------------------
 */

/* Data that start at an odd address. */
static void unaligned(void **state) {
    (void)state;
    size_t size = 0;
    unsigned char *b = make("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                            "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]},"
                            "\"y\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[9,17]}}",
                            -1, 17, &size);
    double wide = -0.1;
    float out[2];
    memcpy(b + size - 16, weights, 8), memcpy(b + size - 8, &wide, 8);
    mx_st *st = NULL;
    mx_error e = {0};
    for (int shift = 0; shift < 8; shift++) {
        unsigned char *moved = malloc(size + 8);
        memcpy(moved + shift, b, size);
        assert_int_equal(mx_st_parse(&st, moved + shift, size, &e), MX_OK);
        assert_int_equal(mx_st_copy_f32(mx_st_find(st, "x"), out, 2, &e), MX_OK);
        assert_memory_equal(out, weights, 8);
        assert_int_equal(mx_st_copy_f32(mx_st_find(st, "y"), out, 1, &e), MX_OK);
        assert_true(out[0] == -0.1f);
        mx_st_close(st);
        free(moved);
    }
    free(b);
}

static float one(const char *dtype, uint64_t bits, size_t bytes) {
    mx_st_tensor t = {"x", dtype, 1, {1}, &bits, bytes};
    mx_error e = {0};
    float out = 0;
    if (mx_st_copy_f32(&t, &out, 1, &e)) fail_msg("%s", e.text);
    return out;
}

static void conversions(void **state) {
    (void)state;
    static const struct {
        uint16_t bits;
        float value;
    } half[] = {{0x3c00, 1},        {0xc000, -2},         {0x7bff, 65504},       {0x0400, 0x1p-14f},
                {0x0001, 0x1p-24f}, {0x03ff, 0x3ffp-24f}, {0x3555, 0x1.554p-2f}, {0x0000, 0},
                {0x7c00, INFINITY}, {0xfc00, -INFINITY}};
    for (size_t i = 0; i < sizeof half / sizeof *half; i++)
        assert_true(one("F16", half[i].bits, 2) == half[i].value);
    assert_true(signbit(one("F16", 0x8000, 2)));
    assert_true(isnan(one("F16", 0x7e01, 2)));
    assert_true(one("BF16", 0x3f80, 2) == 1 && one("BF16", 0xc0a0, 2) == -5 &&
                one("BF16", 0x0001, 2) == 0x1p-133f);
    assert_true(isinf(one("BF16", 0x7f80, 2)) && isnan(one("BF16", 0x7fc0, 2)));
    assert_true(one("F64", 0x3ff8000000000000, 8) == 1.5f && isinf(one("F64", 0x7fefffffffffffff, 8)));
    float out[2];
    mx_error e = {0}, f = {0};
    uint64_t bits = 0;
    mx_st_tensor t = {"x", "I64", 1, {1}, &bits, 8};
    assert_int_equal(mx_st_copy_f32(&t, out, 1, &e), MX_ERR_FORMAT);
    assert_non_null(strstr(e.text, "tensor x: expected floating-point numbers, found I64"));
    t.dtype = "F64";
    assert_int_equal(mx_st_copy_f32(&t, out, 2, &f), MX_ERR_SHAPE);
    assert_non_null(strstr(f.text, "tensor x: expected 2 elements, found 1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),          cmocka_unit_test(same_input_same_bytes),
        cmocka_unit_test(nothing_at_all),      cmocka_unit_test(refused_when_written),
        cmocka_unit_test(malformed_files),     cmocka_unit_test(odd_but_valid_files),
        cmocka_unit_test(deep_nesting),        cmocka_unit_test(damaged_files),
        cmocka_unit_test(files_that_are_none), cmocka_unit_test(unaligned),
        cmocka_unit_test(conversions)};
    return cmocka_run_group_tests(tests, new_base, remove_base);
}
