/* PNG files of 8-bit grey or RGB images by libpng: for reconstructions, contact sheets, the built-in image set, and
 * samples without a file in `pack`. */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

typedef struct {
    unsigned char *bytes;
    size_t size, room;
} sink;

static void put_bytes(png_structp png, png_bytep data, size_t n) {
    sink *s = png_get_io_ptr(png);
    if (n > s->room - s->size) {
        size_t room = 2 * s->room + n + 4096;
        unsigned char *grown = realloc(s->bytes, room);
        if (!grown) png_error(png, "out of memory");
        s->bytes = grown, s->room = room;
    }
    memcpy(s->bytes + s->size, data, n);
    s->size += n;
}

static void flush_none(png_structp png) { (void)png; }

static void on_error(png_structp png, png_const_charp text) {
    mx_fail(png_get_error_ptr(png), MX_ERR_MEMORY, "cannot make a PNG file: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void write_rows(png_structp png, png_infop info, const mx_image *im) {
    size_t stride = (size_t)im->width * (size_t)im->channels;
    png_set_user_limits(png, INT32_MAX, INT32_MAX);
    png_set_IHDR(png, info, (png_uint_32)im->width, (png_uint_32)im->height, 8,
                 im->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < im->height; y++) png_write_row(png, (png_const_bytep)im->pixels + (size_t)y * stride);
    png_write_end(png, NULL);
}

mx_status mx_encode_png(void **bytes, size_t *size, const mx_image *im, int quality, mx_error *e) {
    (void)quality;
    sink s = {0};
    mx_error own = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &own, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        mx_fail(&own, MX_ERR_MEMORY, "cannot allocate the encoder");
    else if (!setjmp(png_jmpbuf(png))) {
        png_set_write_fn(png, &s, put_bytes, flush_none);
        write_rows(png, info, im);
    }
    if (png) png_destroy_write_struct(&png, info ? &info : NULL);
    if (own.status) {
        free(s.bytes);
        return mx_fail(e, own.status, "%s", own.text);
    }
    *bytes = s.bytes, *size = s.size;
    return MX_OK;
}
