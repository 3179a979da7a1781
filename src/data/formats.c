/* The image formats: how each is recognised, and which of them this build reads and writes. Only this file depends on
 * the libraries found at build time (MX_WITH_*, set by CMakeLists.txt). A format without its library is still
 * recognised, so that the error names it instead of reporting damage. */
#include "data/image_internal.h"
#include "data/passed.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool mx_is_jpeg(const unsigned char *b, size_t n) {
    return n >= 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff;
}

bool mx_is_png(const unsigned char *b, size_t n) { return n >= 8 && !memcmp(b, "\x89PNG\r\n\x1a\n", 8); }

bool mx_is_webp(const unsigned char *b, size_t n) {
    return n >= 12 && !memcmp(b, "RIFF", 4) && !memcmp(b + 8, "WEBP", 4);
}

bool mx_is_tiff(const unsigned char *b, size_t n) {
    if (n >= 10 && !memcmp(b, "II*\0", 4) && !memcmp(b + 8, "CR", 2)) return false; /* Canon's raw files */
    return n >= 8 && (!memcmp(b, "II*\0", 4) || !memcmp(b, "MM\0*", 4) || !memcmp(b, "II+\0", 4) ||
                      !memcmp(b, "MM\0+", 4));
}

bool mx_is_gif(const unsigned char *b, size_t n) {
    return n >= 6 && (!memcmp(b, "GIF87a", 6) || !memcmp(b, "GIF89a", 6));
}

bool mx_is_npy(const unsigned char *b, size_t n) { return n >= 6 && !memcmp(b, "\x93NUMPY", 6); }

enum { JPEG, PNG, WEBP, TIFF, GIF, BMP, PNM, NPY, FORMATS };

static const mx_format formats[FORMATS] = {[JPEG] = {.name = "JPEG",
                                                     .library = "libjpeg",
                                                     .extension = {"jpg", "jpeg", "jpe", "jfif", "jif"},
                                                     .is = mx_is_jpeg,
#ifdef MX_WITH_JPEG
                                                     .decode = mx_decode_jpeg,
                                                     .decode_part = mx_decode_jpeg_part,
                                                     .probe = mx_probe_jpeg,
                                                     .needs = mx_needs_jpeg,
                                                     .drops_fourth = true,
                                                     .version = mx_version_jpeg,
                                                     .encode = mx_encode_jpeg
#endif
                                           },
                                           [PNG] = {.name = "PNG",
                                                    .library = "libpng",
                                                    .extension = {"png"},
                                                    .is = mx_is_png,
#ifdef MX_WITH_PNG
                                                    .decode = mx_decode_png,
                                                    .probe = mx_probe_png,
                                                    .needs = mx_needs_png,
                                                    .version = mx_version_png,
                                                    .encode = mx_encode_png
#endif
                                           },
                                           [WEBP] = {.name = "WebP",
                                                     .library = "libwebp",
                                                     .extension = {"webp"},
                                                     .is = mx_is_webp,
#ifdef MX_WITH_WEBP
                                                     .decode = mx_decode_webp,
                                                     .probe = mx_probe_webp,
                                                     .needs = mx_needs_webp,
                                                     .drops_fourth = true,
                                                     .version = mx_version_webp
#endif
                                           },
                                           [TIFF] = {.name = "TIFF",
                                                     .library = "libtiff",
                                                     .extension = {"tif", "tiff"},
                                                     .is = mx_is_tiff,
#ifdef MX_WITH_TIFF
                                                     .decode = mx_decode_tiff,
                                                     .probe = mx_probe_tiff,
                                                     .needs = mx_needs_tiff,
                                                     .version = mx_version_tiff
#endif
                                           },
                                           [GIF] = {.name = "GIF",
                                                    .library = "giflib",
                                                    .extension = {"gif"},
                                                    .is = mx_is_gif,
#ifdef MX_WITH_GIF
                                                    .decode = mx_decode_gif,
                                                    .probe = mx_probe_gif,
                                                    .needs = mx_needs_gif,
                                                    .version = mx_version_gif
#endif
                                           },
                                           [BMP] = {.name = "BMP",
                                                    .library = "",
                                                    .extension = {"bmp", "dib"},
                                                    .is = mx_is_bmp,
                                                    .decode = mx_decode_bmp,
                                                    .probe = mx_probe_bmp,
                                                    .needs = mx_needs_bmp},
                                           [PNM] = {.name = "PNM",
                                                    .library = "",
                                                    .extension = {"ppm", "pgm", "pbm", "pnm", "pfm"},
                                                    .is = mx_is_pnm,
                                                    .decode = mx_decode_pnm,
                                                    .probe = mx_probe_pnm,
                                                    .needs = mx_needs_pnm},
                                           [NPY] = {.name = ".npy",
                                                    .library = "",
                                                    .extension = {"npy"},
                                                    .is = mx_is_npy,
                                                    .decode = mx_decode_npy,
                                                    .probe = mx_probe_npy,
                                                    .needs = mx_needs_npy}};

static const mx_format *by_name(const char *name) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strrchr(base, '.');
    for (int i = 0; dot && dot > base && i < FORMATS; i++)
        for (int k = 0; k < MX_FORMAT_EXTENSIONS && formats[i].extension[k]; k++)
            if (!strcasecmp(dot + 1, formats[i].extension[k])) return &formats[i];
    return NULL;
}

static mx_status present(const mx_format *f, mx_error *e) {
    if (f->decode) return MX_OK;
    return mx_fail(e, MX_ERR_UNSUPPORTED, "%s is not part of this build (it was made without %s)", f->name,
                   f->library);
}

