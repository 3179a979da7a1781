/* The kinds of encoder, each one file and one row. A configuration names its kind; everything else asks
 * through this table and knows none of them.
 *
 * An encoder has config->stages stages, and a stage is a map of tokens, half as high and wide as the one
 * before it (token_order.h). Its blocks are those of model/block.h, counted from the images on: the owner of
 * the model chooses what each computes again and gives each its drop-path scale. */
#ifndef MX_MODEL_ENCODER_ENCODERS_H
#define MX_MODEL_ENCODER_ENCODERS_H

#include "model/block.h"
#include "model/config.h"
#include "model/token_order.h"

/* A stage's map: grid of tokens, their width, and the windows (dividing the grid) in which tokens stand
 * together, which attention does not leave; the whole grid where there are none. */
typedef struct {
    int grid_h, grid_w, window_h, window_w, width;
} mx_stage_shape;

/* What an encoder makes of images; or the gradients of that, absent where there are none. */
typedef struct {
    mx_tensor stage[MX_MAX_STAGES];  /* [B,L_k,C_k] after stage k's last block, in order->layout[k] */
    mx_tensor merged[MX_MAX_STAGES]; /* what the next stage makes its start from; of the last: stage[k] */
    mx_tensor tokens;                /* [B,L,C] after the final norm, layout order of the last stage */
    mx_tensor pooled;                /* [B,C] their mean: absent until something needs it (mx_encoded_mean) */
} mx_encoded;

typedef struct {
    const mx_encoder_kind *kind;
    const mx_model_config *config;
    mx_params *params;
    int blocks;  /* set by make */
    void *parts; /* the kind's own */
} mx_encoder;

struct mx_encoder_kind {
    const char *name;
    const char
        *pixels; /* the tensor [width,channels,p,p] that reads the images: what --adapt-channels adapts */

    /* ---- of a configuration alone */
    /* Refuses what does not divide, with the sentence that says which number would work. */
    mx_status (*check)(const mx_model_config *c, mx_error *e);
    mx_stage_shape (*stage)(const mx_model_config *c, int k);
    int (*stride)(const mx_model_config *c);  /* pixels along a side of a token of the last stage */
    double (*macs)(const mx_model_config *c); /* forward multiply-adds an image */
    /* Sides of a tensor that is a picture of tokens or of window offsets, [...,height*width,channels], which
     * is resized when they change; false for all others. */
    bool (*table)(const mx_model_config *c, const char *name, int *height, int *width);

    /* ---- of an encoder */
    /* kind, config and params are set. Registers all tensors in forward order; the layer of each is 0 for
     * what stands before the blocks, else 1 + the block that it belongs to. */
    mx_status (*make)(mx_encoder *en, mx_error *e);
    void (*free)(mx_encoder *en);
    /* images [B,Ch,H,W] → out->stage, merged and tokens. drop: [blocks] or NULL. saved: [blocks], what
     * backward needs; NULL: inference, which saves nothing and shares the encoder with other threads. Forward
     * with saved may write into parts: one such pass at a time. */
    void (*forward)(mx_ctx *c, const mx_encoder *en, mx_encoded *out, mx_tensor images,
                    const mx_token_order *order, const mx_drop_scale *drop, mx_block_saved *saved);
    /* After forward, with its order and saved. d: gradients of stage and tokens; parameter gradients add.
     * What lies on the arena above the saved tensors is given back on the way, maps and tokens too: the
     * caller releases the rest. */
    void (*backward)(mx_ctx *c, const mx_encoder *en, const mx_encoded *d, const mx_token_order *order,
                     mx_block_saved *saved);
};

/* The configuration's kind; the first row where it names none. */
const mx_encoder_kind *mx_encoder_of(const mx_model_config *c);
/* NULL: there is no such kind. */
const mx_encoder_kind *mx_encoder_find(const char *name);
/* "swin, ..." for messages. */
const char *mx_encoder_names(void);

mx_status mx_encoder_make(mx_encoder *en, const mx_model_config *config, mx_params *p, mx_error *e);
void mx_encoder_free(mx_encoder *en); /* also after a failure */

/* Fills x->pooled unless it is there. */
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
