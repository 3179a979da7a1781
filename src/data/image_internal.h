/* Shared by the decoders. Private to src/data. */
#ifndef MX_DATA_IMAGE_INTERNAL_H
#define MX_DATA_IMAGE_INTERNAL_H

#include "data/image.h"

/* Decodes at the stored depth with all channels of the file. *colours: number of leading channels that are colour or
 * data; later channels are alpha or similar. channels: the number that the caller wants, for formats whose colours can
 * be read in two ways (CMYK). The decoder makes *im; the caller frees it, also on failure. e is never NULL and holds no
 * error yet. */
typedef mx_status mx_decode_function(mx_image *im, int *colours, const unsigned char *bytes, size_t size,
                                     int channels, mx_error *e);
/* The same numbers from the header. Palettes count as 3 channels. */
typedef mx_status mx_probe_function(int *width, int *height, int *channels, const unsigned char *bytes,
                                    size_t size, mx_error *e);

/* What decoding takes besides the file and the picture: bytes of a decoded sample, and bytes that the decoder
 * itself holds at its peak (coefficients, strips, a second picture). */
typedef struct {
    int depth;
    uint64_t beside;
} mx_needs;
/* From a header that the probe has accepted. */
typedef mx_needs mx_needs_function(const unsigned char *bytes, size_t size);

/* The library's run-time version. Static, or owned by the library. */
typedef const char *mx_version_function(void);

/* Encodes to *size bytes in memory, which the caller frees. im: 8-bit grey or RGB. quality: JPEG's 1..100. */
typedef mx_status mx_encode_function(void **bytes, size_t *size, const mx_image *im, int quality,
                                     mx_error *e);
/* As mx_decode_function, but decodes only the part at *box where the format allows it. */
typedef mx_status mx_decode_part_function(mx_image *im, mx_box *box, int *colours, const unsigned char *bytes,
                                          size_t size, int channels, const mx_part *part, mx_error *e);

#define MX_FORMAT_EXTENSIONS 6

typedef struct {
    const char *name, *library;
    const char *extension[MX_FORMAT_EXTENSIONS]; /* written files get the first; ends with NULL */
    bool (*is)(const unsigned char *bytes, size_t size);
    mx_decode_function *decode; /* this and all below: NULL if the library was missing at build time */
    mx_decode_part_function *decode_part; /* NULL: decodes only whole images */
    mx_probe_function *probe;
    mx_needs_function *needs;     /* NULL: samples of 8 bits, decoded row by row */
    bool drops_fourth;            /* the decoder itself leaves ink or alpha out where it is not wanted */
    mx_encode_function *encode;   /* NULL: never written */
    mx_version_function *version; /* NULL: needs no library */
} mx_format;

/* The format by the file's first bytes, even if this build lacks it. NULL: unknown. */
const mx_format *mx_format_told(const unsigned char *bytes, size_t size);
/* Its row in the table, from 1; 0: none. Index caches contain it, so append new formats to the table. */
int mx_format_number(const unsigned char *bytes, size_t size);
/* drops_fourth of the format with this number. */
bool mx_format_drops_fourth(int number);
/* As mx_format_told, but only formats that this build has; else NULL and an error. */
const mx_format *mx_format_find(const unsigned char *bytes, size_t size, mx_error *e);

bool mx_is_jpeg(const unsigned char *b, size_t n);
bool mx_is_png(const unsigned char *b, size_t n);
bool mx_is_webp(const unsigned char *b, size_t n);
bool mx_is_tiff(const unsigned char *b, size_t n);
bool mx_is_npy(const unsigned char *b, size_t n);
bool mx_is_gif(const unsigned char *b, size_t n);
bool mx_is_bmp(const unsigned char *b, size_t n);
bool mx_is_pnm(const unsigned char *b, size_t n);
mx_decode_part_function mx_decode_jpeg_part;
mx_decode_function mx_decode_jpeg, mx_decode_png, mx_decode_webp, mx_decode_tiff, mx_decode_gif,
    mx_decode_bmp, mx_decode_pnm, mx_decode_npy;
mx_probe_function mx_probe_jpeg, mx_probe_png, mx_probe_webp, mx_probe_tiff, mx_probe_gif, mx_probe_bmp,
    mx_probe_pnm, mx_probe_npy;
mx_needs_function mx_needs_jpeg, mx_needs_png, mx_needs_webp, mx_needs_tiff, mx_needs_gif, mx_needs_bmp,
    mx_needs_pnm, mx_needs_npy;
/* Of any file whose header mx_image_probe has read. */
mx_needs mx_image_needs(const unsigned char *bytes, size_t size);
mx_encode_function mx_encode_jpeg, mx_encode_png;
mx_version_function mx_version_jpeg, mx_version_png, mx_version_webp, mx_version_tiff, mx_version_gif;

size_t mx_pixel_size(mx_pixel type); /* bytes of a sample */
float mx_half(uint16_t bits);        /* a 16-bit float as f32 */

/* Applies an EXIF or TIFF orientation of 1..8 (others count as 1), like Pillow's exif_transpose. On failure *im is
 * unchanged. */
mx_status mx_image_turn(mx_image *im, int orientation, mx_error *e);
bool mx_orientation_swaps(int orientation); /* true if it exchanges width and height */
/* The orientation in the EXIF data of a JPEG, PNG or WebP file; 1 if there is none. */
int mx_exif_orientation(const unsigned char *bytes, size_t size);

/* Fails if an image with `stored` channels, of which the first `colours` are colour or data, cannot be converted to
 * `channels`. Decoders call it after the header, before they allocate memory and decode samples. */
mx_status mx_channels_check(int stored, int colours, int channels, mx_error *e);
/* Converts to 1, 3 or N channels by the rules of mx_image_decode. */
mx_status mx_image_convert(mx_image *im, int channels, int colours, mx_error *e);

/* rgb [n,3] from cmyk [n,stride]. Samples are amounts of ink (255 is full); inverted: as in Adobe's JPEGs. */
void mx_cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n, size_t stride, bool inverted);

#endif
