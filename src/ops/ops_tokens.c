/* Front end of the ops on tokens: copies, patches, LayerNorm, attention, the decoder's two sequences. */
#include "ops/check.h"
#include "ops/run.h"

#include <assert.h>

void mx_fill(mx_ctx *c, mx_tensor t, float value) {
    if (mx_need_count(c, "fill", "t", t, mx_count(t))) MX_DO(c, "fill", 0, fill(c, t, value));
}

void mx_copy(mx_ctx *c, mx_tensor y, mx_tensor x) {
    if (mx_need_count(c, "copy", "x", x, mx_count(x)) && mx_need_count(c, "copy", "y", y, mx_count(x)))
        MX_DO(c, "copy", 0, copy(c, y, x));
}

void mx_scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep) {
    const char *op = "scale_samples";
    if (mx_need_count(c, op, "x", x, mx_count(x)) && mx_need_count(c, op, "y", y, mx_count(x)) &&
        mx_need_count(c, op, "keep", keep, x.dim[0]))
        MX_DO(c, op, 0, scale_samples(c, y, x, keep));
}

static bool rows_fit(mx_ctx *c, const char *op, mx_tensor few, mx_tensor all, const int32_t *index) {
    if (!mx_need_activation(c, op, "few", few, mx_rows(few), mx_width(few)) ||
        !mx_need_activation(c, op, "all", all, mx_rows(all), mx_width(few)) ||
        !mx_need_same_type(c, op, "x and y", few, all))
        return false;
    if (few.ndim != 3 || all.ndim != 3 || few.dim[0] != all.dim[0] || few.dim[2] != all.dim[2] || !index) {
        mx_fail(&c->error, MX_ERR_SHAPE, "%s: %lld maps of width %lld from %lld of width %lld", op,
                (long long)few.dim[0], (long long)few.dim[2], (long long)all.dim[0], (long long)all.dim[2]);
        return false;
    }
    return true;
}

void mx_gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index) {
    if (rows_fit(c, "gather_rows", y, x, index)) MX_DO(c, "gather_rows", 0, gather_rows(c, y, x, index));
}

void mx_scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index) {
    if (rows_fit(c, "scatter_rows", dy, dx, index))
        MX_DO(c, "scatter_rows", 0, scatter_rows(c, dx, dy, index));
}

void mx_patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p) {
    const char *op = "patch_rows";
    if (!mx_need_dims(c, op, "images", images, 4) || !mx_need_dims(c, op, "y", y, 3)) return;
    if (images.dim[2] != lay->grid_h * p || images.dim[3] != lay->grid_w * p || y.dim[0] != images.dim[0] ||
        y.dim[1] != lay->tokens || y.dim[2] != images.dim[1] * p * p) {
        mx_fail(&c->error, MX_ERR_SHAPE,
                "%s: images of %lldx%lld pixels do not make %dx%d patches of side %d", op,
                (long long)images.dim[2], (long long)images.dim[3], lay->grid_h, lay->grid_w, p);
        return;
    }
    MX_DO(c, op, 0, patch_rows(c, y, images, lay, p));
}

void mx_add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay) {
    if (mx_need_dims(c, "add_position", "x", x, 3) &&
        mx_need(c, "add_position", "pos", pos, MX_F32, lay->tokens, x.dim[2]))
        MX_DO(c, "add_position", 0, add_position(c, x, pos, lay));
}

void mx_layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                  mx_tensor beta) {
    const char *op = "layernorm";
    int64_t n = mx_rows(x), w = mx_width(x);
    if (mx_need(c, op, "x", x, MX_F32, n, w) && mx_need_activation(c, op, "y", y, n, w) &&
        mx_need_count(c, op, "mean", mean, n) && mx_need_count(c, op, "rstd", rstd, n) &&
        mx_need_count(c, op, "gamma", gamma, w) && mx_need_count(c, op, "beta", beta, w))
        MX_DO(c, op, 0, layernorm(c, y, mean, rstd, x, gamma, beta));
}

void mx_layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy, mx_tensor x,
                       mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add) {
    const char *op = "layernorm_back";
    int64_t n = mx_rows(x), w = mx_width(x);
    if (!mx_need(c, op, "x", x, MX_F32, n, w) || !mx_need(c, op, "dx", dx, MX_F32, n, w) ||
        !mx_need_activation(c, op, "dy", dy, n, w) || !mx_need_count(c, op, "mean", mean, n) ||
        !mx_need_count(c, op, "rstd", rstd, n) || !mx_need_count(c, op, "gamma", gamma, w) ||
        !mx_need_count(c, op, "dgamma", dgamma, w) || !mx_need_count(c, op, "dbeta", dbeta, w))
        return;
    MX_DO_WORK(c, op, 0, c->backend->layernorm_back_work(c, n, w),
               layernorm_back(c, dx, dgamma, dbeta, dy, x, mean, rstd, gamma, add, work));
}

