/* Sum of squares and AdamW: the reference. */
#include "ops/ref/ref.h"

#include <math.h>

void mx_ref_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g) {
    (void)c;
    double s = 0;
    for (int64_t i = 0; i < mx_count(g); i++) s += (double)mx_f32(g)[i] * (double)mx_f32(g)[i];
    *(double *)sum.data += s;
}

void mx_ref_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip) {
    mx_host_update_begin(c, u, log, loss, clip);
}

void mx_ref_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                  const mx_adamw_args *args) {
    (void)c;
    mx_adamw_now now, *a = &now;
    if (!mx_host_adamw(a, u, args)) return;
    double b1 = a->beta1, b2 = a->beta2, lr = a->lr;
    double step = lr / (1 - pow(b1, a->t)), root = sqrt(1 - pow(b2, a->t));
    for (int64_t i = 0; i < mx_count(w); i++) {
        double grad = (double)mx_f32(g)[i] * a->grad_scale;
        double m1 = b1 * (double)mx_f32(m)[i] + (1 - b1) * grad,
               v1 = b2 * (double)mx_f32(v)[i] + (1 - b2) * grad * grad;
        double p = (double)mx_f32(w)[i] * (1 - lr * a->weight_decay);
        mx_f32(m)[i] = (float)m1, mx_f32(v)[i] = (float)v1;
        mx_f32(w)[i] = (float)(p - step * m1 / (sqrt(v1) / root + a->eps));
    }
}

void mx_ref_average(mx_ctx *c, mx_tensor average, mx_tensor w, double decay) {
    (void)c;
    const float keep = (float)decay, rest = (float)(1 - decay);
    for (int64_t i = 0; i < mx_count(w); i++)
        mx_f32(average)[i] = keep * mx_f32(average)[i] + rest * mx_f32(w)[i];
}
