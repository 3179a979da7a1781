/* Front end of the linear layers. Backends have one forward and one backward for all of them (op_list.h). */
#include "ops/check.h"
#include "ops/run.h"

/* y = epilogue(x wᵀ + b). h, r, keep: absent unless the epilogue uses them. */
static void forward(mx_ctx *c, const char *op, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x,
                    mx_tensor w, mx_tensor b, mx_tensor keep) {
    if (!mx_need_dims(c, op, "w", w, 2)) return;
    int64_t rows = mx_rows(x), out = w.dim[0], in = w.dim[1];
    if (!mx_need_activation(c, op, "x", x, rows, in) || !mx_need_activation(c, op, "y", y, rows, out)) return;
    if (mx_present(b) && !mx_need_count(c, op, "b", b, out)) return;
    if (mx_present(h) &&
        (!mx_need_activation(c, op, "h", h, rows, out) || !mx_need_same_type(c, op, "h and y", h, y)))
        return;
    if (mx_present(r) &&
        (!mx_need(c, op, "r", r, MX_F32, rows, out) || !mx_need_same_type(c, op, "r and y", r, y)))
        return;
    if (mx_present(keep) && (mx_count(keep) < 1 || rows % mx_count(keep))) {
        mx_fail(&c->error, MX_ERR_SHAPE, "%s: %lld rows are not %lld equal samples", op, (long long)rows,
                (long long)mx_count(keep));
        return;
    }
    mx_note_product(c, rows, out, in, false, true);
    double flops = 2.0 * (double)rows * (double)out * (double)in;
    MX_DO_WORK(c, op, flops, c->backend->linear_work(c, rows, out, in, x.type),
               linear(c, y, h, r, x, w, b, keep, work));
}

void mx_linear(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor w, mx_tensor b) {
    forward(c, "linear", y, MX_ABSENT, MX_ABSENT, x, w, b, MX_ABSENT);
}

void mx_linear_gelu(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor x, mx_tensor w, mx_tensor b) {
    forward(c, "linear_gelu", y, h, MX_ABSENT, x, w, b, MX_ABSENT);
}

void mx_gelu(mx_ctx *c, mx_tensor y, mx_tensor h) {
    if (mx_need_activation(c, "gelu", "h", h, mx_rows(h), mx_width(h)) &&
        mx_need(c, "gelu", "y", mx_slice(y, 0, mx_count(y)), h.type, 1, mx_count(h)))
        MX_DO(c, "gelu", 0, gelu(c, y, h));
}

void mx_linear_add(mx_ctx *c, mx_tensor y, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep) {
    if (mx_need_count(c, "linear_add", "r", r, mx_count(y)))
        forward(c, "linear_add", y, MX_ABSENT, r, x, w, b, keep);
}

static void backward(mx_ctx *c, const char *op, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy,
                     mx_tensor x, mx_tensor h, mx_tensor w) {
    if (!mx_need_dims(c, op, "w", w, 2) || !mx_need_dims(c, op, "dw", dw, 2)) return;
    int64_t rows = mx_rows(x), out = w.dim[0], in = w.dim[1];
    if (!mx_need_activation(c, op, "x", x, rows, in) || !mx_need_activation(c, op, "dy", dy, rows, out))
        return;
    if (!mx_need(c, op, "dw", dw, MX_F32, out, in)) return;
    if (mx_present(dx) && !mx_need_activation(c, op, "dx", dx, rows, in)) return;
    if (mx_present(db) && !mx_need_count(c, op, "db", db, out)) return;
    if (mx_present(h) &&
        (!mx_need_activation(c, op, "h", h, rows, in) || !mx_need_same_type(c, op, "dh and h", dx, h)))
        return;
    double one = 2.0 * (double)rows * (double)out * (double)in;
    if (mx_present(dx)) mx_note_product(c, rows, in, out, false, false);
    mx_note_product(c, out, in, rows, true, false);
    MX_DO_WORK(c, op, mx_present(dx) ? 2 * one : one, c->backend->linear_back_work(c, rows, out, in, x.type),
               linear_back(c, dx, dw, db, dy, x, h, w, work));
}

void mx_linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                    mx_tensor w) {
    backward(c, "linear_back", dx, dw, db, dy, x, MX_ABSENT, w);
}

void mx_linear_gelu_back(mx_ctx *c, mx_tensor dh, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor a,
                         mx_tensor h, mx_tensor w) {
    const char *op = "linear_gelu_back";
    if (mx_need_activation(c, op, "h", h, mx_rows(a), mx_width(a)) &&
        mx_need_activation(c, op, "dh", dh, mx_rows(a), mx_width(a)))
        backward(c, op, dh, dw, db, dy, a, h, w);
}
