/* PNG by libpng: palettes looked up, small grey depths scaled to 8 bits, 16 bits kept, alpha as the last
 * channel. No gamma, no colour profile. Damage in the picture's own chunks is an error, also after the last
 * row (the checksum of the last chunk covers it). Source: augment.md (a), "Decode". */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#define MX_PNG_MAX_EDGE  (1 << 30)
#define MX_PNG_MAX_RATIO 1100 /* Deflate reaches 1032 */

typedef struct {
    const unsigned char *next;
    size_t left;
    bool memory;     /* there was none: no damage */
    png_bytep *rows; /* here, not in a variable of the frame that an error jumps back to */
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

/* Everything but alpha becomes 1 or 3 channels of 8 or 16 bits in the machine's byte order. */
static void ask_conversions(png_structp png, png_infop info) {
    int depth = png_get_bit_depth(png, info), colour = png_get_color_type(png, info);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (colour == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (depth == 16) png_set_swap(png);
#endif
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

static mx_status read_image(png_structp png, png_infop info, mx_image *im, int *colours, int wanted,
                            source *from, mx_error *e) {
    png_read_info(png, info);
    /* Said before memory is asked for. Stored rows are as long as these until conversions are asked for. */
    uint64_t most = (uint64_t)from->left * MX_PNG_MAX_RATIO / png_get_image_height(png, info);
    if (png_get_rowbytes(png, info) > most + MX_PNG_MAX_RATIO)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes cannot hold %ux%u pixels", from->left,
                       png_get_image_width(png, info), png_get_image_height(png, info));
    ask_conversions(png, info);
    int channels = png_get_channels(png, info), width = (int)png_get_image_width(png, info),
        height = (int)png_get_image_height(png, info);
    mx_pixel type = png_get_bit_depth(png, info) == 16 ? MX_PIXEL_U16 : MX_PIXEL_U8;
    *colours = channels < 3 ? 1 : 3;
    if (mx_channels_check(channels, *colours, wanted, e) ||
        mx_image_make(im, width, height, channels, type, e))
        return e->status;
    size_t stride = (size_t)width * (size_t)channels * mx_pixel_size(type);
    if (png_get_rowbytes(png, info) != stride)
        return mx_fail(e, MX_ERR_FORMAT, "expected rows of %zu bytes, found %zu", stride,
                       png_get_rowbytes(png, info));
    if (!(from->rows = malloc(sizeof *from->rows * (size_t)height)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %d row pointers", height);
    for (int y = 0; y < height; y++) from->rows[y] = (png_bytep)im->pixels + (size_t)y * stride;
    png_read_image(png, from->rows);
    png_read_end(png, NULL);
    return MX_OK;
}

mx_status mx_decode_png(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    source from = {.next = bytes, .left = size};
    mx_error why = {0};
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
    free(from.rows);
    if (png) png_destroy_read_struct(&png, info ? &info : NULL, NULL);
    if (why.status && from.memory) return mx_fail(e, MX_ERR_MEMORY, "out of memory: %s", why.text);
    return why.status ? mx_fail(e, why.status, "%s", why.text) : MX_OK;
}

static int32_t be31(const unsigned char *b) { /* 0 when too large for a PNG */
    uint32_t v = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return v > INT32_MAX ? 0 : (int32_t)v;
}

mx_status mx_probe_png(int *width, int *height, int *channels, const unsigned char *b, size_t size,
                       mx_error *e) {
    static const int per_type[7] = {1, 0, 3, 3, 2, 0, 4}; /* by IHDR's colour type */
    if (size < 29 || memcmp(b + 12, "IHDR", 4) || b[25] > 6 || !per_type[b[25]])
        return mx_fail(e, MX_ERR_FORMAT, "expected an IHDR chunk first, found none that is valid");
    *width = be31(b + 16), *height = be31(b + 20), *channels = per_type[b[25]];
    return MX_OK;
}

const char *mx_version_png(void) { return png_get_libpng_ver(NULL); }
