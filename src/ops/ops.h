/* The contract between the model and its arithmetic: every function that touches numbers.
 *
 * Conventions
 *   - Order of arguments: context, outputs, inputs, parameters, numbers. Shapes are in brackets, row-major.
 *   - Parameter gradients ADD. Activation gradients overwrite, except where `add` is true (residual stream).
 *   - Outputs may not alias inputs unless the contract says so. Sums are f32 or better, in a fixed order
 *     that depends only on shapes, never on the number of threads.
 *   - A wrong shape or type sets the context's sticky error; every later op then does nothing.
 *   - Planning computes nothing: it checks shapes, reserves scratch memory, counts FLOPs and products.
 *   - [..., C] means any leading dimensions, taken as rows N.
 * Types: f32, except that activations may be bf16 where a contract says [bf16]. A product whose x is bf16
 * rounds each of its operands to bf16 (nearest even) and sums in f32. Norms, softmax, losses, bias and
 * parameter gradients are f32 inside, whatever the types of the tensors (as in PyTorch's autocast). A backend
 * with bf16 products may also round attention's probabilities and the gradients of its logits. */
#ifndef MX_OPS_OPS_H
#define MX_OPS_OPS_H

#include "ops/backends.h"
#include "ops/context.h"
#include "ops/device.h"
#include "ops/layout.h"

#define MX_NORM_EPS   1e-5f /* PyTorch LayerNorm's default, in encoder and decoder */
#define MX_TARGET_EPS 1e-6f /* normalised-pixel target (MAE) */

/* ---- memory ------------------------------------------------------------------------------------------- */

/* every element of t [any] = value */
void mx_fill(mx_ctx *c, mx_tensor t, float value);
/* y [any] = x, same count */
void mx_copy(mx_ctx *c, mx_tensor y, mx_tensor x);
/* y[b,...] = keep[b] * x[b,...].  y, x [B,...], keep [B]; y may alias x.  Gradient through drop path. */
void mx_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep);
/* y[b,j,:] = x[b,index[j],:].  x [B,L,C], y [B,M,C] of one type [bf16], index[M] in [0,L). */
void mx_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index);
/* dx[b,index[j],:] = dy[b,j,:], all other rows become 0; indices are distinct.
 * dx [B,L,C], dy [B,M,C] of one type [bf16].  Backward of mx_gather_rows. */
void mx_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index);

/* ---- images to tokens --------------------------------------------------------------------------------- */

/* Patches of mixed images in layout order: y[b,t,(ch,r,s)] = images[src,ch,row*p+r,col*p+s], where (row,col)
 * is the raster position of token t and src = B-1-b where lay->group[t] is 1, else b. The patch embedding is
 * per token, so mixing pixels here equals mixing embeddings (docs/MODEL.md "How it is computed here").
 * y [B,L,Ch*p*p], images [B,Ch,grid_h*p,grid_w*p]. No gradient: images are data. */
void mx_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p);
/* x[b,t,:] += pos[lay->raster[t],:].  x [B,L,C], pos [L,C]. */
void mx_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay);

/* ---- linear layers: w [O,I], b [O] or absent, x [...,I] (N rows), y [...,O] ------------------------------
 * x, y, h, dx, dy and dh may be [bf16], independently; h and y share one type, dh and h too. GELU reads h as stored. */

/* y = x wᵀ + b */
void mx_linear(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor w, mx_tensor b);
/* h = x wᵀ + b;  y = GELU(h), the erf form.  y, h [...,O] */
void mx_linear_gelu(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor x, mx_tensor w, mx_tensor b);
/* y = GELU(h), the same bytes as mx_linear_gelu writes. y, h have the same count and type [bf16], any shape. */
void mx_gelu(mx_ctx *c, mx_tensor y, mx_tensor h);
/* y = r + keep[sample] * (x wᵀ + b).  r [...,O] (may be y itself), keep [S] or absent; the N rows are S equal
 * runs, one per sample. */
void mx_linear_add(mx_ctx *c, mx_tensor y, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep);
/* dx = dy w (absent: skipped); dw += dyᵀ x; db += Σ_rows dy (absent: skipped).
 * dx [...,I], dw [O,I], db [O], dy [...,O], x [...,I]. */
void mx_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                    mx_tensor w);
/* Backward through y = a wᵀ + b with a = GELU(h): dh = (dy w) ⊙ GELU'(h); dw += dyᵀ a; db += Σ_rows dy.
 * dh [...,I] may alias h. */
void mx_linear_gelu_back(mx_ctx *c, mx_tensor dh, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor a,
                         mx_tensor h, mx_tensor w);

/* ---- LayerNorm over the last dimension, eps MX_NORM_EPS ------------------------------------------------ */

/* y [bf16] = (x - mean) * rstd * gamma + beta, biased variance.  x, y [...,C], mean, rstd [N], gamma, beta [C]. */
void mx_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                  mx_tensor beta);
/* dx = or += (add) the gradient; dgamma += ; dbeta +=.  dy [bf16]; an f32 dy may be dx when add is false. */
void mx_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy, mx_tensor x,
                       mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add);

