/* Patches and grids, see grid.h. */
#include "report/grid.h"

#include <math.h>
#include <string.h>

#include "objective/objective.h"
#include "ops/ops.h"
#include "report/font.h"

#define GAP            4
#define MX_MOST_LETTER 3 /* times the font's own size */
#define INK            40
#define PAPER          250

/* The largest scale at which every heading fits above its cell. */
static int letter_zoom(const char *const *headings, int columns, int cell) {
    size_t longest = 1;
    for (int c = 0; headings && c < columns; c++)
        if (strlen(headings[c]) > longest) longest = strlen(headings[c]);
    size_t fits = (size_t)cell / (longest * (MX_FONT_WIDTH + 1));
    return fits < 1 ? 1 : fits > MX_MOST_LETTER ? MX_MOST_LETTER : (int)fits;
}

static void write_text(mx_image *im, int left, int top, int right, int zoom, const char *text) {
    for (; *text && left + MX_FONT_WIDTH * zoom <= right; text++, left += (MX_FONT_WIDTH + 1) * zoom) {
        const unsigned char *glyph = mx_font_glyph(*text);
        for (int y = 0; y < MX_FONT_HEIGHT * zoom; y++)
            for (int x = 0; x < MX_FONT_WIDTH * zoom; x++)
                if (glyph[y / zoom] >> (MX_FONT_WIDTH - 1 - x / zoom) & 1)
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
    *out = (mx_image){0};
    if (rows < 1 || columns < 1 || channels < 1 || height < 1 || width < 1)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "picture: expected at least one cell of one pixel, found %dx%d cells of %dx%dx%d",
                       rows, columns, channels, height, width);
    int zoom = mx_cell_zoom(height, width);
    int64_t cell_w = (int64_t)width * zoom, cell_h = (int64_t)height * zoom;
    int letter = letter_zoom(headings, columns, (int)cell_w),
        top = headings ? 2 * GAP + MX_FONT_HEIGHT * letter + GAP : GAP;
    int64_t all_w = GAP + columns * (cell_w + GAP), all_h = top + rows * (cell_h + GAP);
    if (all_w > INT32_MAX || all_h > INT32_MAX)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "picture: %dx%d cells of %dx%d pixels are too many for one picture", rows, columns,
                       height, width);
    if (mx_image_make(out, (int)all_w, (int)all_h, 3, MX_PIXEL_U8, e)) return e ? e->status : MX_ERR_MEMORY;
    memset(out->pixels, PAPER, (size_t)out->width * (size_t)out->height * 3);
    for (int c = 0; c < columns; c++) {
        int left = GAP + c * ((int)cell_w + GAP);
        if (headings) write_text(out, left, 2 * GAP, left + (int)cell_w, letter, headings[c]);
        for (int r = 0; r < rows; r++)
            if (cells[r * columns + c])
                draw_cell(out, left, top + r * ((int)cell_h + GAP), zoom, cells[r * columns + c], channels,
                          height, width, mean, std);
    }
    return MX_OK;
}
