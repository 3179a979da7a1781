/* Status, arena and random numbers (src/base). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/escape.h"
#include "base/rng.h"
#include "base/status.h"

/* Known answers of Philox 4x32-10 from the paper's own library: counter and key all 0, then all ones. */
static void philox_known_answers(void **state) {
    (void)state;
    const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    mx_rng a = {0}, b;
    memset(&b, 0xff, sizeof b);
    b.left = 0;
    for (int i = 0; i < 4; i++) assert_int_equal(mx_rng_u32(&a), zeros[i]);
    for (int i = 0; i < 4; i++) assert_int_equal(mx_rng_u32(&b), ones[i]);
}

static void streams_differ_and_repeat(void **state) {
    (void)state;
    mx_rng a = mx_rng_make(1, MX_RNG_MASK, 2, 3), same = mx_rng_make(1, MX_RNG_MASK, 2, 3);
    mx_rng other[4] = {mx_rng_make(2, MX_RNG_MASK, 2, 3), mx_rng_make(1, MX_RNG_INIT, 2, 3),
                       mx_rng_make(1, MX_RNG_MASK, 3, 3), mx_rng_make(1, MX_RNG_MASK, 2, 4)};
    uint32_t first = mx_rng_u32(&a);
    assert_int_equal(first, mx_rng_u32(&same));
    for (int i = 0; i < 4; i++) assert_int_not_equal(first, mx_rng_u32(&other[i]));
    double sum = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        double u = mx_rng_uniform(&a), n = mx_rng_normal(&a);
        assert_true(u >= 0 && u < 1 && mx_rng_below(&a, 7) < 7);
        sum += n, square += n * n;
    }
    assert_true(sum / 1e5 < 0.02 && sum / 1e5 > -0.02 && square / 1e5 > 0.98 && square / 1e5 < 1.02);
}

static void arena_plans_what_it_uses(void **state) {
    (void)state;
    mx_arena plan, real;
    mx_error e = {0};
    size_t used[2];
    mx_arena_plan(&plan);
    for (int round = 0; round < 2; round++) {
        mx_arena *a = round ? &real : &plan;
        if (round) assert_int_equal(mx_arena_make(&real, plan.peak, &e), MX_OK);
        char *first = mx_arena_push(a, 100, &e);
        size_t mark = a->used;
        char *second = mx_arena_push(a, 1000, &e);
        assert_true(first && second && (uintptr_t)second % MX_ALIGN == 0 && second >= first + 100);
        mx_arena_release(a, mark);
        assert_ptr_equal(mx_arena_push(a, 10, &e), second);
        used[round] = a->peak;
    }
    assert_int_equal(used[0], used[1]);
    assert_null(mx_arena_push(&real, plan.peak, &e));
    assert_int_equal(e.status, MX_ERR_MEMORY);
    mx_arena_free(&real);
}

static void the_first_error_stays(void **state) {
    (void)state;
    mx_error e = {0};
    assert_int_equal(mx_fail(&e, MX_ERR_DATA, "cause %d", 1), MX_ERR_DATA);
    assert_int_equal(mx_fail(&e, MX_ERR_IO, "consequence"), MX_ERR_DATA);
    assert_int_equal(mx_fail_where(&e, "%s", "file"), MX_ERR_DATA);
    assert_string_equal(e.text, "file: cause 1");
    assert_string_equal(mx_status_name(MX_ERR_DATA), "data");
}

static void assert_escaped(const char *text, const char *want, char *make(const char *)) {
    char *got = make(text);
    assert_string_equal(got, want);
    free(got);
}

/* What RFC 3629 allows stays; the shortest and longest of each length, and what is just beyond. */
static void names_are_escaped(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "a\n\\",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_escaped(good[i], good[i], mx_escape_utf8);
    assert_escaped("caf\xe9", "caf\\xe9", mx_escape_utf8);
    assert_escaped("\xc1\xbf|\xe0\x9f\xbf", "\\xc1\\xbf|\\xe0\\x9f\\xbf", mx_escape_utf8); /* too long */
    assert_escaped("\xed\xa0\x80|\xf0\x8f\xbf\xbf", "\\xed\\xa0\\x80|\\xf0\\x8f\\xbf\\xbf", mx_escape_utf8);
    assert_escaped("\xf4\x90\x80\x80|\xf5|\x80", "\\xf4\\x90\\x80\\x80|\\xf5|\\x80", mx_escape_utf8);
    assert_escaped("\xe6\x97", "\\xe6\\x97", mx_escape_utf8); /* cut off */
    assert_escaped("a\nb\x1b[31m\xe9", "a\\x0ab\\x1b[31m\\xe9", mx_escape_control);
}

/* Of drawn bytes nothing is left that a terminal obeys; what is left is UTF-8, and is not escaped again. */
static void no_text_moves_a_terminal(void **state) {
    (void)state;
    static const char part[][5] = {"\x1b[31m", "\x7f", "\xc2\x9b", "\xc2\xa0", "\xe6\x97\xa5",
                                   "\x9b",     "\xc2", "\n",       "a"};
    for (uint32_t n = 0; n < 2000; n++) {
        mx_rng r = mx_rng_make(5, MX_RNG_AUGMENT, n, 0);
        char text[64] = "", cut[24];
        for (uint64_t left = mx_rng_below(&r, 9); left; left--)
            snprintf(text + strlen(text), 8, "%.5s%c", part[mx_rng_below(&r, 9)],
                     (int)(1 + mx_rng_below(&r, 255)));
        char *plain = mx_escape_control(text), *utf8 = mx_escape_utf8(plain);
        assert_string_equal(plain, utf8);
        for (const unsigned char *p = (void *)plain; *p; p++)
            assert_false(*p < 32 || *p == 127 || (*p == 0xc2 && p[1] < 0xa0));
        assert_escaped(plain, plain, mx_escape_control);
        mx_escape_into(cut, sizeof cut, text);
        assert_memory_equal(cut, plain, strlen(cut));
        assert_true(strlen(plain) < sizeof cut ? strlen(cut) == strlen(plain)
                                               : strlen(cut) >= sizeof cut - 4);
        assert_escaped(cut, cut, mx_escape_utf8);
        free(plain), free(utf8);
    }
    assert_escaped("{\"\xc2\x9b\":\"\x7f\xc2\xa0\"}", "{\"\\u009b\":\"\\u007f\xc2\xa0\"}", mx_escape_json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_escaped),        cmocka_unit_test(no_text_moves_a_terminal),
        cmocka_unit_test(philox_known_answers),     cmocka_unit_test(streams_differ_and_repeat),
        cmocka_unit_test(arena_plans_what_it_uses), cmocka_unit_test(the_first_error_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
