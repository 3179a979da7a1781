/* A run's state for resuming: any flipped bit is refused, older states load, and running out of memory while
 * a file or a log line is made is an error that leaves the old file unchanged (checkpoint/checkpoint.h,
 * io/safetensors.h). */
#include "image_folder.h"

#include <math.h>

#include <jansson.h>

#include "base/rng.h"
#include "io/crc32c.h"
#include "io/file.h"
#include "checkpoint/checkpoint.h"
#include "run/observe.h"

static const mx_pixels pixels = {.mean = {0.4f, 0.5f, 0.6f}, .std = {0.2f, 0.25f, 0.3f}};
static mx_model model;
static mx_run_state counters = {.step = 7,
                                .updates = 6,
                                .best = -1,
                                .fingerprint = 99,
                                .instruction_set = "generic",
                                .decoders = "libpng 1.2.3; libjpeg 8 (a), header 4",
                                .held_out = "none"};

static int set_up(void **state) {
    const mx_model_config c = {.name = "small",
                               .image_h = 32,
                               .image_w = 64,
                               .patch = 4,
                               .channels = 3,
                               .stages = 2,
                               .embed_dim = 8,
                               .depths = {1, 1},
                               .heads = {1, 2},
                               .windows = {4, 2},
                               .decoder_dim = 16,
                               .decoder_depth = 1,
                               .decoder_heads = 2,
                               .norm_pix = true};
    mx_error e = {0};
    if (new_base(state) || mx_model_make(&model, &c, MX_PARAMS_TRAIN, &e)) return -1;
    mx_params_init(&model.params, 5);
    return 0;
}

static int tear_down(void **state) {
    mx_model_free(&model);
    return remove_base(state);
}

static unsigned char *whole_file(const char *rel, size_t *size) {
    void *bytes = NULL;
    mx_error e = {0};
    if (mx_file_read(at(rel), 1 << 24, &bytes, size, &e)) fail_msg("%s", e.text);
    return bytes;
}

static void put_file(const char *rel, const void *bytes, size_t size) {
    FILE *f = fopen(at(rel), "wb");
    assert_true(f && fwrite(bytes, 1, size, f) == size && !fclose(f));
}

static mx_status read_state(const char *rel, mx_error *e) {
    mx_run_state s = {0};
    mx_pixels px;
    return mx_state_read(&model, &s, &px, at(rel), e);
}

/* Every bit of the head, and bits drawn from the rest. */
static void flipped_bit_is_refused(void **state) {
    (void)state;
    size_t size = 0;
    mx_error e = {0};
    if (mx_state_write(at("s"), &model, &counters, &pixels, &e)) fail_msg("%s", e.text);
    unsigned char *b = whole_file("s", &size);
    size_t header = b[0] + 256u * b[1] + 65536u * b[2];
    mx_rng r = mx_rng_make(21, MX_RNG_HOLDOUT, 0, 0);
    if (read_state("s", &e)) fail_msg("%s", e.text);
    for (int i = 0; i < 3000; i++) {
        size_t place = i % 2 ? mx_rng_below(&r, size) : mx_rng_below(&r, header + 8);
        unsigned char bit = (unsigned char)(1u << mx_rng_below(&r, 8));
        mx_error why = {0};
        b[place] ^= bit;
        put_file("f", b, size);
        b[place] ^= bit;
        if (!read_state("f", &why)) fail_msg("byte %zu, bit %d was accepted", place, bit);
        if (!strstr(why.text, at("f"))) fail_msg("no name in: %s", why.text);
        if (place >= header + 8 && !strstr(why.text, "damaged: tensor ")) fail_msg("%s", why.text);
    }
    free(b);
}

/* A state from before there were checksums, and before it held what computed it. */
static void older_state_loads(void **state) {
    (void)state;
    mx_st *st = NULL;
    mx_st_pair meta[32];
    mx_error e = {0};
    mx_run_state s = {0};
    int metas = 0;
    if (mx_state_write(at("s"), &model, &counters, &pixels, &e) || mx_st_open(&st, at("s"), &e))
        fail_msg("%s", e.text);
    assert_true(mx_st_summed(st));
    for (int i = 0; i < mx_st_meta_count(st); i++) {
        mx_st_meta_at(st, i, &meta[metas].key, &meta[metas].value);
        if (strncmp(meta[metas].key, "crc32c_", 7) && strcmp(meta[metas].key, "format") &&
            strcmp(meta[metas].key, "instruction_set") && strcmp(meta[metas].key, "decoders") &&
            strcmp(meta[metas].key, "held_out"))
            metas++;
    }
    assert_int_equal(metas + 6, mx_st_meta_count(st));
    if (mx_st_write(at("old"), mx_st_at(st, 0), mx_st_count(st), meta, metas, &e)) fail_msg("%s", e.text);
    mx_st_close(st);
    if (read_state("old", &e) || mx_state_counters(&s, at("old"), &e)) fail_msg("%s", e.text);
    assert_int_equal(s.step, 7);
    assert_string_equal(s.instruction_set, "");
    assert_string_equal(s.decoders, "");
    assert_string_equal(s.held_out, "");
    if (mx_state_counters(&s, at("s"), &e)) fail_msg("%s", e.text);
    assert_string_equal(s.instruction_set, "generic");
    assert_string_equal(s.decoders, counters.decoders);
    assert_string_equal(s.held_out, "none");
}

