/* Memory of runs on large pictures of every kind: what `mixmae plan` expects against the peak of the program itself,
 * with held-out images and pictures of reconstructions, by one worker and by two. And what --memory says where a
 * picture is what takes the memory: each of its ways out is followed. Skipped under sanitizers, which take memory of
 * their own. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "image_encoders.h"
#include "image_folder.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define LIBRARIES 8e6 /* bytes by which those of another system may differ from the plan's */
#define MOST_OVER 1.3 /* planned against used, whose images are as large as the largest */

static char program[4096], output[4096]; /* output: of the last command */

/* ---- pictures ---- */

/* Smooth, so that files are small and quick to make. size: bytes of a sample. */
static uint8_t *samples(int width, int height, int channels, int size) {
    uint8_t *p = malloc((size_t)width * (size_t)height * (size_t)channels * (size_t)size), *at = p;
    assert_non_null(p);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width * channels; x++)
            for (int k = 0; k < size; k++) *at++ = (uint8_t)(x / 16 + y / 8 + 64 * k);
    return p;
}

static file jpeg(int width, int height, bool progressive, int sampling) {
    uint8_t *p = samples(width, height, 3, 1);
    file f = jpeg_make((jpeg_kind){.width = width,
                                   .height = height,
                                   .components = 3,
                                   .progressive = progressive,
                                   .sampling = sampling,
                                   .given = JCS_RGB,
                                   .stored = JCS_YCbCr},
                       p);
    free(p);
    return f;
}

static file progressive_420(void) { return jpeg(3200, 2500, true, 2); }
static file progressive_444(void) { return jpeg(3000, 2000, true, 1); }
static file baseline_wide(void) { return jpeg(16000, 500, false, 2); }

/* The same with EXIF that turns it by a quarter, which takes a second picture. */
static file baseline_turned(void) {
    static const char exif[] = "\xff\xe1\0\x22"
                               "Exif\0\0MM\0*\0\0\0\10\0\1"
                               "\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0";
    file plain = jpeg(3200, 2500, false, 2), f = {0};
    file_put(&f, plain.bytes, 2);
    file_put(&f, exif, 36);
    file_put(&f, plain.bytes + 2, plain.size - 2);
    free(plain.bytes);
    return f;
}

static file tiff(tiff_kind k) {
    uint8_t *p = samples(k.width, k.height, k.samples, k.bits / 8);
    file f = tiff_make(k, p);
    free(p);
    return f;
}

static file tiff_16(void) { return tiff((tiff_kind){2500, 2000, 3, 16, .photometric = PHOTOMETRIC_RGB}); }

static file tiff_16_packed(void) {
    return tiff((tiff_kind){2500, 2000, 3, 16, .photometric = PHOTOMETRIC_RGB,
                            .compression = COMPRESSION_ADOBE_DEFLATE, .rows = 64});
}

/* Twelve pages of one channel, which become twelve channels. */
static file tiff_pages(void) {
    const tiff_kind k = {1000, 700, 1, 16, .photometric = PHOTOMETRIC_MINISBLACK};
    uint8_t *p = samples(k.width, k.height, 1, 2);
    file f = {0};
    TIFF *t = TIFFClientOpen("memory", "w", &f, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size, NULL,
                             NULL);
    assert_non_null(t);
    for (int page = 0; page < 12; page++) {
        tiff_tags(t, &k);
        assert_true(TIFFWriteEncodedStrip(t, 0, p, k.width * k.height * 2) > 0);
        assert_true(TIFFWriteDirectory(t));
    }
    TIFFClose(t);
    free(p);
    return f;
}

static file npy_64(void) {
    uint8_t *p = samples(360, 360, 64, 2);
    file f = npy_make(NPY("<u2", "(360, 360, 64)"), 1, p, (size_t)360 * 360 * 64 * 2);
    free(p);
    return f;
}

static file png(void) {
    uint8_t *p = samples(3000, 2000, 3, 1);
    file f = png_make((png_kind){3000, 2000, 8, PNG_COLOR_TYPE_RGB, 0, 0, 0}, p, 9000);
    free(p);
    return f;
}

/* For a model whose pictures of reconstructions are wide. */
static file small_wide(void) {
    uint8_t *p = samples(2048, 32, 3, 1);
    file f = png_make((png_kind){2048, 32, 8, PNG_COLOR_TYPE_RGB, 0, 0, 0}, p, 6144);
    free(p);
    return f;
}

/* ---- the program ---- */

