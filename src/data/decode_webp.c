/* WebP by libwebp; transparent files have a fourth channel. Animations are refused: which frame would one
 * mean? Source: augment.md (a), "Decode". */
#include "data/image_internal.h"

#include <string.h>

#include <webp/decode.h>

static mx_status features(WebPBitstreamFeatures *f, const unsigned char *bytes, size_t size, mx_error *e) {
    VP8StatusCode code = WebPGetFeatures(bytes, size, f);
    if (code == VP8_STATUS_NOT_ENOUGH_DATA) return mx_fail(e, MX_ERR_FORMAT, "the file ends in its header");
    if (code != VP8_STATUS_OK) return mx_fail(e, MX_ERR_FORMAT, "the header is damaged (%d)", (int)code);
    if (f->has_animation)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected a still picture, found an animation");
    return MX_OK;
}

mx_status mx_decode_webp(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    WebPBitstreamFeatures f;
    if (features(&f, bytes, size, e)) return e->status;
    int made = f.has_alpha && channels == 4 ? 4 : 3; /* alpha is decoded only when it is wanted */
    if (mx_image_make(im, f.width, f.height, made, MX_PIXEL_U8, e)) return e->status;
    size_t room = (size_t)f.width * (size_t)f.height * (size_t)made;
    uint8_t *done = made == 4 ? WebPDecodeRGBAInto(bytes, size, im->pixels, room, f.width * 4)
                              : WebPDecodeRGBInto(bytes, size, im->pixels, room, f.width * 3);
    *colours = made;
    return done ? MX_OK : mx_fail(e, MX_ERR_FORMAT, "the data is damaged or cut off");
}

mx_status mx_probe_webp(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    WebPBitstreamFeatures f;
    if (features(&f, bytes, size, e)) return e->status;
    *width = f.width, *height = f.height, *channels = f.has_alpha ? 4 : 3;
    return MX_OK;
}
