/* Images in memory: making, freeing, telling formats apart, colour conversion, tensors. See image.h. */
#include "data/image_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t mx_pixel_size(mx_pixel type) { return type == MX_PIXEL_U8 ? 1 : type == MX_PIXEL_U16 ? 2 : 4; }

void mx_image_free(mx_image *im) {
    if (!im) return;
    free(im->pixels);
    memset(im, 0, sizeof *im);
}

mx_status mx_image_make(mx_image *im, int width, int height, int channels, mx_pixel type, mx_error *e) {
    memset(im, 0, sizeof *im);
    if (width < 1 || height < 1 || channels < 1 || (int64_t)width * height > MX_IMAGE_MAX_SAMPLES / channels)
        return mx_fail(
            e, MX_ERR_FORMAT,
            "an image of %dx%d pixels and %d channels is not possible, or larger than %lld samples", width,
            height, channels, (long long)MX_IMAGE_MAX_SAMPLES);
    size_t bytes = (size_t)width * (size_t)height * (size_t)channels * mx_pixel_size(type);
    if (!(im->pixels = malloc(bytes)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for an image", bytes);
    im->width = width, im->height = height, im->channels = channels, im->type = type;
    return MX_OK;
}

bool mx_image_name_known(const char *name) {
    static const char *const known[] = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".npy"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(dot, known[i])) return true;
    return false;
}

static const mx_decoder_entry *find_decoder(const unsigned char *b, size_t n) {
    static const mx_decoder_entry decoders[] = {{"JPEG", mx_is_jpeg, mx_decode_jpeg, mx_probe_jpeg},
                                                {"PNG", mx_is_png, mx_decode_png, mx_probe_png},
                                                {"WebP", mx_is_webp, mx_decode_webp, mx_probe_webp},
                                                {"TIFF", mx_is_tiff, mx_decode_tiff, mx_probe_tiff},
                                                {"npy", mx_is_npy, mx_decode_npy, mx_probe_npy}};
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++)
        if (decoders[i].is(b, n)) return &decoders[i];
    return NULL;
}

static mx_status no_decoder(size_t size, mx_error *e) {
    if (!size) return mx_fail(e, MX_ERR_FORMAT, "the file is empty");
    return mx_fail(e, MX_ERR_FORMAT, "expected a JPEG, PNG, WebP, TIFF or .npy image, found something else");
}

mx_status mx_image_probe(int *width, int *height, int *channels, const void *bytes, size_t size,
                         mx_error *e) {
    const mx_decoder_entry *d = find_decoder(bytes, size);
    *width = *height = *channels = 0;
    if (!d) return no_decoder(size, e);
    if (d->probe(width, height, channels, bytes, size, e)) return mx_fail_where(e, "%s", d->name);
    if (*width > 0 && *height > 0 && *channels > 0 &&
        (int64_t)*width * *height <= MX_IMAGE_MAX_SAMPLES / *channels)
        return MX_OK;
    return mx_fail(e, MX_ERR_FORMAT, "%s: %dx%d pixels and %d channels are not possible", d->name, *width,
                   *height, *channels);
}

/* ---- colours ----------------------------------------------------------------------------------------------
 */

static float sample(const mx_image *im, size_t i) {
    if (im->type == MX_PIXEL_U8) return ((const uint8_t *)im->pixels)[i];
    if (im->type == MX_PIXEL_U16) return ((const uint16_t *)im->pixels)[i];
    return ((const float *)im->pixels)[i];
}

static void store(mx_image *im, size_t i, float v) {
    if (im->type == MX_PIXEL_U8)
        ((uint8_t *)im->pixels)[i] = (uint8_t)(v + 0.5f);
    else if (im->type == MX_PIXEL_U16)
        ((uint16_t *)im->pixels)[i] = (uint16_t)(v + 0.5f);
    else
        ((float *)im->pixels)[i] = v;
}

/* Pillow's luma (augment.md b, "Color"), in fixed point for bytes, the same weights in float for the others.
 */
