/* The option table, command lines and option files: values are restored from a file byte by byte; everything
 * else is refused with a helpful message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "command/command.h"
#include "model/encoder/encoders.h"
#include "options/options.h"
#include "options/pages.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static mx_options fresh(void) {
    mx_options o;
    mx_error e = {0};
    assert_int_equal(mx_options_init(&o, &e), MX_OK);
    return o;
}

static void holds(const char *text, const char *part) {
    if (!text || !strstr(text, part)) fail_msg("expected \"%s\" in \"%s\"", part, text ? text : "(null)");
}

/* Parses a line of blank-separated words. */
static mx_status parse(mx_options *o, mx_command command, const char *line, bool *given, bool *help,
                       mx_error *e) {
    char copy[512], *rest = copy, *argv[32];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        if (*word) argv[argc++] = word;
    return mx_options_parse(o, command, argc, argv, given, help, e);
}

static void refused(mx_command command, const char *line, const char *part) {
    mx_options o = fresh();
    mx_error e = {0};
    bool help;
    if (!parse(&o, command, line, NULL, &help, &e)) fail_msg("accepted: %s", line);
    holds(e.text, part);
    mx_options_free(&o);
}

static void test_table(void **state) {
    (void)state;
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        assert_true(r->commands != 0);
        assert_true(r->help && strlen(r->help) > 2 && r->help[strlen(r->help) - 1] != '.');
        assert_true((r->kind == MX_VALUE_SWITCH) == !r->value);
        assert_true(r->low <= r->high);
        assert_true(strncmp(r->name, "no-", 3) != 0); /* would shadow a switch */
        for (int j = 0; j < i; j++)                   /* one meaning of a name for each command */
            assert_false(!strcmp(r->name, mx_option_at(j)->name) &&
                         (r->commands & mx_option_at(j)->commands));
        for (unsigned bit = 1; bit < 1u << MX_COMMAND_COUNT; bit <<= 1)
            if (r->commands & bit) assert_int_equal(mx_option_find(r->name, bit), i);
    }
    assert_int_equal(mx_option_find("nonsense", 0), -1);
}

static void test_matters(void **state) {
    (void)state;
    static const char *const yes[] = {"data",
                                      "model",
                                      "image-size",
                                      "patch-size",
                                      "channels",
                                      "embed-dim",
                                      "depths",
                                      "num-heads",
                                      "window-size",
                                      "decoder-dim",
                                      "decoder-depth",
                                      "decoder-num-heads",
                                      "mask-ratio",
                                      "range-mask-ratio",
                                      "norm-pix-loss",
                                      "epochs",
                                      "warmup-epochs",
                                      "batch-size",
                                      "accum-steps",
                                      "blr",
                                      "lr",
                                      "min-lr",
                                      "weight-decay",
                                      "betas",
                                      "clip-grad",
                                      "seed",
                                      "max-skipped",
                                      "crop-scale",
                                      "flip",
                                      "value-range",
                                      "stats",
                                      "mean",
                                      "std",
                                      "max-bad",
                                      "dtype",
                                      "init"},
                             *const no[] = {"threads", "workers",       "save-every", "log-every", "quiet",
                                            "output",  "picture-every", "resume",     "config",    "memory"};
    for (int i = 0; i < COUNT(yes); i++)
        assert_true(mx_option_at(mx_option_find(yes[i], MX_CMD_PRETRAIN))->matters);
    for (int i = 0; i < COUNT(no); i++)
        assert_false(mx_option_at(mx_option_find(no[i], MX_CMD_PRETRAIN))->matters);
}

