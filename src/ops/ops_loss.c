/* Front end of the losses and of pooling. */
#include "ops/check.h"
#include "ops/run.h"

void mx_pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                   const mx_targets *targets, float scale) {
    const char *op = "pixel_loss";
    if (!mx_need_dims(c, op, "images", images, 4) || !mx_need_count(c, op, "loss", loss, 1)) return;
    int64_t n = mx_rows(pred), width = (int64_t)targets->side * targets->side * images.dim[1];
    if (!mx_need(c, op, "pred", pred, MX_F32, n, width)) return;
    if (mx_present(dpred) && !mx_need(c, op, "dpred", dpred, MX_F32, n, width)) return;
    MX_DO_WORK(c, op, 0, c->backend->pixel_loss_work(c, n, width),
               pixel_loss(c, loss, dpred, pred, images, targets, scale, work));
    if (mx_present(dpred)) mx_profile_enter(c->profile, MX_PHASE_BACKWARD);
}

void mx_soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits, mx_tensor targets,
                           float scale) {
    const char *op = "soft_cross_entropy";
    int64_t n = mx_rows(logits), k = mx_width(logits);
    if (!mx_need(c, op, "logits", logits, MX_F32, n, k) ||
        !mx_need(c, op, "targets", targets, MX_F32, n, k) || !mx_need_count(c, op, "loss", loss, 1))
        return;
    if (mx_present(dlogits) && !mx_need(c, op, "dlogits", dlogits, MX_F32, n, k)) return;
    MX_DO(c, op, 0, soft_cross_entropy(c, loss, dlogits, logits, targets, scale));
    if (mx_present(dlogits)) mx_profile_enter(c->profile, MX_PHASE_BACKWARD);
}

void mx_mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x) {
    if (mx_need_dims(c, "mean_rows", "x", x, 3) &&
        mx_need(c, "mean_rows", "y", y, MX_F32, x.dim[0], x.dim[2]))
        MX_DO(c, "mean_rows", 0, mean_rows(c, y, x));
}

void mx_mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy) {
    if (mx_need_dims(c, "mean_rows_back", "dx", dx, 3) &&
        mx_need(c, "mean_rows_back", "dy", dy, MX_F32, dx.dim[0], dx.dim[2]))
        MX_DO(c, "mean_rows_back", 0, mean_rows_back(c, dx, dy));
}
