/* What a backend implements: the ops of ops.h after the front end has checked every shape.
 *
 * Each function has the contract of its namesake in ops.h. `work` is scratch memory of at least the size that
 * the matching *_work function returned for the same shapes (NULL function: none needed). A backend never
 * allocates. The front end allocates it on the arena, so planning sees it. */
#ifndef MX_OPS_BACKEND_H
#define MX_OPS_BACKEND_H

#include "ops/ops.h"

/* bytes of scratch for a reduction over n rows of width c */
typedef size_t mx_work_rows(const mx_ctx *c, int64_t rows, int64_t width);

struct mx_backend {
    const char *name, *isa;
    bool bf16; /* mx_backend_bf16 */

    /* Memory of a device (ops.h); all NULL: host memory. device_make leaves an error in e. attach, upload and
     * download fail by the context's error. */
    mx_device *(*device_make)(mx_error *e);
    void (*device_free)(mx_device *d); /* with all its blocks */
    void (*attach)(mx_ctx *c, const void *name, size_t bytes);
    void (*upload)(mx_ctx *c, const void *name, const void *from, size_t bytes);
    void (*download)(mx_ctx *c, void *to, const void *name, size_t bytes);

    void (*fill)(mx_ctx *c, mx_tensor t, float value);
    void (*copy)(mx_ctx *c, mx_tensor y, mx_tensor x);
    void (*scale_samples)(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep);
    void (*gather_rows)(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index);
    void (*scatter_rows)(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index);
    void (*patch_rows)(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p);
    void (*add_position)(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay);

    /* One forward for all linear ops. y [N,O] = epilogue(x wᵀ + b): h present: h = that sum, y = GELU(h);
     * r present: y = r + keep * sum. */
    void (*linear)(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep, void *work);
    void (*gelu)(mx_ctx *c, mx_tensor y, mx_tensor h);
    size_t (*linear_work)(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x);
    /* One backward: h present: dx is multiplied by GELU'(h). work from linear_back_work. */
    void (*linear_back)(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                        mx_tensor h, mx_tensor w, void *work);
    size_t (*linear_back_work)(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x);

    void (*layernorm)(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta);
    void (*layernorm_back)(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work);
    mx_work_rows *layernorm_back_work;

    void (*attention)(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                      const mx_layout *lay, void *work);
    void (*attention_back)(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                           mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay, void *work);
    /* worst case over all masks; batch, heads, width of a head; biased: a table is present */
    size_t (*attention_work)(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                             bool biased, bool backward);

    void (*unmix)(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay);
    void (*unmix_back)(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work);
    mx_work_rows *unmix_back_work; /* rows 2BL, width D */

    void (*pixel_loss)(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work);
    mx_work_rows *pixel_loss_work;
    void (*soft_cross_entropy)(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale);
    void (*mean_rows)(mx_ctx *c, mx_tensor y, mx_tensor x);
    void (*mean_rows_back)(mx_ctx *c, mx_tensor dx, mx_tensor dy);

    void (*square_sum)(mx_ctx *c, mx_tensor sum, mx_tensor g);
    void (*update_begin)(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip);
    void (*adamw)(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                  const mx_adamw_args *a);
};

/* For backends on host memory (ops_update.c): their update_begin, and what adamw does once u has been read.
 */
typedef struct {
    double lr, weight_decay, beta1, beta2, eps, t, grad_scale;
} mx_adamw_now;
void mx_host_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip);
bool mx_host_adamw(mx_adamw_now *now, mx_tensor u, const mx_adamw_args *a); /* false: nothing is updated */

extern const mx_backend mx_backend_ref;
#ifdef MX_WITH_CPU
/* The cpu backend compiled for the best instruction set that this machine runs (or what MIXMAE_ISA names). */
const mx_backend *mx_backend_cpu(void);
mx_status mx_backend_cpu_check(const mx_backend *b, mx_error *e); /* mx_backend_check for the cpu backend */
#endif
#ifdef MX_WITH_FAR
const mx_backend *mx_backend_test_far(void); /* the cpu backend's kernels, but numbers lie elsewhere */
#endif

#endif
