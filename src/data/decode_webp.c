/* WebP by libwebp. Transparent files have a fourth channel. Reads the first frame of an animation, on a black canvas if
 * it is smaller than that, as Pillow shows it. See docs/DATA.md, "Images". */
#include "data/image_internal.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#define MX_WEBP_LOSSY 1 /* WebPBitstreamFeatures.format */
/* Most pixels per byte. A flat picture takes 30 bytes at any size; an animation's canvas may be far larger than a
 * frame. */
#define MX_WEBP_MAX_RATIO     ((uint64_t)1 << 20)
#define MX_WEBP_MAX_RATIO_ANI ((uint64_t)1 << 16)

static mx_status features(WebPBitstreamFeatures *f, const unsigned char *bytes, size_t size, mx_error *e) {
    VP8StatusCode code = WebPGetFeatures(bytes, size, f);
    if (code == VP8_STATUS_NOT_ENOUGH_DATA) return mx_fail(e, MX_ERR_FORMAT, "the file ends in its header");
    if (code != VP8_STATUS_OK) return mx_fail(e, MX_ERR_FORMAT, "the header is damaged (%d)", (int)code);
    return MX_OK;
}

/* Decodes a picture of width x height into `to`, with rows `stride` bytes apart. */
static mx_status decode_into(uint8_t *to, int width, int height, int stride, int channels,
                             const unsigned char *bytes, size_t size, mx_error *e) {
    size_t room = (size_t)(height - 1) * (size_t)stride + (size_t)width * (size_t)channels;
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c)) return mx_fail(e, MX_ERR_UNSUPPORTED, "another version of libwebp");
    c.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    c.output.is_external_memory = 1;
    c.output.u.RGBA = (WebPRGBABuffer){.rgba = to, .stride = stride, .size = room};
    VP8StatusCode code = WebPDecode(bytes, size, &c);
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %dx%d pixels", width, height);
    return code == VP8_STATUS_OK ? MX_OK : mx_fail(e, MX_ERR_FORMAT, "the data is damaged or cut off");
}

static mx_status first_frame(mx_image *im, const unsigned char *bytes, size_t size, mx_error *e) {
    WebPData data = {bytes, size};
    WebPIterator frame;
    WebPBitstreamFeatures f;
    WebPDemuxer *d = WebPDemux(&data);
    if (!d) return mx_fail(e, MX_ERR_FORMAT, "the animation is damaged or cut off");
    if (!WebPDemuxGetFrame(d, 1, &frame)) {
        WebPDemuxDelete(d);
        return mx_fail(e, MX_ERR_FORMAT, "the animation has no frame");
    }
    int stride = im->width * im->channels;
    size_t at = (size_t)frame.y_offset * (size_t)stride + (size_t)frame.x_offset * (size_t)im->channels;
    memset(im->pixels, 0, (size_t)stride * (size_t)im->height);
    if (features(&f, frame.fragment.bytes, frame.fragment.size, e)) goto done;
    if (f.width < 1 || f.height < 1 || frame.x_offset < 0 || frame.y_offset < 0 ||
        f.width > im->width - frame.x_offset || f.height > im->height - frame.y_offset)
        mx_fail(e, MX_ERR_FORMAT, "expected a first frame inside %dx%d pixels, found %dx%d at %d, %d",
                im->width, im->height, f.width, f.height, frame.x_offset, frame.y_offset);
    else
        decode_into((uint8_t *)im->pixels + at, f.width, f.height, stride, im->channels, frame.fragment.bytes,
                    frame.fragment.size, e);
done:
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(d);
    return e->status;
}

mx_status mx_decode_webp(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    WebPBitstreamFeatures f;
    if (features(&f, bytes, size, e)) return e->status;
    *colours = f.has_alpha && channels == 4 ? 4 : 3; /* decodes alpha only if wanted */
    if ((uint64_t)f.width * (uint64_t)f.height /
            (f.has_animation ? MX_WEBP_MAX_RATIO_ANI : MX_WEBP_MAX_RATIO) >
        size)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes cannot hold %dx%d pixels", size, f.width, f.height);
    if (mx_channels_check(*colours, *colours, channels, e) ||
        mx_image_make(im, f.width, f.height, *colours, MX_PIXEL_U8, e))
        return e->status;
    if (f.has_animation) return first_frame(im, bytes, size, e);
    return decode_into(im->pixels, f.width, f.height, f.width * *colours, *colours, bytes, size, e);
}

mx_status mx_probe_webp(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    WebPBitstreamFeatures f;
    if (features(&f, bytes, size, e)) return e->status;
    *width = f.width, *height = f.height, *channels = f.has_alpha ? 4 : 3;
    return MX_OK;
}

/* Lossless pictures are decoded as 4 bytes a pixel before they are converted. The alpha of lossy ones takes its own
 * plane, and one more while it is unpacked. */
mx_needs mx_needs_webp(const unsigned char *bytes, size_t size) {
    WebPBitstreamFeatures f = {0};
    mx_error ignored = {0};
    if (features(&f, bytes, size, &ignored)) return (mx_needs){1, 0};
    uint64_t pixels = (uint64_t)f.width * (uint64_t)f.height;
    return (mx_needs){1, pixels * (f.format == MX_WEBP_LOSSY ? f.has_alpha ? 2 : 0 : 4)};
}

const char *mx_version_webp(void) {
    static _Thread_local char text[16];
    int v = WebPGetDecoderVersion();
    snprintf(text, sizeof text, "%d.%d.%d", v >> 16 & 255, v >> 8 & 255, v & 255);
    return text;
}
