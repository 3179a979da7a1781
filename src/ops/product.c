/* A bare product, by the cpu backend where there is one. See product.h. */
#include "ops/product.h"

#ifndef MX_WITH_CPU
static void plain(const mx_product *p, float *c, const float *a, const float *b) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            float sum = 0;
            for (int64_t q = 0; q < p->k; q++)
                sum +=
                    a[p->trans_a ? q * p->m + i : i * p->k + q] * b[p->trans_b ? j * p->k + q : q * p->n + j];
            c[i * p->n + j] = sum;
        }
}
#endif

bool mx_product_run(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks) {
#ifdef MX_WITH_CPU
    return mx_cpu_product(p, type, c, a, b, threads, blocks);
#else
    (void)threads;
    if (!blocks || type != MX_F32) return false;
    plain(p, c, a, b);
    return true;
#endif
}