static void luma(mx_image *out, const mx_image *in) {
    size_t n = (size_t)in->width * (size_t)in->height, c = (size_t)in->channels;
    const uint8_t *p = in->pixels;
    for (size_t i = 0; i < n; i++) {
        if (in->type == MX_PIXEL_U8) {
            uint32_t y = 19595u * p[i * c] + 38470u * p[i * c + 1] + 7471u * p[i * c + 2] + 32768u;
            ((uint8_t *)out->pixels)[i] = (uint8_t)(y >> 16);
        } else
            store(out, i,
                  (19595.0f * sample(in, i * c) + 38470.0f * sample(in, i * c + 1) +
                   7471.0f * sample(in, i * c + 2)) /
                      65536.0f);
    }
}

/* Channel k of the output is channel min(k, last) of the input: grey is replicated, what lies behind is
 * dropped. */
static void pick(mx_image *out, const mx_image *in, int last) {
    size_t n = (size_t)in->width * (size_t)in->height, size = mx_pixel_size(in->type);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < out->channels; k++) {
            size_t from = i * (size_t)in->channels + (size_t)(k < last ? k : last);
            memcpy((char *)out->pixels + (i * (size_t)out->channels + (size_t)k) * size,
                   (const char *)in->pixels + from * size, size);
        }
}

mx_status mx_image_convert(mx_image *im, int channels, bool alpha, mx_error *e) {
    mx_image out;
    int colours = im->channels - (alpha ? 1 : 0);
    if (im->channels == channels) return MX_OK;
    if (!((channels == 1 || channels == 3) && (colours == 1 || colours == 3)) && colours != channels) {
        return mx_fail(e, MX_ERR_DATA, "expected %d channels, found %d", channels, im->channels);
    }
    if (mx_image_make(&out, im->width, im->height, channels, im->type, e)) return e->status;
    if (channels == 1 && colours == 3)
        luma(&out, im);
    else
        pick(&out, im, colours - 1);
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

mx_status mx_image_decode(mx_image *im, const void *bytes, size_t size, int channels, mx_error *e) {
    const mx_decoder_entry *d = find_decoder(bytes, size);
    bool alpha = false;
    memset(im, 0, sizeof *im);
    if (!d) return no_decoder(size, e);
    if (!d->decode(im, &alpha, bytes, size, channels, e)) mx_image_convert(im, channels, alpha, e);
    if (e->status == MX_OK) return MX_OK;
    mx_image_free(im);
    return mx_fail_where(e, "%s", d->name);
}

mx_status mx_image_read(mx_image *im, const char *path, int channels, mx_error *e) {
    void *bytes = NULL;
    size_t size = 0;
    memset(im, 0, sizeof *im);
    FILE *f = fopen(path, "rb");
    if (!f) return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (!fseek(f, 0, SEEK_END)) {
        long length = ftell(f);
        rewind(f);
        if (length < 0 || length > MX_IMAGE_MAX_FILE)
            mx_fail(e, MX_ERR_IO, "%s is not a file of at most 2 GB", path);
        else if (!(bytes = malloc((size_t)length + 1)))
            mx_fail(e, MX_ERR_MEMORY, "out of memory while reading %s", path);
        else
            size = fread(bytes, 1, (size_t)length, f);
    } else
        mx_fail(e, MX_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    fclose(f);
    if (!e->status && mx_image_decode(im, bytes, size, channels, e)) mx_fail_where(e, "%s", path);
    free(bytes);
    return e->status;
}

void mx_image_to_tensor(float *chw, const mx_image *im, bool flip, float range, const float *mean,
                        const float *std) {
    size_t w = (size_t)im->width, h = (size_t)im->height, c = (size_t)im->channels;
    for (size_t k = 0; k < c; k++) {
        float table[256]; /* bytes have 256 values: the division, subtraction and division are done once for
                             each */
        if (im->type == MX_PIXEL_U8)
            for (int v = 0; v < 256; v++) table[v] = ((float)v / range - mean[k]) / std[k];
        for (size_t y = 0; y < h; y++)
            for (size_t x = 0; x < w; x++) {
                size_t i = (y * w + (flip ? w - 1 - x : x)) * c + k;
                float *to = &chw[(k * h + y) * w + x];
                if (im->type == MX_PIXEL_U8)
                    *to = table[((const uint8_t *)im->pixels)[i]];
                else
                    *to = (sample(im, i) / range - mean[k]) / std[k];
            }
    }
}
