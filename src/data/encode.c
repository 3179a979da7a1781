/* PNG and JPEG files of 8-bit grey or RGB images: pictures for people (reconstructions, contact sheets) and
 * files for tests. To disk: image_file.c. */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

typedef struct {
    unsigned char *bytes;
    size_t size, room;
} sink;

static mx_status check(const mx_image *im, const char *format, mx_error *e) {
    if (im->pixels && im->type == MX_PIXEL_U8 && (im->channels == 1 || im->channels == 3)) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "%s: expected 8-bit samples, 1 or 3 channels, found %zu bits, %d",
                   format, 8 * mx_pixel_size(im->type), im->channels);
}

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

mx_status mx_image_encode_png(void **bytes, size_t *size, const mx_image *im, mx_error *e) {
    sink s = {0};
    mx_error own = {0};
    *bytes = NULL, *size = 0;
    mx_status st = check(im, "PNG", e);
    if (st) return st;
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

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} trap;

static void leave(j_common_ptr c) {
    trap *t = (trap *)(void *)c->err;
    c->err->format_message(c, t->text);
    longjmp(t->back, 1);
}

static void silent(j_common_ptr c) { (void)c; }

static void compress(struct jpeg_compress_struct *c, const mx_image *im, int quality) {
    c->image_width = (JDIMENSION)im->width, c->image_height = (JDIMENSION)im->height;
    c->input_components = im->channels, c->in_color_space = im->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row =
            (JSAMPROW)im->pixels + (size_t)c->next_scanline * (size_t)im->width * (size_t)im->channels;
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
}

/* libjpeg stores the buffer's address only when it finishes and leaks it on the way out of an error, so the
 * buffer is ours, large enough for the worst case, and never grows. */
static mx_status jpeg_bytes(unsigned char *buffer, unsigned long *size, const mx_image *im, int quality,
                            mx_error *e) {
    struct jpeg_compress_struct c = {0};
    trap t = {0};
    c.err = jpeg_std_error(&t.base);
    t.base.error_exit = leave, t.base.output_message = silent;
    if (setjmp(t.back)) {
        jpeg_destroy_compress(&c);
        return mx_fail(e, MX_ERR_ARGUMENT, "cannot make a JPEG file: %s", t.text);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &buffer, size);
    compress(&c, im, quality);
    jpeg_destroy_compress(&c);
    return MX_OK;
}

mx_status mx_image_encode_jpeg(void **bytes, size_t *size, const mx_image *im, int quality, mx_error *e) {
    *bytes = NULL, *size = 0;
    mx_status st = check(im, "JPEG", e);
    if (st) return st;
    /* A block of 64 samples takes at most 64 x (16 + 11) bits, doubled when every byte is 0xff; edges round
     * up to 16. */
    unsigned long room =
        ((unsigned long)im->width + 16) * ((unsigned long)im->height + 16) * (unsigned long)im->channels * 7 +
        65536;
    unsigned char *buffer = malloc(room);
    if (!buffer) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %lu bytes for a JPEG file", room);
    st = jpeg_bytes(buffer, &room, im, quality, e);
    if (st)
        free(buffer);
    else
        *bytes = buffer, *size = room;
    return st;
}
