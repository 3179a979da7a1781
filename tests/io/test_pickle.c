/* The pickle machine: every opcode's value, each refusal, input that needs much more memory than bytes, every
 * cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/pickle.h"
#include "pth_files.h"

static void values(void **state) {
    (void)state;
    bytes b = pickle_of("(");
    put(&b,
        "K\xff"
        "M\x01\x80"
        "J\xfe\xff\xff\xff",
        2 + 3 + 5);
    put(&b, "\x8a\x00\x8a\x01\xff\x8a\x02\x00\x80\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80", 2 + 3 + 4 + 10);
    put(&b, "\x8b\x09\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", 14);
    put(&b,
        "G\xbf\xf8\x00\x00\x00\x00\x00\x00"
        "N\x88\x89",
        12);
    text(&b, "h\303\251"), put(&b,
                               "q\x00"
                               "h\x00",
                               4);
    op(&b, "]q\001(K\001K\002e"), op(&b, "K\003a");
    op(&b, "}(X\001"), put(&b, "\0\0\0", 3), op(&b, "aK\001K\005K\002u");
    op(&b, "cos\nsystem\nX\002"), put(&b, "\0\0\0", 3), op(&b, "ls\x85R");
    op(&b, "t.trailing");
    mx_pk *pk = NULL;
    mx_error e = {0};
    size_t used = 0;
    if (mx_pk_parse(&pk, b.at, b.size, &used, &e)) fail_msg("%s", e.text);
    assert_int_equal(used, b.size - 8);
    const mx_pk_node *r = mx_pk_root(pk);
    assert_true(r->kind == MX_PK_TUPLE && r->count == 17);
    static const int64_t want[] = {255, 0x8001, -2, 0, -1, -32768, INT64_MIN};
    for (int i = 0; i < 7; i++) assert_true(r->item[i]->kind == MX_PK_INT && r->item[i]->whole == want[i]);
    assert_true(r->item[7]->kind == MX_PK_LONG && r->item[7]->size == 9);
    assert_true(r->item[8]->kind == MX_PK_FLOAT && r->item[8]->real == -1.5);
    assert_int_equal(r->item[9]->kind, MX_PK_NONE);
    assert_true(r->item[10]->whole == 1 && r->item[11]->whole == 0 && r->item[11]->kind == MX_PK_BOOL);
    assert_true(mx_pk_is_text(r->item[12], "h\303\251") && r->item[13] == r->item[12]);
    assert_true(r->item[14]->count == 3 && r->item[14]->item[2]->whole == 3);
    assert_int_equal(mx_pk_get(r->item[15], "a")->whole, 1);
    assert_null(mx_pk_get(r->item[15], "b"));
    /* a call stays what it is: a name and its arguments */
    assert_true(r->item[16]->kind == MX_PK_CALL && mx_pk_is_global(r->item[16]->item[0], "os", "system"));
    assert_true(mx_pk_is_text(r->item[16]->item[1]->item[0], "ls"));
    mx_pk_free(pk);
    for (size_t n = 0; n < used;
         n++) { /* cut off anywhere; a copy of that size shows any byte read too far */
        unsigned char *cut = malloc(n ? n : 1);
        mx_error cut_error = {0};
        memcpy(cut, b.at, n);
        assert_int_equal(mx_pk_parse(&pk, cut, n, NULL, &cut_error), MX_ERR_FORMAT);
        assert_null(pk);
        free(cut);
    }
    free(b.at);
}

/* Marks with nothing below and nothing above. */
static void empty_ones(void **state) {
    (void)state;
    static const char *const empty[] = {"(t.", "](e.", "}(u.", ").", "(](et\x85."};
    for (int i = 0; i < 5; i++) {
        bytes b = pickle_of(empty[i]);
        mx_pk *pk = NULL;
        mx_error e = {0};
        if (mx_pk_parse(&pk, b.at, b.size, NULL, &e)) fail_msg("%s: %s", empty[i], e.text);
        assert_int_equal(mx_pk_root(pk)->count, i < 4 ? 0 : 1);
        mx_pk_free(pk);
        free(b.at);
    }
}

/* What protocols 4 and 5 have more: frames, lengths of 8 bytes, sets at once, calls with keywords,
 * bytearrays, names from the stack, a memo without numbers, and what a tuple inside itself leaves to pop. */
static void newer_protocols(void **state) {
    (void)state;
    bytes b = {0};
    put(&b, "\x80\x05\x95", 3), put_number(&b, 200, 8), op(&b, "(");
    op(&b, "\x8d"), put_number(&b, 3, 8), op(&b, "abc\x94");
    op(&b, "\x8e"), put_number(&b, 2, 8), put(&b, "\x01\x02\x94", 3);
    op(&b, "\x96"), put_number(&b, 3, 8), op(&b, "xyz\x94");
    op(&b, "(K\001K\002\x91\x94");
    op(&b, "\x8c\003mod\x8c\002Cl\x93\x94(K\007t}\x8c\001kK\010s\x92\x94"); /* mod.Cl(7, k=8) */
    op(&b, "K\0110"), op(&b, "(K\005K\006"), op(&b, "1");
    put(&b, "h\x00t.", 4);
    mx_pk *pk = NULL;
    mx_error e = {0};
    if (mx_pk_parse(&pk, b.at, b.size, NULL, &e)) fail_msg("%s", e.text);
    const mx_pk_node *r = mx_pk_root(pk);
    assert_true(r->kind == MX_PK_TUPLE && r->count == 6);
    assert_true(mx_pk_is_text(r->item[0], "abc") && r->item[5] == r->item[0]);
    assert_true(r->item[1]->kind == MX_PK_BYTES && r->item[1]->size == 2);
    assert_true(r->item[2]->kind == MX_PK_BYTES && !memcmp(r->item[2]->text, "xyz", 3));
    assert_true(r->item[3]->kind == MX_PK_LIST && r->item[3]->count == 2 && r->item[3]->item[1]->whole == 2);
    assert_true(r->item[4]->kind == MX_PK_CALL && mx_pk_is_global(r->item[4]->item[0], "mod", "Cl"));
    assert_true(r->item[4]->item[1]->count == 1 && r->item[4]->item[1]->item[0]->whole == 7);
    mx_pk_free(pk);
    for (size_t n = 0; n < b.size; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        mx_error cut_error = {0};
        memcpy(cut, b.at, n);
        assert_int_equal(mx_pk_parse(&pk, cut, n, NULL, &cut_error), MX_ERR_FORMAT);
        free(cut);
    }
    free(b.at);
}

