/* The image code from outside: decodes and resizes what standard input asks for and writes raw samples.
 * tests/interop/pillow_check.py talks to it and tools/interop builds it.
 *
 * One request a line, the path to its end:
 *   CHANNELS TOP LEFT HEIGHT WIDTH OUT_HEIGHT OUT_WIDTH bilinear|bicubic PATH
 * HEIGHT 0: the whole image, not resized. One answer each: a line "width height channels type bytes", then as
 * many bytes; or "error text". */
#include "data/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(const mx_image *im) {
    size_t sample = im->type == MX_PIXEL_U8 ? 1 : im->type == MX_PIXEL_U16 ? 2 : 4;
    size_t bytes = (size_t)im->width * (size_t)im->height * (size_t)im->channels * sample;
    printf("%d %d %d %d %zu\n", im->width, im->height, im->channels, (int)im->type, bytes);
    fwrite(im->pixels, 1, bytes, stdout);
}

static mx_status serve(const char *line, mx_error *e) {
    int channels, out_h, out_w, at = 0;
    mx_box box;
    char filter[16];
    mx_image im = {0}, out = {0};
    if (sscanf(line, "%d %d %d %d %d %d %d %15s %n", &channels, &box.top, &box.left, &box.height, &box.width,
               &out_h, &out_w, filter, &at) != 8 ||
        !at)
        return mx_fail(e, MX_ERR_ARGUMENT, "expected 8 words and a path, found %s", line);
    mx_status st = mx_image_read(&im, line + at, channels, getenv("TURN") != NULL, e);
    if (!st && box.height > 0) {
        st = mx_image_make(&out, out_w, out_h, channels, im.type, e);
        mx_filter which = strcmp(filter, "bilinear") ? MX_FILTER_BICUBIC : MX_FILTER_BILINEAR;
        if (!st) st = mx_image_resize(&out, &im, box, which, e);
    }
    if (!st) answer(box.height > 0 ? &out : &im);
    mx_image_free(&out);
    mx_image_free(&im);
    return st;
}

int main(void) {
    char line[8192];
    while (fgets(line, sizeof line, stdin)) {
        mx_error e = {0};
        line[strcspn(line, "\n")] = 0;
        if (serve(line, &e)) printf("error %s\n", e.text);
        fflush(stdout);
    }
    return 0;
}