/* Runs the program with these options; its exit code. *peak: the most memory it had, bytes. */
static int run(const char *options, double *peak) {
    char command[12000], *argv[64];
    int n = 0, status, pipes[2];
    struct rusage use;
    snprintf(command, sizeof command, "mixmae %s", options);
    for (char *save, *word = strtok_r(command, " ", &save); word && n < 63; word = strtok_r(NULL, " ", &save))
        argv[n++] = word;
    argv[n] = NULL;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (!child) {
        dup2(pipes[1], 1), dup2(pipes[1], 2), close(pipes[0]), close(pipes[1]);
        execv(program, argv);
        _exit(127);
    }
    close(pipes[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(pipes[0], output + used, sizeof output - 1 - used)) > 0;) {
        used += (size_t)got;
        if (used > sizeof output / 2)
            memmove(output, output + used - 1000, 1000), used = 1000; /* the end counts */
    }
    output[used] = 0;
    close(pipes[0]);
    assert_true(wait4(child, &status, 0, &use) == child);
    if (peak) *peak = 1024.0 * (double)use.ru_maxrss;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static double planned(const char *options) {
    char line[8192];
    double bytes = 0;
    snprintf(line, sizeof line, "plan %s --steps 0", options);
    if (run(line, NULL)) fail_msg("%s: %s", line, output);
    const char *total = strstr(output, "total");
    if (!total || sscanf(total, "total %lf bytes", &bytes) != 1) fail_msg("no total in: %s", output);
    return bytes;
}

static const struct kind {
    const char *name, *extension;
    file (*make)(void);
    int workers;
    const char *options, *size; /* size: of the images of the model */
} kinds[] = {
    {"progressive JPEG 4:2:0", "jpg", progressive_420, 1, "", "64"},
    {"progressive JPEG 4:4:4", "jpg", progressive_444, 2, "", "64"},
    {"wide JPEG", "jpg", baseline_wide, 1, "", "64"},
    {"turned JPEG", "jpg", baseline_turned, 2, "--exif-orientation ", "64"},
    {"16-bit TIFF", "tif", tiff_16, 1, "", "64"},
    {"16-bit TIFF, deflated", "tif", tiff_16_packed, 2, "", "64"},
    {"TIFF of 12 pages", "tif", tiff_pages, 1, "--channels 12 ", "64"},
    {".npy of 64 channels", "npy", npy_64, 2, "--channels 64 ", "64"},
    {"PNG", "png", png, 1, "", "64"},
    {"wide model", "png", small_wide, 1, "--window-size 2,2,2 ", "32x2048"},
};

/* Two to train on, two held out. */
static void put_kind(const struct kind *k) {
    file f = k->make();
    char rel[64];
    for (int i = 0; i < 4; i++) {
        snprintf(rel, sizeof rel, "data/%s/%s/%d.%s", i < 2 ? "train" : "val", i % 2 ? "b" : "a", i,
                 k->extension);
        put_bytes(rel, f.bytes, f.size);
    }
    free(f.bytes);
}

static void remove_folder(const char *rel) { nftw(at(rel), remove_one, 32, FTW_DEPTH | FTW_PHYS); }

static void planned_is_not_passed(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const struct kind *k = &kinds[i];
        char options[4096], line[8192];
        double peak = 0;
        put_kind(k);
        snprintf(
            options, sizeof options,
            "--data %s %s--model nano --image-size %s --batch-size 2 --epochs 2 --threads 1 --workers %d "
            "--crop-scale 0.9,1",
            at("data"), k->options, k->size, k->workers);
        double plan = planned(options);
        snprintf(line, sizeof line, "pretrain %s --output %s", options, at("run"));
        if (run(line, &peak)) fail_msg("%s: %s", k->name, output);
        print_message("%-24s %d worker%s: planned %5.1f MB, peak %5.1f MB (%+.0f %%)\n", k->name, k->workers,
                      k->workers > 1 ? "s" : " ", plan / 1e6, peak / 1e6, 100 * (plan / peak - 1));
        if (peak > plan) fail_msg("%s: more than planned", k->name);
        if (k->workers == 1 && plan > MOST_OVER * peak + LIBRARIES) fail_msg("%s: planned too much", k->name);
        remove_folder("data"), remove_folder("run");
    }
}

/* The number after text in the output. */
static int number_after(const char *text) {
    const char *p = strstr(output, text);
    if (!p) fail_msg("no \"%s\" in: %s", text, output);
    return atoi(p + strlen(text));
}

static void said(const char *text) {
    if (!strstr(output, text)) fail_msg("no \"%s\" in: %s", text, output);
}

static void the_picture_is_named(void **state) {
    (void)state;
    char options[4096], line[8192];
    file small = jpeg(64, 48, false, 2);
    put_kind(&kinds[0]);
    put_bytes("data/train/a/small.jpg", small.bytes, small.size);
    free(small.bytes);
    const char *form =
        "--data %s --model nano --image-size 64 --batch-size 2 --threads 1 --steps 0 --workers %d ";
    snprintf(options, sizeof options, form, at("data"), 2);
    double two = planned(options);
    snprintf(options, sizeof options, form, at("data"), 1);
    double one = planned(options);

    snprintf(line, sizeof line,
             "plan --data %s --model nano --image-size 64 --batch-size 2 --threads 1 --steps 0 "
             "--workers 2 --memory %.0f",
             at("data"), (one + two) / 2);
    assert_int_equal(run(line, NULL), 2);
    said("/val/a/2.jpg (3200x2500 pixels)");
    assert_null(strstr(output, "--batch-size"));
    int enough = number_after("give --memory ");
    assert_int_equal(number_after("--workers "), 1);
    number_after("mixmae pack --size ");
    snprintf(line, sizeof line, "plan %s--memory %.0f", options, (one + two) / 2);
    if (run(line, NULL)) fail_msg("%s", output);
    snprintf(line, sizeof line, "plan %s--workers 2 --memory %dM", options, enough);
    if (run(line, NULL)) fail_msg("%s", output);

    snprintf(line, sizeof line, "plan %s--memory %.0f", options, 0.6 * one);
    assert_int_equal(run(line, NULL), 2);
    said("read 1 image as large as");
    int size = number_after("mixmae pack --size ");
    snprintf(line, sizeof line, "pack --data %s --output %s --size %d", at("data"), at("packed"), size);
    if (run(line, NULL)) fail_msg("%s", output);
    snprintf(options, sizeof options, form, at("packed"), 1);
    snprintf(line, sizeof line, "plan %s--memory %.0f", options, 0.6 * one);
    if (run(line, NULL)) fail_msg("%s", output);
    remove_folder("data"), remove_folder("packed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planned_is_not_passed),
        cmocka_unit_test(the_picture_is_named),
    };
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    if (n <= 0 || SANITIZED) return 77;
    program[n] = 0;
    strcpy(strrchr(program, '/') + 1, "mixmae");
    return cmocka_run_group_tests(tests, new_base, remove_base);
}
