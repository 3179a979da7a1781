/* Patches and grids, see pictures.h. */
#include "train/pictures.h"

#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "train/font.h"

#define GAP     4
#define HEADING 22 /* pixels above the cells */
#define INK     40
#define PAPER   250

/* Offset of pixel e of a patch, flattened (row, column, channel), in [channels,height,width]. */
static size_t place(int e, int channels, int height, int width, int side, int index) {
    int across = width / side, y = index / across * side + e / channels / side;
    int x = index % across * side + e / channels % side;
    return ((size_t)(e % channels) * (size_t)height + (size_t)y) * (size_t)width + (size_t)x;
}

void mx_unnormalise_patch(float *patch, const float *image, int channels, int height, int width, int side,
                          int index) {
    int n = side * side * channels;
    double mean = 0, var = 0;
    for (int e = 0; e < n; e++) mean += (double)image[place(e, channels, height, width, side, index)];
    mean /= n;
    for (int e = 0; e < n; e++) {
        double d = (double)image[place(e, channels, height, width, side, index)] - mean;
        var += d * d;
    }
    double spread = sqrt(var / (n > 1 ? n - 1 : 1) + (double)MX_TARGET_EPS);
    for (int e = 0; e < n; e++) patch[e] = (float)((double)patch[e] * spread + mean);
}

void mx_paste_patch(float *image, const float *patch, int channels, int height, int width, int side,
                    int index) {
    for (int e = 0; e < side * side * channels; e++)
        image[place(e, channels, height, width, side, index)] = patch[e];
}

static void write_text(mx_image *im, int left, int top, const char *text) {
    for (; *text && left + MX_FONT_WIDTH <= im->width; text++, left += MX_FONT_WIDTH + 1) {
        const unsigned char *glyph = mx_font_glyph(*text);
        for (int y = 0; y < MX_FONT_HEIGHT; y++)
            for (int x = 0; x < MX_FONT_WIDTH; x++)
                if (glyph[y] >> (MX_FONT_WIDTH - 1 - x) & 1)
                    memset((uint8_t *)im->pixels +
                               3 * ((size_t)(top + y) * (size_t)im->width + (size_t)(left + x)),
                           INK, 3);
    }
}

static uint8_t to_byte(float v, float mean, float std) {
    float x = (v * std + mean) * 255.0f;
    return (uint8_t)(x > 0 ? x < 255 ? x + 0.5f : 255 : 0); /* NaN becomes black */
}

static void draw_cell(mx_image *out, int left, int top, int zoom, const float *cell, int channels, int height,
                      int width, const float *mean, const float *std) {
    for (int y = 0; y < height * zoom; y++)
        for (int x = 0; x < width * zoom; x++) {
            uint8_t *to =
                (uint8_t *)out->pixels + 3 * ((size_t)(top + y) * (size_t)out->width + (size_t)(left + x));
            for (int k = 0; k < 3; k++) {
                int c = channels >= 3 ? k : 0;
                to[k] = to_byte(cell[((size_t)c * (size_t)height + (size_t)(y / zoom)) * (size_t)width +
                                     (size_t)(x / zoom)],
                                mean[c], std[c]);
            }
        }
}

mx_status mx_picture_grid(mx_image *out, const float *const *cells, int rows, int columns,
                          const char *const *headings, int channels, int height, int width, const float *mean,
                          const float *std, mx_error *e) {
    int side = width < height ? width : height, zoom = side < MX_CELL ? (MX_CELL + side - 1) / side : 1;
    int cell_w = width * zoom, cell_h = height * zoom;
    if (mx_image_make(out, GAP + columns * (cell_w + GAP), HEADING + rows * (cell_h + GAP), 3, MX_PIXEL_U8,
                      e))
        return e->status;
    memset(out->pixels, PAPER, (size_t)out->width * (size_t)out->height * 3);
    for (int c = 0; c < columns; c++) {
        int left = GAP + c * (cell_w + GAP);
        write_text(out, left + 2, (HEADING - MX_FONT_HEIGHT) / 2, headings[c]);
        for (int r = 0; r < rows; r++)
            if (cells[r * columns + c])
                draw_cell(out, left, HEADING + r * (cell_h + GAP), zoom, cells[r * columns + c], channels,
                          height, width, mean, std);
    }
    return MX_OK;
}
