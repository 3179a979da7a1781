/* What the parts of the TIFF reader share: decode_tiff.c opens files and says what they hold,
 * decode_tiff_samples.c reads the samples, decode_tiff_colours.c makes colours of them. Private to these. */
#ifndef MX_DATA_DECODE_TIFF_H
#define MX_DATA_DECODE_TIFF_H

#include <tiffio.h>

#include "data/image_internal.h"

/* The file in memory, as libtiff reads it. */
typedef struct {
    const unsigned char *bytes;
    toff_t size, at;
    char text[200];     /* libtiff's last complaint */
    bool damaged;       /* a JPEG strip lacks samples */
    bool memory, limit; /* an allocation failed; was refused as too large for the file, which is damage */
    bool cut; /* something lies behind the end; libtiff may go on without it, say a palette's colours */
} mx_tiff_memory;

/* What the first directory says. */
typedef struct {
    uint32_t width, height;
    uint16_t samples, bits, format, photometric, planar, compression, ink, extras, *extra, orientation;
    mx_pixel type;  /* what the samples become */
    bool converted; /* YCbCr that libtiff itself makes RGB of, 8 bits, 3 samples */
    double nodata;  /* of GDAL's files: stands where a strip or tile is not stored; else 0 */
} mx_tiff_info;

mx_status mx_tiff_damaged(const mx_tiff_memory *f, mx_error *e);

/* Into *im, made by the caller with the shape and type of i: every sample is written, or it is an error. */
mx_status mx_tiff_samples(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im, mx_error *e);
/* Strip or tile that the file does not hold (GDAL leaves out what is empty). */
bool mx_tiff_absent(TIFF *t, uint32_t strile);

/* Palettes, and CMYK where 1 or 3 channels are wanted, are made RGB. How many of a page's channels are then
 * colour, from the directory alone. */
bool mx_tiff_becomes_rgb(const mx_tiff_info *i, int channels);
int mx_tiff_colour_count(const mx_tiff_info *i, int channels);
/* MinIsWhite turned round, associated alpha divided out, palettes and, for 1 or 3 channels, CMYK made RGB.
 * *colours as in mx_decode_function. */
mx_status mx_tiff_colours(TIFF *t, const mx_tiff_info *i, mx_image *im, int *colours, int channels,
                          mx_error *e);

#endif
