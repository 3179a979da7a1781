/* PNG and JPEG files of 8-bit grey or RGB images. */
#include "data/image_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>

typedef struct {
    unsigned char *bytes;
    size_t size, room;
} sink;

static void put_bytes(png_structp png, png_bytep data, size_t n) {
    sink *s = png_get_io_ptr(png);
    if (s->size + n > s->room) {
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
    mx_fail(png_get_error_ptr(png), MX_ERR_IO, "cannot make a PNG file: %s", text);
    png_longjmp(png, 1);
}

static mx_status check(const mx_image *im, const char *what, mx_error *e) {
    if (im->type == MX_PIXEL_U8 && (im->channels == 1 || im->channels == 3)) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "%s files take 8-bit grey or RGB images", what);
}

mx_status mx_image_encode_png(void **bytes, size_t *size, const mx_image *im, mx_error *e) {
    sink s = {0};
    *bytes = NULL, *size = 0;
    if (check(im, "PNG", e)) return e->status;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, on_error, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
    else if (!setjmp(png_jmpbuf(png))) {
        png_set_write_fn(png, &s, put_bytes, flush_none);
        png_set_IHDR(png, info, (png_uint_32)im->width, (png_uint_32)im->height, 8,
                     im->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, info);
        for (int y = 0; y < im->height; y++)
            png_write_row(png,
                          (png_const_bytep)im->pixels + (size_t)y * (size_t)im->width * (size_t)im->channels);
        png_write_end(png, NULL);
    }
    if (png) png_destroy_write_struct(&png, info ? &info : NULL);
    if (e->status)
        free(s.bytes);
    else
        *bytes = s.bytes, *size = s.size;
    return e->status;
}

/* Written beside its place and renamed there: whole or not at all. */
static mx_status write_whole(const char *path, const void *bytes, size_t size, mx_error *e) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    FILE *f = fopen(temporary, "wb");
    bool ok = f && fwrite(bytes, 1, size, f) == size;
    if (f && fclose(f)) ok = false;
    if (!ok || rename(temporary, path)) {
        mx_fail(e, MX_ERR_IO, "cannot write %s: %s", path, strerror(errno));
        if (f) unlink(temporary);
    }
    free(temporary);
    return e->status;
}

mx_status mx_image_write_png(const mx_image *im, const char *path, mx_error *e) {
    void *bytes;
    size_t size;
    if (!mx_image_encode_png(&bytes, &size, im, e)) {
        write_whole(path, bytes, size, e);
        free(bytes);
    }
    return e->status;
}

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf back;
} trap;

static void leave(j_common_ptr c) { longjmp(((trap *)(void *)c->err)->back, 1); }

mx_status mx_image_write_jpeg(const mx_image *im, const char *path, int quality, mx_error *e) {
    struct jpeg_compress_struct c;
    trap t;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    if (check(im, "JPEG", e)) return e->status;
    memset(&c, 0, sizeof c);
    c.err = jpeg_std_error(&t.base);
    t.base.error_exit = leave;
    if (setjmp(t.back)) {
        jpeg_destroy_compress(&c);
        return mx_fail(e, MX_ERR_IO, "cannot make a JPEG file for %s", path);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    c.image_width = (JDIMENSION)im->width, c.image_height = (JDIMENSION)im->height;
    c.input_components = im->channels, c.in_color_space = im->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row =
            (JSAMPROW)im->pixels + (size_t)c.next_scanline * (size_t)im->width * (size_t)im->channels;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    write_whole(path, bytes, size, e);
    free(bytes);
    return e->status;
}
