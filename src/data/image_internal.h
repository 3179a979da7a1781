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

/* The library's version as it says itself when asked now; static or of the library. */
typedef const char *mx_version_function(void);

/* A file of *size bytes in memory, for the caller to free. im: 8-bit grey or RGB. quality: JPEG's 1..100. */
typedef mx_status mx_encode_function(void **bytes, size_t *size, const mx_image *im, int quality,
                                     mx_error *e);
/* As mx_decode_function, the part at *box only where that can be done. */
typedef mx_status mx_decode_part_function(mx_image *im, mx_box *box, int *colours, const unsigned char *bytes,
                                          size_t size, int channels, const mx_part *part, mx_error *e);

#define MX_FORMAT_EXTENSIONS 6

typedef struct {
    const char *name, *library;
    const char *extension[MX_FORMAT_EXTENSIONS]; /* the first is what we write; then NULL */
    bool (*is)(const unsigned char *bytes, size_t size);
    mx_decode_function *decode; /* NULL, as all below: the library was not there when this was built */
    mx_decode_part_function *decode_part; /* NULL: only whole */
    mx_probe_function *probe;
    mx_encode_function *encode;   /* NULL: never written */
    mx_version_function *version; /* NULL: without a library */
} mx_format;

/* The format by the file's first bytes, also one that this build lacks; NULL: none. */
const mx_format *mx_format_told(const unsigned char *bytes, size_t size);
/* Its row in the table from 1 on; 0: none. Kept in index caches: new formats go to the end of the table. */
int mx_format_number(const unsigned char *bytes, size_t size);
/* The same, one that this build has; else NULL and an error. */
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
/* Bytes of a decoded sample, from the header; 4, the most, when it cannot be read. */
int mx_depth_npy(const unsigned char *bytes, size_t size);
int mx_depth_pnm(const unsigned char *bytes, size_t size);
mx_encode_function mx_encode_jpeg, mx_encode_png;
mx_version_function mx_version_jpeg, mx_version_png, mx_version_webp, mx_version_tiff, mx_version_gif;

size_t mx_pixel_size(mx_pixel type); /* bytes of a sample */
float mx_half(uint16_t bits);        /* a float of 16 bits */

/* Turns and mirrors as EXIF's and TIFF's orientation 1..8 says (any other: 1), as Pillow's exif_transpose. On
 * failure *im stays as it is. */
mx_status mx_image_turn(mx_image *im, int orientation, mx_error *e);
bool mx_orientation_swaps(int orientation); /* width and height change places */
/* The orientation that the EXIF data of a JPEG, PNG or WebP file give; 1 when they give none. */
int mx_exif_orientation(const unsigned char *bytes, size_t size);

/* Can an image of so many stored channels, the first `colours` of them colour or data, be had with that many?
 * Decoders ask as soon as the header is read, before memory is asked for and samples are decoded. */
mx_status mx_channels_check(int stored, int colours, int channels, mx_error *e);
/* To 1, 3 or N channels by the rules of mx_image_decode. */
mx_status mx_image_convert(mx_image *im, int channels, int colours, mx_error *e);

/* rgb [n,3] from cmyk [n,stride], samples as ink (255 is full); inverted: as Adobe's JPEGs store them. */
void mx_cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n, size_t stride, bool inverted);

#endif
