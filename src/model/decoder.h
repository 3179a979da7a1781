/* The decoder separates the tokens of the two images, fills the gaps with mask tokens, runs a small ViT and predicts
 * pixels. Source: docs/MODEL.md "From pixels to the loss"; paper section 3.3. */
#ifndef MX_MODEL_DECODER_H
#define MX_MODEL_DECODER_H

#include "model/block.h"
#include "model/config.h"
#include "model/token_tables.h"

typedef struct {
    const mx_model_config *config;
    mx_params *params;
    mx_pid token, pos, embed_w, embed_b, norm_w, norm_b, pred_w, pred_b;
    mx_block *block; /* [decoder_depth], owned */
} mx_decoder;

typedef struct {
    mx_tensor features, embedded, stream, mean, rstd, y, pred;
    mx_tensor d, drows; /* gradients of the streams; on the arena below the blocks, which backward releases */
    mx_block_saved *block; /* [decoder_depth], host memory that the caller owns */
} mx_decoder_saved;

mx_status mx_decoder_add(mx_decoder *de, mx_params *p, const mx_model_config *config, mx_error *e);
void mx_decoder_free(mx_decoder *de);

/* features [B,L,C] → predictions, P = stride²·channels. every_row: [2B*L,P], all positions (tables.all_*). Otherwise
 * [B*L,P], the masked positions (tables.rows), which the loss reads; the last block's projection and MLP, the norm and
 * the prediction then run on those rows only. */
mx_tensor mx_decoder_forward(mx_ctx *c, const mx_decoder *de, mx_tensor features,
                             const mx_token_tables *tables, bool every_row, mx_decoder_saved *saved);
/* dpred [B*L,P] (masked rows) → dfeatures [B,L,C]; parameter gradients add. Releases what forward pushed, so dfeatures
 * must be below it on the arena. */
void mx_decoder_backward(mx_ctx *c, const mx_decoder *de, mx_decoder_saved *saved,
                         const mx_token_tables *tables, mx_tensor dfeatures, mx_tensor dpred);

/* Forward multiply-adds per image: two sequences, all positions. */
double mx_decoder_macs(const mx_model_config *config);
/* True for names of the decoder's tensors, including the mask token. */
bool mx_decoder_owns(const char *tensor);
/* Like mx_encoder_kind.table, for the decoder's tensors. */
bool mx_decoder_table(const mx_model_config *config, const char *name, int *height, int *width);

#endif
