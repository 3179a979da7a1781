/* Embeddings of one batch of images, computed again for each line of standard input: what bench/inference
 * sets beside ONNX Runtime. Written on the public library, so it times what any program gets.
 *
 *   embed MODEL IMAGES FEATURES [--batch 8] [--threads 2] [--dtype f32|bf16]
 *
 * IMAGES: the batch as bare floats [batch, channels, height, width], normalised. FEATURES: bare floats, the
 * first result, for comparison. Prints "READY features", then for each line "seconds processor-seconds
 * peak-bytes". */
#include <mixmae.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    const char *file[3]; /* model, images, features */
    mixmae_load_options load;
} settings;

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The process's highest resident size. */
static long long peak_bytes(void) {
    char line[256];
    long long kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lld", &kilobytes) == 1) break;
    if (f) fclose(f);
    return kilobytes * 1024;
}

static int failed(const char *what, const char *which) {
    fprintf(stderr, "embed: %s%s\n", what, which);
    return 1;
}

static int read_settings(settings *s, int argc, char **argv) {
    int files = 0;
    *s = (settings){.load = {.max_batch = 8, .threads = 2}};
    for (int i = 1; i < argc; i++) {
        const bool option = !strncmp(argv[i], "--", 2);
        if (option && i + 1 == argc) return failed("a value is missing after ", argv[i]);
        if (!option && files == 3) return failed("expected three files, found one more: ", argv[i]);
        if (!option)
            s->file[files++] = argv[i];
        else if (!strcmp(argv[i], "--batch"))
            s->load.max_batch = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--threads"))
            s->load.threads = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--dtype"))
            s->load.dtype = argv[++i];
        else
            return failed("there is no option ", argv[i]);
    }
    return files == 3 ? 0 : failed("three files, please: a model, its images, where features go", "");
}

/* Exactly n floats of a file; NULL when they are not there. */
static float *read_floats(const char *path, size_t n) {
    float *x = malloc(n * sizeof *x);
    FILE *f = fopen(path, "rb");
    const bool whole = f && x && fread(x, sizeof *x, n, f) == n && fgetc(f) == EOF;
    if (f) fclose(f);
    if (whole) return x;
    free(x);
    return NULL;
}

static int write_floats(const char *path, const float *x, size_t n) {
    FILE *f = fopen(path, "wb");
    const bool whole = f && fwrite(x, sizeof *x, n, f) == n;
    return f && !fclose(f) && whole ? 0 : failed("cannot write ", path);
}

static int paced(mixmae_model *model, const settings *s, const float *images, float *features,
                 size_t numbers) {
    char message[512];
    for (bool first = true; getchar() == '\n'; first = false) {
        double start = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
        if (mixmae_model_encode(model, images, s->load.max_batch, features, message, sizeof message))
            return failed(message, "");
        const double seconds = now(CLOCK_MONOTONIC) - start;
        processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
        if (first && write_floats(s->file[2], features, numbers)) return 1;
        printf("%.6f %.6f %lld\n", seconds, processor, peak_bytes());
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv) {
    char message[512];
    settings s;
    mixmae_model *model;
    mixmae_model_info info;
    if (read_settings(&s, argc, argv)) return 2;
    if (mixmae_model_load(&model, s.file[0], &s.load, message, sizeof message)) return failed(message, "");
    mixmae_model_describe(model, &info);
    const size_t batch = (size_t)info.max_batch, numbers = batch * (size_t)info.features;
    const size_t pixels = (size_t)info.channels * (size_t)info.image_height * (size_t)info.image_width;
    float *images = read_floats(s.file[1], batch * pixels), *features = malloc(numbers * sizeof *features);
    int code = 1;
    if (!images || !features) {
        fprintf(stderr, "embed: expected %zu images of %zu floats in %s\n", batch, pixels, s.file[1]);
    } else {
        printf("READY %d\n", info.features);
        fflush(stdout);
        code = paced(model, &s, images, features, numbers);
    }
    free(images), free(features);
    mixmae_model_free(model);
    return code;
}
