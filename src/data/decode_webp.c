/* WebP by libwebp; alpha is dropped. */
#include "data/image_internal.h"

#include <string.h>

#include <webp/decode.h>

bool mx_is_webp(const unsigned char *b, size_t n) {
    return n >= 12 && !memcmp(b, "RIFF", 4) && !memcmp(b + 8, "WEBP", 4);
}

mx_status mx_decode_webp(mx_image *im, bool *alpha, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    int w = 0, h = 0;
    (void)channels;
    *alpha = false;
    if (!WebPGetInfo(bytes, size, &w, &h)) return mx_fail(e, MX_ERR_FORMAT, "the header is damaged");
    if (mx_image_make(im, w, h, 3, MX_PIXEL_U8, e)) return e->status;
    if (!WebPDecodeRGBInto(bytes, size, im->pixels, (size_t)w * (size_t)h * 3, w * 3))
        return mx_fail(e, MX_ERR_FORMAT, "the data is damaged or cut off");
    return MX_OK;
}

mx_status mx_probe_webp(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    *channels = 3;
    return WebPGetInfo(bytes, size, width, height) ? MX_OK
                                                   : mx_fail(e, MX_ERR_FORMAT, "the header is damaged");
}
