/* JPEG by libjpeg-turbo, at full size, with its default (accurate integer) DCT and smooth upsampling, as in Pillow.
 * CMYK and YCCK by Adobe's convention. See docs/DATA.md, "Images".
 *
 * After damage libjpeg continues and fills the rest with grey. Here a warning that samples are missing or guessed
 * (early end, bad code, lost restart marker) is an error. Warnings that leave the samples complete are ignored, as in
 * Pillow: stray bytes before a marker, an unknown Adobe or JFIF version, unusual scan parameters, a broken colour
 * profile. */
#include "data/image_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#define MX_JPEG_MAX_SCANS                                                                                    \
    200 /* real progressive files have about 10; each scan costs a pass over the image */

typedef struct {
    struct jpeg_error_mgr base;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    bool memory; /* out of memory, so not damage */
    char text[JMSG_LENGTH_MAX];
} trap;

static void leave(j_common_ptr c) {
    trap *t = (trap *)(void *)c->err;
    c->err->format_message(c, t->text);
    t->memory = c->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(t->back, 1);
}

static void on_message(j_common_ptr c, int level) {
    if (level >= 0) return; /* not a warning */
    switch (c->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
#ifdef LIBJPEG_TURBO_VERSION
    case JWRN_BOGUS_ICC:
#endif
        return;
    default: leave(c);
    }
}

static void silent(j_common_ptr c) { (void)c; }

static void count_scans(j_common_ptr c) {
    trap *t = (trap *)(void *)c->err;
    if (!c->is_decompressor || ((j_decompress_ptr)c)->input_scan_number <= MX_JPEG_MAX_SCANS) return;
    snprintf(t->text, sizeof t->text, "expected at most %d scans, found more", MX_JPEG_MAX_SCANS);
    longjmp(t->back, 1);
}

static void begin(struct jpeg_decompress_struct *d, trap *t, const unsigned char *bytes, size_t size) {
    jpeg_create_decompress(d);
    t->progress.progress_monitor = count_scans;
    d->progress = &t->progress;
    jpeg_mem_src(d, bytes, (unsigned long)size);
    jpeg_read_header(d, TRUE);
}

/* True if the file is too small for its picture: every 8x8 block of the first component takes at least one bit. Called
 * before memory is allocated. The limit leaves a margin for odd sampling factors and for arithmetic codes, which can be
 * far shorter. */
static bool cut_off(const struct jpeg_decompress_struct *d, size_t size) {
    return (uint64_t)d->image_width * d->image_height / (d->arith_code ? 1 << 17 : 2048) > size;
}

static void read_rows(struct jpeg_decompress_struct *d, mx_image *im) {
    size_t width = (size_t)im->width, stride = width * (size_t)im->channels;
    JSAMPROW cmyk = NULL; /* the decoder's own memory: freed with it, also after a jump */
    if (d->out_color_components == 4) cmyk = d->mem->alloc_large((j_common_ptr)d, JPOOL_IMAGE, width * 4);
    while (d->output_scanline < d->output_height) {
        uint8_t *row = (uint8_t *)im->pixels + (size_t)d->output_scanline * stride;
        JSAMPROW target = cmyk ? cmyk : row;
        jpeg_read_scanlines(d, &target, 1);
        if (cmyk && im->channels == 3) mx_cmyk_to_rgb(row, cmyk, width, 4, true);
        if (cmyk && im->channels == 4)
            for (size_t x = 0; x < 4 * width; x++) row[x] = (uint8_t)(255 - cmyk[x]);
    }
    jpeg_finish_decompress(d);
}

#ifdef LIBJPEG_TURBO_VERSION
/* True for one component, or luma at 1 or 2 times the size of chroma in each direction. Only these are tested. */
static bool usual_sampling(const struct jpeg_decompress_struct *d) {
    const jpeg_component_info *c = d->comp_info;
    if (d->num_components == 1) return true;
    return d->num_components == 3 && c[0].h_samp_factor <= 2 && c[0].v_samp_factor <= 2 &&
           c[1].h_samp_factor == 1 && c[1].v_samp_factor == 1 && c[2].h_samp_factor == 1 &&
           c[2].v_samp_factor == 1;
}

/* True if the file can be decoded in part. Entropy codes are read up to the part's last row, but only the part is
 * transformed, upsampled and converted, with one more MCU on each side, since upsampling reads neighbours. Files with
 * several scans (which need all data first), that may be truncated, or that are unusual are decoded whole. */
