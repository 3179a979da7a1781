/* Layouts and index tables of a mask, see token_tables.h. */
#include "model/token_tables.h"

#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoders.h"

typedef struct {
    char *next;
    size_t bytes;
} carver; /* next NULL: counts bytes only */

static void *carve(carver *c, size_t bytes) {
    size_t need = (bytes + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN;
    void *p = c->next ? c->next + c->bytes : NULL;
    c->bytes += need;
    return p;
}

static int stage_tokens(const mx_model_config *config, int k) {
    return mx_grid_h(config, k) * mx_grid_w(config, k);
}

static void layout_arrays(mx_layout *lay, carver *c) {
    lay->segment = carve(c, sizeof(int32_t) * (size_t)(lay->max_segments + 1));
    lay->raster = carve(c, sizeof(int32_t) * (size_t)lay->tokens);
    lay->group = carve(c, (size_t)lay->tokens);
}

static void lay_out(mx_token_tables *m, const mx_model_config *config, int batch, carver *c) {
    int last = config->stages - 1;
    size_t rows = (size_t)batch * (size_t)stage_tokens(config, last);
    for (int k = 0; k <= last; k++) {
        mx_layout *lay = &m->layout[k];
        const mx_stage_shape shape = mx_stage_shape_of(config, k);
        *lay = (mx_layout){.grid_h = shape.grid_h,
                           .grid_w = shape.grid_w,
                           .window_h = shape.window_h,
                           .window_w = shape.window_w,
                           .tokens = stage_tokens(config, k)};
        lay->max_segment = lay->window_h * lay->window_w;
        lay->max_segments = 2 * (lay->tokens / lay->max_segment);
        layout_arrays(lay, c);
        m->merge[k] = k < last ? carve(c, sizeof(int32_t) * (size_t)lay->tokens) : NULL;
    }
    m->decoder = (mx_layout){.grid_h = m->layout[last].grid_h,
                             .grid_w = m->layout[last].grid_w,
                             .window_h = m->layout[last].grid_h,
                             .window_w = m->layout[last].grid_w,
                             .tokens = m->layout[last].tokens,
                             .segments = 1,
                             .max_segment = m->layout[last].tokens,
                             .max_segments = 1};
    layout_arrays(&m->decoder, c);
    int32_t **table[] = {&m->rows, &m->row_image, &m->row_patch};
    for (int i = 0; i < 3; i++) *table[i] = carve(c, sizeof(int32_t) * rows);
    m->all_image = carve(c, sizeof(int32_t) * 2 * rows);
    m->all_patch = carve(c, sizeof(int32_t) * 2 * rows);
    m->mask = carve(c, (size_t)stage_tokens(config, last));
    m->scratch = carve(c, sizeof(int32_t) * (size_t)stage_tokens(config, 0));
}

size_t mx_token_tables_bytes(const mx_model_config *config, int batch) {
    mx_token_tables m = {0};
    carver c = {0};
    lay_out(&m, config, batch, &c);
    return c.bytes;
}

mx_status mx_token_tables_make(mx_token_tables *m, const mx_model_config *config, int batch, bool masked,
                               mx_error *e) {
    *m = (mx_token_tables){
        .stages = config->stages, .batch = batch, .units = stage_tokens(config, config->stages - 1)};
    size_t bytes = mx_token_tables_bytes(config, batch);
    if (!(m->memory = aligned_alloc(MX_ALIGN, bytes)))
        return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for a step's index tables", bytes);
    memset(m->memory, 0, bytes);
    m->bytes = bytes;
    carver c = {.next = m->memory};
    lay_out(m, config, batch, &c);
    if (!masked)
        for (int k = 0; k < m->stages; k++) {
            m->layout[k].group = NULL;
            m->layout[k].max_segments /= 2;
        }
    mx_token_tables_set(m, NULL);
    return MX_OK;
}

void mx_token_tables_attach(mx_ctx *c, const mx_token_tables *m) { mx_attach(c, m->memory, m->bytes); }
void mx_token_tables_upload(mx_ctx *c, const mx_token_tables *m) {
    mx_upload(c, m->memory, m->memory, m->bytes);
}

void mx_token_tables_free(mx_token_tables *m) {
    if (!m) return;
    free(m->memory);
    memset(m, 0, sizeof *m);
}

/* Mask value of the unit that contains token (r, c) of stage k: nearest-neighbour upsampling of the mask. */
static uint8_t unit_mask(const mx_token_tables *m, int k, int r, int c) {
    int shift = m->stages - 1 - k;
    return m->mask[(r >> shift) * m->layout[m->stages - 1].grid_w + (c >> shift)];
}

/* Appends the tokens of one window that have mask value g as a segment; returns the next free position. */
static int place_group(mx_token_tables *m, int k, int top, int left, int g, int t) {
    mx_layout *lay = &m->layout[k];
    int first = t;
    for (int r = top; r < top + lay->window_h; r++)
        for (int c = left; c < left + lay->window_w; c++) {
            if (lay->group && unit_mask(m, k, r, c) != g) continue;
            ((int32_t *)lay->raster)[t] = r * lay->grid_w + c;
            if (lay->group) ((uint8_t *)lay->group)[t] = (uint8_t)g;
            t++;
        }
    if (t > first) ((int32_t *)lay->segment)[lay->segments++] = first;
    return t;
}

static void place_stage(mx_token_tables *m, int k) {
    mx_layout *lay = &m->layout[k];
    int t = 0;
    lay->segments = 0;
    for (int top = 0; top < lay->grid_h; top += lay->window_h)
        for (int left = 0; left < lay->grid_w; left += lay->window_w)
            for (int g = 0; g < (lay->group ? 2 : 1); g++) t = place_group(m, k, top, left, g, t);
    for (int s = lay->segments; s <= lay->max_segments; s++) ((int32_t *)lay->segment)[s] = t;
}

/* Patch merging takes the four tokens of a cell in the order (even row, even column), (odd, even), (even,
 * odd), (odd, odd): row parity fastest (docs/MODEL.md "From pixels to the loss"). `position` is scratch:
 * raster → layout of stage k. */
static void fill_merge(mx_token_tables *m, int k, int32_t *position) {
    const mx_layout *from = &m->layout[k], *to = &m->layout[k + 1];
    for (int t = 0; t < from->tokens; t++) position[from->raster[t]] = t;
    for (int u = 0; u < to->tokens; u++) {
        int r = 2 * (to->raster[u] / to->grid_w), c = 2 * (to->raster[u] % to->grid_w);
        for (int j = 0; j < 4; j++)
            m->merge[k][4 * u + j] = position[(r + (j & 1)) * from->grid_w + c + (j >> 1)];
    }
}

/* z1 of mixed image i predicts image i where the mask is 1, z2 of mixed image i predicts image B-1-i where it
 * is 0 (paper section 3.3). */
static void fill_rows(mx_token_tables *m) {
    const mx_layout *lay = &m->layout[m->stages - 1];
    int n = 0;
    for (int s = 0; s < 2 * m->batch; s++)
        for (int t = 0; t < m->units; t++) {
            int z2 = s >= m->batch, row = s * m->units + t;
            int image = z2 ? m->batch - 1 - (s - m->batch) : s;
            m->all_image[row] = image, m->all_patch[row] = lay->raster[t];
            if (m->mask[lay->raster[t]] == z2) continue; /* z1 predicts mask 1, z2 mask 0 */
            m->rows[n] = row, m->row_image[n] = image, m->row_patch[n++] = lay->raster[t];
        }
}

void mx_token_tables_set(mx_token_tables *m, const uint8_t *mask) {
    if (mask)
        memcpy(m->mask, mask, (size_t)m->units);
    else
        memset(m->mask, 0, (size_t)m->units);
    for (int k = 0; k < m->stages; k++) place_stage(m, k);
    for (int k = 0; k + 1 < m->stages; k++) fill_merge(m, k, m->scratch);
    const mx_layout *last = &m->layout[m->stages - 1];
    memcpy((int32_t *)m->decoder.raster, last->raster, sizeof(int32_t) * (size_t)m->units);
    for (int t = 0; t < m->units; t++) ((uint8_t *)m->decoder.group)[t] = m->mask[last->raster[t]];
    ((int32_t *)m->decoder.segment)[0] = 0;
    ((int32_t *)m->decoder.segment)[1] = m->units;
    fill_rows(m);
}

/* Selection sampling (Knuth, TAOCP 2, 3.4.2 S) draws a uniform subset of fixed size, as sorting L uniform numbers
 * would, but without memory. */
void mx_mask_draw(uint8_t *mask, int units, double ratio, double range, mx_rng *r) {
    double share = range > 0 ? ratio + range * mx_rng_uniform(r) : ratio;
    int left = (int)(units * share);
    if (left > units) left = units;
    for (int i = 0; i < units; i++) {
        mask[i] = (uint8_t)(mx_rng_uniform(r) * (units - i) < left);
        left -= mask[i];
    }
}
