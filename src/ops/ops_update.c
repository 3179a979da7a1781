/* The front end of an optimiser's update, and what the backends on host memory share of it. */
#include "ops/check.h"

#include <math.h>
#include <string.h>

void mx_square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g) {
    if (mx_need(c, "square_sum", "sum", sum, MX_F64, 1, 1) &&
        mx_need_count(c, "square_sum", "g", g, mx_count(g)))
        MX_DO(c, "square_sum", 0, square_sum(c, sum, g));
}

void mx_update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip) {
    if (mx_need(c, "update_begin", "u", u, MX_F64, 1, MX_UPDATE) &&
        (!mx_present(log) || mx_need(c, "update_begin", "log", log, MX_F64, mx_rows(log), MX_UPDATE)) &&
        mx_need(c, "update_begin", "loss", loss, MX_F32, 1, 1))
        MX_DO(c, "update_begin", 0, update_begin(c, u, log, loss, clip));
}

void mx_adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
              const mx_adamw_args *a) {
    int64_t n = mx_count(w);
    if (mx_need_count(c, "adamw", "w", w, n) && mx_need_count(c, "adamw", "m", m, n) &&
        mx_need_count(c, "adamw", "v", v, n) && mx_need_count(c, "adamw", "g", g, n) &&
        mx_need(c, "adamw", "u", u, MX_F64, 1, MX_UPDATE))
        MX_DO(c, "adamw", 0, adamw(c, w, m, v, g, u, a));
}

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
