/* Everything derived from a mask: the order of the tokens at every stage, the tokens that patch merging joins, the
 * masked decoder rows and the patches they predict.
 *
 * Sizes depend only on the model and the batch, contents on the mask. So one object serves all steps, and a plan needs
 * no mask. It is built in host memory; each pass of the model uploads it to the device
 * (mx_token_tables_upload). Source: docs/MODEL.md "How it is computed here"; paper section 3.2. */
#ifndef MX_MODEL_TOKEN_TABLES_H
#define MX_MODEL_TOKEN_TABLES_H

#include "base/rng.h"
#include "model/config.h"
#include "ops/ops.h"

typedef struct {
    int stages, batch, units; /* units = L, tokens of the last stage */
    mx_layout layout[MX_MAX_STAGES];
    int32_t *merge[MX_MAX_STAGES];  /* [L_k]: layout positions of the 4 tokens of each token of stage k+1 */
    mx_layout decoder;              /* one segment; the order of the last stage */
    int32_t *rows;                  /* [B*L] masked decoder rows, z1's then z2's, of the 2B*L */
    int32_t *row_image, *row_patch; /* [B*L] the image and raster patch that each row reconstructs */
    int32_t *all_image, *all_patch; /* [2B*L] the same for all decoder rows (for pictures) */
    uint8_t *mask;                  /* [L] raster order */
    int32_t *scratch;               /* [L_0] */
    void *memory;
    size_t bytes;
} mx_token_tables;

/* masked: two groups per window (pretraining), else one (classifier, features). Until the first
 * mx_token_tables_set all tokens have mask 0. Free with mx_token_tables_free. */
mx_status mx_token_tables_make(mx_token_tables *m, const mx_model_config *config, int batch, bool masked,
                               mx_error *e);
void mx_token_tables_free(mx_token_tables *m);
size_t mx_token_tables_bytes(const mx_model_config *config, int batch);

void mx_token_tables_attach(mx_ctx *c, const mx_token_tables *m);
void mx_token_tables_upload(mx_ctx *c, const mx_token_tables *m);

/* mask [L] raster order, 1 = replaced by the paired image (B-1-i). */
void mx_token_tables_set(mx_token_tables *m, const uint8_t *mask);

/* Draws a mask: int(L·ratio) units, chosen uniformly, get 1. range > 0: first adds U(0, range) to the ratio. */
void mx_mask_draw(uint8_t *mask, int units, double ratio, double range, mx_rng *r);

#endif