static void test_defaults(void **state) {
    (void)state;
    mx_options o = fresh();
    assert_true(o.weight_decay == 0.05 && o.betas[0] == 0.9 && o.betas[1] == 0.95);
    assert_true(o.mask_ratio == 0.5 && o.range_mask_ratio == 0 && o.norm_pix_loss);
    assert_true(o.crop_scale[0] == 0.2 && o.crop_scale[1] == 1 && o.flip == 0.5 && o.max_bad == 0.01);
    assert_true(o.seed == 0 && o.workers == -1 && o.threads == 0 && o.log_every == 10);
    assert_string_equal(o.save_every, "10m");
    assert_string_equal(o.dtype, "auto");
    assert_true(o.blr < 0 && o.lr < 0 && o.epochs < 0 && o.warmup_epochs < 0 && o.batch_size == 0);
    mx_options_free(&o);
    mx_options_free(&o); /* twice and NULL are fine */
    mx_options_free(NULL);
}

static void test_command_line(void **state) {
    (void)state;
    mx_options o = fresh();
    mx_error e = {0};
    bool help, *given = calloc((size_t)mx_option_count(), sizeof *given);
    assert_int_equal(
        parse(&o, MX_CMD_PRETRAIN,
              "--data b --batch-size=32 --lr 1 --lr 1.5e-3 --image-size 192x256 --depths 1,2,3 "
              "--crop-scale 0.1,0.9 --no-norm-pix-loss --mean 0.5,0.25,-1 --seed 1000000000000000",
              given, &help, &e),
        MX_OK);
    assert_false(help);
    assert_string_equal(o.data, "b");
    assert_true(o.batch_size == 32 && o.lr == 1.5e-3 && !o.norm_pix_loss && o.seed == 1000000000000000);
    assert_true(o.image_size[0] == 192 && o.image_size[1] == 256);
    assert_true(o.depths_count == 3 && o.depths[0] == 1 && o.depths[1] == 2 && o.depths[2] == 3);
    assert_true(o.crop_scale[0] == 0.1 && o.crop_scale[1] == 0.9);
    assert_true(o.mean_count == 3 && o.mean[0] == 0.5f && o.mean[1] == 0.25f && o.mean[2] == -1);
    assert_true(given[mx_option_find("lr", MX_CMD_PRETRAIN)]);
    assert_true(given[mx_option_find("norm-pix-loss", MX_CMD_PRETRAIN)]);
    assert_false(given[mx_option_find("flip", MX_CMD_PRETRAIN)]);
    assert_int_equal(parse(&o, MX_CMD_PRETRAIN, "--image-size 96", given, &help, &e), MX_OK);
    assert_true(o.image_size[0] == 96 && o.image_size[1] == 96);
    assert_int_equal(parse(&o, MX_CMD_PRETRAIN, "--batch-size many --help", given, &help, &e), MX_OK);
    assert_true(help);
    mx_options_free(&o);
    free(given);
}