bool mx_image_name_known(const char *name) { return by_name(name); }

mx_status mx_image_name_check(const char *name, mx_error *e) {
    const mx_format *f = by_name(name);
    return f ? present(f, e) : MX_OK;
}

bool mx_image_all_formats(void) {
    for (int i = 0; i < FORMATS; i++)
        if (!formats[i].decode) return false;
    return true;
}

void mx_image_format_names(char *text, size_t room, bool there) {
    size_t n = 0;
    *text = 0;
    for (int i = 0; i < FORMATS && n < room; i++)
        if (there == (formats[i].decode != NULL))
            n += (size_t)snprintf(text + n, room - n, "%s%s", n ? ", " : "", formats[i].name);
}

void mx_image_kinds(char text[MX_IMAGE_KINDS]) {
    size_t n = 0;
    for (int i = 0; i < FORMATS && n < MX_IMAGE_KINDS; i++) {
        const char *before = !i ? "" : i < FORMATS - 1 ? ", " : " or ";
        n += (size_t)snprintf(text + n, MX_IMAGE_KINDS - n, "%s%s", before, formats[i].name);
    }
}

const mx_format *mx_format_told(const unsigned char *b, size_t n) {
    for (int i = 0; i < FORMATS; i++)
        if (formats[i].is(b, n)) return &formats[i];
    return NULL;
}

int mx_format_number(const unsigned char *b, size_t n) {
    const mx_format *f = mx_format_told(b, n);
    return f ? (int)(f - formats) + 1 : 0;
}

bool mx_format_drops_fourth(int number) {
    return number > 0 && number <= FORMATS && formats[number - 1].drops_fourth;
}

mx_needs mx_image_needs(const unsigned char *b, size_t n) {
    const mx_format *f = mx_format_told(b, n);
    return f && f->needs ? f->needs(b, n) : (mx_needs){1, 0};
}

void mx_image_decoders(unsigned numbers, char *text, size_t room) {
    size_t n = 0;
    *text = 0;
    for (int i = 0; i < FORMATS && n < room; i++)
        if (numbers >> (i + 1) & 1 && formats[i].version)
            n += (size_t)snprintf(text + n, room - n, "%s%s %s", n ? "; " : "", formats[i].library,
                                  formats[i].version());
}

/* The version after "LIBRARY " in a list of mx_image_decoders, and its length; NULL: the library is not in it. */
static const char *version_in(const char *list, const char *library, size_t *length) {
    size_t name = strlen(library);
    while (*list) {
        *length = strcspn(list, ";");
        if (*length > name && !strncmp(list, library, name) && list[name] == ' ') {
            *length -= name + 1;
            return list + name + 1;
        }
        list += *length;
        list += strspn(list, "; ");
    }
    return NULL;
}

bool mx_image_decoders_differ(const char *was, const char *now, char *text, size_t room) {
    size_t n = 0, a, b;
    *text = 0;
    for (int i = 0; i < FORMATS && n < room; i++) {
        const char *old = formats[i].version ? version_in(was, formats[i].library, &a) : NULL;
        const char *new = old ? version_in(now, formats[i].library, &b) : NULL;
        if (new && (a != b || memcmp(old, new, a)))
            n += (size_t)snprintf(text + n, room - n, "%s%s %.*s, here %.*s", n ? "; " : "",
                                  formats[i].library, (int)a, old, (int)b, new);
    }
    return n;
}

const mx_format *mx_format_find(const unsigned char *b, size_t n, mx_error *e) {
    const mx_format *f = mx_format_told(b, n);
    if (f) return present(f, e) ? NULL : f;
    const char *foreign = mx_foreign_format(b, n);
    char kinds[MX_IMAGE_KINDS];
    mx_image_kinds(kinds);
    if (!n)
        mx_fail(e, MX_ERR_FORMAT, "expected an image, found no bytes");
    else if (foreign)
        mx_fail(e, MX_ERR_UNSUPPORTED, "expected a %s image, found %s, which is not read", kinds, foreign);
    else
        mx_fail(e, MX_ERR_FORMAT, "expected a %s image, found something that begins with %02x%02x%02x%02x",
                kinds, b[0], n > 1 ? b[1] : 0, n > 2 ? b[2] : 0, n > 3 ? b[3] : 0);
    return NULL;
}

mx_status mx_image_png_check(mx_error *e) { return present(&formats[PNG], e); }
mx_status mx_image_jpeg_check(mx_error *e) { return present(&formats[JPEG], e); }

static mx_status encode(const mx_format *f, void **bytes, size_t *size, const mx_image *im, int quality,
                        mx_error *e) {
    mx_status s = present(f, e);
    *bytes = NULL, *size = 0;
    if (s) return s;
    if (!im->pixels || im->type != MX_PIXEL_U8 || (im->channels != 1 && im->channels != 3))
        return mx_fail(e, MX_ERR_ARGUMENT, "%s: expected 8-bit samples, 1 or 3 channels, found %zu bits, %d",
                       f->name, 8 * mx_pixel_size(im->type), im->channels);
    return f->encode(bytes, size, im, quality, e);
}

mx_status mx_image_encode_png(void **bytes, size_t *size, const mx_image *im, mx_error *e) {
    return encode(&formats[PNG], bytes, size, im, 0, e);
}

mx_status mx_image_encode_jpeg(void **bytes, size_t *size, const mx_image *im, int quality, mx_error *e) {
    return encode(&formats[JPEG], bytes, size, im, quality, e);
}
