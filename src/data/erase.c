/* Random erasing, see erase.h. */
#include "data/erase.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define MX_ERASE_TRIES 10 /* as timm */

typedef struct {
    int top, left, height, width;
} box;

/* Draws a box smaller than the image on both axes. False: no try gave one. */
static bool draw_box(box *b, const mx_erase *c, int boxes, int height, int width, mx_rng *r) {
    double bound = log(c->aspect_lo), area = (double)height * width;
    for (int i = 0; i < MX_ERASE_TRIES; i++) {
        double target = area * (c->area_lo + (c->area_hi - c->area_lo) * mx_rng_uniform(r)) / boxes;
        double aspect = exp(bound - 2 * bound * mx_rng_uniform(r));
        double h = rint(sqrt(target * aspect)),
               w = rint(sqrt(target / aspect)); /* half to even, as Python's round */
        if (!(w < width && h < height)) continue;
        *b = (box){.height = (int)h, .width = (int)w};
        b->top = (int)mx_rng_below(r, (uint64_t)(height - b->height) + 1);
        b->left = (int)mx_rng_below(r, (uint64_t)(width - b->width) + 1);
        return true;
    }
    return false;
}

static void fill_box(const box *b, mx_erase_mode mode, float *chw, int channels, int height, int width,
                     mx_rng *r) {
    for (int c = 0; c < channels; c++) {
        float value = mode == MX_ERASE_RAND ? (float)mx_rng_normal(r) : 0.0f;
        for (int y = b->top; y < b->top + b->height; y++) {
            float *row = chw + ((size_t)c * (size_t)height + (size_t)y) * (size_t)width + b->left;
            for (int x = 0; x < b->width; x++)
                row[x] = mode == MX_ERASE_PIXEL ? (float)mx_rng_normal(r) : value;
        }
    }
}

void mx_random_erase(const mx_erase *c, float *chw, int channels, int height, int width, mx_rng *r) {
    box b;
    if (!(c->probability > 0) || mx_rng_uniform(r) >= c->probability) return;
    int boxes = c->count > 1 ? 1 + (int)mx_rng_below(r, (uint64_t)c->count) : 1;
    for (int i = 0; i < boxes; i++)
        if (draw_box(&b, c, boxes, height, width, r)) fill_box(&b, c->mode, chw, channels, height, width, r);
}
