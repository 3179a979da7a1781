/* The order of a stage's tokens in memory.
 *
 * Windows are not shifted and one mask serves the whole batch (docs/MODEL.md "How it is computed here"). So
 * the tokens of a stage are stored window by window and, inside a window, first those with mask 0, then those
 * with mask 1. Tokens that attend to each other form one contiguous run of rows, a SEGMENT: attention needs
 * no window partition, no gather and no additive mask. Only patch merging moves tokens. A classifier has no
 * mask and one segment per window; a decoder has one segment, the whole map. */
#ifndef MX_OPS_LAYOUT_H
#define MX_OPS_LAYOUT_H

#include <stdint.h>

typedef struct {
    int grid_h, grid_w;     /* tokens of the stage */
    int window_h, window_w; /* divide the grid; the whole grid in a decoder */
    int tokens;             /* L = grid_h * grid_w */
    int segments;           /* >= 1, none empty */
    int max_segment;        /* most tokens in a segment under any mask: window_h * window_w */
    int max_segments;       /* most segments under any mask */
    const int32_t *segment; /* [max_segments + 1] first token of each segment; from entry `segments` on, L */
    const int32_t *raster;  /* [L] raster index (row * grid_w + column) of stored token t */
    const uint8_t *group; /* [L] mask value of stored token t (0: image b of the batch, 1: B-1-b), or NULL */
} mx_layout;

#endif
