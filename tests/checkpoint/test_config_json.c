/* Configurations as JSON in checkpoints (checkpoint/checkpoint.h): a written configuration is restored; an
 * invalid one is refused with the name of its member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint/checkpoint.h"

static void same(const mx_model_config *a, const mx_model_config *b) {
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->image_h, b->image_h);
    assert_int_equal(a->image_w, b->image_w);
    assert_int_equal(a->patch, b->patch);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(a->stages, b->stages);
    assert_int_equal(a->embed_dim, b->embed_dim);
    assert_memory_equal(a->depths, b->depths, sizeof a->depths);
    assert_memory_equal(a->heads, b->heads, sizeof a->heads);
    assert_memory_equal(a->windows, b->windows, sizeof a->windows);
    assert_int_equal(a->decoder_dim, b->decoder_dim);
    assert_int_equal(a->decoder_depth, b->decoder_depth);
    assert_int_equal(a->decoder_heads, b->decoder_heads);
    assert_int_equal(a->classes, b->classes);
    assert_int_equal(a->norm_pix, b->norm_pix);
}

static void round_trip(const mx_model_config *c) {
    mx_model_config back;
    mx_error e = {0};
    char *text = mx_config_to_json(c);
    assert_non_null(text);
    memset(&back, 0x55, sizeof back);
    if (mx_config_from_json(&back, text, &e)) fail_msg("%s: %s", text, e.text);
    same(c, &back);
    free(text);
}

static void comes_back(void **state) {
    (void)state;
    static const char *const names[] = {"nano",  "micro", "tiny",     "small",    "base",
                                        "large", "huge",  "base_384", "large_384"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mx_model_config c;
        assert_true(mx_model_named(names[i], &c, NULL));
        round_trip(&c);
        c.norm_pix = false, c.channels = 5, c.image_w *= 2, c.classes = 10;
        round_trip(&c);
        c.decoder_dim = c.decoder_depth = c.decoder_heads = 0, c.norm_pix = true;
        strcpy(c.name, "a \"name\" \\ \xc3\xa9");
        round_trip(&c);
    }
}

/* Names longer than the field are cut between two characters, so that they can be written again. */
static void long_names(void **state) {
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char text[512] = "{\"img_size\":8,\"patch_size\":2,\"embed_dim\":4,\"depths\":[1],\"num_heads\":[1],"
                         "\"window_size\":[4],\"name\":\"";
        mx_model_config c;
        mx_error e = {0};
        for (int i = 0; i < shift; i++) strcat(text, "x");
        for (int i = 0; i < 12; i++) strcat(text, "\xe2\x82\xac");
        strcat(text, "\"}");
        if (mx_config_from_json(&c, text, &e)) fail_msg("%s", e.text);
        assert_in_range(strlen(c.name), 29, 31);
        round_trip(&c);
    }
}

/* Members that are left out, and members that only others know. */
static void what_may_be_left_out(void **state) {
    (void)state;
    mx_model_config c;
    mx_error e = {0};
    const char *text =
        "{\"img_size\":[8,16],\"patch_size\":2,\"embed_dim\":4,\"depths\":[1,3],\"num_heads\":[1,2],"
        "\"window_size\":[4,2],\"drop_path_rate\":0.1,\"decoder_depth\":3}";
    if (mx_config_from_json(&c, text, &e)) fail_msg("%s", e.text);
    const mx_model_config expected = {.name = "custom",
                                      .image_h = 8,
                                      .image_w = 16,
                                      .patch = 2,
                                      .channels = 3,
                                      .stages = 2,
                                      .embed_dim = 4,
                                      .depths = {1, 3},
                                      .heads = {1, 2},
                                      .windows = {4, 2},
                                      .norm_pix = true};
    same(&c, &expected);
}

#define HEAD "{\"patch_size\":2,\"embed_dim\":4,"
#define TAIL "\"depths\":[1],\"num_heads\":[1],\"window_size\":[4]}"
#define SIZE "\"img_size\":8,"