static void test_files_without_a_name(void **state) {
    (void)state;
    mx_options o = fresh();
    mx_error e = {0};
    bool help;
    assert_int_equal(
        parse(&o, MX_CMD_RECONSTRUCT, "a --images b -c --checkpoint d e -- --f g", NULL, &help, &e), MX_OK);
    static const char *const want[] = {"a", "b", "-c", "e", "--f", "g"};
    assert_int_equal(o.image_count, COUNT(want));
    for (int i = 0; i < COUNT(want); i++) assert_string_equal(o.images[i], want[i]);
    assert_string_equal(o.checkpoint, "d");
    mx_options_free(&o);
    o = fresh(); /* the same name is a count to synth */
    assert_int_equal(parse(&o, MX_CMD_SYNTH, "--images 7", NULL, &help, &e), MX_OK);
    assert_true(o.images_per_class == 7 && o.image_count == 0);
    mx_options_free(&o);
    refused(MX_CMD_PRETRAIN, "photos", "photos: expected an option");
    refused(MX_CMD_SYNTH, "photos", "photos: expected an option");
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const numbers[] = {"many", "3.5", "", "3x", "0", "-1", "99999999999999999999",
                                          "0x10", "1e3"};
    for (int i = 0; i < COUNT(numbers); i++) {
        char line[64];
        snprintf(line, sizeof line, "--batch-size=%s", numbers[i]);
        refused(MX_CMD_PRETRAIN, line, "--batch-size: expected a whole number from 1 to 1048576, found ");
    }
    static const char *const reals[] = {"nan", "inf", "-0.1", "1.5", "0.5a", "", "0x1p-2"};
    for (int i = 0; i < COUNT(reals); i++) {
        char line[64];
        snprintf(line, sizeof line, "--mask-ratio=%s", reals[i]);
        refused(MX_CMD_PRETRAIN, line, "--mask-ratio: expected a number from 0 to 1, found ");
    }
    refused(MX_CMD_PRETRAIN, "--crop-scale 0.5", "two numbers");
    refused(MX_CMD_PRETRAIN, "--crop-scale 1,0.2", "the first not above the second, found 1,0.2");
    refused(MX_CMD_PRETRAIN, "--betas 0.9,0.95,0.99", "at most 2 numbers");
    refused(MX_CMD_PRETRAIN, "--betas 0.9,1", "from 0 to 1, found 1");
    refused(MX_CMD_PRETRAIN, "--depths 1,2,3,4,5,6,7", "at most 6 numbers");
    refused(MX_CMD_PRETRAIN, "--depths 1,,3", "found nothing");
    refused(MX_CMD_PRETRAIN, "--image-size 1x2x3", "at most 2 numbers");
    refused(MX_CMD_PRETRAIN, "--norm-pix-loss=yes", "expected true or false, found yes");
    refused(MX_CMD_PRETRAIN, "--no-norm-pix-loss=true", "--no-norm-pix-loss takes no value");
    refused(MX_CMD_PRETRAIN, "--no-data x", "there is no option --no-data");
    refused(MX_CMD_PRETRAIN, "--no-lr 3", "there is no option --no-lr");
    refused(MX_CMD_PRETRAIN, "--batch-size", "--batch-size needs a value: --batch-size N");
    refused(MX_CMD_PRETRAIN, "--seed --quiet", "--seed needs a value");
    refused(MX_CMD_PRETRAIN, "--data --model nano", "--data needs a value");
    refused(MX_CMD_PRETRAIN, "--data=", "--data: expected a text in one line, found nothing");
    refused(MX_CMD_PRETRAIN, "--epoch 3", "did you mean --epochs?");
    refused(MX_CMD_PRETRAIN, "--batchsize 3", "did you mean --batch-size?");
    refused(MX_CMD_PRETRAIN, "--windows-size 3", "did you mean --window-size?");
    refused(MX_CMD_PRETRAIN, "--zzzzzzzz 3", "--help lists them");
    refused(MX_CMD_INSPECT, "--epochs 3", "there is no option --epochs here");
    refused(MX_CMD_PRETRAIN, "--an-option-whose-name-is-longer-than-any-that-there-is 3",
            "there is no option");
}

/* ---- option files ---- */

static char path[64];

static int make_path(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/mx_options_XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static void put(const char *text, size_t size) {
    mx_error e = {0};
    assert_int_equal(mx_file_write(path, text, size, &e), MX_OK);
}

static mx_status read_text(mx_options *o, mx_command command, const char *text, mx_error *e) {
    put(text, strlen(text));
    return mx_options_read(o, path, command, NULL, e);
}

static void file_refused(const char *text, const char *part) {
    mx_options o = fresh();
    mx_error e = {0};
    if (!read_text(&o, MX_CMD_PRETRAIN, text, &e)) fail_msg("accepted: %s", text);
    holds(e.text, part);
    mx_options_free(&o);
}

/* Writes o as a file, reads it back, and compares every row's text and bits. */
static void round_trip(const mx_options *o) {
    mx_options back = fresh();
    mx_error e = {0};
    char *text = mx_options_text(o, MX_CMD_PRETRAIN);
    assert_non_null(text);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) assert_true(strcspn(line, "\n") < 195);
    if (read_text(&back, MX_CMD_PRETRAIN, text, &e)) fail_msg("%s\n%s", e.text, text);
    for (int i = 0; i < mx_option_count(); i++) {
        const mx_option_row *r = mx_option_at(i);
        if (!(r->commands & MX_CMD_PRETRAIN) || !strcmp(r->name, "config") || !strcmp(r->name, "resume"))
            continue;
        char *a = mx_options_get(o, i), *b = mx_options_get(&back, i);
        if (!a != !b || (a && strcmp(a, b)))
            fail_msg("--%s: %s became %s", r->name, a ? a : "-", b ? b : "-");
        free(a);
        free(b);
    }
    assert_true(o->lr == back.lr && o->blr == back.blr && o->weight_decay == back.weight_decay);
    assert_memory_equal(o->betas, back.betas, sizeof o->betas);
    assert_memory_equal(o->mean, back.mean, sizeof o->mean);
    assert_memory_equal(o->std, back.std, sizeof o->std);
    free(text);
    mx_options_free(&back);
}

