/* One sample of any source as an image file for a tar shard, see pack.h. */
#include "data/pack.h"
#include "data/image_internal.h"
#include "data/index.h"

#include <stdlib.h>
#include <string.h>

/* Number of channels to decode: pictures lose alpha and ink channels; other files keep all. */
static int channels_of(const unsigned char *b, size_t n, int stored) {
    bool picture = mx_is_jpeg(b, n) || mx_is_png(b, n) || mx_is_webp(b, n);
    return !picture ? stored : stored <= 2 ? 1 : 3;
}

/* Resizes im so that its shorter side is `shorter`; the longer one as in torchvision's Resize. */
static mx_status shrink(mx_image *im, int shorter, mx_error *e) {
    mx_image small = {0};
    mx_box whole = {0, 0, im->height, im->width};
    bool wide = im->width > im->height;
    int least = wide ? im->height : im->width, most = wide ? im->width : im->height;
    int other = (int)((double)shorter * most / least);
    mx_status s =
        mx_image_make(&small, wide ? other : shorter, wide ? shorter : other, im->channels, im->type, e);
    if (!s) s = mx_image_resize(&small, im, whole, MX_FILTER_BICUBIC, e);
    if (s) {
        mx_image_free(&small);
        return s;
    }
    mx_image_free(im);
    *im = small;
    return MX_OK;
}

mx_status mx_pack_sample(const mx_dataset *d, int64_t i, int shorter, int quality, void **bytes, size_t *size,
                         const char **extension, mx_error *e) {
    void *file = NULL;
    size_t room = 0, n = 0;
    int width, height, channels = 3;
    mx_image im = {0};
    mx_error own = {0};
    bool raw = mx_dataset_raw(d);
    *bytes = NULL, *size = 0;
    mx_status s = mx_dataset_bytes(d, i, &file, &room, &n, &own);
    if (!s && !raw) {
        s = mx_image_probe(&width, &height, &channels, file, n, &own);
        if (!s) channels = channels_of(file, n, channels);
    }
    if (!s) s = mx_dataset_decode(d, i, channels, file, n, &im, &own); /* fails for broken files */
    bool plain = im.type == MX_PIXEL_U8 && (channels == 1 || channels == 3);
    bool large = !s && plain && shorter > 0 && im.width > shorter && im.height > shorter;
    if (large) s = shrink(&im, shorter, &own);
    if (!s && raw) {
        *extension = "png";
        s = mx_image_encode_png(bytes, size, &im, &own);
    } else if (large) {
        *extension = "jpg";
        if (!s) s = mx_image_encode_jpeg(bytes, size, &im, quality, &own);
    } else if (!s) {
        *extension = mx_format_told(file, n)->extension[0]; /* not NULL, since it was decoded */
        *bytes = file, *size = n, file = NULL;
    }
    mx_image_free(&im);
    free(file);
    return s ? mx_fail(e, s, "%s", own.text) : MX_OK;
}

void mx_pack_stem(const mx_dataset *d, int64_t i, char *out) {
    const char *path = mx_dataset_path(d, i), *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strcspn(name, ".");
    if (n > 80) n = 80;
    for (size_t k = 0; k < n; k++) {
        char c = name[k];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        out[k] = good ? c : '_';
    }
    out[n] = 0;
}

void mx_pack_order(int64_t count, uint64_t seed, uint32_t *order) {
    mx_rng r = mx_rng_make(seed, MX_RNG_PACK, 0, 0);
    for (int64_t i = 0; i < count; i++) order[i] = (uint32_t)i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)mx_rng_below(&r, (uint64_t)i + 1);
        uint32_t x = order[i];
        order[i] = order[j], order[j] = x;
    }
}
