/* Makes, frees and decodes images in memory. Decoding is the first stage of the input pipeline. Files may be malicious,
 * so every size is checked before use. See docs/DATA.md, "Images". */
#include "base/arena.h"
#include "data/image_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MX_DECODER_ROOM ((size_t)16 << 20) /* beside a picture; more than the tables of any library here */

size_t mx_pixel_size(mx_pixel type) { return type == MX_PIXEL_U8 ? 1 : type == MX_PIXEL_U16 ? 2 : 4; }

float mx_half(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float v = exponent == 31 ? (fraction ? NAN : INFINITY)
              : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                             : ldexpf((float)fraction, -24);
    return h & 0x8000 ? -v : v;
}

void mx_image_free(mx_image *im) {
    if (!im) return;
    free(im->pixels);
    *im = (mx_image){0};
}

static bool size_possible(int width, int height, int channels) {
    return width > 0 && height > 0 && channels > 0 &&
           (int64_t)width * height <= MX_IMAGE_MAX_SAMPLES / channels;
}

mx_status mx_image_make(mx_image *im, int width, int height, int channels, mx_pixel type, mx_error *e) {
    *im = (mx_image){0};
    if (!size_possible(width, height, channels))
        return mx_fail(e, MX_ERR_FORMAT, "expected an image of 1 to %lld samples, found %dx%d pixels of %d",
                       (long long)MX_IMAGE_MAX_SAMPLES, width, height, channels);
    size_t bytes = (size_t)width * (size_t)height * (size_t)channels * mx_pixel_size(type);
    void *pixels = malloc(bytes);
    if (!pixels) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for an image", bytes);
    *im = (mx_image){.width = width, .height = height, .channels = channels, .type = type, .pixels = pixels};
    return MX_OK;
}

/* Copies an error to the caller. Decoders use their own error, since the caller's may be NULL. */
static mx_status hand_over(mx_error *e, const mx_error *own) {
    return own->status ? mx_fail(e, own->status, "%s", own->text) : MX_OK;
}

/* A library may call it damage, or a kind of file that it does not know, when it lacked memory. So what it said
 * first is not believed; nor what it says twice where memory is short. true: ask again. */
static bool doubtful(int tries, size_t size, mx_error *own) {
    if (own->status != MX_ERR_FORMAT && own->status != MX_ERR_UNSUPPORTED) return false;
    void *room = mx_pages_map(MX_DECODER_ROOM + size); /* not malloc: sanitizers keep what is freed */
    bool enough = room != NULL;
    mx_pages_unmap(room, MX_DECODER_ROOM + size);
    if (enough && tries) return false;
    mx_error said = *own;
    *own = (mx_error){0};
    if (!enough) mx_fail(own, MX_ERR_MEMORY, "out of memory, or: %s", said.text);
    return enough;
}

mx_status mx_image_probe(int *width, int *height, int *channels, const void *bytes, size_t size,
                         mx_error *e) {
    mx_error own = {0};
    int w = 0, h = 0, c = 0;
    *width = *height = *channels = 0;
    const mx_format *f = mx_format_find(bytes, size, &own);
    for (int tries = 0; f && f->probe(&w, &h, &c, bytes, size, &own) && doubtful(tries, size, &own);
         tries++) {}
    if (f && !own.status && !size_possible(w, h, c))
        mx_fail(&own, MX_ERR_FORMAT, "expected an image of 1 to %lld samples, found %dx%d pixels of %d",
                (long long)MX_IMAGE_MAX_SAMPLES, w, h, c);
    if (f) mx_fail_where(&own, "%s", f->name);
    if (!own.status) *width = w, *height = h, *channels = c;
    return hand_over(e, &own);
}

static void decode_whole(const mx_format *f, mx_image *im, int *colours, const void *bytes, size_t size,
                         int channels, mx_error *own) {
    for (int tries = 0;; tries++) {
        if (!f->decode(im, colours, bytes, size, channels, own)) return;
        mx_image_free(im);
        if (!doubtful(tries, size, own)) return;
    }
}

/* part NULL: the whole image. */
static mx_status decode(mx_image *im, mx_box *box, const void *bytes, size_t size, int channels,
                        const mx_part *part, mx_error *e) {
    mx_error own = {0};
    int colours = 0;
    *im = (mx_image){0};
    if (channels < 1) return mx_fail(e, MX_ERR_ARGUMENT, "channels: expected 1 or more, found %d", channels);
    const mx_format *f = mx_format_find(bytes, size, &own);
    bool inside = f && part && f->decode_part;
    if (inside)
        f->decode_part(im, box, &colours, bytes, size, channels, part, &own);
    else if (f)
        decode_whole(f, im, &colours, bytes, size, channels, &own);
    if (f && !own.status) mx_image_convert(im, channels, colours, &own);
    if (part && !inside && !own.status) *box = part->choose(part->user, im->width, im->height);
    if (f) mx_fail_where(&own, "%s", f->name);
    if (own.status) mx_image_free(im);
    return hand_over(e, &own);
}

mx_status mx_image_decode(mx_image *im, const void *bytes, size_t size, int channels, mx_error *e) {
    return decode(im, NULL, bytes, size, channels, NULL, e);
}

mx_status mx_image_decode_turned(mx_image *im, const void *bytes, size_t size, int channels, mx_error *e) {
    mx_error own = {0};
    if (!mx_image_decode(im, bytes, size, channels, &own) &&
        mx_image_turn(im, mx_exif_orientation(bytes, size), &own))
        mx_image_free(im);
    return hand_over(e, &own);
}

mx_status mx_image_decode_part(mx_image *im, mx_box *box, const void *bytes, size_t size, int channels,
                               const mx_part *part, mx_error *e) {
    return decode(im, box, bytes, size, channels, part, e);
}
