/* The features of an image, and what the model takes it for when it has a head:
 *
 *   cc embed.c $(pkg-config --cflags --libs mixmae) -o embed
 *   ./embed run/model.safetensors photo.jpg */
#include <mixmae.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *message) {
    fprintf(stderr, "embed: %s\n", message);
    return 1;
}

static void print_best(const mixmae_model *model, float *p, int classes) {
    for (int rank = 0; rank < 5 && rank < classes; rank++) {
        int best = 0;
        for (int k = 1; k < classes; k++)
            if (p[k] > p[best]) best = k;
        const char *name = mixmae_model_class_name(model, best);
        printf("class %d %s: %.4f\n", best, name ? name : "", (double)p[best]);
        p[best] = -1;
    }
}

int main(int argc, char **argv) {
    char message[1024];
    mixmae_model *model;
    mixmae_model_info info;
    const mixmae_load_options options = {.max_batch = 1};
    if (argc != 3) return failed("two arguments, please: a checkpoint and an image");
    if (mixmae_model_load(&model, argv[1], &options, message, sizeof message)) return failed(message);
    mixmae_model_describe(model, &info);

    size_t pixels = (size_t)info.channels * (size_t)info.image_height * (size_t)info.image_width;
    float *image = malloc(pixels * sizeof *image);
    float *features = malloc((size_t)info.features * sizeof *features);
    float *chances = malloc((size_t)(info.classes + 1) * sizeof *chances);
    mixmae_outputs out = {.features = features, .probabilities = info.classes ? chances : NULL};
    int code = 0;
    if (!image || !features || !chances)
        code = failed("out of memory");
    else if (mixmae_model_read_image(model, argv[2], image, message, sizeof message) ||
             mixmae_model_forward(model, image, 1, &out, message, sizeof message))
        code = failed(message);
    else {
        for (int i = 0; i < info.features; i++) printf("%.6g\n", (double)features[i]);
        print_best(model, chances, info.classes);
    }
    free(image), free(features), free(chances);
    mixmae_model_free(model);
    return code;
}