/* ---- memory that runs out --------------------------------------------------------------------------------
 */

static long left; /* allocations of jansson until one fails */

static void *failing(size_t size) { return --left ? malloc(size) : NULL; }

static mx_status write_state(mx_error *e) {
    return mx_state_write(at("kept"), &model, &counters, &pixels, e);
}
static mx_status write_model(mx_error *e) { return mx_checkpoint_write(at("kept"), &model, &pixels, e); }

static mx_status write_line(mx_error *e) {
    mx_run run = {.paths.log = (char *)at("kept"), .settings.steps_per_epoch = 4};
    const mx_observe_number line[] = {{"loss", 0.5, false}, {"lr", NAN, false}};
    return mx_observe_numbers(&run, line, 2, e);
}

/* Each allocation in turn: the bytes of an undisturbed call, or an error and the old file. */
static void fail_each(mx_status (*work)(mx_error *)) {
    size_t whole = 0, size = 0;
    long n = 0;
    mx_error e = {0};
    put_file("kept", "", 0);
    if (work(&e)) fail_msg("%s", e.text);
    unsigned char *good = whole_file("kept", &whole);
    bool failed = true;
    while (failed) {
        mx_error why = {0};
        put_file("kept", "", 0);
        left = ++n;
        json_set_alloc_funcs(failing, free);
        failed = work(&why);
        bool reached = left <= 0;
        json_set_alloc_funcs(malloc, free);
        unsigned char *b = whole_file("kept", &size);
        if (failed && size) fail_msg("allocation %ld failed (%s): the old file is gone", n, why.text);
        if (!failed && (size != whole || memcmp(b, good, size)))
            fail_msg("allocation %ld failed: no error and other bytes", n);
        free(b);
        if (failed && !reached) fail_msg("%s", why.text);
        failed = reached;
    }
    if (n < 8) fail_msg("only %ld allocations", n);
    free(good);
}

static void no_memory_no_change(void **state) {
    (void)state;
    fail_each(write_state);
    fail_each(write_model);
    fail_each(write_line);
}

/* The log of a resumed run keeps its lines. */
static void no_memory_no_line_lost(void **state) {
    (void)state;
    const char *text = "{\"loss\":1,\"step\":1}\n{\"loss\":2,\"step\":2}\n";
    for (long n = 1; n < 40; n++) {
        mx_error e = {0};
        size_t size = 0;
        put_file("log", text, strlen(text));
        left = n;
        json_set_alloc_funcs(failing, free);
        mx_jsonl_cut(at("log"), 2, &e);
        json_set_alloc_funcs(malloc, free);
        unsigned char *b = whole_file("log", &size);
        if (size != strlen(text)) fail_msg("allocation %ld failed: a line is gone", n);
        free(b);
    }
}

/* The processor's instruction and the tables come to the same. */
static void checksums_agree(void **state) {
    (void)state;
    unsigned char b[300];
    mx_rng r = mx_rng_make(22, MX_RNG_HOLDOUT, 0, 0);
    for (size_t i = 0; i < sizeof b; i++) b[i] = (unsigned char)mx_rng_below(&r, 256);
    for (size_t n = 0; n < 280; n++) {
        size_t from = n % 17, cut = n ? mx_rng_below(&r, n) : 0;
        uint32_t crc = mx_crc32c_plain(b + from, n);
        assert_int_equal(mx_crc32c(b + from, n), crc);
        assert_int_equal(mx_crc32c_more(mx_crc32c(b + from, cut), b + from + cut, n - cut), crc);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flipped_bit_is_refused), cmocka_unit_test(older_state_loads),
        cmocka_unit_test(no_memory_no_change),    cmocka_unit_test(no_memory_no_line_lost),
        cmocka_unit_test(checksums_agree),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
