/* The reference backend: plain C, one thread, sums in double. It defines every op; the others are compared
 * with it. */
#ifndef MX_OPS_REF_REF_H
#define MX_OPS_REF_REF_H

#include <string.h>

#include "ops/backend.h"

typedef __typeof__(1.0f) mx_single; /* f32 also where a test compiles this file with float as double */

/* x rounded to bf16, nearest even; what is not a number stays so. */
static inline double mx_round_bf16(double x) {
    mx_single f = (mx_single)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (x == x) bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000u;
    if (x != x) bits |= 0x400000;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* Element i of an activation, f32 or bf16. */
static inline double mx_get(mx_tensor t, int64_t i) {
    if (t.type == MX_F32) return (double)((const float *)t.data)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)t.data)[i] << 16;
    mx_single f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static inline void mx_put(mx_tensor t, int64_t i, double x) {
    if (t.type == MX_F32) {
        ((float *)t.data)[i] = (float)x;
        return;
    }
    mx_single f = (mx_single)mx_round_bf16(x);
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    ((uint16_t *)t.data)[i] = (uint16_t)(bits >> 16);
}

/* Element i as a product reads it: rounded where the product is a bf16 one. */
static inline double mx_operand(mx_tensor t, int64_t i, bool half) {
    return half ? mx_round_bf16(mx_get(t, i)) : mx_get(t, i);
}

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
void mx_ref_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                  const mx_adamw_args *args);

#endif
