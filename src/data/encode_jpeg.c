/* JPEG files of 8-bit grey or RGB images by libjpeg-turbo: for the pictures that `pack` shrinks, and for tests. */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
    bool memory;
} trap;

static void leave(j_common_ptr c) {
    trap *t = (trap *)(void *)c->err;
    c->err->format_message(c, t->text);
    t->memory = c->err->msg_code == JERR_OUT_OF_MEMORY;
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

/* libjpeg returns its own buffer only when it finishes, and leaks it after an error. So the buffer here is ours, large
 * enough for the worst case, and never grows. */
static mx_status jpeg_bytes(unsigned char *buffer, unsigned long *size, const mx_image *im, int quality,
                            mx_error *e) {
    struct jpeg_compress_struct c = {0};
    trap t = {0};
    c.err = jpeg_std_error(&t.base);
    t.base.error_exit = leave, t.base.output_message = silent;
    if (setjmp(t.back)) {
        jpeg_destroy_compress(&c);
        if (t.memory) return mx_fail(e, MX_ERR_MEMORY, "cannot make a JPEG file: out of memory");
        return mx_fail(e, MX_ERR_ARGUMENT, "cannot make a JPEG file: %s", t.text);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &buffer, size);
    compress(&c, im, quality);
    jpeg_destroy_compress(&c);
    return MX_OK;
}

mx_status mx_encode_jpeg(void **bytes, size_t *size, const mx_image *im, int quality, mx_error *e) {
    /* A block of 64 samples takes at most 64 x (16 + 11) bits, twice that if every byte is 0xff. Edges are rounded up
     * to 16. */
    unsigned long room =
        ((unsigned long)im->width + 16) * ((unsigned long)im->height + 16) * (unsigned long)im->channels * 7 +
        65536;
    unsigned char *buffer = malloc(room);
    if (!buffer) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %lu bytes for a JPEG file", room);
    mx_status st = jpeg_bytes(buffer, &room, im, quality, e);
    if (st)
        free(buffer);
    else
        *bytes = buffer, *size = room;
    return st;
}
