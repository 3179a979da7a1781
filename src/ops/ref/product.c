/* A bare product: plain loops. See product.h. */
#include "ops/ref/ref.h"

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

bool mx_ref_product(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks) {
    (void)threads;
    if (!blocks || type != MX_F32) return false;
    plain(p, c, a, b);
    return true;
}
