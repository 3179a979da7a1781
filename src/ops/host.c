/* The scalars of an optimiser's update, for backends on host memory. See host.h. */
#include "ops/host.h"

#include <math.h>
#include <string.h>

void mx_host_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip) {
    (void)c;
    double *x = u.data;
    x[MX_UPDATE_NORM] = sqrt(x[MX_UPDATE_SQUARE]);
    x[MX_UPDATE_LOSS] = (double)*mx_f32(loss);
    bool finite = isfinite(x[MX_UPDATE_NORM]) && isfinite(x[MX_UPDATE_LOSS]);
    double scale = clip > 0 ? clip / (x[MX_UPDATE_NORM] + 1e-6) : 1;
    x[MX_UPDATE_SCALE] = scale < 1 ? scale : 1;
    x[MX_UPDATE_FINITE] = finite;
    x[MX_UPDATE_COUNT] += finite;
    x[MX_UPDATE_SQUARE] = 0;
    if (!mx_present(log)) return;
    int64_t row = (int64_t)x[MX_UPDATE_ROW];
    memcpy((double *)log.data + row * MX_UPDATE, x, MX_UPDATE * sizeof *x);
    x[MX_UPDATE_ROW] = (double)((row + 1) % mx_rows(log));
}

bool mx_host_adamw(mx_adamw_now *now, mx_tensor u, const mx_adamw_args *a) {
    const double *x = u.data;
    *now = (mx_adamw_now){.lr = x[MX_UPDATE_LR] * a->lr_scale,
                          .weight_decay = a->weight_decay,
                          .beta1 = a->beta1,
                          .beta2 = a->beta2,
                          .eps = a->eps,
                          .t = x[MX_UPDATE_COUNT],
                          .grad_scale = x[MX_UPDATE_SCALE]};
    return x[MX_UPDATE_FINITE] != 0;
}