static void refuse_pickle(const char *what, const void *p, size_t size, const char *why) {
    mx_pk *pk = NULL;
    mx_error e = {0};
    if (mx_pk_parse(&pk, p, size, NULL, &e) != MX_ERR_FORMAT || !strstr(e.text, why))
        fail_msg("%s: %s", what, e.status ? e.text : "accepted");
}

static void refused_pickles(void **state) {
    (void)state;
#define REFUSE(what, content, why) refuse_pickle(what, content, sizeof content - 1, why)
    REFUSE("protocol 1", "\x80\x01N.", "protocol 2 to 5");
    REFUSE("INST runs a class", "\x80\x02(ios\nsystem\n.", "opcode 0x69");
    REFUSE("OBJ", "\x80\x02(cos\nsystem\no.", "opcode 0x6f");
    REFUSE("EXT1", "\x80\x02\x82\x01.", "opcode 0x82");
    REFUSE("PERSID as text", "\x80\x02Px\n.", "opcode 0x50");
    REFUSE("text numbers", "\x80\x02I1\n.", "opcode 0x49");
    REFUSE("empty stack at the end", "\x80\x02.", "other than one value");
    REFUSE("two values", "\x80\x02NN.", "other than one value");
    REFUSE("an open mark", "\x80\x02(N.", "other than one value");
    REFUSE("append to nothing", "\x80\x02Na.", "stack is empty");
    REFUSE("append to a number", "\x80\x02K\x01Na.", "no container");
    REFUSE("no mark", "\x80\x02Nt.", "no mark");
    REFUSE("a key alone", "\x80\x02}(Nu.", "key without a value");
    REFUSE("items below a mark", "\x80\x02N(\x85.", "stack is empty");
    REFUSE("memo not set", "\x80\x02h\x00.", "never set");
    REFUSE("memo far away", "\x80\x02Nr\xff\xff\xff\x7f.", "skips numbers");
    REFUSE("a length past the end", "\x80\x02X\xff\xff\xff\xffx.", "passes the end");
    REFUSE("a long past the end", "\x80\x02\x8b\xff\xff\xff\xffx.", "passes the end");
    REFUSE("a name without an end",
           "\x80\x02"
           "cos",
           "without an end");
    REFUSE("a name that is a number", "\x80\x04K\x01K\x02\x93.", "no text");
    REFUSE("arguments that are none",
           "\x80\x02"
           "cos\nsystem\nNR.",
           "no tuple");
    REFUSE("keywords that are none",
           "\x80\x04"
           "cos\nsystem\n)N\x92.",
           "no dict");
    REFUSE("a set without a mark", "\x80\x04\x91.", "no mark");
    REFUSE("pop of nothing",
           "\x80\x04"
           "0.",
           "stack is empty");
    REFUSE("pop past a mark", "\x80\x04N(0.", "stack is empty");
    REFUSE("pop to no mark", "\x80\x04N1.", "no mark");
    REFUSE("a text of 2^63 bytes", "\x80\x04\x8d\0\0\0\0\0\0\0\x80x.", "passes the end");
    REFUSE("a bytearray of 2^32 bytes", "\x80\x05\x96\0\0\0\0\1\0\0\0x.", "passes the end");
    REFUSE("the next buffer", "\x80\x05\x97.", "out-of-band buffer");
    REFUSE("a buffer made read-only", "\x80\x05N\x98.", "out-of-band buffer");
    REFUSE("pairs that are none",
           "\x80\x02"
           "ccollections\nOrderedDict\n]Na\x85R.",
           "no pairs");
}

/* Copying references is cheap in bytes: what it makes must be counted. */
static void bombs(void **state) {
    (void)state;
    bytes b = pickle_of("ccollections\nOrderedDict\nq\001"); /* index 1 first: refused */
    refuse_pickle("memo starts at 1", b.at, b.size, "skips");
    b.size = 2;
    op(&b, "ccollections\nOrderedDict\n"), put(&b, "q\x00", 2);
    op(&b, "]q\001(");
    for (int i = 0; i < 2000; i++) op(&b, "NN\x86");
    op(&b, "e\x85q\002(");
    for (int i = 0; i < 3000; i++) put(&b, "h\x00h\x02R", 5);
    op(&b, "t\x87.");
    refuse_pickle("2000 pairs copied 3000 times", b.at, b.size, "million");
    b.size = 2;
    for (int i = 0; i < 5000000; i++) op(&b, "N");
    refuse_pickle("5 million values", b.at, b.size, "million");
    free(b.at);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(newer_protocols),
                                       cmocka_unit_test(empty_ones), cmocka_unit_test(refused_pickles),
                                       cmocka_unit_test(bombs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