static void test_round_trip_numbers(void **state) {
    (void)state;
    mx_options o = fresh();
    round_trip(&o);
    o.lr = 1.0 / 3, o.blr = 0.1 + 0.2, o.weight_decay = 1e-300, o.betas[0] = 0.99999999, o.betas[1] = 5e-324;
    o.epochs = 1e9, o.seed = 999999999999999, o.workers = 0, o.picture_every = -1;
    o.mean_count = o.std_count = 64;
    for (int i = 0; i < 64; i++)
        o.mean[i] = 1.0f / (float)(i + 3), o.std[i] = 1.1754944e-38f * (float)(i + 1);
    o.image_size[0] = 192, o.image_size[1] = 16384;
    o.betas[1] = 0.1;
    round_trip(&o);
    char *text =
        mx_options_get(&o, mx_option_find("crop-scale", 0)); /* readable, too: not 0.20000000000000001 */
    assert_string_equal(text, "0.2,1");
    free(text);
    mx_options_free(&o);
}

static void test_round_trip_texts(void **state) {
    (void)state;
    static const char *const texts[] = {"plain",
                                        "two words",
                                        " blank before",
                                        "blank after ",
                                        "\ttab\t",
                                        "a ; b",
                                        "a;b",
                                        ";a",
                                        "#a",
                                        "a # b",
                                        "a = b : c",
                                        "= x",
                                        "\"quoted\"",
                                        "\"",
                                        "\\",
                                        "ends in \\",
                                        "\\x3b",
                                        "[section]",
                                        "\xc3\xa9t\xc3\xa9/\xe5\x86\x99\xe7\x9c\x9f",
                                        "\xef\xbb\xbf"};
    char every[260], longest[4096];
    int n = 0;
    for (int i = 1; i < 256; i++)
        if (i != '\n' && i != '\r') every[n++] = (char)i;
    every[n] = 0;
    for (int i = 0; i < 4095; i++) longest[i] = "/some long; folder \"name\" "[i % 26];
    longest[4095] = 0;
    for (int i = 0; i < COUNT(texts) + 2; i++) {
        const char *want = i < COUNT(texts) ? texts[i] : i == COUNT(texts) ? every : longest;
        mx_options o = fresh();
        mx_error e = {0};
        assert_int_equal(mx_options_set(&o, "data", want, &e), MX_OK);
        assert_int_equal(mx_options_set(&o, "save-every", want, &e), MX_OK);
        assert_string_equal(o.data, want);
        round_trip(&o);
        mx_options_free(&o);
    }
    mx_options o = fresh(); /* lengths around a piece's end */
    for (int length = 100; length < 260; length++) {
        mx_error e = {0};
        longest[length] = 0;
        for (int i = 0; i < length; i++) longest[i] = i % 7 ? 'a' : ' ';
        assert_int_equal(mx_options_set(&o, "data", longest, &e), MX_OK);
        round_trip(&o);
    }
    mx_error e = {0};
    assert_int_equal(mx_options_set(&o, "data", "two\nlines", &e), MX_ERR_ARGUMENT);
    holds(e.text, "one line");
    assert_null(strchr(e.text, '\n'));
    mx_options_free(&o);
}

