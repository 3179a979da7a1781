/* Shared by the files of the TIFF reader: decode_tiff.c opens files and reads the directory, decode_tiff_samples.c
 * reads the samples, decode_tiff_colours.c converts colours. */
#ifndef MX_DATA_DECODE_TIFF_H
#define MX_DATA_DECODE_TIFF_H

#include <tiffio.h>

#include "data/image_internal.h"

/* The file in memory, as libtiff reads it. */
typedef struct {
    const unsigned char *bytes;
    toff_t size, at;
    char text[200];     /* libtiff's last error message */
    bool damaged;       /* a JPEG strip lacks samples */
    bool memory, limit; /* an allocation failed; libtiff refused one as too large for the file: damage */
    /* The file ends before data that it names. libtiff may ignore that, for example for a palette. */
    bool cut;
} mx_tiff_memory;

/* The contents of the first directory. */
typedef struct {
    uint32_t width, height;
    uint16_t samples, bits, format, photometric, planar, compression, ink, extras, *extra, orientation;
    mx_pixel type;  /* type of the decoded samples */
    bool converted; /* 8-bit YCbCr of 3 samples, which libtiff converts to RGB */
    double nodata;  /* GDAL's value for strips or tiles that are not stored; else 0 */
} mx_tiff_info;

mx_status mx_tiff_damaged(const mx_tiff_memory *f, mx_error *e);

/* Reads into *im, which the caller has made with the shape and type of i. Writes every sample or returns an error. */
mx_status mx_tiff_samples(TIFF *t, const mx_tiff_info *i, const mx_tiff_memory *f, mx_image *im, mx_error *e);
/* True if this strip or tile is missing from the file. (GDAL does not store empty ones.) */
bool mx_tiff_absent(TIFF *t, uint32_t strile);

/* True if the page is converted to RGB: for palettes, and for CMYK if 1 or 3 channels are wanted. colour_count: a
 * page's colour channels after that conversion, from the directory alone. */
bool mx_tiff_becomes_rgb(const mx_tiff_info *i, int channels);
int mx_tiff_colour_count(const mx_tiff_info *i, int channels);
/* Inverts MinIsWhite, divides out associated alpha, converts palettes to RGB, and CMYK too for 1 or 3
 * channels. *colours as in mx_decode_function. */
mx_status mx_tiff_colours(TIFF *t, const mx_tiff_info *i, mx_image *im, int *colours, int channels,
                          mx_error *e);

#endif
