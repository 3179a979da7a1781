/* Applies EXIF orientation. TIFF's own orientation is always applied (as Pillow does on loading). That of JPEG, PNG and
 * WebP files is applied only on request (--exif-orientation), since torchvision ignores it.
 *
 * The tag is in a small TIFF directory inside the file: JPEG's APP1 segment "Exif", PNG's chunk eXIf, WebP's
 * chunk EXIF. A damaged tag counts as no orientation. Source: CIPA DC-008 (Exif 2.32), 4.6.4. */
#include "data/image_internal.h"

#include <string.h>

#define MX_TAG_ORIENTATION 0x112
#define MX_TYPE_SHORT      3

bool mx_orientation_swaps(int orientation) { return orientation >= 5 && orientation <= 8; }

/* Pixel (y, x) of the result is pixel base + y*down + x*right of the stored picture. */
mx_status mx_image_turn(mx_image *im, int orientation, mx_error *e) {
    if (orientation < 2 || orientation > 8) return MX_OK;
    ptrdiff_t w = im->width, h = im->height;
    const struct {
        ptrdiff_t base, down, right;
    } way[9] = {
        [2] = {w - 1, w, -1},       [3] = {h * w - 1, -w, -1}, [4] = {(h - 1) * w, -w, 1}, [5] = {0, 1, w},
        [6] = {(h - 1) * w, 1, -w}, [7] = {h * w - 1, -1, -w}, [8] = {w - 1, -1, w}};
    bool swaps = mx_orientation_swaps(orientation);
    size_t pixel = mx_pixel_size(im->type) * (size_t)im->channels;
    mx_image out;
    if (mx_image_make(&out, swaps ? im->height : im->width, swaps ? im->width : im->height, im->channels,
                      im->type, e))
        return e->status;
    char *to = out.pixels;
    for (ptrdiff_t y = 0; y < out.height; y++)
        for (ptrdiff_t x = 0; x < out.width; x++, to += pixel) {
            ptrdiff_t from = way[orientation].base + y * way[orientation].down + x * way[orientation].right;
            memcpy(to, (const char *)im->pixels + (size_t)from * pixel, pixel);
        }
    mx_image_free(im);
    *im = out;
    return MX_OK;
}

/* n bytes at p as a number; big: the highest byte first. */
static uint32_t number(const unsigned char *p, int n, bool big) {
    uint32_t v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

/* The orientation in the first directory of EXIF's TIFF. An entry has 12 bytes: tag, type, count, value. */
static int in_directory(const unsigned char *p, size_t n) {
    if (n >= 6 && !memcmp(p, "Exif\0\0", 6)) p += 6, n -= 6;
    if (n < 8 || (memcmp(p, "II*\0", 4) && memcmp(p, "MM\0*", 4))) return 1;
    bool big = *p == 'M';
    size_t at = number(p + 4, 4, big);
    if (at > n - 2) return 1;
    size_t entries = number(p + at, 2, big);
    for (at += 2; entries && at + 12 <= n; entries--, at += 12) {
        if (number(p + at, 2, big) != MX_TAG_ORIENTATION) continue;
        uint32_t v = number(p + at + 8, number(p + at + 2, 2, big) == MX_TYPE_SHORT ? 2 : 4, big);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

/* Searches a JPEG's segments up to the first scan: 0xff, kind, length (2 bytes, which count too). */
static int in_jpeg(const unsigned char *p, size_t n) {
    for (size_t at = 2; at + 4 <= n;) {
        if (p[at] != 0xff) return 1;
        unsigned kind = p[at + 1];
        if (kind == 0xff) { /* fill */
            at++;
            continue;
        }
        if (kind == 0xda || kind == 0xd9) return 1;
        size_t length = number(p + at + 2, 2, true);
        if (length < 2 || length > n - at - 2) return 1;
        if (kind == 0xe1 && length >= 8 && !memcmp(p + at + 4, "Exif\0\0", 6))
            return in_directory(p + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}

/* Searches chunks. PNG: length, name, data, checksum; RIFF: name, length, data padded to an even length. */
static int in_chunks(const unsigned char *p, size_t n, bool png) {
    for (size_t at = png ? 8 : 12; at + 8 <= n;) {
        size_t length = number(p + at + (png ? 0 : 4), 4, png);
        const unsigned char *name = p + at + (png ? 4 : 0);
        if (length > n - at - 8) return 1;
        if (!memcmp(name, png ? "eXIf" : "EXIF", 4)) return in_directory(p + at + 8, length);
        at += 8 + length + (png ? 4 : length & 1);
    }
    return 1;
}

int mx_exif_orientation(const unsigned char *bytes, size_t size) {
    if (mx_is_jpeg(bytes, size)) return in_jpeg(bytes, size);
    if (mx_is_png(bytes, size)) return in_chunks(bytes, size, true);
    return mx_is_webp(bytes, size) ? in_chunks(bytes, size, false) : 1;
}