static bool in_part(struct jpeg_decompress_struct *d, const unsigned char *bytes, size_t size) {
    return !jpeg_has_multiple_scans(d) && !d->arith_code && usual_sampling(d) && size > 2 &&
           bytes[size - 2] == 0xff && bytes[size - 1] == JPEG_EOI;
}

/* Grows [*first, *end) of n samples to whole MCUs of `mcu` samples, plus one MCU on each side. */
static void grow(int *first, int *end, int mcu, int n) {
    *first = *first / mcu * mcu - mcu;
    *end = (*end + mcu - 1) / mcu * mcu + mcu;
    if (*first < 0) *first = 0;
    if (*end > n) *end = n;
}

/* Decodes at 1/2, 1/4 or 1/8 of the size, for which the library has fast code. Repeats chroma instead of smoothing. */
static void go_fast(struct jpeg_decompress_struct *d, mx_box *box, const mx_part *part) {
    int by = 1;
    while (by < 8 && box->width / (2 * by) >= part->out_w && box->height / (2 * by) >= part->out_h) by *= 2;
    d->scale_num = (unsigned)(8 / by), d->scale_denom = 8;
    d->do_fancy_upsampling = FALSE;
    d->dct_method = JDCT_IFAST;
    jpeg_calc_output_dimensions(d);
    box->left /= by, box->top /= by, box->width /= by, box->height /= by;
}

/* Reads the part's rows, in the columns that had to be decoded. *box becomes the position of the part in *im. */
static mx_status read_part(struct jpeg_decompress_struct *d, mx_image *im, mx_box *box, mx_error *e) {
    const int mcu_w = d->max_h_samp_factor * DCTSIZE, mcu_h = d->max_v_samp_factor * DCTSIZE; /* or smaller */
    int x0 = box->left, x1 = box->left + box->width, y0 = box->top, y1 = box->top + box->height;
    jpeg_calc_output_dimensions(d);
    grow(&x0, &x1, mcu_w, (int)d->output_width);
    grow(&y0, &y1, mcu_h, (int)d->output_height);
    jpeg_start_decompress(d);
    JDIMENSION left = (JDIMENSION)x0, width = (JDIMENSION)(x1 - x0);
    if (width < d->output_width) jpeg_crop_scanline(d, &left, &width);
    if (width != d->output_width) left = 0; /* an older library that does not report the width of rows */
    if (mx_image_make(im, (int)d->output_width, box->height, d->output_components, MX_PIXEL_U8, e))
        return e->status;
    JSAMPROW row = d->mem->alloc_large((j_common_ptr)d, JPOOL_IMAGE,
                                       (size_t)d->output_width * (size_t)d->output_components);
    if (y0 > 0) jpeg_skip_scanlines(d, (JDIMENSION)y0);
    while ((int)d->output_scanline < box->top) jpeg_read_scanlines(d, &row, 1);
    size_t stride = (size_t)im->width * (size_t)im->channels;
    for (int y = 0; y < box->height; y++) {
        JSAMPROW to = (uint8_t *)im->pixels + (size_t)y * stride;
        jpeg_read_scanlines(d, &to, 1);
    }
    *box = (mx_box){0, box->left - (int)left, box->height, box->width};
    return MX_OK;
}
#endif

/* part NULL: the whole image. */
static mx_status decode(struct jpeg_decompress_struct *d, mx_image *im, mx_box *box,
                        const unsigned char *bytes, size_t size, int channels, const mx_part *part,
                        mx_error *e) {
    int stored = d->num_components, made = stored == 4 && channels != 4 ? 3 : stored;
    if (stored != 1 && stored != 3 && stored != 4)
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected 1, 3 or 4 components, found %d", stored);
    if (cut_off(d, size))
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes cannot hold %ux%u pixels", size, d->image_width,
                       d->image_height);
    if (mx_channels_check(made, made, channels, e)) return e->status;
    d->out_color_space = stored == 4 ? JCS_CMYK : stored == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (part) *box = part->choose(part->user, (int)d->image_width, (int)d->image_height);
#ifdef LIBJPEG_TURBO_VERSION
    if (part && in_part(d, bytes, size)) {
        if (part->fast) go_fast(d, box, part);
        return read_part(d, im, box, e);
    }
