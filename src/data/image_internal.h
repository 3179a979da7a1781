/* What the decoders share. Private to src/data. */
#ifndef MX_DATA_IMAGE_INTERNAL_H
#define MX_DATA_IMAGE_INTERNAL_H

#include "data/image.h"

/* Decodes at the stored depth and with all channels of the file. *colours: how many of them, from the first
 * on, are colour or data; what lies behind is alpha or the like. channels: what the caller wants, for the
 * formats whose colours can be had in two ways (CMYK). *im is made by the decoder and freed by the caller on
 * failure. e is never NULL and holds no error yet. */
typedef mx_status mx_decode_function(mx_image *im, int *colours, const unsigned char *bytes, size_t size,
                                     int channels, mx_error *e);
/* The same numbers from the header; palettes count as 3 channels. */
typedef mx_status mx_probe_function(int *width, int *height, int *channels, const unsigned char *bytes,
                                    size_t size, mx_error *e);

bool mx_is_jpeg(const unsigned char *b, size_t n);
bool mx_is_png(const unsigned char *b, size_t n);
bool mx_is_webp(const unsigned char *b, size_t n);
bool mx_is_tiff(const unsigned char *b, size_t n);
bool mx_is_npy(const unsigned char *b, size_t n);
/* As mx_decode_jpeg, the part at *box only where that can be done. */
mx_status mx_decode_jpeg_part(mx_image *im, mx_box *box, int *colours, const unsigned char *bytes,
                              size_t size, int channels, const mx_part *part, mx_error *e);
mx_decode_function mx_decode_jpeg, mx_decode_png, mx_decode_webp, mx_decode_tiff, mx_decode_npy;
mx_probe_function mx_probe_jpeg, mx_probe_png, mx_probe_webp, mx_probe_tiff, mx_probe_npy;

size_t mx_pixel_size(mx_pixel type); /* bytes of a sample */

/* To 1, 3 or N channels by the rules of mx_image_decode. */
mx_status mx_image_convert(mx_image *im, int channels, int colours, mx_error *e);

/* rgb [n,3] from cmyk [n,stride], samples as ink (255 is full); inverted: as Adobe's JPEGs store them. */
void mx_cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n, size_t stride, bool inverted);

#endif