static void test_file_forms(void **state) {
    (void)state;
    mx_options o = fresh();
    mx_error e = {0};
    assert_int_equal(
        read_text(&o, MX_CMD_PRETRAIN,
                  "\xef\xbb\xbf; comment\r\n# another\r\n[training]\r\nepochs=3\r\n\r\n"
                  "  batch-size = 8 ; behind a value\r\n\tmodel : base\r\nnorm-pix-loss = false\r\n"
                  "data = \"a\\x3b\" \\\r\n    \"b \" \\\r\n\t\"\\\"\\\\c\"\r\nseed = 4",
                  &e),
        MX_OK);
    assert_true(o.epochs == 3 && o.batch_size == 8 && o.seed == 4 && !o.norm_pix_loss);
    assert_string_equal(o.model, "base");
    assert_string_equal(o.data, "a;b \"\\c");
    mx_options_free(&o);
    o = fresh(); /* what only pretrain knows is passed over by plan */
    assert_int_equal(read_text(&o, MX_CMD_PLAN, "output = x\nsave-every = 3m\nepochs = 2\n", &e), MX_OK);
    assert_true(o.epochs == 2 && !o.output);
    mx_options_free(&o);
    o = fresh();
    assert_int_equal(read_text(&o, MX_CMD_PLAN, "", &e), MX_OK);
    mx_options_free(&o);
}

static void test_file_refusals(void **state) {
    (void)state;
    char line[400];
    file_refused("epochs = 3\nbatchsize = 7\n",
                 "line 2: there is no option --batchsize here; did you mean --batch-size?");
    file_refused("epochs = 3\n\nbatch-size = x\n", "line 3: --batch-size: expected a whole number");
    file_refused("epochs\n", "line 1: expected \"name = value\"");
    file_refused("data =\n", "--data: expected a text in one line, found nothing");
    file_refused("config = other.ini\n", "cannot name another one");
    file_refused("data = \"a\n", "line 1: data: expected text in double quotes");
    file_refused("data = \"a\" b\n", "double quotes");
    file_refused("data = \"a\\n\"\n", "double quotes");
    file_refused("data = \"a\\x0\"\n", "double quotes");
    file_refused("data = \"a\\x00b\"\n", "double quotes");
    file_refused("data = \"a ; b\"\n", "double quotes");
    file_refused("data = \"a\" \\\n", "the value of data is not finished");
    file_refused("data = \"a\" \\\nseed = 3\n", "another piece in quotes");
    file_refused("data = \"a\" \\\n  b\n", "another piece in quotes");
    memset(line, 'x', sizeof line);
    memcpy(line, "\ndata = ", 8);
    line[399] = 0;
    file_refused(line, "line 2 has 398 bytes, expected at most 190");
    mx_options o = fresh();
    mx_error e = {0};
    put("seed = 1\0\nseed = 2\n", 19);
    assert_int_equal(mx_options_read(&o, path, MX_CMD_PRETRAIN, NULL, &e), MX_ERR_FORMAT);
    holds(e.text, "zero byte at 8");
    e = (mx_error){0};
    assert_int_equal(mx_options_read(&o, "/tmp", MX_CMD_PRETRAIN, NULL, &e), MX_ERR_IO);
    e = (mx_error){0};
    assert_int_equal(mx_options_read(&o, "/dev/zero", MX_CMD_PRETRAIN, NULL, &e), MX_ERR_IO);
    e = (mx_error){0};
    assert_int_equal(mx_options_read(&o, "/nowhere/at.all", MX_CMD_PRETRAIN, NULL, &e), MX_ERR_IO);
    holds(e.text, "/nowhere/at.all");
    char *big = malloc(8 * 1200 + 1); /* one value of more than 8192 bytes, in legal lines */
    assert_non_null(big);
    int at = sprintf(big, "data = \"x\" \\\n");
    for (int i = 0; i < 60; i++) at += sprintf(big + at, "  \"%0150d\" \\\n", i);
    sprintf(big + at, "  \"y\"\n");
    file_refused(big, "double quotes");
    free(big);
    mx_options_free(&o);
}

