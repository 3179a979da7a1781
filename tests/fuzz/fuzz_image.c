/* libFuzzer target: any bytes as an image file. Decoding either fails with a message or gives an image of the
 * shape in its header with every sample readable, a crop of which is then resized. A part of such a file
 * decodes too, to the same samples; with fast, to the size that it reports. */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define LARGEST ((int64_t)1 << 17) /* samples: larger claims are legal but slow the search down */

static void expect(int condition) {
    if (!condition) abort();
}

static size_t bytes_of(const mx_image *im) {
    size_t sample = im->type == MX_PIXEL_U8 ? 1 : im->type == MX_PIXEL_U16 ? 2 : 4;
    return (size_t)im->width * (size_t)im->height * (size_t)im->channels * sample;
}

/* Of a part only what is in the box is there. */
static void use(const mx_image *im, mx_box in) {
    static volatile unsigned sum;
    expect(im->pixels && bytes_of(im));
    size_t pixel = bytes_of(im) / (size_t)im->width / (size_t)im->height;
    for (int y = in.top; y < in.top + in.height; y++)
        for (size_t i = 0; i < pixel * (size_t)in.width; i++)
            sum =
                sum +
                ((const uint8_t *)im->pixels)[((size_t)y * (size_t)im->width + (size_t)in.left) * pixel + i];
    mx_image out = {0};
    mx_box box = {in.top + in.height / 3, in.left + in.width / 4, in.height - in.height / 3,
                  in.width - in.width / 4};
    expect(!mx_image_make(&out, 7, 5, im->channels, im->type, NULL));
    expect(!mx_image_resize(&out, im, box, MX_FILTER_BICUBIC, NULL));
    mx_image_free(&out);
}

static unsigned seed; /* of the part, from the file's last bytes */

static mx_box choose(void *user, int width, int height) {
    mx_box *b = user;
    b->width = 1 + (int)(seed % (unsigned)width), b->height = 1 + (int)(seed / 7 % (unsigned)height);
    b->left = (int)(seed / 31 % (unsigned)(width - b->width + 1));
    b->top = (int)(seed / 131 % (unsigned)(height - b->height + 1));
    return *b;
}

static void use_part(const mx_image *whole, const void *bytes, size_t size, int channels, int fast) {
    mx_image part;
    mx_box chosen = {0}, at = {0};
    mx_error e = {0};
    const mx_part how = {.choose = choose, .user = &chosen, .fast = fast, .out_w = 1, .out_h = 3};
    mx_status got = mx_image_decode_part(&part, &at, bytes, size, channels, &how, &e);
    expect(got == e.status && (got == MX_OK) == (part.pixels != NULL));
    expect(!whole->pixels || !got);
    if (!got) {
        expect(at.left >= 0 && at.top >= 0 && at.width > 0 && at.height > 0);
        expect(at.left + at.width <= part.width && at.top + at.height <= part.height);
        use(&part, at);
    }
    if (!got && !fast && whole->pixels) {
        size_t pixel = bytes_of(whole) / (size_t)whole->width / (size_t)whole->height;
        expect(at.width == chosen.width && at.height == chosen.height);
        for (int y = 0; y < at.height; y++)
            expect(!memcmp(
                (char *)part.pixels + ((size_t)(at.top + y) * (size_t)part.width + (size_t)at.left) * pixel,
                (char *)whole->pixels +
                    ((size_t)(chosen.top + y) * (size_t)whole->width + (size_t)chosen.left) * pixel,
                pixel * (size_t)at.width));
    }
    mx_image_free(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    seed = 0;
    for (size_t i = 0; i < size; i++) seed = seed * 31 + bytes[i];
    int width, height, channels;
    mx_error e = {0};
    mx_status st = mx_image_probe(&width, &height, &channels, bytes, size, &e);
    expect(st == e.status && (st == MX_OK) == (*e.text == 0));
    bool known = !st;
    if (!st && (int64_t)width * height * channels > LARGEST) return 0;
    int want[3] = {1, 3, channels > 0 ? channels : 4};
    mx_image turned;
    mx_error unturned = {0};
    st = mx_image_decode_turned(&turned, bytes, size, 3, &unturned); /* EXIF's directory is the file's too */
    expect(st == unturned.status && (st == MX_OK) == (turned.pixels != NULL));
    mx_image_free(&turned);
    for (int i = 0; i < 3; i++) {
        mx_image im;
        mx_error why = {0};
        mx_status got = mx_image_decode(&im, bytes, size, want[i], &why);
        expect(got == why.status && (got == MX_OK) == (im.pixels != NULL));
        expect(known || got); /* what decodes has a header that is understood */
        if (!got) {
            expect(im.width == width && im.height == height);
            use(&im, (mx_box){0, 0, height, width});
        }
        for (int fast = 0; fast < 2; fast++) use_part(&im, bytes, size, want[i], fast);
        mx_image_free(&im);
    }
    return 0;
}
