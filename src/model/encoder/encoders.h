/* The kinds of encoder: each has one file and one row of a table. A configuration names its kind, and all other code
 * calls it through the table.
 *
 * An encoder has config->stages stages. A stage is a map of tokens, half as high and wide as the previous one
 * (token_tables.h). Its blocks are those of model/block.h, numbered in forward order; the model's owner sets
 * each block's recompute level and drop-path scale. */
#ifndef MX_MODEL_ENCODER_ENCODERS_H
#define MX_MODEL_ENCODER_ENCODERS_H

#include "model/block.h"
#include "model/config.h"
#include "model/token_tables.h"

/* A stage's map: the grid of tokens, their width, and the window of attention. Windows divide the grid; without
 * windows, the window is the whole grid. */
typedef struct {
    int grid_h, grid_w, window_h, window_w, width;
} mx_stage_shape;

/* An encoder's outputs; or their gradients, absent where there are none. */
typedef struct {
    mx_tensor stage[MX_MAX_STAGES];  /* [B,L_k,C_k] after stage k's last block, in tables->layout[k] */
    mx_tensor merged[MX_MAX_STAGES]; /* input of the next stage's merging; for the last stage: stage[k] */
    mx_tensor tokens;                /* [B,L,C] after the final norm, layout order of the last stage */
    mx_tensor pooled;                /* [B,C] mean of tokens; absent until mx_encoded_mean computes it */
} mx_encoded;

typedef struct {
    const mx_encoder_kind *kind;
    const mx_model_config *config;
    mx_params *params;
    int blocks;  /* set by make */
    void *parts; /* private to the kind */
} mx_encoder;

struct mx_encoder_kind {
    const char *name;
    const char
        *pixels; /* name of the tensor [width,channels,p,p] that reads pixels; --adapt-channels adapts it */

    /* ---- functions of a configuration */
    /* Rejects sizes that do not divide; the message offers sizes that work. */
    mx_status (*check)(const mx_model_config *c, mx_error *e);
    mx_stage_shape (*stage)(const mx_model_config *c, int k);
    int (*stride)(const mx_model_config *c);  /* side of a last-stage token, in pixels */
    double (*macs)(const mx_model_config *c); /* forward multiply-adds per image */
    /* Sides of a tensor indexed by token position or window offset, [...,height*width,channels], so that it can be
     * resized when they change. False for all other tensors. */
    bool (*table)(const mx_model_config *c, const char *name, int *height, int *width);

    /* ---- functions of an encoder */
    /* Called with kind, config and params set. Registers all tensors in forward order. A tensor's layer is 0
     * before the first block, else 1 + the index of its block. */
    mx_status (*make)(mx_encoder *en, mx_error *e);
    void (*free)(mx_encoder *en);
    /* images [B,Ch,H,W] → out->stage, merged and tokens. drop: [blocks] or NULL. saved: [blocks], for
     * backward; NULL: inference, which saves nothing, and which several threads may run at once. With saved,
     * forward may write to parts: only one such pass at a time. */
    void (*forward)(mx_ctx *c, const mx_encoder *en, mx_encoded *out, mx_tensor images,
                    const mx_token_tables *tables, const mx_drop_scale *drop, mx_block_saved *saved);
    /* Call after forward, with the same tables and saved. d: gradients of stage and tokens; parameter gradients add.
     * Releases the arena above the saved tensors, maps and tokens included; the caller releases the rest. */
    void (*backward)(mx_ctx *c, const mx_encoder *en, const mx_encoded *d, const mx_token_tables *tables,
                     mx_block_saved *saved);
};

/* The configuration's kind, or the first row if it names none. */
const mx_encoder_kind *mx_encoder_of(const mx_model_config *c);
/* NULL: no kind has this name. */
const mx_encoder_kind *mx_encoder_find(const char *name);
/* "swin, ..." for messages. */
const char *mx_encoder_names(void);

mx_status mx_encoder_make(mx_encoder *en, const mx_model_config *config, mx_params *p, mx_error *e);
void mx_encoder_free(mx_encoder *en); /* also after a failure */

/* Computes x->pooled if it is absent. */
void mx_encoded_mean(mx_ctx *c, mx_encoded *x);

static inline mx_stage_shape mx_stage_shape_of(const mx_model_config *c, int k) {
    return mx_encoder_of(c)->stage(c, k);
}
static inline int mx_stage_width(const mx_model_config *c, int k) { return mx_stage_shape_of(c, k).width; }
static inline int mx_grid_h(const mx_model_config *c, int k) { return mx_stage_shape_of(c, k).grid_h; }
static inline int mx_grid_w(const mx_model_config *c, int k) { return mx_stage_shape_of(c, k).grid_w; }
static inline int mx_window_h(const mx_model_config *c, int k) { return mx_stage_shape_of(c, k).window_h; }
static inline int mx_window_w(const mx_model_config *c, int k) { return mx_stage_shape_of(c, k).window_w; }
static inline int mx_model_stride(const mx_model_config *c) { return mx_encoder_of(c)->stride(c); }

#endif
