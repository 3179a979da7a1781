/* A whole model: the encoder with the pretraining decoder, or with a head.
 *
 * The only place where the parts meet. Owns parameters; does not own arenas, images or files. */
#ifndef MX_MODEL_MODEL_H
#define MX_MODEL_MODEL_H

#include "model/decoder.h"
#include "model/encoder/encoders.h"
#include "model/head/heads.h"

typedef struct {
    mx_model_config config;
    mx_params params;
    mx_encoder encoder;
    mx_decoder decoder; /* when config.decoder_dim > 0 */
    mx_head head;       /* when config.classes > 0 */
    char **class_name;  /* [classes], owned, or NULL when nobody has named them */
    mx_block_saved
        *saved; /* [encoder blocks + decoder blocks]; what each computes again is for the owner to choose */
    mx_block_saved *passing; /* the same for passes without a backward: all is computed again */
} mx_model;

/* Checks the configuration and allocates zeroed buffers for `use`. Free with mx_model_free (also after a
 * failure). */
mx_status mx_model_make(mx_model *m, const mx_model_config *config, mx_params_use use, mx_error *e);
void mx_model_free(mx_model *m);

/* Blocks that a training pass goes through, encoder and decoder. */
int mx_model_blocks(const mx_model *m);

/* Takes copies of the classes' names, as mx_escape_utf8 makes them (a checkpoint holds them in JSON); NULL:
 * none. */
mx_status mx_model_name_classes(mx_model *m, const char *const *names, mx_error *e);
/* A fresh head for a pretrained encoder: weights N(0, std²) from the seed, bias 0 (objective.md
 * "Fine-tuning"; the authors' std is 2e-5, the linear probe's 0.01). */
void mx_head_init(mx_model *m, uint64_t seed, double std);

/* Of what the passes below take, images and targets lie in host memory; loss, logits, the drop-path factors
 * and order are named memory (ops.h "memory of a device"), which whoever owns them attaches; order is
 * uploaded here. */

/* One micro-batch of pretraining: forward, loss, backward.  images [B,Ch,H,W]; loss[0] += scale * mean
 * squared error; parameter gradients += scale * gradient. */
void mx_pretrain_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_order *order,
                      float scale);
/* Forward and loss only (held-out images). */
void mx_pretrain_loss(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_order *order,
                      float scale);
/* What forward computes, for pictures and verification; tensors stay on the arena until the caller releases
 * it. stage[k] and features in layout order (stage k's output has the order of stage min(k+1, K-1)). */
typedef struct {
    mx_tensor stage[MX_MAX_STAGES], features, reconstruction;
} mx_pretrain_views;
void mx_pretrain_view(mx_ctx *c, mx_model *m, mx_pretrain_views *out, mx_tensor images,
                      const mx_token_order *order);

/* One micro-batch of the classifier: logits [B,classes] out; targets [B,classes] soft labels. drop [blocks]
 * or NULL. */
void mx_classify_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor logits, mx_tensor images,
                      mx_tensor targets, const mx_token_order *order, const mx_drop_scale *drop, float scale);
/* Forward only. */
void mx_classify_logits(mx_ctx *c, mx_model *m, mx_tensor logits, mx_tensor images,
                        const mx_token_order *order);

/* What an encoder makes of whole images, forward only, pooled too: no mask, no memory for backward; a decoder
 * or a head of the model is left aside. images [B,Ch,H,W], order made for B images and not masked. Tensors
 * stay on the arena until the caller releases it. */
void mx_encode(mx_ctx *c, const mx_model *m, mx_encoded *out, mx_tensor images, const mx_token_order *order);
/* out [B,...] of the head, from what mx_encode made. */
void mx_head_forward(mx_ctx *c, const mx_model *m, mx_tensor out, mx_encoded *x);
/* map [B,L,C] in layout order → raster [B,H,W,C] (or any shape of that count), row after row. */
void mx_map_to_raster(mx_ctx *c, mx_tensor raster, mx_tensor map, const mx_layout *lay);

/* Drop-path factors of a step: 0 or 1/(1-p) per image and branch, p growing linearly over the blocks
 * (augment.md e). drop [blocks]; memory [2*blocks*batch] floats that the factors live in. rate 0: all absent.
 */
void mx_drop_path_draw(mx_drop_scale *drop, float *memory, int blocks, int batch, double rate, uint64_t seed,
                       uint64_t step, uint32_t micro);

/* Forward multiply-adds an image as objective.md counts them: full attention windows and the
 * decoder's two sequences at all positions. 6 times this is a training step's useful FLOPs. */
double mx_model_forward_macs(const mx_model_config *config);

#endif
