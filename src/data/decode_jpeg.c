/* JPEG by libjpeg-turbo, at full size, with its default (accurate integer) DCT and smooth upsampling: what
 * Pillow uses. CMYK and YCCK by Adobe's convention (augment.md a). A warning of the library about damaged
 * data is an error here, except about bytes between markers, which decode all the same. */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} jpeg_trap;

bool mx_is_jpeg(const unsigned char *b, size_t n) {
    return n >= 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff;
}

static void leave(j_common_ptr c) {
    jpeg_trap *t = (jpeg_trap *)(void *)c->err;
    c->err->format_message(c, t->text);
    longjmp(t->back, 1);
}

static void message(j_common_ptr c, int level) {
    if (level < 0 && c->err->msg_code != JWRN_EXTRANEOUS_DATA) leave(c);
}

static void silent(j_common_ptr c) { (void)c; }

static void trap_errors(struct jpeg_decompress_struct *d, jpeg_trap *t) {
    d->err = jpeg_std_error(&t->base);
    t->base.error_exit = leave, t->base.emit_message = message, t->base.output_message = silent;
}

/* t = a b / 255, rounded as Pillow's MULDIV255 */
static int muldiv255(int a, int b) {
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* One row of stored (inverted) CMYK to RGB. */
static void cmyk_row(uint8_t *rgb, const uint8_t *cmyk, int width) {
    for (int x = 0; x < width; x++, rgb += 3, cmyk += 4) {
        int k = cmyk[3]; /* 255 - K, since stored samples are inverted */
        for (int i = 0; i < 3; i++) {
            int v = k - muldiv255(255 - cmyk[i], k);
            rgb[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

static mx_status read_rows(struct jpeg_decompress_struct *d, mx_image *im, uint8_t *cmyk) {
    size_t stride = (size_t)im->width * (size_t)im->channels;
    while (d->output_scanline < d->output_height) {
        uint8_t *row = (uint8_t *)im->pixels + (size_t)d->output_scanline * stride;
        JSAMPROW target = cmyk ? cmyk : row;
        jpeg_read_scanlines(d, &target, 1);
        if (cmyk) cmyk_row(row, cmyk, im->width);
    }
    return MX_OK;
}

mx_status mx_decode_jpeg(mx_image *im, bool *alpha, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    struct jpeg_decompress_struct d;
    jpeg_trap trap;
    (void)channels; /* luma is made from RGB, as Pillow's convert does, not taken from the file */
    *alpha = false;
    memset(&d, 0, sizeof d);
    trap_errors(&d, &trap);
    if (setjmp(trap.back)) {
        jpeg_destroy_decompress(&d);
        return mx_fail(e, MX_ERR_FORMAT, "%s", trap.text);
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, bytes, (unsigned long)size);
    jpeg_read_header(&d, TRUE);
    bool four = d.num_components == 4;
    if (d.num_components != 1 && d.num_components != 3 && !four) {
        jpeg_destroy_decompress(&d);
        return mx_fail(e, MX_ERR_FORMAT, "%d components are neither grey, RGB nor CMYK", d.num_components);
    }
    d.out_color_space = four ? JCS_CMYK : d.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (mx_image_make(im, (int)d.image_width, (int)d.image_height, d.num_components == 1 ? 1 : 3, MX_PIXEL_U8,
                      e)) {
        jpeg_destroy_decompress(&d);
        return e->status;
    }
    jpeg_start_decompress(&d);
    JSAMPARRAY row = NULL; /* the decoder's own memory: freed with it, also after a jump */
    if (four) row = d.mem->alloc_sarray((j_common_ptr)&d, JPOOL_IMAGE, d.image_width * 4, 1);
    read_rows(&d, im, row ? row[0] : NULL);
    jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    return MX_OK;
}

mx_status mx_probe_jpeg(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    struct jpeg_decompress_struct d;
    jpeg_trap trap;
    memset(&d, 0, sizeof d);
    trap_errors(&d, &trap);
    if (setjmp(trap.back)) {
        jpeg_destroy_decompress(&d);
        return mx_fail(e, MX_ERR_FORMAT, "%s", trap.text);
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, bytes, (unsigned long)size);
    jpeg_read_header(&d, TRUE);
    *width = (int)d.image_width, *height = (int)d.image_height, *channels = d.num_components;
    jpeg_destroy_decompress(&d);
    return MX_OK;
}
