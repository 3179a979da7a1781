/* A bare product by the ops that a training step uses: forward (a bᵀ), dX (a b), dW (aᵀ b). */
#include <stdlib.h>
#include <string.h>

#include "ops/cpu/cpu.h"
#include "ops/cpu/gemm.h"

static mx_tensor matrix(const void *x, mx_dtype type, int64_t rows, int64_t columns) {
    return mx_view((void *)(uintptr_t)x, type, rows, columns, 0, 0, 0);
}

bool mx_cpu_product(const mx_product *p, mx_dtype type, float *c, const void *a, const void *b, int threads,
                    bool blocks) {
    if (!blocks && type == MX_BF16)
        return mx_library_gemm_bf16(p->trans_a, p->trans_b, p->m, p->n, p->k, a, b, c, threads);
    if (!blocks) return mx_library_gemm(p->trans_a, p->trans_b, p->m, p->n, p->k, a, b, c, threads);
    mx_ctx ctx = {.backend = mx_cpu_find(), .threads = threads};
    const int64_t m = p->m, n = p->n, k = p->k;
    const size_t need = p->trans_a   ? mx_cpu_linear_back_work(&ctx, k, m, n, type)
                        : p->trans_b ? mx_cpu_linear_work(&ctx, m, n, k, type)
                                     : mx_cpu_linear_back_work(&ctx, m, k, n, type);
    void *work = aligned_alloc(MX_ALIGN, (need + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN);
    if (!work) return false;
    if (p->trans_a) { /* dW [m,n] += aᵀ b over k rows */
        memset(c, 0, sizeof(float) * (size_t)(m * n));
        mx_cpu_linear_back(&ctx, MX_ABSENT, matrix(c, MX_F32, m, n), MX_ABSENT, matrix(a, type, k, m),
                           matrix(b, type, k, n), MX_ABSENT, matrix(b, MX_F32, m, n), work);
    } else if (p->trans_b) {
        mx_cpu_linear(&ctx, matrix(c, MX_F32, m, n), MX_ABSENT, MX_ABSENT, matrix(a, type, m, k),
                      matrix(b, MX_F32, n, k), MX_ABSENT, MX_ABSENT, work);
    } else { /* dX [m,n] = a [m,k] w [k,n] */
        mx_cpu_input_gradient(&ctx, matrix(c, MX_F32, m, n), matrix(a, type, m, k), matrix(b, MX_F32, k, n),
                              work);
    }
    free(work);
    return true;
}
