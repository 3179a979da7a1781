/* The order in which a stage's tokens lie in memory.
 *
 * There are no shifted windows and one mask serves the whole batch (objective.md, "Consequences worth
 * using"), so the tokens of a stage are stored window by window and, inside a window, first those with mask
 * 0, then those with mask 1. A set of tokens that attend to each other is then one contiguous run of rows, a
 * SEGMENT: no window partition, no gather and no additive mask exist anywhere. Only patch merging moves
 * tokens. A classifier has no mask and one segment a window; a decoder has one segment, the whole map. */
#ifndef MX_OPS_LAYOUT_H
#define MX_OPS_LAYOUT_H

#include <stdint.h>

typedef struct {
    int grid_h, grid_w;     /* tokens of the stage */
    int window_h, window_w; /* divide the grid; the whole grid in a decoder */
    int tokens;             /* L = grid_h * grid_w */
    int segments;           /* >= 1, none empty */
    int max_segment;        /* most tokens a segment can have under any mask: window_h * window_w */
    int max_segments;       /* most segments under any mask */
    const int32_t *segment; /* [segments + 1] first token of each, ends with L */
    const int32_t *raster;  /* [L] raster index (row * grid_w + column) of the token stored at t */
    const uint8_t
        *group; /* [L] mask value of the token stored at t (0 own, 1 from the paired image), or NULL */
} mx_layout;

#endif