#else
    (void)bytes;
#endif
    if (mx_image_make(im, (int)d->image_width, (int)d->image_height, made, MX_PIXEL_U8, e)) return e->status;
    jpeg_start_decompress(d);
    read_rows(d, im);
    return MX_OK;
}

mx_status mx_decode_jpeg(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                         mx_error *e) {
    return mx_decode_jpeg_part(im, NULL, colours, bytes, size, channels, NULL, e);
}

mx_status mx_decode_jpeg_part(mx_image *im, mx_box *box, int *colours, const unsigned char *bytes,
                              size_t size, int channels, const mx_part *part, mx_error *e) {
    struct jpeg_decompress_struct d = {0};
    trap t = {0};
    d.err = jpeg_std_error(&t.base);
    t.base.error_exit = leave, t.base.emit_message = on_message, t.base.output_message = silent;
    if (setjmp(t.back))
        mx_fail(e, t.memory ? MX_ERR_MEMORY : MX_ERR_FORMAT, "%s%s", t.memory ? "out of memory: " : "",
                t.text);
    else {
        begin(&d, &t, bytes, size);
        decode(&d, im, box, bytes, size, channels, part, e);
    }
    jpeg_destroy_decompress(&d);
    *colours = im->channels;
    return e->status;
}

mx_status mx_probe_jpeg(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                        mx_error *e) {
    struct jpeg_decompress_struct d = {0};
    trap t = {0};
    d.err = jpeg_std_error(&t.base);
    t.base.error_exit = leave, t.base.emit_message = on_message, t.base.output_message = silent;
    if (setjmp(t.back))
        mx_fail(e, t.memory ? MX_ERR_MEMORY : MX_ERR_FORMAT, "%s%s", t.memory ? "out of memory: " : "",
                t.text);
    else {
        begin(&d, &t, bytes, size);
        *width = (int)d.image_width, *height = (int)d.image_height, *channels = d.num_components;
    }
    jpeg_destroy_decompress(&d);
    return e->status;
}

/* Files of several scans (progressive ones above all) are decoded from the coefficients of the whole picture:
 * 2 bytes each, every component in whole MCUs at its own sampling. */
static uint64_t coefficients(const struct jpeg_decompress_struct *d) {
    uint64_t mcu_w = (uint64_t)d->max_h_samp_factor * DCTSIZE,
             mcu_h = (uint64_t)d->max_v_samp_factor * DCTSIZE;
    uint64_t across = (d->image_width + mcu_w - 1) / mcu_w, down = (d->image_height + mcu_h - 1) / mcu_h,
             blocks = 0;
    for (int i = 0; i < d->num_components; i++)
        blocks +=
            across * down * (uint64_t)d->comp_info[i].h_samp_factor * (uint64_t)d->comp_info[i].v_samp_factor;
    return blocks * DCTSIZE2 * sizeof(JCOEF);
}

mx_needs mx_needs_jpeg(const unsigned char *bytes, size_t size) {
    struct jpeg_decompress_struct d = {0};
    trap t = {0};
    volatile uint64_t beside = 0; /* kept over a jump */
    d.err = jpeg_std_error(&t.base);
    t.base.error_exit = leave, t.base.emit_message = on_message, t.base.output_message = silent;
    if (!setjmp(t.back)) {
        begin(&d, &t, bytes, size);
        if (jpeg_has_multiple_scans(&d)) beside = coefficients(&d);
    }
    jpeg_destroy_decompress(&d);
    return (mx_needs){1, beside};
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#ifdef LIBJPEG_TURBO_VERSION
#define HEADER TEXT(LIBJPEG_TURBO_VERSION)
#else
#define HEADER TEXT(JPEG_LIB_VERSION)
#endif

/* The library reports its interface version and copyright years. Only its header has the release of libjpeg-turbo. */
const char *mx_version_jpeg(void) {
    static _Thread_local char text[160];
    struct jpeg_error_mgr e;
    jpeg_std_error(&e);
    const char *rights = e.jpeg_message_table[JMSG_COPYRIGHT];
    size_t skip = strcspn(rights, "0123456789"), n = strcspn(rights + skip, ";");
    snprintf(text, sizeof text, "%s (%.*s), header " HEADER, e.jpeg_message_table[JMSG_VERSION],
             n < 80 ? (int)n : 80, rights + skip);
    return text;
}
