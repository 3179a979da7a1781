/* A whole model: the encoder with the pretraining decoder, or with a head. Owns the parameters; does not own
 * arenas, images or files. */
#ifndef MX_MODEL_MODEL_H
#define MX_MODEL_MODEL_H

#include "model/decoder.h"
#include "model/encoder/encoders.h"
#include "model/head/heads.h"

typedef struct {
    mx_model_config config;
    mx_params params;
    mx_encoder encoder;
    mx_decoder decoder;      /* when config.decoder_dim > 0 */
    mx_head head;            /* when config.classes > 0 */
    char **class_name;       /* [classes], owned; NULL: the classes have no names */
    mx_block_saved *saved;   /* [encoder blocks + decoder blocks]; the owner sets each one's `recompute` */
    mx_block_saved *scratch; /* for passes without backward, which keep nothing */
} mx_model;

/* Checks the configuration and allocates zeroed buffers for `use`. Free with mx_model_free, also after a failure. */
mx_status mx_model_make(mx_model *m, const mx_model_config *config, mx_params_use use, mx_error *e);
void mx_model_free(mx_model *m);

/* Number of blocks, encoder and decoder. */
int mx_model_blocks(const mx_model *m);

/* Copies the class names, escaped by mx_escape_utf8 because checkpoints hold them in JSON. NULL: no names. */
mx_status mx_model_name_classes(mx_model *m, const char *const *names, mx_error *e);
/* Initialises the head for a pretrained encoder: weights N(0, std²) from the seed, bias 0 (docs/TRAINING.md "Starting
 * from a file"). The authors' std is 2e-5; the linear probe's is 0.01. */
void mx_head_init(mx_model *m, uint64_t seed, double std);

/* The passes below take images and targets in host memory. loss, logits, drop-path factors and tables are in device
 * memory (ops/device.h), which their owners attach. The passes upload the tables. */

/* images [n,Ch,H,W] of the model's size as a tensor, which passes only read. */
mx_tensor mx_images_view(const mx_model_config *m, const float *images, int64_t n);
/* Floats of one image. */
int64_t mx_image_floats(const mx_model_config *m);

/* One micro-batch of pretraining: forward, loss, backward.  images [B,Ch,H,W]; loss[0] += scale * mean
 * squared error; parameter gradients += scale * gradient. */
void mx_pretrain_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_tables *tables,
                      float scale);
/* Forward and loss only, for held-out images. */
void mx_pretrain_loss(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor images, const mx_token_tables *tables,
                      float scale);
/* Forward alone with all its outputs, for pictures and verification. They stay on the arena until the caller releases it. stage[k] and
 * features are in layout order: stage[k] in that of stage min(k+1, K-1), since merging ends a stage. */
typedef struct {
    mx_tensor stage[MX_MAX_STAGES], features, reconstruction;
} mx_pretrain_outputs;
void mx_pretrain_forward(mx_ctx *c, mx_model *m, mx_pretrain_outputs *out, mx_tensor images,
                         const mx_token_tables *tables);

/* One micro-batch of the classifier: forward, loss, backward. Writes logits [B,classes]; targets [B,classes]
 * are soft labels; drop [blocks] or NULL. */
void mx_classify_pass(mx_ctx *c, mx_model *m, mx_tensor loss, mx_tensor logits, mx_tensor images,
                      mx_tensor targets, const mx_token_tables *tables, const mx_drop_scale *drop,
                      float scale);
/* Forward only. */
void mx_classify_logits(mx_ctx *c, mx_model *m, mx_tensor logits, mx_tensor images,
                        const mx_token_tables *tables);

/* Encodes whole images, forward only: no mask, no decoder or head, nothing saved for backward. Fills out->pooled too.
 * images [B,Ch,H,W]; tables must be made for B images, not masked. Results stay on the arena until the caller releases
 * it. */
void mx_encode(mx_ctx *c, const mx_model *m, mx_encoded *out, mx_tensor images,
               const mx_token_tables *tables);
/* Runs the head on the result of mx_encode: out [B,...]. */
void mx_head_forward(mx_ctx *c, const mx_model *m, mx_tensor out, mx_encoded *x);
/* map [B,L,C] in layout order → raster [B,H,W,C], or any shape of that count, in row-major order. */
void mx_map_to_raster(mx_ctx *c, mx_tensor raster, mx_tensor map, const mx_layout *lay);

/* Drop-path factors of a step: 0 or 1/(1-p) per image and branch; p grows linearly over the blocks
 * (docs/TRAINING.md "Drop path"). drop [blocks] points into memory [2*blocks*batch]. rate 0: all absent. */
void mx_drop_path_draw(mx_drop_scale *drop, float *memory, int blocks, int batch, double rate, uint64_t seed,
                       uint64_t step, uint32_t micro);

/* Forward multiply-adds per image, counted as in docs/MODEL.md "Models": full attention windows and both
 * decoder sequences at all positions. A training step's useful FLOPs are 6 times this. */
double mx_model_forward_macs(const mx_model_config *config);

#endif
