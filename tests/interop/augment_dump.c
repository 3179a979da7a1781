/* Applies one augmentation to images from standard input; tests/interop/augment_check.py builds and runs it.
 * A request is a line "kind argument width height channels", then the image's bytes and one fill byte per
 * channel. The answer has as many bytes as the image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/randaugment.h"

/* The two functions that the operations need of the image code, without its decoders. */
mx_status mx_image_make(mx_image *im, int width, int height, int channels, mx_pixel type, mx_error *e) {
    *im = (mx_image){width, height, channels, type, calloc((size_t)width * (size_t)height, (size_t)channels)};
    return im->pixels ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
}

void mx_image_free(mx_image *im) {
    free(im->pixels);
    *im = (mx_image){0};
}

int main(void) {
    char line[256];
    while (fgets(line, sizeof line, stdin)) {
        int kind, width, height, channels;
        double argument;
        uint8_t fill[3] = {0};
        mx_image im = {0}, spare = {0};
        mx_error e = {0};
        if (sscanf(line, "%d %lf %d %d %d", &kind, &argument, &width, &height, &channels) != 5) return 2;
        if (mx_image_make(&im, width, height, channels, MX_PIXEL_U8, &e)) return 2;
        size_t n = (size_t)width * (size_t)height * (size_t)channels;
        if (fread(im.pixels, 1, n, stdin) != n || fread(fill, 1, (size_t)channels, stdin) != (size_t)channels)
            return 2;
        if (mx_augment_op((mx_augment_kind)kind, argument, &im, &spare, fill, &e)) {
            fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        fwrite(im.pixels, 1, n, stdout);
        fflush(stdout);
        mx_image_free(&im);
        mx_image_free(&spare);
    }
    return 0;
}
