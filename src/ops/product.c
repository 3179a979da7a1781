/* A bare product on the default backend. See product.h. */
#include "ops/product.h"

#include "ops/backend.h"
#include "ops/backends.h"

bool mx_product_run(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks) {
    return mx_backend_find(NULL)->product(p, type, c, a, b, threads, blocks);
}