/* ---- attention inside segments ------------------------------------------------------------------------- */

/* out_i = softmax_j(q_i·k_j/√D + table[h, pos_i - pos_j]) v_j over j in i's segment;
 * lse_i = log Σ_j exp(logit_ij).  qkv [B,L,3,heads,D], out [B,L,heads*D], lse [B,heads,L],
 * table [(2 window_h - 1)(2 window_w - 1), heads] or absent, entry row (Δrow + window_h - 1)(2 window_w - 1)
 * + (Δcol + window_w - 1), Δ = query - key (docs/MODEL.md "From pixels to the loss"). qkv and out share one
 * type [bf16], and so do their gradients. */
void mx_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                  const mx_layout *lay);
/* dqkv [B,L,3,heads,D] is overwritten; dtable += (absent when table is). out and lse: as the forward wrote them. */
void mx_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                       mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay);

/* ---- the two decoder sequences ------------------------------------------------------------------------- */

/* y[b,t] = (group[t] ? token : z[b,t]) + pos[raster[t]];  y[B+b,t] = (group[t] ? z[b,t] : token) +
 * pos[raster[t]]. y [2B,L,D], z [B,L,D], token [D], pos [L,D]  (paper section 3.3). lay->group must be set. */
void mx_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay);
/* dz [B,L,D] = the rows that hold z; dtoken [D] += the sum of the others. */
void mx_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay);

/* ---- losses -------------------------------------------------------------------------------------------- */

/* The image and the patch that each row of a prediction reconstructs. */
typedef struct {
    const int32_t *image, *patch; /* [N]; patch = raster index in the grid of patches */
    int side;                     /* patch side in pixels */
    bool normalise;               /* (t - mean)/sqrt(var + MX_TARGET_EPS) per patch, unbiased variance */
} mx_targets;

/* loss[0] += scale * mean over all N*P elements of (pred - target)²;  dpred = its gradient (absent: skipped).
 * pred [N,P], P = side*side*Ch, flattened (row, column, channel), images [B,Ch,H,W]; dpred may alias pred. */
void mx_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                   const mx_targets *targets, float scale);
/* loss[0] += scale * mean_b(-Σ_k targets[b,k] log softmax(logits[b])_k);  dlogits = its gradient
 * (absent: skipped).  logits, targets, dlogits [B,K]; dlogits may alias logits. */
void mx_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits, mx_tensor targets,
                           float scale);
/* y[b,:] = mean_t x[b,t,:].  x [B,L,C], y [B,C]. */
void mx_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x);
/* dx[b,t,:] = dy[b,:]/L */
void mx_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy);

/* ---- optimiser (flat buffers) -------------------------------------------------------------------------- */

/* sum[0] (f64) += Σ g², as partial sums over fixed blocks. A non-finite input gives a non-finite sum. */
void mx_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g);

/* Results of an update that exist only once its gradients do, f64 [MX_UPDATE]. They live in device memory, so
 * the host need not wait for them before the next step. */
typedef enum {
    MX_UPDATE_LR,     /* learning rate of this step, set by the caller */
    MX_UPDATE_COUNT,  /* updates done, including this one but no skipped ones */
    MX_UPDATE_SQUARE, /* sum of squares so far; mx_square_sum adds to it */
    MX_UPDATE_NORM,   /* norm of all gradients before clipping */
    MX_UPDATE_SCALE,  /* factor on the gradients (clipping) */
    MX_UPDATE_FINITE, /* 1: norm and loss are finite; 0: nothing is updated */
    MX_UPDATE_LOSS,   /* loss of this step */
    MX_UPDATE_ROW,    /* row of the log for the next update */
    MX_UPDATE
} mx_update_slot;

/* Call when all gradients are summed. NORM = √SQUARE; FINITE; SCALE = min(1, clip/(NORM + 1e-6)), 1 when clip
 * is 0; COUNT += FINITE; SQUARE = 0; LOSS = loss; then log[ROW,:] = u and ROW = (ROW + 1) mod R. The host
 * can then read R updates at once.  u [MX_UPDATE] f64, log [R,MX_UPDATE] f64 or absent, loss [1]. */
void mx_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip);

typedef struct {
    double lr_scale; /* layer decay: the rate is LR * lr_scale */
    double weight_decay, beta1, beta2, eps;
} mx_adamw_args;

/* PyTorch's AdamW in one pass (docs/TRAINING.md "Update"), with t = COUNT, lr = LR lr_scale and gradients times
 * SCALE: w ← w(1 - lr wd); m, v ← moments; w ← w - lr/(1-β1^t) m / (sqrt(v)/sqrt(1-β2^t) + eps). Bias corrections in
 * double. Does nothing when FINITE is 0.  w, m, v, g [n] f32, u [MX_UPDATE] f64. */
void mx_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
              const mx_adamw_args *a);

/* average [n] = decay * average + (1 - decay) * w in f32: the moving average of weights. */
void mx_average(mx_ctx *c, mx_tensor average, mx_tensor w, double decay);

#endif