static void test_command_line_wins(void **state) {
    (void)state;
    char line[128];
    mx_options o = fresh();
    mx_error e = {0};
    bool help, *given = calloc((size_t)mx_option_count(), sizeof *given);
    put("epochs = 7\nbatch-size = 7\n", 26);
    snprintf(line, sizeof line, "--batch-size 9 --config %s --seed 2", path);
    assert_int_equal(parse(&o, MX_CMD_PRETRAIN, line, given, &help, &e), MX_OK);
    assert_true(o.batch_size == 9 && o.epochs == 7 && o.seed == 2);
    assert_true(given[mx_option_find("epochs", MX_CMD_PRETRAIN)]);
    mx_options_free(&o);
    free(given);
}

static void test_copy(void **state) {
    (void)state;
    mx_options o = fresh(), copy;
    mx_error e = {0};
    bool help;
    assert_int_equal(parse(&o, MX_CMD_RECONSTRUCT, "--checkpoint x a b", NULL, &help, &e), MX_OK);
    assert_int_equal(mx_options_copy(&copy, &o, &e), MX_OK);
    mx_options_free(&o);
    assert_string_equal(copy.checkpoint, "x");
    assert_int_equal(copy.image_count, 2);
    assert_string_equal(copy.images[1], "b");
    mx_options_free(&copy);
}

/* ---- texts and the model ---- */

/* Every command says all of itself, in texts that the printers can wrap. */
static void test_descriptions(void **state) {
    (void)state;
    char begin[40];
    assert_int_equal(mx_commands.count, MX_COMMAND_COUNT);
    for (int i = 0; i < mx_commands.count; i++) {
        const mx_command_row *c = &mx_commands.row[i];
        const mx_command_about *a = c->about;
        assert_int_equal(mx_command_find(c->name), c->command);
        assert_string_equal(mx_command_name(c->command), c->name);
        assert_string_equal(mixmae_command_name(i), c->name);
        assert_int_equal(mixmae_command_stoppable(c->name), a->stoppable);
        assert_non_null(a->run);
        snprintf(begin, sizeof begin, "mixmae %s ", c->name);
        assert_memory_equal(a->usage, begin, strlen(begin));
        assert_true(!strchr(a->brief, '\n') && a->brief[strlen(a->brief) - 1] != '.');
        assert_true(a->text[strlen(a->text) - 1] == '.');
        assert_true(!strchr(a->text, '\n') && !strstr(a->text, "  "));
        assert_non_null(a->examples[0]);
        assert_null(a->examples[COUNT(a->examples) - 1]);
        for (int j = 0; a->examples[j]; j++) assert_memory_equal(a->examples[j], begin, strlen(begin));
    }
    assert_int_equal(mx_command_find("nonsense"), 0);
    assert_string_equal(mx_command_name((mx_command)0), "?");
    assert_null(mixmae_command_name(-1));
    assert_null(mixmae_command_name(mx_commands.count));
    assert_true(mixmae_command_stoppable("pretrain") && mixmae_command_stoppable("embed"));
    assert_false(mixmae_command_stoppable("bench") || mixmae_command_stoppable("nonsense"));
}

static void test_wrapped(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int at;
        const char *lines;
    } cases[] = {{"", 0, "\n"},
                 {"ab cd ef", 0, "ab cd ef\n"},
                 {"ab cd efg", 0, "ab cd\n  efg\n"},
                 {"abcdefghijk lm", 0, "abcdefghijk\n  lm\n"},
                 {"ab cd", 4, "ab\n  cd\n"},
                 {"ab  cd", 3, "ab cd\n"}};
    for (int i = 0; i < COUNT(cases); i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        assert_non_null(f);
        mx_put_wrapped(f, cases[i].text, cases[i].at, 2, 8);
        fclose(f);
        assert_string_equal(text, cases[i].lines);
        free(text);
    }
}

