/* Pictures for people: grids of images with headings. Host memory. */
#ifndef MX_REPORT_GRID_H
#define MX_REPORT_GRID_H

#include "data/image.h"

/* A grid of images: cells[rows*columns], each [channels,height,width] normalised by mean and std with 1 as
 * white; NULL leaves a cell empty. 1 channel: grey; 3: RGB; others: the first three (or grey from the first).
 * Small images are enlarged by mx_cell_zoom. headings [columns], or NULL; in
 * letters as large as fit. *out is made here. */
mx_status mx_picture_grid(mx_image *out, const float *const *cells, int rows, int columns,
                          const char *const *headings, int channels, int height, int width, const float *mean,
                          const float *std, mx_error *e);

#endif
