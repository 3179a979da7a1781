/* Bare products. See product.h. */
#include "ops/product.h"

#include "ops/backend.h"
#include "ops/backends.h"

bool mx_product_run(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks) {
    return mx_backend_host()->product(p, type, c, a, b, threads, blocks);
}

double mx_product_seconds(mx_ctx *c, const mx_product *p, mx_dtype type) {
    return mx_ok(c) && c->backend->product_seconds ? c->backend->product_seconds(c, p, type) : 0;
}