static void hostile(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"img_size\":8", "not a JSON object"},
        {HEAD SIZE SIZE TAIL, "not a JSON object"},
        {HEAD TAIL, "\"img_size\" must be a whole number"},
        {HEAD "\"img_size\":\"8\"," TAIL, "\"img_size\" must be a whole number"},
        {HEAD "\"img_size\":8.0," TAIL, "\"img_size\" must be a whole number"},
        {HEAD "\"img_size\":-8," TAIL, "\"img_size\" must be a whole number"},
        {HEAD "\"img_size\":4294967304," TAIL, "\"img_size\" must be a whole number"},
        {HEAD "\"img_size\":0," TAIL, "image height is 0"},
        {HEAD "\"img_size\":[8]," TAIL, "\"img_size\" must be a list of 2 whole numbers"},
        {HEAD "\"img_size\":[8,8,8]," TAIL, "\"img_size\" must be a list of 2 whole numbers"},
        {HEAD "\"img_size\":[8,null]," TAIL, "\"img_size\" must hold whole numbers"},
        {HEAD "\"img_size\":2147483647," TAIL, "image height is 2147483647"},
        {"{\"embed_dim\":4," SIZE TAIL, "\"patch_size\" must be"},
        {"{\"patch_size\":0,\"embed_dim\":4," SIZE TAIL, "patch size is 0"},
        {"{\"patch_size\":2," SIZE TAIL, "\"embed_dim\" must be"},
        {"{\"patch_size\":2,\"embed_dim\":2147483647," SIZE TAIL, "embed dim is 2147483647"},
        {HEAD SIZE "\"in_chans\":0," TAIL, "channels is 0"},
        {HEAD SIZE "\"in_chans\":true," TAIL, "\"in_chans\" must be"},
        {HEAD SIZE "\"num_classes\":2147483647," TAIL, "number of classes is 2147483647"},
        {HEAD SIZE "\"decoder_dim\":8," TAIL, "decoder depth is 0"},
        {HEAD SIZE "\"decoder_dim\":8,\"decoder_depth\":1," TAIL, "decoder: number of heads is 0"},
        {HEAD SIZE "\"decoder_dim\":8,\"decoder_depth\":1000000,\"decoder_num_heads\":1," TAIL,
         "decoder depth is 1000000"},
        {HEAD SIZE "\"norm_pix_loss\":1," TAIL, "\"norm_pix_loss\" must be true or false"},
        {HEAD SIZE "\"depths\":1,\"num_heads\":[1],\"window_size\":[4]}", "\"depths\" must be a list"},
        {HEAD SIZE "\"depths\":[],\"num_heads\":[],\"window_size\":[]}",
         "\"depths\" must be a list of 1 to 6"},
        {HEAD SIZE "\"depths\":[1,1,1,1,1,1,1],\"num_heads\":[1],\"window_size\":[4]}", "list of 1 to 6"},
        {HEAD SIZE "\"depths\":[1],\"num_heads\":[1,1],\"window_size\":[4]}",
         "\"num_heads\" must be a list of 1 "},
        {HEAD SIZE "\"depths\":[1],\"num_heads\":[0],\"window_size\":[4]}", "number of heads is 0"},
        {HEAD SIZE "\"depths\":[1],\"num_heads\":[3],\"window_size\":[4]}",
         "3 heads do not divide the width 4"},
        {HEAD SIZE "\"depths\":[1],\"num_heads\":[1],\"window_size\":[0]}", "window size is 0"},
        {HEAD SIZE "\"depths\":[1],\"num_heads\":[1],\"window_size\":[3]}", "window size 3 does not divide"},
        {HEAD SIZE "\"depths\":[0],\"num_heads\":[1],\"window_size\":[4]}", "depth is 0"},
        {HEAD SIZE "\"depths\":[2147483647],\"num_heads\":[1],\"window_size\":[4]}", "depth is 2147483647"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mx_model_config c;
        mx_error e = {0};
        if (!mx_config_from_json(&c, cases[i].text, &e) || !strstr(e.text, cases[i].expected))
            fail_msg("%s: expected \"%s\", found \"%s\"", cases[i].text, cases[i].expected, e.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back), cmocka_unit_test(long_names),
                                       cmocka_unit_test(what_may_be_left_out), cmocka_unit_test(hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
