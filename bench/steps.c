/* Training steps of mixmae, one for each line of standard input: what bench/compare sets beside the PyTorch
 * program. Written on the public library, so it times what any program gets. Options: those of `mixmae
 * pretrain`.
 *
 * Prints "READY parameters", then for each step "seconds processor-seconds loss peak-bytes". */
#include <mixmae.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static float *noise(const mixmae_trainer_info *about) {
    size_t n = (size_t)about->images_per_step * (size_t)about->channels * (size_t)about->image_height *
               (size_t)about->image_width;
    float *images = malloc(n * sizeof *images);
    uint32_t r = 1;
    for (size_t i = 0; images && i < n; i++) {
        r = r * 1664525u + 1013904223u;
        images[i] = (float)(r >> 8) / 16777216.0f - 0.5f;
    }
    return images;
}

static mixmae_status steps(mixmae_trainer *trainer, char *message, size_t size) {
    mixmae_trainer_info about;
    mixmae_trainer_describe(trainer, &about);
    float *images = noise(&about);
    mixmae_status status = images ? MIXMAE_OK : MIXMAE_ERR_MEMORY;
    printf("READY %lld\n", (long long)about.parameters);
    fflush(stdout);
    while (!status && getchar() == '\n') {
        mixmae_step step = {0};
        double start = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
        status = mixmae_trainer_step(trainer, images, &step, message, size);
        printf("%.6f %.6f %.6f %lld\n", now(CLOCK_MONOTONIC) - start,
               now(CLOCK_PROCESS_CPUTIME_ID) - processor, step.loss, peak_bytes());
        fflush(stdout);
    }
    free(images);
    return status;
}

int main(int argc, char **argv) {
    char message[512] = "out of memory";
    bool help;
    mixmae_trainer *trainer = NULL;
    mixmae_options *options =
        mixmae_options_make("pretrain", argc - 1, argv + 1, &help, message, sizeof message);
    mixmae_status status = options ? MIXMAE_OK : MIXMAE_ERR_ARGUMENT;
    if (options) status = mixmae_trainer_make(&trainer, options, 1000, message, sizeof message);
    if (trainer) status = steps(trainer, message, sizeof message);
    if (status) fprintf(stderr, "steps: %s\n", message);
    mixmae_trainer_free(trainer);
    mixmae_options_free(options);
    return status != MIXMAE_OK;
}