static void test_help_names_every_option(void **state) {
    (void)state;
    char *reference = mx_markdown(&mx_commands);
    for (int c = 0; c < mx_commands.count; c++) {
        const mx_command_row *row = &mx_commands.row[c];
        char *help = mx_help_command(row), want[80];
        holds(help, row->about->brief), holds(help, "Usage: mixmae "), holds(help, "Examples:"),
            holds(help, "Exit codes:");
        for (int i = 0; i < mx_option_count(); i++) {
            const mx_option_row *r = mx_option_at(i);
            bool is_switch = r->kind == MX_VALUE_SWITCH;
            snprintf(want, sizeof want, "\n  --%s%s ", is_switch ? "[no-]" : "", r->name);
            assert_int_equal(strstr(help, want) != NULL, mx_option_find(r->name, row->command) >= 0);
            snprintf(want, sizeof want, "| `--%s%s", r->name, is_switch ? "`" : " ");
            holds(reference, want);
        }
        for (char *line = help; *line; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") < 140);
        free(help);
    }
    holds(reference, "| base_384 | 384 | 4 | 128 | 2,2,18,2 | 4,8,16,32 | 16,16,24,12 | 512 x 8, 16 | "
                     "0.00015 | 40 | 600 | 128 |");
    free(reference);
}

static void test_model(void **state) {
    (void)state;
    mx_options o = fresh();
    mx_model_config c;
    mx_model_recipes r;
    mx_error e = {0};
    bool help;
    assert_int_equal(parse(&o, MX_CMD_PRETRAIN,
                           "--model tiny --image-size 96 --window-size 6,6,6,3 --channels 1 "
                           "--decoder-dim 256 --decoder-depth 4 --no-norm-pix-loss",
                           NULL, &help, &e),
                     MX_OK);
    assert_int_equal(mx_options_model(&o, &c, &r, &e), MX_OK);
    assert_true(c.image_h == 96 && c.image_w == 96 && c.channels == 1 && c.embed_dim == 96 && c.stages == 4);
    assert_true(c.windows[3] == 3 && c.decoder_dim == 256 && c.decoder_depth == 4 && c.decoder_heads == 16);
    assert_true(!c.norm_pix && r.pretrain.epochs == 400 && r.pretrain.batch == 64);
    mx_options_free(&o);
    static const struct {
        const char *line, *part;
    } bad[] = {
        {"--model giant", "there is no model giant; there are nano, micro, tiny"},
        {"--model base --window-size 7,7",
         "--window-size holds 2 numbers and the model has 4 stages: give 4"},
        {"--model nano --depths 1,1,1,1", "--depths holds 4 numbers and nano has 3 stages"},
        {"--model base --image-size 224x230", "image width 230 is not a multiple of the stride 32"},
        {"--model base --decoder-num-heads 5", "decoder: 5 heads do not divide the width 512: 4 or 8 work"}};
    for (int i = 0; i < COUNT(bad); i++) {
        o = fresh(), e = (mx_error){0};
        assert_int_equal(parse(&o, MX_CMD_PRETRAIN, bad[i].line, NULL, &help, &e), MX_OK);
        assert_int_equal(mx_options_model(&o, &c, NULL, &e), MX_ERR_ARGUMENT);
        holds(e.text, bad[i].part);
        mx_options_free(&o);
    }
    o = fresh(), e = (mx_error){0}; /* fewer stages: the first ones of the named model */
    assert_int_equal(parse(&o, MX_CMD_PRETRAIN, "--model base --depths 1,1,2", NULL, &help, &e), MX_OK);
    assert_int_equal(mx_options_model(&o, &c, &r, &e), MX_OK);
    assert_true(c.stages == 3 && mx_model_stride(&c) == 16 && c.heads[2] == 16);
    mx_options_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_matters),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_files_without_a_name),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test_setup_teardown(test_round_trip_numbers, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_round_trip_texts, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_file_forms, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_file_refusals, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_command_line_wins, make_path, remove_path),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_help_names_every_option),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
