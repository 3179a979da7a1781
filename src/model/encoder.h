/* The Swin encoder without shifts: patch embedding (mixed by index), stages of blocks, patch merging, final
 * norm. Source: objective.md "Encoder" 1-4; paper section 3.2. */
#ifndef MX_MODEL_ENCODER_H
#define MX_MODEL_ENCODER_H

#include "model/block.h"
#include "model/config.h"
#include "model/token_order.h"

#define MX_MAX_BLOCKS 256

typedef struct {
    mx_pid norm_w, norm_b, reduction;
} mx_merging;

typedef struct {
    const mx_model_config *config;
    mx_params *params;
    mx_pid proj_w, proj_b, norm_w, norm_b, pos; /* patch embedding */
    mx_block *block;                            /* all blocks, stage after stage; owned */
    int blocks;
    mx_merging merging[MX_MAX_STAGES];
    mx_pid final_w, final_b;
} mx_encoder;

typedef struct {
    mx_tensor cells, mean, rstd, y;
    size_t mark; /* of the arena, below all of it */
} mx_merging_saved;

typedef struct {
    mx_tensor patches, embedded, mean, rstd; /* patch embedding */
    mx_block_saved *block; /* [blocks], host memory of the owner; NULL: inference, only map is of use */
    mx_merging_saved merging[MX_MAX_STAGES];
    mx_tensor map[MX_MAX_STAGES];   /* output of each stage's last block [B,L_k,C_k], its own layout order */
    mx_tensor stage[MX_MAX_STAGES]; /* output of each stage after its merging, layout order of the next one */
    mx_tensor gradient[MX_MAX_STAGES]; /* where the gradient of map[k] goes: below the stage's blocks, which
                                          backward takes off the arena one by one */
    mx_tensor final_mean, final_rstd;
} mx_encoder_saved;

/* Registers all tensors. The block array is freed by mx_encoder_free. */
mx_status mx_encoder_add(mx_encoder *en, mx_params *p, const mx_model_config *config, mx_error *e);
void mx_encoder_free(mx_encoder *en);

/* images [B,Ch,H,W] → features [B,L,C_last] after the final norm, in the layout order of the last stage.
 * drop: [blocks] or NULL. saved NULL, or one without blocks: inference, which keeps no more
 * than the maps. */
mx_tensor mx_encoder_forward(mx_ctx *c, const mx_encoder *en, mx_tensor images, const mx_token_order *order,
                             const mx_drop_scale *drop, mx_encoder_saved *saved);
/* dfeatures [B,L,C_last]; parameter gradients add. What lies on the arena above the saved tensors is given
 * back on the way, maps and features too: the caller releases the rest. */
void mx_encoder_backward(mx_ctx *c, const mx_encoder *en, mx_encoder_saved *saved,
                         const mx_token_order *order, mx_tensor dfeatures);

#endif
