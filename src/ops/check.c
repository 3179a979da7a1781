/* Shapes and types of an op's tensors. See check.h. */
#include "ops/check.h"

#include <stdio.h>

static void print_shape(char *out, size_t size, mx_tensor t) {
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t.ndim; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "", (long long)t.dim[i]);
    snprintf(out + n, size - n, "]");
}

bool mx_need(mx_ctx *c, const char *op, const char *what, mx_tensor t, mx_dtype type, int64_t rows,
             int64_t width) {
    if (!mx_ok(c)) return false;
    if (!mx_present(t)) return mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s is absent", op, what), false;
    if (t.type != type)
        return mx_fail(&c->error, MX_ERR_UNSUPPORTED, "%s: %s has element type %d, expected %d", op, what,
                       (int)t.type, (int)type),
               false;
    if (mx_count(t) == rows * width && mx_width(t) == width) return true;
    char found[128];
    print_shape(found, sizeof found, t);
    mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s has shape %s, expected %lld rows of %lld", op, what, found,
            (long long)rows, (long long)width);
    return false;
}

bool mx_need_activation(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t rows,
                        int64_t width) {
    return mx_need(c, op, what, t, t.type == MX_BF16 ? MX_BF16 : MX_F32, rows, width);
}

bool mx_need_same_type(mx_ctx *c, const char *op, const char *what, mx_tensor a, mx_tensor b) {
    if (!mx_ok(c) || a.type == b.type) return mx_ok(c);
    mx_fail(&c->error, MX_ERR_UNSUPPORTED, "%s: %s have element types %d and %d, expected one", op, what,
            (int)a.type, (int)b.type);
    return false;
}

bool mx_need_count(mx_ctx *c, const char *op, const char *what, mx_tensor t, int64_t count) {
    if (!mx_ok(c)) return false;
    if (mx_present(t) && t.type == MX_F32 && mx_count(t) == count) return true;
    char found[128];
    print_shape(found, sizeof found, t);
    mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s has shape %s, expected %lld elements", op, what, found,
            (long long)count);
    return false;
}

bool mx_need_dims(mx_ctx *c, const char *op, const char *what, mx_tensor t, int ndim) {
    if (!mx_ok(c)) return false;
    if (mx_present(t) && t.ndim == ndim && t.type == MX_F32) return true;
    char found[128];
    print_shape(found, sizeof found, t);
    mx_fail(&c->error, MX_ERR_SHAPE, "%s: %s has shape %s, expected %d dimensions", op, what, found, ndim);
    return false;
}
