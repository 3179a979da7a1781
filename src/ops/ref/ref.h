/* The reference backend: plain C, one thread, sums in double. It defines every op; the others are compared
 * with it. */
#ifndef MX_OPS_REF_REF_H
#define MX_OPS_REF_REF_H

#include "ops/backend.h"

/* memory.c */
void mx_ref_fill(mx_ctx *c, mx_tensor t, float value);
void mx_ref_copy(mx_ctx *c, mx_tensor y, mx_tensor x);
void mx_ref_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep);
void mx_ref_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index);
void mx_ref_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index);
/* tokens.c */
void mx_ref_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p);
void mx_ref_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay);
void mx_ref_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay);
void mx_ref_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work);
void mx_ref_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x);
void mx_ref_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy);
/* linear.c */
void mx_ref_linear(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep, void *work);
void mx_ref_gelu(mx_ctx *c, mx_tensor y, mx_tensor h);
void mx_ref_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                        mx_tensor h, mx_tensor w, void *work);
/* norm.c */
void mx_ref_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta);
void mx_ref_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work);
size_t mx_ref_layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width);
/* attention.c */
void mx_ref_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                      const mx_layout *lay, void *work);
void mx_ref_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                           mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay, void *work);
size_t mx_ref_attention_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                             bool biased, bool backward);
/* loss.c */
void mx_ref_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work);
void mx_ref_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale);
/* optim.c */
void mx_ref_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g);
void mx_ref_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, const mx_adamw_args *a);

#endif
