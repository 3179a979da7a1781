/* Matrix products by cuBLASLt. Deterministic: partial sums go to the workspace and are added in order, never by
 * atomics. A plan (descriptors and the algorithm) is made at the first product of a shape. */
#include <stdlib.h>
#include <string.h>

#include "ops/cuda/number.cuh"
#include "ops/cuda/products.cuh"

typedef struct {
    mx_cuda_shape shape;
    uint32_t alignment[5]; /* in bytes, of a, b, c, d and the bias */
} plan_key;

typedef struct plan {
    plan_key key;
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    bool rounded_bias; /* the library takes bf16 biases only */
    struct plan *next;
} plan;

enum { BUCKETS = 256 };
struct mx_cuda_plans {
    plan *bucket[BUCKETS];
};

mx_cuda_plans *mx_cuda_plans_make(void) { return (mx_cuda_plans *)calloc(1, sizeof(mx_cuda_plans)); }

static void free_plan(plan *p) {
    if (p->product) cublasLtMatmulDescDestroy(p->product);
    if (p->a) cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) cublasLtMatrixLayoutDestroy(p->b);
    if (p->d) cublasLtMatrixLayoutDestroy(p->d);
    free(p);
}

void mx_cuda_plans_free(mx_cuda_plans *plans) {
    if (!plans) return;
    for (int i = 0; i < BUCKETS; i++)
        for (plan *p = plans->bucket[i], *next; p; p = next) next = p->next, free_plan(p);
    free(plans);
}

size_t mx_cuda_multiply_work(int64_t columns) {
    return MX_CUDA_WORKSPACE + (size_t)mx_cuda_ceil(2 * columns, MX_ALIGN) * MX_ALIGN;
}

static __global__ void round_bias(mx_bf16 *y, const float *x, int64_t n) {
    for (int64_t i = mx_cuda_index(); i < n; i += mx_cuda_stride()) mx_store(y + i, x[i]);
}

static cudaDataType_t type_of(mx_dtype type) { return type == MX_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/* Bytes that an address is a multiple of, at most 256, which is all that algorithms ask for. */
static uint32_t alignment_of(const void *p) {
    const uintptr_t bits = (uintptr_t)p | 256;
    return (uint32_t)(bits & -bits);
}

/* ---- plans. cuBLASLt stores matrices by columns, so it computes dᵀ = op(b)ᵀ op(a)ᵀ: its first operand is b. ---- */

static bool set(mx_ctx *c, plan *p, cublasLtMatmulDescAttributes_t name, const void *value, size_t size) {
    return mx_cuda_lt_check(c, cublasLtMatmulDescSetAttribute(p->product, name, value, size), "describe");
}

/* Rows and columns as stored; by columns they trade places. */
static bool layout(mx_ctx *c, cublasLtMatrixLayout_t *l, mx_dtype type, int64_t rows, int64_t columns) {
    return mx_cuda_lt_check(
        c, cublasLtMatrixLayoutCreate(l, type_of(type), (uint64_t)columns, (uint64_t)rows, columns),
        "lay out");
}

static bool describe(mx_ctx *c, plan *p, const mx_cuda_shape *s) {
    const cublasOperation_t first = s->trans_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                            second = s->trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = s->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    return mx_cuda_lt_check(c, cublasLtMatmulDescCreate(&p->product, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                            "describe") &&
           set(c, p, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first) &&
           set(c, p, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second) &&
           set(c, p, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) &&
           layout(c, &p->b, s->in, s->trans_b ? s->columns : s->depth, s->trans_b ? s->depth : s->columns) &&
           layout(c, &p->a, s->in, s->trans_a ? s->depth : s->rows, s->trans_a ? s->rows : s->depth) &&
           layout(c, &p->d, s->out, s->rows, s->columns);
}

static bool prefer(mx_ctx *c, cublasLtMatmulPreference_t wish, const plan *p) {
    const size_t room = MX_CUDA_WORKSPACE;
    const uint32_t by_workspace = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t size;
    } row[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room},
               {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &by_workspace, sizeof by_workspace},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &p->key.alignment[1], sizeof(uint32_t)},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &p->key.alignment[0], sizeof(uint32_t)},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &p->key.alignment[2], sizeof(uint32_t)},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &p->key.alignment[3], sizeof(uint32_t)}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        if (!mx_cuda_lt_check(
                c, cublasLtMatmulPreferenceSetAttribute(wish, row[i].name, row[i].value, row[i].size),
                "prefer"))
            return false;
    return true;
}

static void *rounded_bias_of(const mx_cuda_operands *o) { return (char *)o->work + MX_CUDA_WORKSPACE; }

