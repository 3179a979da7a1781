/* What the decoders share. Private to src/data. */
#ifndef MX_DATA_IMAGE_INTERNAL_H
#define MX_DATA_IMAGE_INTERNAL_H

#include "data/image.h"

#define MX_IMAGE_MAX_FILE ((long)1 << 31)

/* Decodes at the stored depth. *alpha: the last channel is alpha. channels: what the caller wants, for
 * decoders that can make it cheaply; the common conversion follows in any case. *im is made by the decoder;
 * freed by the caller on failure. */
typedef mx_status mx_decode_function(mx_image *im, bool *alpha, const unsigned char *bytes, size_t size,
                                     int channels, mx_error *e);
typedef mx_status mx_probe_function(int *width, int *height, int *channels, const unsigned char *bytes,
                                    size_t size, mx_error *e);
typedef struct {
    const char *name;
    bool (*is)(const unsigned char *bytes, size_t size);
    mx_decode_function *decode;
    mx_probe_function *probe;
} mx_decoder_entry;

bool mx_is_jpeg(const unsigned char *b, size_t n);
bool mx_is_png(const unsigned char *b, size_t n);
bool mx_is_webp(const unsigned char *b, size_t n);
bool mx_is_tiff(const unsigned char *b, size_t n);
bool mx_is_npy(const unsigned char *b, size_t n);
mx_decode_function mx_decode_jpeg, mx_decode_png, mx_decode_webp, mx_decode_tiff, mx_decode_npy;
mx_probe_function mx_probe_jpeg, mx_probe_png, mx_probe_webp, mx_probe_tiff, mx_probe_npy;

size_t mx_pixel_size(mx_pixel type); /* bytes of a sample */
/* To 1, 3 or N channels by the rules of mx_image_decode. */
mx_status mx_image_convert(mx_image *im, int channels, bool alpha, mx_error *e);

#endif
