/* Images in host memory: decoding, colour conversion, Pillow's resize, and the crop of pretraining. See
 * docs/AUGMENT.md, "The arithmetic of crop, resize and normalisation". Bytes must equal Pillow's, so it is compiled
 * with -ffp-contract=off. */
#ifndef MX_DATA_IMAGE_H
#define MX_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/status.h"

typedef enum { MX_PIXEL_U8, MX_PIXEL_U16, MX_PIXEL_F32 } mx_pixel;

/* Rows from top to bottom, channels interleaved (HWC), no padding. The owner frees it with mx_image_free. */
typedef struct {
    int width, height, channels;
    mx_pixel type;
    void *pixels;
} mx_image;

/* Limit of width*height*channels in a file's header. A larger claim is an error, not an allocation. */
#define MX_IMAGE_MAX_SAMPLES ((int64_t)1 << 30)

void mx_image_free(mx_image *im); /* leaves it empty; NULL and empty images are allowed */
mx_status mx_image_make(mx_image *im, int width, int height, int channels, mx_pixel type, mx_error *e);

/* True if the name ends in .jpg .jpeg .jpe .jfif .jif .png .webp .tif .tiff .gif .bmp .dib .ppm .pgm .pbm .pnm .pfm
 * .npy, in any case. (The content decides the format.) */
bool mx_image_name_known(const char *name);

/* Fails if this build lacks the format of the name's extension, because its library was missing (formats.c). The
 * message names the format. */
mx_status mx_image_name_check(const char *name, mx_error *e);
bool mx_image_all_formats(void); /* true if no format is missing */
/* "JPEG, PNG": formats in this build (there) or missing from it (not there), cut to fit. */
void mx_image_format_names(char *text, size_t room, bool there);

/* "JPEG, PNG, WebP ... or .npy": every format there is, in this build or not, for messages. */
#define MX_IMAGE_KINDS 80
void mx_image_kinds(char text[MX_IMAGE_KINDS]);

/* The libraries that decode these formats, with their run-time versions: "libpng 1.6.37; libwebp 1.2.2". numbers: bits
 * 1 << mx_format_number (mx_dataset_formats). "" if none of them needs a library. */
#define MX_DECODERS 400
void mx_image_decoders(unsigned numbers, char *text, size_t room);
/* True if the version of a library in both lists differs. text: "libpng 1.6.37, here 1.6.40". */
bool mx_image_decoders_differ(const char *was, const char *now, char *text, size_t room);

/* Width and height from the header alone, for planning memory. */
mx_status mx_image_probe(int *width, int *height, int *channels, const void *bytes, size_t size, mx_error *e);

/* Decodes JPEG, PNG, WebP, TIFF, GIF, BMP, PNM or .npy ([H,W] or [H,W,C]); the content decides which. Takes the first
 * of several pictures in a file (docs/DATA.md, "Images").
 *
 * channels 1: grey (RGB → L as Pillow's convert: (19595R+38470G+7471B+32768)>>16, also for 16 bits; float
 * without the rounding). 3: RGB (grey replicated, palette looked up, alpha DROPPED not blended, CMYK
 * converted by mx_cmyk_to_rgb). Any other N: the file must have N samples; if the first page of a TIFF has
 * fewer, all its pages together must have N.
 *
 * Integers of up to 8 bits give U8, of 9 to 16 bits U16 (never cut to 8 bits), all others F32. EXIF rotation
 * and ICC profiles are ignored (TIFF's own orientation is applied). Truncated or corrupt data is an error. On
 * failure *im is empty; otherwise the caller frees it. */
mx_status mx_image_decode(mx_image *im, const void *bytes, size_t size, int channels, mx_error *e);
/* The same, then applies EXIF orientation (JPEG, PNG, WebP), like Pillow's exif_transpose. */
mx_status mx_image_decode_turned(mx_image *im, const void *bytes, size_t size, int channels, mx_error *e);
typedef struct {
    int top, left, height, width;
} mx_box;

/* A part of a picture, chosen when its size is known and before its samples are decoded. */
typedef struct {
    mx_box (*choose)(void *user, int width, int height); /* must return a box inside the picture, not empty */
    void *user;
    /* Samples may differ slightly: decodes JPEGs without smooth upsampling, and at 1/2, 1/4 or 1/8 of their size as
     * long as the part stays larger than out_w x out_h. */
    bool fast;
    int out_w, out_h;
} mx_part;
/* As mx_image_decode, but *im may hold only the chosen part, which is at *box. Its samples equal those of a whole
 * decode (unless fast). Only a baseline JPEG that ends with its end marker is decoded in part; damage outside the part
 * then goes unnoticed. */
mx_status mx_image_decode_part(mx_image *im, mx_box *box, const void *bytes, size_t size, int channels,
                               const mx_part *part, mx_error *e);
/* Decodes a whole file. turn: applies EXIF orientation. Messages name the file. */
mx_status mx_image_read(mx_image *im, const char *path, int channels, bool turn, mx_error *e);

/* Writes 8-bit RGB or grey as PNG or JPEG, into memory (free(*bytes)) or to disk (whole or not at all). */
mx_status mx_image_encode_png(void **bytes, size_t *size, const mx_image *im, mx_error *e);
mx_status mx_image_encode_jpeg(void **bytes, size_t *size, const mx_image *im, int quality, mx_error *e);
mx_status mx_image_png_check(mx_error *e); /* fails if this build cannot write PNG */
mx_status mx_image_jpeg_check(mx_error *e);
/* Fails if this build cannot write the format of the name's ending (.png, .jpg or .jpeg). */
mx_status mx_image_write_check(const char *path, mx_error *e);
mx_status mx_image_write(const mx_image *im, const char *path, mx_error *e);
mx_status mx_image_write_png(const mx_image *im, const char *path, mx_error *e);
mx_status mx_image_write_jpeg(const mx_image *im, const char *path, int quality, mx_error *e);

typedef enum { MX_FILTER_BILINEAR, MX_FILTER_BICUBIC } mx_filter;

/* Crops the box and resizes it to the size of out, which is already made with the same channels and type. The filter
 * never reads pixels outside the box. U8: Pillow's fixed-point arithmetic to the byte (horizontal pass first, rounded
 * to 8 bits, then vertical). U16 and F32: the same weights in float, without rounding between the passes; U16 results
 * are rounded and clipped to 0..65535. */
mx_status mx_image_resize(mx_image *out, const mx_image *in, mx_box box, mx_filter filter, mx_error *e);

/* torchvision's RandomResizedCrop: up to 10 tries that draw area, ratio, top and left in this order, then a centred
 * crop. */
mx_box mx_crop_draw(mx_rng *r, int width, int height, double scale_lo, double scale_hi, double ratio_lo,
                    double ratio_hi);

/* The linear probe's crop (docs/TRAINING.md, "The probes"): one draw, with sides limited to the image's. */
mx_box mx_crop_draw_once(mx_rng *r, int width, int height, double scale_lo, double scale_hi, double ratio_lo,
                         double ratio_hi);

/* chw[c,y,x] = (value/range - mean[c])/std[c] in f32, mirrored if flip. chw: [channels,H,W]. range: 255 for
 * U8; as given for U16 and F32. */
void mx_image_to_tensor(float *chw, const mx_image *im, bool flip, float range, const float *mean,
                        const float *std);

#endif
