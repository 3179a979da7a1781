/* Front end of the optimiser's update. */
#include "ops/check.h"
#include "ops/run.h"

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

void mx_average(mx_ctx *c, mx_tensor average, mx_tensor w, double decay) {
    if (mx_need_count(c, "average", "average", average, mx_count(w)) &&
        mx_need_count(c, "average", "w", w, mx_count(w)))
        MX_DO(c, "average", 0, average(c, average, w, decay));
}
