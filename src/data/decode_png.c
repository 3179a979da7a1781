/* PNG by libpng: palettes are looked up, small grey depths scaled to 8 bits, 16 bits kept, alpha is the last channel.
 * Gamma and colour profiles are ignored. Damage in the image data is an error, even after the last row, where the last
 * chunk's checksum shows it. See docs/DATA.md, "Images". */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define MX_PNG_MAX_EDGE  (1 << 30)
#define MX_PNG_MAX_RATIO 1100 /* Deflate reaches 1032 */

typedef struct {
    const unsigned char *bytes, *next;
    size_t size, left;
    bool memory; /* out of memory, so not damage */
} source;

static void read_bytes(png_structp png, png_bytep out, size_t n) {
    source *s = png_get_io_ptr(png);
    if (n > s->left) png_error(png, "the file ends too early");
    memcpy(out, s->next, n);
    s->next += n, s->left -= n;
}

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
    void *memory = malloc(size);
    if (!memory) ((source *)png_get_mem_ptr(png))->memory = true;
    return memory;
}

static void release(png_structp png, png_voidp memory) { (void)png, free(memory); }

static void on_error(png_structp png, png_const_charp text) {
    mx_fail(png_get_error_ptr(png), MX_ERR_FORMAT, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

/* Requests 1 or 3 channels, plus alpha if present, of 8 or 16 bits in the machine's byte order. Returns the number of
 * passes over the rows: several if interlaced. */
static int ask_conversions(png_structp png, png_infop info) {
    int depth = png_get_bit_depth(png, info), colour = png_get_color_type(png, info);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (colour == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (depth == 16) png_set_swap(png);
#endif
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return passes;
}

static int32_t be31(const unsigned char *b) { /* 0 when too large for a PNG */
    uint32_t v = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return v > INT32_MAX ? 0 : (int32_t)v;
}

/* True if a chunk before the first one of type `until` claims more bytes than the file has. libpng would allocate them
 * before it reads. */
static bool claims_more(const unsigned char *bytes, size_t size, const char *until) {
    for (size_t at = 8; at + 8 <= size && memcmp(bytes + at + 4, until, 4);) {
        size_t length = (size_t)be31(bytes + at);
        if (length > size - at - 8) return true;
        at += length + 12;
    }
    return false;
}

static mx_status read_image(png_structp png, png_infop info, mx_image *im, int *colours, int wanted,
                            source *from, mx_error *e) {
    png_read_info(png, info);
    /* Before memory is allocated. libpng reports the length of stored rows until conversions are requested. */
    uint64_t stored = (uint64_t)png_get_image_height(png, info) * (png_get_rowbytes(png, info) + 1);
    if (stored / MX_PNG_MAX_RATIO > from->left)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes cannot hold %ux%u pixels", from->left,
                       png_get_image_width(png, info), png_get_image_height(png, info));
    int passes = ask_conversions(png, info);
    int channels = png_get_channels(png, info), width = (int)png_get_image_width(png, info),
        height = (int)png_get_image_height(png, info);
    mx_pixel type = png_get_bit_depth(png, info) == 16 ? MX_PIXEL_U16 : MX_PIXEL_U8;
    *colours = channels < 3 ? 1 : 3;
    if (mx_channels_check(channels, *colours, wanted, e)) return e->status;
    if (claims_more(from->bytes, from->size, "IEND"))
        return mx_fail(e, MX_ERR_FORMAT, "the file ends too early");
    if (mx_image_make(im, width, height, channels, type, e)) return e->status;
    size_t stride = (size_t)width * (size_t)channels * mx_pixel_size(type);
    if (png_get_rowbytes(png, info) != stride)
        return mx_fail(e, MX_ERR_FORMAT, "expected rows of %zu bytes, found %zu", stride,
                       png_get_rowbytes(png, info));
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++) png_read_row(png, (png_bytep)im->pixels + (size_t)y * stride, NULL);
    png_read_end(png, NULL);
    return MX_OK;
}

mx_status mx_decode_png(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    source from = {.bytes = bytes, .size = size, .next = bytes, .left = size};
    mx_error why = {0};
    if (claims_more(bytes, size, "IDAT")) return mx_fail(e, MX_ERR_FORMAT, "the file ends too early");
    png_structp png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &why, on_error, on_warning, &from, allocate, release);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        mx_fail(&why, MX_ERR_MEMORY, "cannot allocate the decoder");
    else if (!setjmp(png_jmpbuf(png))) {
        png_set_read_fn(png, &from, read_bytes);
        png_set_user_limits(png, MX_PNG_MAX_EDGE, MX_PNG_MAX_EDGE);
        read_image(png, info, im, colours, channels, &from, &why);
    }
    if (png) png_destroy_read_struct(&png, info ? &info : NULL, NULL);
    if (why.status && from.memory) return mx_fail(e, MX_ERR_MEMORY, "out of memory: %s", why.text);
    return why.status ? mx_fail(e, why.status, "%s", why.text) : MX_OK;
}

mx_status mx_probe_png(int *width, int *height, int *channels, const unsigned char *b, size_t size,
                       mx_error *e) {
    static const int per_type[7] = {1, 0, 3, 3, 2, 0, 4}; /* by IHDR's colour type */
    if (size < 29 || memcmp(b + 12, "IHDR", 4) || b[25] > 6 || !per_type[b[25]])
        return mx_fail(e, MX_ERR_FORMAT, "expected an IHDR chunk first, found none that is valid");
    *width = be31(b + 16), *height = be31(b + 20), *channels = per_type[b[25]];
    return MX_OK;
}

mx_needs mx_needs_png(const unsigned char *b, size_t size) {
    return (mx_needs){size > 24 && b[24] == 16 ? 2 : 1, 0};
}

const char *mx_version_png(void) { return png_get_libpng_ver(NULL); }