static bool set_bias(mx_ctx *c, plan *p, const mx_cuda_operands *o) {
    const cudaDataType_t type = p->rounded_bias ? CUDA_R_16BF : CUDA_R_32F;
    const void *bias = p->rounded_bias ? rounded_bias_of(o) : o->bias;
    return set(c, p, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type) &&
           set(c, p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
}

/* Not found: no algorithm takes these types. */
static bool find_algorithm(mx_ctx *c, plan *p, cublasLtMatmulPreference_t wish) {
    cublasLtMatmulHeuristicResult_t best = {};
    int found = 0;
    cublasStatus_t r = cublasLtMatmulAlgoGetHeuristic(mx_cuda_of(c)->lt, p->product, p->b, p->a, p->d, p->d,
                                                      wish, 1, &best, &found);
    p->algorithm = best.algo;
    return r == CUBLAS_STATUS_SUCCESS && found == 1;
}

/* First asks for an f32 bias on a bf16 result, which not every release of the library has, then for a bf16 one. */
static bool choose(mx_ctx *c, plan *p, const mx_cuda_shape *s, const mx_cuda_operands *o) {
    cublasLtMatmulPreference_t wish = NULL;
    bool found = false;
    if (!mx_cuda_lt_check(c, cublasLtMatmulPreferenceCreate(&wish), "prefer")) return false;
    if (prefer(c, wish, p)) {
        for (int i = 0; !found && i < (s->bias && s->out == MX_BF16 ? 2 : 1); i++) {
            p->rounded_bias = i > 0;
            if (s->bias && !set_bias(c, p, o)) break;
            found = find_algorithm(c, p, wish);
        }
        if (!found) mx_cuda_lt_check(c, CUBLAS_STATUS_NOT_SUPPORTED, "no algorithm for a product");
    }
    cublasLtMatmulPreferenceDestroy(wish);
    return found;
}

static plan *make_plan(mx_ctx *c, const plan_key *k, const mx_cuda_operands *o) {
    plan *p = (plan *)calloc(1, sizeof *p);
    if (!p) return mx_fail(&c->error, MX_ERR_MEMORY, "out of memory for a product's plan"), (plan *)NULL;
    p->key = *k;
    if (describe(c, p, &k->shape) && choose(c, p, &k->shape, o)) return p;
    free_plan(p);
    return NULL;
}

static unsigned bucket_of(const plan_key *k) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *k; i++) sum = (sum ^ ((const unsigned char *)k)[i]) * 1099511628211u;
    return (unsigned)(sum % BUCKETS);
}

static plan *plan_for(mx_ctx *c, const mx_cuda_shape *s, const mx_cuda_operands *o) {
    plan_key k;
    memset(&k, 0, sizeof k); /* padding too: keys are compared as bytes */
    k.shape.rows = s->rows, k.shape.columns = s->columns, k.shape.depth = s->depth;
    k.shape.trans_a = s->trans_a, k.shape.trans_b = s->trans_b;
    k.shape.in = s->in, k.shape.out = s->out, k.shape.bias = s->bias, k.shape.add = s->add;
    const void *address[] = {o->a, o->b, s->add ? o->addend : o->d, o->d, o->bias};
    for (int i = 0; i < 5; i++) k.alignment[i] = alignment_of(address[i]);
    plan **first = &mx_cuda_of(c)->plans->bucket[bucket_of(&k)];
    for (plan *p = *first; p; p = p->next)
        if (!memcmp(&p->key, &k, sizeof k)) return p;
    plan *made = make_plan(c, &k, o);
    if (made) made->next = *first, *first = made;
    return made;
}

void mx_cuda_multiply(mx_ctx *c, const mx_cuda_shape *s, const mx_cuda_operands *o) {
    if (!s->rows || !s->columns) return;
    plan *p = plan_for(c, s, o);
    if (!p) return;
    mx_cuda *device = mx_cuda_of(c);
    const float one = 1, beta = s->add ? 1.0f : 0.0f;
    if (s->bias && p->rounded_bias)
        MX_LAUNCH(c, (mx_cuda_blocks(s->columns, 256, 64)), 256, 0, round_bias, (mx_bf16 *)rounded_bias_of(o),
                  o->bias, s->columns);
    if (s->bias && !set_bias(c, p, o)) return;
    mx_cuda_lt_check(c,
                     cublasLtMatmul(device->lt, p->product, &one, o->b, p->b, o->a, p->a, &beta,
                                    s->add ? o->addend : o->d, p->d, o->d, p->d, &p->algorithm, o->work,
                                    MX_CUDA_WORKSPACE, device->stream),
                     "product");
}