/* Query-key pairs of one image and head, for FLOPs. A dry run has no mask yet: it counts the expected half of each
 * window's pairs. */
static double pairs(const mx_ctx *c, const mx_layout *lay) {
    double sum = 0;
    if (c->planning) return (double)lay->tokens * lay->max_segment * (lay->group ? 0.5 : 1);
    for (int s = 0; s < lay->segments; s++) {
        double n = lay->segment[s + 1] - lay->segment[s];
        sum += n * n;
    }
    return sum;
}

static bool attention_fits(mx_ctx *c, const char *op, mx_tensor out, mx_tensor lse, mx_tensor qkv,
                           mx_tensor table, const mx_layout *lay) {
    if (!mx_need_activation(c, op, "qkv", qkv, mx_rows(qkv), mx_width(qkv))) return false;
    int64_t b = qkv.dim[0], l = qkv.dim[1], heads = qkv.dim[3], d = qkv.dim[4];
    if (qkv.ndim != 5 || qkv.dim[2] != 3 || l != lay->tokens) {
        mx_fail(&c->error, MX_ERR_SHAPE, "%s: qkv has %lld tokens and %lld parts, expected %d and 3", op,
                (long long)l, (long long)qkv.dim[2], lay->tokens);
        return false;
    }
    int64_t entries = (int64_t)(2 * lay->window_h - 1) * (2 * lay->window_w - 1);
    return mx_need_activation(c, op, "out", out, b * l, heads * d) &&
           mx_need_same_type(c, op, "qkv and out", qkv, out) &&
           mx_need_count(c, op, "lse", lse, b * heads * l) &&
           (!mx_present(table) || mx_need(c, op, "table", table, MX_F32, entries, heads));
}

void mx_attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                  const mx_layout *lay) {
    if (!attention_fits(c, "attention", out, lse, qkv, table, lay)) return;
    double flops = 4 * pairs(c, lay) * (double)(qkv.dim[0] * qkv.dim[3] * qkv.dim[4]);
    MX_DO_WORK(c, "attention", flops,
               c->backend->attention_work(c, lay, qkv.dim[0], qkv.dim[3], qkv.dim[4], mx_present(table)),
               attention(c, out, lse, qkv, table, lay, work));
}

void mx_attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                       mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay) {
    const char *op = "attention_back";
    if (!attention_fits(c, op, out, lse, qkv, table, lay) ||
        !mx_need(c, op, "dqkv", dqkv, qkv.type, mx_rows(qkv), mx_width(qkv)) ||
        !mx_need(c, op, "dout", dout, qkv.type, mx_rows(out), mx_width(out)))
        return;
    if (mx_present(table) && !mx_need_count(c, op, "dtable", dtable, mx_count(table))) return;
    double flops = 10 * pairs(c, lay) * (double)(qkv.dim[0] * qkv.dim[3] * qkv.dim[4]);
    MX_DO_WORK(c, op, flops,
               c->backend->attention_back_work(c, lay, qkv.dim[0], qkv.dim[3], qkv.dim[4], mx_present(table)),
               attention_back(c, dqkv, dtable, dout, out, lse, qkv, table, lay, work));
}

static bool unmix_fits(mx_ctx *c, const char *op, mx_tensor both, mx_tensor z, mx_tensor token,
                       const mx_layout *lay) {
    if (!mx_need_dims(c, op, "z", z, 3)) return false;
    if (!lay->group || z.dim[1] != lay->tokens) {
        mx_fail(&c->error, MX_ERR_SHAPE, "%s: %lld tokens in a map of %d%s", op, (long long)z.dim[1],
                lay->tokens, lay->group ? "" : " without a mask");
        return false;
    }
    return mx_need(c, op, "both", both, MX_F32, 2 * z.dim[0] * z.dim[1], z.dim[2]) &&
           mx_need_count(c, op, "token", token, z.dim[2]);
}

void mx_unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay) {
    if (unmix_fits(c, "unmix", y, z, token, lay) &&
        mx_need(c, "unmix", "pos", pos, MX_F32, lay->tokens, z.dim[2]))
        MX_DO(c, "unmix", 0, unmix(c, y, z, token, pos, lay));
}

void mx_unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay) {
    if (!unmix_fits(c, "unmix_back", dy, dz, dtoken, lay)) return;
    MX_DO_WORK(c, "unmix_back", 0, c->backend->unmix_back_work(c, mx_rows(dy), mx_width(dy)),
               unmix_back(c, dz, dtoken, dy, lay, work));
}
