/* Converts a decoded image to the requested channels: grey, RGB, or N unchanged; and CMYK to RGB. Results equal
 * Pillow's to the byte. See docs/DATA.md, "Images". */
#include "data/image_internal.h"

#include <string.h>

/* Pillow's luma in 16-bit fixed point */
#define MX_LUMA_R    19595
#define MX_LUMA_G    38470
#define MX_LUMA_B    7471
#define MX_LUMA_HALF 32768

/* The weights sum to 65536, so the sum stays below 2^32 for 16-bit values too. */
#define LUMA(name, type)                                                                                     \
    static void name(type *out, const type *in, size_t n, size_t c) {                                        \
        for (size_t i = 0; i < n; i++, in += c)                                                              \
            out[i] = (type)((MX_LUMA_R * (uint32_t)in[0] + MX_LUMA_G * (uint32_t)in[1] +                     \
                             MX_LUMA_B * (uint32_t)in[2] + MX_LUMA_HALF) >>                                  \
                            16);                                                                             \
    }
LUMA(luma8, uint8_t)
LUMA(luma16, uint16_t)

static void luma_float(float *out, const float *in, size_t n, size_t c) {
    for (size_t i = 0; i < n; i++, in += c)
        out[i] = ((float)MX_LUMA_R * in[0] + (float)MX_LUMA_G * in[1] + (float)MX_LUMA_B * in[2]) / 65536.0f;
}

static void luma(mx_image *out, const mx_image *in) {
    size_t n = (size_t)in->width * (size_t)in->height, c = (size_t)in->channels;
    if (in->type == MX_PIXEL_U8)
        luma8(out->pixels, in->pixels, n, c);
    else if (in->type == MX_PIXEL_U16)
        luma16(out->pixels, in->pixels, n, c);
    else
        luma_float(out->pixels, in->pixels, n, c);
}

/* Channel k of the output is channel min(k, last) of the input: grey is replicated, alpha is dropped. */
#define PICK(name, type)                                                                                     \
    static void name(type *out, size_t to, const type *in, size_t from, size_t n, size_t last) {             \
        for (size_t i = 0; i < n; i++)                                                                       \
            for (size_t k = 0; k < to; k++) out[i * to + k] = in[i * from + (k < last ? k : last)];          \
    }
PICK(pick8, uint8_t)
PICK(pick16, uint16_t)
PICK(pick_float, float)

static void pick(mx_image *out, const mx_image *in, int colours) {
    size_t n = (size_t)in->width * (size_t)in->height, to = (size_t)out->channels,
           from = (size_t)in->channels, last = (size_t)colours - 1;
    if (in->type == MX_PIXEL_U8)
        pick8(out->pixels, to, in->pixels, from, n, last);
    else if (in->type == MX_PIXEL_U16)
        pick16(out->pixels, to, in->pixels, from, n, last);
    else
        pick_float(out->pixels, to, in->pixels, from, n, last);
}

mx_status mx_channels_check(int stored, int colours, int channels, mx_error *e) {
    bool photo = (colours == 1 || colours == 3) && (channels == 1 || channels == 3);
    if (stored == channels || photo || colours == channels) return MX_OK;
    return mx_fail(e, MX_ERR_DATA, "expected %d channels, found %d", channels, stored);
}

mx_status mx_image_convert(mx_image *im, int channels, int colours, mx_error *e) {
    mx_image out;
    if (im->channels == channels) return MX_OK;
    if (mx_channels_check(im->channels, colours, channels, e)) return e->status;
    if (mx_image_make(&out, im->width, im->height, channels, im->type, e)) return e->status;
    if (channels == 1 && colours == 3)
        luma(&out, im);
    else
        pick(&out, im, colours);
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

static int muldiv255(int a, int b) { /* a b / 255, rounded as in Pillow's MULDIV255 */
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

void mx_cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n, size_t stride, bool inverted) {
    int flip = inverted ? 255 : 0;
    for (size_t i = 0; i < n; i++, rgb += 3, cmyk += stride) {
        int white = 255 - (cmyk[3] ^ flip);
        for (int k = 0; k < 3; k++) {
            int v = white - muldiv255(cmyk[k] ^ flip, white);
            rgb[k] = (uint8_t)(v < 0 ? 0 : v);
        }
    }
}
