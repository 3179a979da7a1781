/* Global norm, clipping and AdamW, see adamw.h. Neighbouring parameters with equal settings are updated as one run of
 * the flat buffers; the padding between them is zero and stays zero. */
#include "optim/adamw.h"

#include <math.h>

static mx_tensor flat(float *base, int64_t first, int64_t count) {
    return mx_view(base + first, MX_F32, count, 0, 0, 0, 0);
}

void mx_gradients_zero(mx_ctx *c, mx_params *p) { mx_fill(c, flat(p->grad, 0, p->total), 0.0f); }

/* Returns the next parameter after i whose settings differ. *end: where i's run ends in the buffers. */
static int run_end(const mx_params *p, int i, int64_t *end) {
    const mx_param *first = &p->item[i];
    *end = p->total;
    for (int j = i + 1; j < p->count; j++) {
        const mx_param *q = &p->item[j];
        if (q->fixed || (q->decay == first->decay && q->layer == first->layer)) continue;
        *end = q->offset;
        return j;
    }
    return p->count;
}

void mx_adamw_update(mx_ctx *c, mx_params *p, const mx_adamw_config *config, mx_tensor u, mx_tensor log,
                     mx_tensor loss) {
    mx_adamw_args a = {.beta1 = config->beta1, .beta2 = config->beta2, .eps = config->eps};
    mx_square_sum(c, mx_slice(u, MX_UPDATE_SQUARE, 1), flat(p->grad, 0, p->total));
    mx_update_begin(c, u, log, loss, config->clip_grad);
    for (int i = 0; i < p->count;) {
        const mx_param *q = &p->item[i];
        if (q->fixed) {
            i++;
            continue;
        }
        int64_t end, first = q->offset;
        i = run_end(p, i, &end);
        a.lr_scale = config->layer_decay == 1 ? 1 : pow(config->layer_decay, config->layers + 1 - q->layer);
        a.weight_decay = q->decay ? config->weight_decay : 0;
        mx_adamw(c, flat(p->weight, first, end - first), flat(p->m, first, end - first),
                 flat(p->v, first, end - first), flat(p->grad, first, end - first), u, &a);
    }
}
