/* Colours of a TIFF from its samples, as in Pillow: MinIsWhite is inverted up to 8 bits (deeper samples are numbers,
 * and stay), associated alpha is divided out, palettes are looked up (16 bits cut to 8), CMYK is converted by Pillow's
 * formula (after cutting 16 bits to 8). */
#include "data/decode_tiff.h"

bool mx_tiff_becomes_rgb(const mx_tiff_info *i, int channels) {
    return i->photometric == PHOTOMETRIC_PALETTE ||
           (i->photometric == PHOTOMETRIC_SEPARATED && (channels == 1 || channels == 3));
}

/* Number of samples that are colour. Samples beyond RGB are extra by definition. Beyond grey they may be further bands,
 * so only those declared as alpha do not count. */
int mx_tiff_colour_count(const mx_tiff_info *i, int channels) {
    if (i->converted || mx_tiff_becomes_rgb(i, channels)) return 3;
    if (i->photometric == PHOTOMETRIC_RGB) return 3;
    bool alpha = i->extras == 1 && i->extra &&
                 (i->extra[0] == EXTRASAMPLE_ASSOCALPHA || i->extra[0] == EXTRASAMPLE_UNASSALPHA);
    return alpha && i->samples == 2 ? 1 : i->samples;
}

/* Palette or CMYK to RGB of 8 bits. */
static mx_status to_rgb(TIFF *t, const mx_tiff_info *i, mx_image *im, mx_error *e) {
    uint16_t *map[3] = {NULL};
    mx_image out;
    bool palette = i->photometric == PHOTOMETRIC_PALETTE;
    if (palette && !TIFFGetField(t, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return mx_fail(e, MX_ERR_FORMAT, "expected a colour map, found none");
    if (mx_image_make(&out, im->width, im->height, 3, MX_PIXEL_U8, e)) return e->status;
    size_t n = (size_t)im->width * (size_t)im->height, c = (size_t)im->channels;
    uint8_t *in = im->pixels, *rgb = out.pixels;
    const uint16_t *deep = im->pixels;
    for (size_t k = 0; palette && k < n; k++) {
        unsigned index = im->type == MX_PIXEL_U8 ? in[k * c] : deep[k * c];
        for (int p = 0; p < 3; p++) rgb[3 * k + (size_t)p] = (uint8_t)(map[p][index] >> 8);
    }
    for (size_t k = 0; !palette && im->type == MX_PIXEL_U16 && k < n * c; k++)
        in[k] = (uint8_t)(deep[k] >> 8);
    if (!palette) mx_cmyk_to_rgb(rgb, in, n, c, false);
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

/* MinIsWhite: inverts the colours, not alpha. */
static void turn_round(mx_image *im, size_t colours) {
    size_t n = (size_t)im->width * (size_t)im->height, c = (size_t)im->channels;
    uint8_t *p = im->pixels;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < colours; k++) p[i * c + k] = (uint8_t)~p[i * c + k];
}

/* Divides the colours by the alpha that follows them. Fully transparent pixels become 0. */
static void divide(mx_image *im, size_t colours) {
    size_t n = (size_t)im->width * (size_t)im->height, c = (size_t)im->channels;
    uint8_t *u8 = im->pixels;
    uint16_t *u16 = im->pixels;
    float *f32 = im->pixels;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i * c, a = k + colours; k < i * c + colours; k++) {
            if (im->type == MX_PIXEL_U8) {
                unsigned v = u8[a] ? u8[k] * 255u / u8[a] : 0;
                u8[k] = (uint8_t)(v < 255 ? v : 255);
            } else if (im->type == MX_PIXEL_U16) {
                uint32_t v = u16[a] ? u16[k] * 65535u / u16[a] : 0;
                u16[k] = (uint16_t)(v < 65535 ? v : 65535);
            } else
                f32[k] = f32[a] != 0 ? f32[k] / f32[a] : 0;
        }
}

mx_status mx_tiff_colours(TIFF *t, const mx_tiff_info *i, mx_image *im, int *colours, int channels,
                          mx_error *e) {
    *colours = mx_tiff_colour_count(i, channels);
    if (i->converted) return MX_OK;
    if (i->photometric == PHOTOMETRIC_MINISWHITE && im->type == MX_PIXEL_U8) turn_round(im, (size_t)*colours);
    if (i->extras && i->extra && i->extra[0] == EXTRASAMPLE_ASSOCALPHA && *colours < im->channels)
        divide(im, (size_t)*colours);
    return mx_tiff_becomes_rgb(i, channels) ? to_rgb(t, i, im, e) : MX_OK;
}
