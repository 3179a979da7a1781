/* The decoder: each image's tokens apart, mask tokens in the gaps, a small ViT, pixels out.
 * Source: objective.md "Pretraining" 4-6; paper section 3.3. */
#ifndef MX_MODEL_DECODER_H
#define MX_MODEL_DECODER_H

#include "model/block.h"
#include "model/config.h"
#include "model/token_order.h"

typedef struct {
    const mx_model_config *config;
    mx_params *params;
    mx_pid token, pos, embed_w, embed_b, norm_w, norm_b, pred_w, pred_b;
    mx_block *block; /* [decoder_depth], owned */
} mx_decoder;

typedef struct {
    mx_tensor features, embedded, stream, mean, rstd, y, pred;
    mx_tensor d, drows;    /* the streams' gradients: below the blocks, which backward takes off the arena */
    mx_block_saved *block; /* [decoder_depth], host memory of the owner */
} mx_decoder_saved;

mx_status mx_decoder_add(mx_decoder *de, mx_params *p, const mx_model_config *config, mx_error *e);
void mx_decoder_free(mx_decoder *de);

/* features [B,L,C] → predictions: every_row: [2B*L,P] of all positions (order.all_*), else [B*L,P] of the
 * masked ones only (order.rows), which is all that the loss reads; P = stride²·channels. The last block's
 * MLP and projection, the norm and the prediction are computed for those rows alone. */
mx_tensor mx_decoder_forward(mx_ctx *c, const mx_decoder *de, mx_tensor features, const mx_token_order *order,
                             bool every_row, mx_decoder_saved *saved);
/* dpred [B*L,P] (masked rows) → dfeatures [B,L,C]; parameter gradients add. dfeatures must lie below what
 * forward pushed, which is given back on the way. */
void mx_decoder_backward(mx_ctx *c, const mx_decoder *de, mx_decoder_saved *saved,
                         const mx_token_order *order, mx_tensor dfeatures, mx_tensor dpred);

/* Forward multiply-adds an image: two sequences, at all positions. */
double mx_decoder_macs(const mx_model_config *config);
/* Is this the name of a tensor of the decoder (the mask token is one)? */
bool mx_decoder_owns(const char *tensor);
/* As mx_encoder_kind's table, of the decoder's tensors. */
bool mx_decoder_table(const mx_model_config *config, const char *name, int *height, int *width);

#endif
